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
        self._before: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = _libraries().limit(limits=1)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._before.restore_original_limits()


@cache
def _libraries() -> Any:
    from threadpoolctl import ThreadpoolController

    # Numpy's own. Those built on OpenMP count for each thread apart, and are not set back by another one.
    return ThreadpoolController().select(threading_layer="pthreads")


one_thread = _OneThread()
