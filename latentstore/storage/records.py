"""What a hit shows, addressed by row: a derived copy of the items table, memory-mapped, so that a search need not ask the catalog.

    records-<g>.bin   one record after another: header (crc32 of all that follows, row, body length, id length), the id,
                      packed [text, uri, metadata values]
    records-<g>.at    row → where its record starts, int64, -1 for a row that compaction has dropped

An updated item gets a new record at the end; the catalog's `moves` says where. A deleted one leaves a tombstone (body
length 0), and every commit ends with an end mark (row -1, body: its number): both only matter to a repair that has lost
the catalog and reads this file as a log. Losing both files costs time, never data.
"""

from __future__ import annotations

import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latentstore.errors import Corrupted
from latentstore.fileio import refused, storage_errors, sync_folder, write_at
from latentstore.storage.values import pack, packer, unpack
from latentstore.types import Int64

_HEADER = struct.Struct("<IqII")
_CHECKED = struct.Struct("<qII")
_SEQ = struct.Struct("<q")
_END = -1  # the row of an end mark
_END_BYTES = _HEADER.size + _SEQ.size


@dataclass(frozen=True, slots=True)
class Record:
    """One item as stored. `values`: its metadata in column order; columns that came later are missing at the end."""

    row: int
    id: str
    text: str | None
    uri: str | None
    values: Sequence[Any]


@dataclass(frozen=True)
class RecordFiles:
    folder: Path
    generation: int

    @property
    def bodies(self) -> Path:
        return self.folder / f"records-{self.generation}.bin"

    @property
    def starts(self) -> Path:
        return self.folder / f"records-{self.generation}.at"

    def hold(self, size: int, rows: int) -> bool:
        """Whether the files are there and at least as long as the catalog says."""
        lengths = [path.stat().st_size if path.exists() else 0 for path in (self.bodies, self.starts)]
        return lengths[0] >= size and lengths[1] >= rows * 8

    def ended(self, size: int) -> bool:
        """Whether the first `size` bytes end with an end mark, as every commit leaves them. Another collection's do not."""
        if not size:
            return True
        with self.bodies.open("rb") as file:
            file.seek(max(size - _END_BYTES, 0))
            found = _entry(file.read(_END_BYTES), 0)
        return found is not None and found.seq is not None

    def cut(self, size: int, rows: int) -> None:
        """Drop what a crash left past the committed lengths."""
        for path, length in ((self.bodies, size), (self.starts, rows * 8)):
            if path.exists() and path.stat().st_size > length:
                with storage_errors(path):
                    os.truncate(path, length)


def encode(record: Record) -> bytes:
    return _encoded(record.row, record.id.encode(), pack([record.text, record.uri, *record.values]))


def encode_all(
    rows: Int64, ids: Sequence[str], texts: Sequence[str | None], uris: Sequence[str | None], values: Sequence[Any]
) -> list[bytes]:
    """What `encode` makes of each of n items, given field by field. values: n sequences in column order."""
    packed = packer()
    return [
        _encoded(row, name.encode(), packed([text, uri, *rest]))
        for row, name, text, uri, rest in zip(rows.tolist(), ids, texts, uris, values, strict=True)
    ]


def _encoded(row: int, name: bytes, packed: bytes) -> bytes:
    checked = _CHECKED.pack(row, len(name) + len(packed), len(name)) + name + packed
    return zlib.crc32(checked).to_bytes(4, "little") + checked


def tombstone(row: int) -> bytes:
    return _signed(_CHECKED.pack(row, 0, 0))


def end_mark(seq: int) -> bytes:
    """What stands behind the records of commit `seq`: all of them were written."""
    return _signed(_CHECKED.pack(_END, _SEQ.size, 0) + _SEQ.pack(seq))


def _signed(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(4, "little") + data


class RecordWriter:
    """Appends records and their starts. Nothing it writes counts before the catalog says so."""

    def __init__(self, files: RecordFiles) -> None:
        self.files = files
        with storage_errors(files.bodies):
            self._bodies = os.open(files.bodies, os.O_RDWR | os.O_CREAT, 0o666)
            self._starts = os.open(files.starts, os.O_RDWR | os.O_CREAT, 0o666)
            sync_folder(files.folder)

    def append(self, size: int, chunks: Sequence[bytes]) -> Int64:
        """Write records at `size`, the committed length. Returns where each starts, (n,) int64. Not yet durable."""
        with storage_errors(self.files.bodies):
            # A longer write that failed must not leave whole records behind this one: the file is also a log.
            if os.fstat(self._bodies).st_size > size:
                os.ftruncate(self._bodies, size)
            write_at(self._bodies, b"".join(chunks), size)
        lengths = np.fromiter(map(len, chunks), dtype=np.int64, count=len(chunks))
        return size + np.cumsum(lengths) - lengths

    def index(self, first_row: int, starts: Int64) -> None:
        """Write where the records of rows first_row.. start. Not yet durable."""
        with storage_errors(self.files.starts):
            write_at(self._starts, np.ascontiguousarray(starts).data, first_row * 8)

    @property
    def handles(self) -> list[tuple[Path, int]]:
        """The open files, for `sync_together`."""
        return [(self.files.bodies, self._bodies), (self.files.starts, self._starts)]

    def close(self) -> None:
        os.close(self._bodies)
        os.close(self._starts)


class RecordView:
    """The committed records of one moment. Safe for any number of threads."""

    def __init__(self, files: RecordFiles, size: int, rows: int, moves: Mapping[int, int]) -> None:
        self.files = files
        self.size = size
        self.rows = rows
        self.moves = moves
        self._bodies = _map(files.bodies, size)
        starts = _map(files.starts, rows * 8)
        self._starts: Int64 = np.frombuffer(starts, dtype=np.int64) if rows else np.empty(0, dtype=np.int64)

    def read(self, rows: Int64) -> list[bytes]:
        """The raw record of each row, checked. Raises Corrupted when one is not what was written."""
        starts = self._starts[rows].tolist()
        if self.moves:
            moves = self.moves
            starts = [moves.get(row, start) for row, start in zip(rows.tolist(), starts, strict=True)]
        return [self._one(row, start) for row, start in zip(rows.tolist(), starts, strict=True)]

    def _one(self, row: int, start: int) -> bytes:
        bodies = self._bodies
        if 0 <= start <= self.size - _HEADER.size:
            crc, found, length, _ = _HEADER.unpack_from(bodies, start)
            end = start + _HEADER.size + length
            if found == row and end <= self.size:
                raw: bytes = bodies[start:end]
                if zlib.crc32(raw[4:]) == crc:
                    return raw
        raise Corrupted(f"{self.files.bodies}: the record of row {row} is damaged; run 'latentstore repair'")


def id_of(raw: bytes) -> str:
    length = _HEADER.unpack_from(raw)[3]
    return raw[_HEADER.size : _HEADER.size + length].decode()


def decode(raw: bytes) -> Record:
    _, row, _, name = _HEADER.unpack_from(raw)
    start = _HEADER.size
    text, uri, *values = unpack(raw[start + name :])
    return Record(row, raw[start : start + name].decode(), text, uri, values)


class Entry(NamedTuple):
    """One thing that a scan found: a record, a tombstone (neither record nor seq), or an end mark (seq)."""

    start: int
    stop: int
    row: int
    record: Record | None
    seq: int | None


def scan(path: Path) -> Iterator[Entry]:
    """Every readable entry in file order, for a repair.

    After a damaged stretch the scan goes on at the next place where a header and its checksum agree.
    """
    data = path.read_bytes()
    at = 0
    while at <= len(data) - _HEADER.size:
        found = _entry(data, at)
        if found is not None:
            yield found
        at = found.stop if found else at + 1


def unreadable(path: Path, size: int) -> int:
    """How many of the first `size` bytes belong to no entry that a scan can read."""
    if not size or not path.exists():
        return size
    return size - sum(entry.stop - entry.start for entry in scan(path) if entry.stop <= size)


def _entry(data: bytes, at: int) -> Entry | None:
    if len(data) < at + _HEADER.size:
        return None
    crc, row, length, name = _HEADER.unpack_from(data, at)
    stop = at + _HEADER.size + length
    if row < _END or stop > len(data) or name > length or zlib.crc32(data[at + 4 : stop]) != crc:
        return None
    if row == _END:
        return Entry(at, stop, row, None, _SEQ.unpack_from(data, at + _HEADER.size)[0])
    return Entry(at, stop, row, decode(data[at:stop]) if length else None, None)


def _map(path: Path, size: int) -> Any:
    if not size:
        return b""
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise refused(path, str(error)) or Corrupted(
            f"{path} is missing or shorter than its {size} committed bytes: {error}"
        ) from error
