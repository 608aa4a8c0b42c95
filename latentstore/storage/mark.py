"""The mark: which commit the catalog last made, in a file of its own, so that a catalog that lost its end is noticed.

DuckDB takes a write-ahead log that was cut short for one that a crash cut short, and drops the rest of it in silence.
The mark is written after each commit and not synced: after a power loss it may lag behind, but it never runs ahead of
what was committed. A catalog that knows less than the mark has lost commits.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

MARK = "committed"
_BODY = struct.Struct("<qqq")
_SIZE = _BODY.size + 4


class Mark(NamedTuple):
    """`seq` of the last commit; the generation of the records and how many of their bytes it counts."""

    seq: int
    records_generation: int
    records_bytes: int


class MarkWriter:
    """Never raises: the commit that it notes has been made."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / MARK
        self._fd = -1
        self._last: Mark | None = None

    def note(self, mark: Mark) -> None:
        if mark == self._last:
            return
        body = _BODY.pack(*mark)
        with contextlib.suppress(OSError):
            if self._fd < 0:
                self._fd = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o666)
                os.ftruncate(self._fd, min(_SIZE, os.fstat(self._fd).st_size))
            os.pwrite(self._fd, body + zlib.crc32(body).to_bytes(4, "little"), 0)
            self._last = mark

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def read_mark(folder: Path) -> Mark | None:
    """None where there is none, or it is not what was written."""
    try:
        found = (folder / MARK).read_bytes()
    except OSError:
        return None
    if len(found) != _SIZE or zlib.crc32(found[:-4]).to_bytes(4, "little") != found[-4:]:
        return None
    return Mark(*_BODY.unpack(found[:-4]))


def mark_damaged(folder: Path) -> bool:
    """Whether there is one, and it is not what was written."""
    return (folder / MARK).exists() and read_mark(folder) is None
