"""Parquet, Arrow IPC (file and stream) and Feather: record batches of bounded size, and blocks made of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ingest.readers import vectors
from ingest.readers.arrowcells import unfolded, values
from ingest.readers.blocks import ROWS, WEIGHT, Block, Faults
from ingest.readers.columns import Roles, check_count
from ingest.results import Unreadable
from ingest.sources.base import Kind

_HELD = 256 << 20  # bytes: a batch of an Arrow file that may be longer is mapped, not read at once
_EXPANDED = 512 << 20  # bytes that the rows decoded at once may grow to
_BUFFER = 1 << 20  # bytes of each column read at a time

Piece = tuple[pa.RecordBatch, float]  # and the share of the table that is behind it


class ArrowTable:
    """A Parquet, Arrow or Feather file. Raises pyarrow.ArrowException, OSError or Unreadable."""

    def __init__(self, kind: Kind, path: Path) -> None:
        self._path = path
        self._parquet = kind is Kind.PARQUET
        with self._opened() as file:
            self.names: list[str] = list((file.schema_arrow if self._parquet else file.schema).names)
        check_count(len(self.names))

    def blocks(self, roles: Roles) -> Iterator[Block]:
        with self._opened() as file:
            yield from of_batches(_parquet(file, self._path) if self._parquet else _arrow(file, self._path), roles)

    def _opened(self) -> Any:
        if self._parquet:
            return pq.ParquetFile(self._path, buffer_size=_BUFFER, pre_buffer=False)
        with self._path.open("rb") as file:
            magic = file.read(6)
        if magic.startswith(b"FEA1"):
            raise Unreadable("is a Feather file of version 1, which Arrow gives up; write it again as version 2")
        if magic != b"ARROW1":
            return pa.ipc.open_stream(pa.OSFile(str(self._path)))
        return _ipc_file(self._path)


def of_batches(pieces: Iterator[Piece], roles: Roles) -> Iterator[Block]:
    """Blocks of at most ROWS rows, fewer where they are heavy."""
    number, before = 1, 0.0
    for batch, done in pieces:
        step = _rows_at_once(batch)
        for start in range(0, batch.num_rows, step):
            rows = batch.slice(start, step)
            share = before + (done - before) * (start + rows.num_rows) / batch.num_rows
            yield _block(rows, number, roles, share)
            number += rows.num_rows
        before = done


def _rows_at_once(batch: pa.RecordBatch) -> int:
    heavy: int = batch.get_total_buffer_size() // max(1, batch.num_rows)
    return max(1, min(ROWS, WEIGHT // max(1, heavy)))


def _block(batch: pa.RecordBatch, number: int, roles: Roles, done: float) -> Block:
    block = Block(range(number, number + batch.num_rows), [], done)
    for place, column in enumerate(batch.columns):
        if place == roles.vector:
            block.columns.append(vectors.from_arrow(column))
        elif place in (roles.image, roles.audio):
            _take(block, place, *_opened(column))
        else:
            _take(block, place, *values(column))
    return block


def _take(block: Block, place: int, found: list[Any], faults: Faults) -> None:
    block.columns.append(found)
    if faults:
        block.faults[place] = faults


def _opened(column: Any) -> tuple[list[Any], Faults]:
    """Cells of pictures or sounds as they are: bytes, paths, structs of both."""
    return unfolded(column.storage if isinstance(column, pa.ExtensionArray) else column)


def _parquet(file: Any, path: Path) -> Iterator[Piece]:
    total, done = max(1, file.metadata.num_rows), 0
    for at in range(file.num_row_groups):
        rows = _rows_of_group(file.metadata.row_group(at), path)
        for batch in file.iter_batches(rows, row_groups=[at], use_threads=False):
            done += batch.num_rows
            yield batch, min(1.0, done / total)


def _rows_of_group(group: Any, path: Path) -> int:
    """How many rows are decoded at once: a short file may say in a bit a row that all of them hold the same long text."""
    heavy = int(group.total_byte_size) // max(1, int(group.num_rows))
    entry = max((_dictionary_bytes(group.column(at), path) for at in range(group.num_columns)), default=0)
    return max(1, min(ROWS, WEIGHT // max(1, heavy), _EXPANDED // max(1, entry)))


def _dictionary_bytes(column: Any, path: Path) -> int:
    """The size of the column's dictionary, which no entry of it exceeds: the second number of the page's header."""
    start = column.dictionary_page_offset if column.has_dictionary_page else None
    if not start or column.physical_type != "BYTE_ARRAY":
        return 0
    with path.open("rb") as file:
        file.seek(start)
        header = file.read(16)
    # Thrift's compact protocol: field 1 and field 2, both 32-bit numbers, each a mark and a zigzag varint.
    size = shift = 0
    for byte in header[3:8] if header[:1] == b"\x15" and header[2:3] == b"\x15" else b"":
        size |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return size >> 1
    return 0


def _arrow(file: Any, path: Path) -> Iterator[Piece]:
    if not hasattr(file, "num_record_batches"):
        for batch in file:
            batch.validate(full=True)
            yield batch, 0.0
        return
    for at in range(file.num_record_batches):
        batch = file.get_batch(at)
        # What a file says of its own offsets is not to be believed: following them unchecked ends the process.
        batch.validate(full=True)
        yield batch, (at + 1) / file.num_record_batches


def _ipc_file(path: Path) -> Any:
    file = pa.ipc.open_file(pa.OSFile(str(path)))
    if path.stat().st_size <= _HELD * max(1, file.num_record_batches):
        return file
    return pa.ipc.open_file(pa.memory_map(str(path)))
