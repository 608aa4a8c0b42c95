"""How far a long job is, on standard error: a bar on a terminal, elsewhere one plain line every few seconds."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from latentstore.cli.output import console, note

PLAIN_SECONDS = 5.0


class Progress:
    """A context manager around one job, told by `update`. Where there is no terminal a quick job stays silent."""

    def __init__(self, job: str) -> None:
        self._job = job
        self._began = self._said = time.monotonic()
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            self._bar, self._task = _bar(self._job)
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, cause: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: float, total: float, facts: str = "") -> None:
        """done, total: in one unit, whichever; a total of 0 is not known. facts: what else to say, as '12 files, 340 passages/s'."""
        left = self._left(done, total)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=total or None, facts=_joined(facts, left))
        elif time.monotonic() - self._said >= PLAIN_SECONDS:
            self._said = time.monotonic()
            share = f"{_share(done, total):.0%}" if total else ""
            note(f"{self._job}: {_joined(share, facts, left)}")

    def _left(self, done: float, total: float) -> str:
        if done <= 0 or done >= total:
            return ""
        seconds = (time.monotonic() - self._began) * (total - done) / done
        return f"{duration(seconds)} left"


def duration(seconds: float) -> str:
    """'4 s', '3 min 20 s', '2 h 5 min'."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _share(done: float, total: float) -> float:
    return min(1.0, done / total) if total else 0.0


def _joined(*facts: str) -> str:
    return ", ".join(fact for fact in facts if fact)


def _bar(job: str) -> tuple[Any, Any]:
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[facts]}"),
        console=console(stderr=True),
        transient=True,
    )
    return bar, bar.add_task(job, total=None, facts="")
