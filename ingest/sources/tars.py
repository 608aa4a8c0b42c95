"""Members of tar archives, read as a stream: one can be opened until the next one is asked for."""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ingest.results import Unreadable
from ingest.sources.budget import Budget
from ingest.sources.compressed import Metered
from ingest.sources.member import Member, Opening
from ingest.sources.temporary import PIECE, pieces_of, pour, temporary

_HEADER = 1 << 16  # bytes of a header that carries a long name or attributes
_BETWEEN = 1 << 20  # bytes of all headers between one member and the next
_CARRIERS = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)
_FAILURES = (tarfile.TarError, ArithmeticError, LookupError, ValueError, EOFError, RecursionError, struct.error)
_SPARSE = "holds a file with holes in it, which is not read from a tar; unpack it and name the folder"


class _Header(tarfile.TarInfo):
    """tarfile takes a broken header for the end, and reads a long one into memory whatever its size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        if len(buf) < tarfile.BLOCKSIZE:
            raise Unreadable("was cut short: it stops before the mark that ends a tar archive")
        if not any(buf):
            return super().frombuf(buf, encoding, errors)  # raises what tarfile knows for the end
        try:
            found = super().frombuf(buf, encoding, errors)
        except tarfile.TarError as cause:
            raise Unreadable(f"is damaged, or no tar archive: {cause}") from cause
        if found.type == tarfile.GNUTYPE_SPARSE:
            raise Unreadable(_SPARSE)
        if found.size < 0 or (found.type in _CARRIERS and found.size > _HEADER):
            raise Unreadable(f"has a header of {found.size:,} bytes, more than any honest one")
        return found


@dataclass(slots=True)
class _Reading:
    """Where in the stream: at which member, and how much of it is still to come."""

    archive: tarfile.TarFile
    stream: Metered
    budget: Budget
    at: tarfile.TarInfo | None = None
    left: int = 0

    def advance(self) -> tarfile.TarInfo | None:
        self.stream.allow(self.left + _BETWEEN)
        self.at = self.archive.next()
        self.archive.members = []  # type: ignore[attr-defined]  # tarfile keeps every one
        self.left = 0 if self.at is None else self.at.size
        self.stream.allow(self.left + _BETWEEN)
        return self.at

    def pieces(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        file = self.archive.extractfile(member)
        for piece in pieces_of(file) if file else ():
            self.left -= len(piece)
            yield piece

    def opening(self, member: tarfile.TarInfo) -> Opening:
        @contextmanager
        def local() -> Iterator[Path]:
            if self.at is not member:
                raise Unreadable("cannot be opened any more: its archive has been read on")
            if member.size > self.budget.limits.bytes:
                raise Unreadable(f"is larger than {self.budget.limits.bytes:,} bytes; the limit can be raised")
            with temporary(member.name) as path:
                try:
                    pour(self.pieces(member), path, self.budget.limits.bytes)
                except _FAILURES as cause:
                    raise Unreadable(f"its archive is damaged or was cut short: {cause}") from cause
                yield path

        return local


def is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True


def listed(stream: Metered, budget: Budget) -> Iterator[Member]:
    """Every file, in order. Raises Unreadable where the stream breaks."""
    try:
        stream.allow(_BETWEEN)
        with tarfile.open(
            fileobj=stream, mode="r|", tarinfo=_Header, encoding="utf-8", errors="surrogateescape"
        ) as archive:
            reading = _Reading(archive, stream, budget)
            while member := reading.advance():
                if member.issparse():
                    raise Unreadable(_SPARSE)
                if member.isreg():
                    name = member.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                    # No stamp: archives that are made reproducibly give all members the same time.
                    yield Member(name, member.size, float(member.mtime), None, reading.opening(member))
    except _FAILURES as cause:
        raise Unreadable(f"is damaged or was cut short: {cause}") from cause
    stream.allow(budget.bytes)
    while not stream.ended and stream.read(PIECE):  # a checksum stands at the very end
        pass
