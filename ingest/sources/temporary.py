"""Temporary files: one folder a process, never among the user's own, gone when the job or the process ends.

A process that was killed leaves its folder behind; the next job removes it, knowing by a lock that nobody is there.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from ingest.results import Unreadable
from ingest.sources.base import KINDS, ending_of

PIECE = 1 << 20  # bytes copied at a time
_PREFIX = "latentstore-ingest-"
_LOCK = ".lock"
_guard = threading.RLock()


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class _Folder:
    """The process's folder, its lock, and what is kept in it until the job ends."""

    def __init__(self) -> None:
        _sweep()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.owner = os.getpid()
        self.kept: dict[Hashable, Path] = {}
        # Locked before it has its name: whoever sweeps finds it held.
        self._lock, unnamed = tempfile.mkstemp(dir=self.path)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Path(unnamed).rename(self.path / _LOCK)

    def remove(self) -> None:
        if self.owner == os.getpid():  # a forked child has the object, and the folder is its parent's
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


class _State:
    folder: _Folder | None = None
    jobs = 0


def _folder() -> _Folder:
    with _guard:
        if _State.folder is None or _State.folder.owner != os.getpid():
            _State.folder = _Folder()
        return _State.folder


@atexit.register
def _remove() -> None:
    with _guard:
        if _State.folder is not None:
            _State.folder.remove()
            _State.folder = None


@contextlib.contextmanager
def scratch() -> Iterator[None]:
    """Around a job: when the last one that is under way ends, the folder goes, with all that is kept in it."""
    with _guard:
        _State.jobs += 1
    try:
        yield
    finally:
        with _guard:
            _State.jobs -= 1
            if not _State.jobs:
                _remove()


@contextlib.contextmanager
def temporary(name: str) -> Iterator[Path]:
    """A path for a new file with the ending of `name`, if that is a known one; the file is removed behind the block."""
    path = _new(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def kept(key: Hashable, name: str, write: Callable[[Path], None]) -> Path:
    """The file that `write` made for `key`, once a job: for what can be read only once, or is slow to make."""
    with _guard:
        folder = _folder()
        if key not in folder.kept:
            path = _new(name)
            try:
                write(path)
            except BaseException:
                path.unlink(missing_ok=True)
                raise
            folder.kept[key] = path
        return folder.kept[key]


def pour(pieces: Iterable[bytes], path: Path, most: int) -> int:
    """Write over a file piece by piece; the bytes written. Raises Unreadable past `most`."""
    written = 0
    # Truncated behind, not before: some file systems write out at once what takes the place of a truncated file.
    with path.open("r+b") as file:
        for piece in pieces:
            written += len(piece)
            if written > most:
                raise Unreadable(f"is larger than {most:,} bytes; the limit can be raised")
            file.write(piece)
        file.truncate()
    return written


def pieces_of(file: Readable) -> Iterator[bytes]:
    while piece := file.read(PIECE):
        yield piece


def _new(name: str) -> Path:
    ending = ending_of(name)
    number, path = tempfile.mkstemp(ending if ending in KINDS else "", dir=_folder().path)
    os.close(number)
    return Path(path)


def _sweep() -> None:
    """Remove the folders of processes that are no more."""
    for left in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if left.lstat().st_uid != os.getuid():
                continue
            number = os.open(left / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(number)
