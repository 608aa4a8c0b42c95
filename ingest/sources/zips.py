"""Members of zip archives. The directory at the end is read first, and not believed: sizes are measured on the way out."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO, BinaryIO

from ingest.results import Unreadable
from ingest.sources.budget import Budget, expanded
from ingest.sources.member import Member, Opening
from ingest.sources.temporary import pieces_of, pour, temporary

MAGIC = (b"PK\3\4", b"PK\5\6")
_READ = frozenset(
    {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2}
)  # others may ask for gigabytes to unpack
_UTF8, _ENCRYPTED = 0x800, 0x1
_END, _END64_LOCATOR = b"PK\5\6", b"PK\6\7"
_ENTRY = struct.Struct("<4s24xHHH12x")  # an entry of the directory: lengths of name, extra and comment
_FAILURES = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError, NotImplementedError)


def listed(path: Path, budget: Budget) -> Iterator[Member]:
    """Every file, in the order of the directory. Raises Unreadable."""
    with opened(path, budget) as members:
        yield from members


@contextmanager
def opened(path: Path, budget: Budget) -> Iterator[Iterator[Member]]:
    """The same, and all of them can be opened, in any order, for as long as the block lasts. Raises Unreadable."""
    _check_directory(path, budget.members)
    try:
        archive = zipfile.ZipFile(path)
    except _FAILURES as cause:
        raise Unreadable(f"is a damaged zip archive: {cause}") from cause
    with archive:
        yield _members(archive, budget)


def _members(archive: zipfile.ZipFile, budget: Budget) -> Iterator[Member]:
    entries = archive.infolist()
    overlapping = _overlapping(entries)
    for entry in entries:
        if entry.is_dir() or stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
            continue
        stamp = f"{entry.CRC:08x}:{entry.file_size}:{entry.date_time}"
        local = _opening(archive, entry, budget, entry.header_offset in overlapping)
        yield Member(_name(entry), entry.file_size, _modified(entry), stamp, local)


def _opening(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, budget: Budget, overlaps: bool) -> Opening:
    @contextmanager
    def local() -> Iterator[Path]:
        if entry.flag_bits & _ENCRYPTED:
            raise Unreadable("is encrypted; unpack the archive with its password and name the folder")
        if entry.compress_type not in _READ:
            raise Unreadable(
                f"is compressed by zip's method {entry.compress_type}, which is not read; unpack the archive"
            )
        if entry.file_size > budget.limits.bytes:
            raise Unreadable(f"is larger than {budget.limits.bytes:,} bytes; the limit can be raised")
        if overlaps:
            raise Unreadable("shares its bytes with another member, as bombs do")
        with temporary(entry.filename) as path:
            try:
                with archive.open(entry) as file:
                    _copy(file, path, entry, budget)
            except _FAILURES as cause:
                if isinstance(cause, OSError) and cause.errno:
                    raise  # of this disk, not of the archive
                raise Unreadable(f"is damaged in its archive: {cause}") from cause
            yield path

    return local


def _copy(file: IO[bytes], path: Path, entry: zipfile.ZipInfo, budget: Budget) -> None:
    own = Budget(budget.limits, expanded(entry.compress_size, budget.limits), 0)

    def paid() -> Iterator[bytes]:
        for piece in pieces_of(file):
            own.spend(len(piece))
            budget.spend(len(piece))
            yield piece

    pour(paid(), path, budget.limits.bytes)


def _name(entry: zipfile.ZipInfo) -> str:
    """Names without the flag for UTF-8 often are UTF-8 all the same. Backslashes part folders in archives of old Windows tools."""
    name = entry.orig_filename
    if not entry.flag_bits & _UTF8:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return name.replace("\\", "/")


def _modified(entry: zipfile.ZipInfo) -> float | None:
    try:
        return datetime(*entry.date_time).timestamp()  # a zip keeps local time
    except (ValueError, OverflowError):
        return None


def _overlapping(entries: Sequence[zipfile.ZipInfo]) -> set[int]:
    """Offsets of the members that begin before the one in front of them ends."""
    found, end = set(), 0
    for entry in sorted(entries, key=lambda entry: entry.header_offset):
        if entry.header_offset < end:
            found.add(entry.header_offset)
        end = max(end, entry.header_offset + 30 + entry.compress_size)
    return found


def _check_directory(path: Path, most: int) -> None:
    """Count the entries before they are held in memory. Raises Unreadable."""
    with path.open("rb") as file:
        at, end = _directory(file)
        file.seek(at)
        count = 0
        while file.tell() < end and len(head := file.read(_ENTRY.size)) == _ENTRY.size:
            signature, *lengths = _ENTRY.unpack(head)
            if signature != b"PK\1\2":
                return  # zipfile says what is wrong
            file.seek(sum(lengths), 1)
            count += 1
            if count > most:
                raise Unreadable(f"holds more than {most:,} members; the limit can be raised")


def _directory(file: BinaryIO) -> tuple[int, int]:
    """Where the directory begins and ends. Raises Unreadable."""
    size = file.seek(0, 2)
    base = max(0, size - (1 << 16) - 22)
    file.seek(base)
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise Unreadable("is a zip archive without its directory: it was cut short, or is not all there")
    length = int.from_bytes(tail[at + 12 : at + 16], "little")
    end = base + at
    if at >= 20 and tail.startswith(_END64_LOCATOR, at - 20):
        file.seek(int.from_bytes(tail[at - 12 : at - 4], "little"))
        record = file.read(56)
        length = int.from_bytes(record[40:48], "little")
        end = base + at - 20 - len(record)
    return max(0, end - length), end
