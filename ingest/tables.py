"""Rows of CSV, TSV, JSONL and Parquet files as records: a text, perhaps an id, and the other columns as metadata.

Files are streamed. A row that cannot be used is a Problem in the stream, and the stream goes on.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.decoding import Unreadable, encoding_of
from ingest.results import Problem
from ingest.sources import Document, Kind

if TYPE_CHECKING:
    import pyarrow

LINE = 64 << 20  # characters of one JSON line
ROWS = 1024  # rows of Parquet turned into records at a time

# What a store keeps for itself, and what a passage says of its place: columns so called come in as `column_<name>`.
KEPT = frozenset({"row", "rowid", "id", "text", "uri", "metadata", "vector", "distance", "score", "rank"})
PLACE = frozenset({"record", "part", "start", "end", "line"})


class MissingColumn(Unreadable):
    """A table without the column that was named."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column is the text and which, if any, the id."""

    text: str = "text"
    id: str | None = None

    def check(self, names: Sequence[str]) -> None:
        """Raises MissingColumn, listing what there is."""
        for wanted, option in ((self.text, "--text-column"), (self.id, "--id-column")):
            if wanted is not None and wanted not in names:
                there = ", ".join(names) or "none"
                raise MissingColumn(f"has no column {wanted!r}; its columns are {there}; choose one with {option}")

    def renamed(self, names: Sequence[str]) -> dict[str, str]:
        """Metadata name of each other column. Names differ in more than case, as the store demands."""
        given: dict[str, str] = {}
        taken = set(KEPT | PLACE)
        for name in names:
            if name not in (self.text, self.id):
                given[name] = _free(name, taken)
                taken.add(given[name].casefold())
        return given


@dataclass(frozen=True, slots=True)
class Record:
    """A row of a table. `number` counts from 1; `done` is how much of the file is behind it, 0 to 1."""

    number: int
    text: str
    id: str | None
    metadata: dict[str, Any]
    done: float


def column_names(document: Document) -> list[str]:
    """The columns of a table, from its head alone; for JSONL those of the first row. Raises Unreadable."""
    if document.kind is Kind.JSONL:
        return next((list(row) for _, row, _ in _json_rows(document) if isinstance(row, dict)), [])
    return [str(name) for name in next(_batches(document, [], strings=True)).schema.names]


def records(document: Document, columns: Columns) -> Iterator[Record | Problem]:
    """Every row, in order. Raises Unreadable, at the start or on the way; MissingColumn at the start."""
    rows = _json_rows(document) if document.kind is Kind.JSONL else _arrow_rows(document, columns)
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


def _free(name: str, taken: set[str]) -> str:
    plain = name.strip()
    candidate = f"column_{plain}" if not plain or plain.startswith("_") or plain.casefold() in taken else plain
    while candidate.casefold() in taken:
        candidate += "_"
    return candidate


def _json_rows(document: Document) -> Iterator[tuple[int, dict[str, Any] | Problem, float]]:
    encoding = encoding_of(document.path)
    number = 0
    with document.path.open("rb") as raw, io.TextIOWrapper(raw, encoding) as file:
        while line := file.readline(LINE):
            number += 1
            if len(line) == LINE and not line.endswith("\n"):
                raise Unreadable(f"record {number} is longer than {LINE:,} characters")
            if line.strip():
                yield number, _parsed(document, number, line), raw.tell() / max(1, document.size)


def _parsed(document: Document, number: int, line: str) -> dict[str, Any] | Problem:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as cause:
        return Problem(document.uri, f"record {number} is not JSON: {cause}")
    if not isinstance(row, dict):
        return Problem(document.uri, f"record {number} is a JSON {type(row).__name__}, not an object")
    return row


def _arrow_rows(document: Document, columns: Columns) -> Iterator[tuple[int, dict[str, Any] | Problem, float]]:
    total = _parquet_rows(document) if document.kind is Kind.PARQUET else 0
    problems: list[Problem] = []
    number = 0
    for batch in _batches(document, problems, as_text=(columns.text, columns.id)):
        if number == 0:
            columns.check(batch.schema.names)
        while problems:
            yield 0, problems.pop(), 0.0
        for row in _python(batch):
            number += 1
            yield number, row, number / total if total else 0.0
    for problem in problems:
        yield 0, problem, 1.0


def _parquet_rows(document: Document) -> int:
    import pyarrow.parquet

    try:
        return int(pyarrow.parquet.read_metadata(document.path).num_rows)
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
    document: Document, problems: list[Problem], as_text: Sequence[str | None] = (), strings: bool = False
) -> Iterator[pyarrow.RecordBatch]:
    import pyarrow

    try:
        if document.kind is Kind.PARQUET:
            import pyarrow.parquet

            yield from pyarrow.parquet.ParquetFile(document.path).iter_batches(batch_size=ROWS)
        else:
            from ingest.csvfiles import batches

            yield from batches(document, problems, as_text, strings)
    except (pyarrow.ArrowException, OSError) as cause:
        raise Unreadable(f"cannot be read as {document.kind}: {cause}") from cause
