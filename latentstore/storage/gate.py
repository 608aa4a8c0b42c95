"""Gate: any number of threads inside, or one alone. DuckDB refuses to close a connection that another thread is using."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator

_AGAIN = 0.05  # seconds until those inside are hurried once more: one may have begun its next statement


class Gate:
    """A thread that is inside may enter again, and must have left before it asks to be alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: Counter[int] = Counter()
        self._alone = False

    @contextlib.contextmanager
    def inside(self) -> Iterator[None]:
        """Wait while another thread is alone, and keep it waiting during the block."""
        me = threading.get_ident()
        with self._changed:
            self._changed.wait_for(lambda: not self._alone or self._inside[me] > 0)
            self._inside[me] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[me] -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self, hurry: Callable[[], None] | None = None) -> Iterator[None]:
        """Let nobody in any more, call `hurry` until everybody has left, and run the block."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone)
            self._alone = True
        try:
            self._await_others(hurry)
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()

    def _await_others(self, hurry: Callable[[], None] | None) -> None:
        me = threading.get_ident()
        with self._changed:
            while any(count for thread, count in self._inside.items() if thread != me):
                if hurry is not None:
                    hurry()
                self._changed.wait(_AGAIN)
            self._inside = +self._inside
