"""One thread for numpy's products, while they are many and small.

Two threads that wait for each other at the end of every small product take four times as long as one as soon as another
thread, a decoder of pictures say, wants the processor too.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any


class _OneThread:
    """A context. The number of threads is the process's, so the first to enter sets it and the last to leave sets it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[tuple[Any, int]] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = [(library, library.num_threads) for library in _libraries()]
                _set([(library, 1) for library, _ in self._before])
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _set(self._before)


def _set(numbers: list[tuple[Any, int]]) -> None:
    for library, number in numbers:
        library.set_num_threads(number)
        library.clear_controlling_thread()  # another thread may be the one to set it back


@cache
def _libraries() -> list[Any]:
    """Numpy's own. Those built on OpenMP, as that of FAISS, count for each thread apart."""
    from threadpoolctl import ThreadpoolController

    known = ThreadpoolController().select(internal_api="openblas").lib_controllers
    return [library for library in known if library.threading_layer == "pthreads"]


one_thread = _OneThread()
