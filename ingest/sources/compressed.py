"""Compressed files: of one file (`notes.txt.gz` holds `notes.txt`), or of a tar. They are streamed, in bounded memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingest.results import Unreadable
from ingest.sources import magic
from ingest.sources.base import COMPRESSED, Document, Kind, ending_of, kind_of
from ingest.sources.budget import Budget
from ingest.sources.member import Member
from ingest.sources.temporary import PIECE, pieces_of, pour, temporary

_MEMORY = 256 << 20  # bytes that an xz stream may ask for
_TARS = (".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tzst")
Opener = Callable[[Path], Any]


def opener(head: bytes) -> Opener | None:
    """What decompresses a file that begins so; None for one that is not compressed."""
    return next((opens for mark, opens in _OPENERS.items() if head.startswith(mark)), None)


def listed(document: Document, path: Path, opens: Opener, budget: Budget) -> Iterator[Member]:
    """The one file, or the members of the tar. Raises Unreadable."""
    from ingest.sources import tars

    with Metered(opens(path), budget) as stream:
        head = stream.read(magic.HEAD)
    inner = document.name[: -len(ending_of(document.name))] if ending_of(document.name) in COMPRESSED else document.name
    if tars.is_tar(head) or document.name.lower().endswith(_TARS) or inner.lower().endswith(_TARS):
        with Metered(opens(path), budget) as stream:
            yield from tars.listed(stream, budget)
        return

    @contextmanager
    def local() -> Iterator[Path]:
        with temporary(inner) as unpacked:
            with Metered(opens(path), budget) as stream:
                pour(pieces_of(stream), unpacked, budget.limits.bytes)
            yield unpacked

    name = inner.rpartition("/")[2]
    kind = kind_of(name) or magic.kind_of_bytes(head) or (Kind.TEXT if document.named else None)
    yield Member(name, None, document.modified, None, local, kind)


class Metered(io.RawIOBase):
    """A stream whose bytes are paid from a budget, and whose failures are Unreadable."""

    def __init__(self, inner: Any, budget: Budget) -> None:
        self._inner, self._budget = inner, budget
        self._allowed: int | None = None
        self.ended = False

    def allow(self, count: int) -> None:
        """Raise Unreadable when more than that is read before the next call."""
        self._allowed = count

    def read(self, size: int = -1) -> bytes:
        try:
            piece: bytes = self._inner.read(size)
        except (EOFError, zlib.error, lzma.LZMAError, OSError) as cause:
            if isinstance(cause, OSError) and cause.errno:
                raise
            raise Unreadable(f"is damaged or was cut short: {cause}") from cause
        if not piece and size:
            # tarfile skips a member of a lying size by asking for as many blocks, end or no end.
            if self.ended:
                raise Unreadable("was cut short: it ends before the last of what it promises")
            self.ended = True
        self._budget.spend(len(piece))
        if self._allowed is not None:
            self._allowed -= len(piece)
            if self._allowed < 0:
                raise Unreadable("has a header that is larger than any honest one")
        return piece

    def close(self) -> None:
        self._inner.close()
        super().close()


class _Xz(io.RawIOBase):
    """lzma.open has no limit for memory."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decoder = lzma.LZMADecompressor(memlimit=_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        given = b""
        while True:
            if self._decoder.eof:
                given = (self._decoder.unused_data or self._file.read(PIECE)).lstrip(b"\0")
                if not given:
                    return 0
                self._decoder = lzma.LZMADecompressor(memlimit=_MEMORY)
            elif self._decoder.needs_input:
                given = self._file.read(PIECE)
                if not given:
                    raise EOFError("the compressed stream ends too early")
            piece = self._decoder.decompress(given, len(buffer))
            given = b""
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)

    def close(self) -> None:
        self._file.close()
        super().close()


def _zstd(path: Path) -> Any:
    import pyarrow

    return pyarrow.input_stream(str(path), compression="zstd")


_OPENERS: dict[bytes, Opener] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lambda path: io.BufferedReader(_Xz(path), PIECE),
    b"\x28\xb5\x2f\xfd": _zstd,
}
