"""Rows of CSV, TSV, JSONL and Parquet files as records: a text, perhaps an id, and the other columns as metadata.

Files are streamed. A row that cannot be used is a Problem in the stream, and the stream goes on.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.chunking import Span, Splitter
from ingest.readers.base import Passage, Reading
from ingest.readers.columns import Columns
from ingest.readers.decoding import encoding_of
from ingest.results import Problem, Unreadable
from ingest.seen import Seen
from ingest.sources.base import Document, Kind
from latentstore import Item

if TYPE_CHECKING:
    import pyarrow

LINE = 64 << 20  # characters of one JSON line
ROWS = 1024  # rows of Parquet turned into records at a time


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a table. `number` counts from 1; `done` is how much of the file is behind it, 0 to 1."""

    number: int
    text: str
    id: str | None
    metadata: dict[str, Any]
    done: float


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage | Problem]:
    """Every row, in order; ids: the id column or `<uri>#<record>`, and `<that>#<part>` for the second and later passages of a
    row too long for the encoder. Raises Unreadable or OSError, at the start or on the way."""
    seen = Seen()
    for record in records(document, path, reading.columns):
        if isinstance(record, Problem):
            yield record
        elif record.id is not None and not seen.add(record.id):
            yield Problem(document.uri, f"record {record.number}: the id {record.id!r} came before in this file")
        else:
            yield from _of_record(document, record, reading.rows)


def _of_record(document: Document, record: Record, splitter: Splitter) -> Iterator[Passage]:
    base = record.id or f"{document.uri}#{record.number}"
    metadata = {"record": record.number, **record.metadata}
    spans = list(splitter.split(record.text))
    if len(spans) == 1:
        yield Passage(Item(base, record.text, document.uri, metadata), record.done)
        return
    for part, span in enumerate(spans, 1):
        text = record.text[span.start : span.end]
        name = base if part == 1 else f"{base}#{part}"
        yield Passage(Item(name, text, document.uri, {**metadata, **_place(part, span)}), record.done)


def _place(part: int, span: Span) -> dict[str, Any]:
    return {"part": part, "start": span.start, "end": span.end}


def column_names(document: Document, path: Path) -> list[str]:
    """The columns of a table, from its head alone; for JSONL those of the first row. Raises Unreadable."""
    if document.kind is Kind.JSONL:
        return next((list(row) for _, row, _ in _json_rows(document, path) if isinstance(row, dict)), [])
    return [str(name) for name in next(_batches(document, path, [], strings=True)).schema.names]


def records(document: Document, path: Path, columns: Columns) -> Iterator[Record | Problem]:
    """Every row, in order. Raises Unreadable, at the start or on the way; MissingColumn at the start."""
    rows = _json_rows(document, path) if document.kind is Kind.JSONL else _arrow_rows(document, path, columns)
    names: dict[str, str] = {}
    for number, row, done in rows:
        if isinstance(row, Problem):
            yield row
            continue
        if not names:
            columns.check(list(row))
        if len(names) < len(row) or not names.keys() >= row.keys():
            # Lines of JSON may bring new keys, and leave out old ones.
            names = columns.renamed(list(dict.fromkeys([columns.text, columns.id or columns.text, *names, *row])))
            names |= {columns.text: "", **({columns.id: ""} if columns.id else {})}
        made = _record(document, number, row, columns, names, done)
        if made is not None:
            yield made


def _record(
    document: Document, number: int, row: dict[str, Any], columns: Columns, names: dict[str, str], done: float
) -> Record | Problem | None:
    text = row.get(columns.text)
    if text is None or text == "":
        return None
    if isinstance(text, dict | list | bytes):
        return Problem(document.uri, f"record {number}: {columns.text!r} holds {type(text).__name__}, not text")
    given = None
    if columns.id is not None:
        given = row.get(columns.id)
        if given is None or isinstance(given, dict | list | float | bool) or "\0" in str(given) or str(given) == "":
            return Problem(document.uri, f"record {number}: {columns.id!r} holds {given!r}, which is no id")
    metadata = {names[key]: value for key, value in row.items() if names[key] and value is not None}
    return Record(number, str(text), None if given is None else str(given), metadata, done)


def _json_rows(document: Document, path: Path) -> Iterator[tuple[int, dict[str, Any] | Problem, float]]:
    encoding = encoding_of(path)
    number, size = 0, max(1, path.stat().st_size)
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding) as file:
        while line := file.readline(LINE):
            number += 1
            if len(line) == LINE and not line.endswith("\n"):
                raise Unreadable(f"record {number} is longer than {LINE:,} characters")
            if line.strip():
                yield number, _parsed(document, number, line), raw.tell() / size


def _parsed(document: Document, number: int, line: str) -> dict[str, Any] | Problem:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as cause:
        return Problem(document.uri, f"record {number} is not JSON: {cause}")
    if not isinstance(row, dict):
        return Problem(document.uri, f"record {number} is a JSON {type(row).__name__}, not an object")
    return row


def _arrow_rows(
    document: Document, path: Path, columns: Columns
) -> Iterator[tuple[int, dict[str, Any] | Problem, float]]:
    total = _parquet_rows(path) if document.kind is Kind.PARQUET else 0
    problems: list[Problem] = []
    number = 0
    for batch in _batches(document, path, problems, as_text=(columns.text, columns.id)):
        if number == 0:
            columns.check(batch.schema.names)
        while problems:
            yield 0, problems.pop(), 0.0
        for row in _python(batch):
            number += 1
            yield number, row, number / total if total else 0.0
    for problem in problems:
        yield 0, problem, 1.0


def _parquet_rows(path: Path) -> int:
    import pyarrow.parquet

    try:
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    except (pyarrow.ArrowException, OSError) as cause:
        raise Unreadable(f"is not a Parquet file: {cause}") from cause


def _python(batch: pyarrow.RecordBatch) -> list[dict[str, Any]]:
    """Rows as dicts; times to the microsecond, which is what a store keeps."""
    import pyarrow

    for at, column in enumerate(batch.schema):
        if pyarrow.types.is_timestamp(column.type) and column.type.unit == "ns":
            coarse = batch.column(at).cast(pyarrow.timestamp("us", column.type.tz), safe=False)
            batch = batch.set_column(at, column.name, coarse)
    rows: list[dict[str, Any]] = batch.to_pylist(maps_as_pydicts="lossy")
    return rows


def _batches(
    document: Document, path: Path, problems: list[Problem], as_text: Sequence[str | None] = (), strings: bool = False
) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    try:
        if document.kind is Kind.PARQUET:
            import pyarrow.parquet

            yield from pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=ROWS)
        else:
            from ingest.readers.csvfiles import batches

            yield from batches(document, path, problems, as_text, strings)
    except (pyarrow.ArrowException, OSError) as cause:
        raise Unreadable(f"cannot be read as {document.kind}: {cause}") from cause
