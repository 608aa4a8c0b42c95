"""Filters that were evaluated already, by expression, commit and space; the least recently used go first."""

from __future__ import annotations

import threading
from collections import OrderedDict

from latentstore.engine.planner import Allowed

_MOST = 64
_BYTES = 256 << 20

Key = tuple[str, int, str]


class FilterCache:
    def __init__(self) -> None:
        self._kept: OrderedDict[Key, Allowed] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Allowed | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Key, allowed: Allowed) -> None:
        with self._lock:
            self._kept[key] = allowed
            # Nobody asks for an earlier commit again.
            for old in [other for other in self._kept if other[1] < key[1]]:
                del self._kept[old]
            while len(self._kept) > 1 and (len(self._kept) > _MOST or self._bytes() > _BYTES):
                self._kept.popitem(last=False)

    def _bytes(self) -> int:
        return sum(allowed.nbytes for allowed in self._kept.values())
