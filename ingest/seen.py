"""Names met before, by the million."""

from __future__ import annotations

from typing import Any

import numpy as np


class Seen:
    """A set of strings in 8 bytes each: it keeps hashes, in sorted arrays that double in size."""

    _SMALL = 4096

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._sorted: list[np.ndarray[Any, np.dtype[np.int64]]] = []  # longest first

    def __contains__(self, name: object) -> bool:
        key = hash(name)
        return key in self._recent or any(_holds(array, key) for array in self._sorted)

    def add(self, name: str) -> bool:
        """True when the name is new."""
        if name in self:
            return False
        self._recent.add(hash(name))
        if len(self._recent) >= self._SMALL:
            self._settle()
        return True

    def _settle(self) -> None:
        array = np.sort(np.fromiter(self._recent, np.int64, len(self._recent)))
        self._recent.clear()
        while self._sorted and len(self._sorted[-1]) <= len(array):
            array = np.sort(np.concatenate([self._sorted.pop(), array]))
        self._sorted.append(array)


def _holds(array: np.ndarray[Any, np.dtype[np.int64]], key: int) -> bool:
    at = int(np.searchsorted(array, key))
    return at < len(array) and int(array[at]) == key
