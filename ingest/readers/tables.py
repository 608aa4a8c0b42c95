"""Rows of tables as items: text, picture, sound and vector from the columns that are said to hold them, the other columns as
metadata. CSV, TSV, JSON, JSONL, Parquet, Arrow and Feather.

Files are streamed in blocks of rows, whatever their size. A row that cannot be used is a Problem in the stream, and the stream
goes on; a row whose picture, sound or metadata cannot be used comes without them, and a Problem says so. A row with nothing
in the columns asked for is passed over. A small JSON file found in a folder that begins with an object and has none of those
columns is no table but somebody's settings: it is read as a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from ingest.limits import Limits
from ingest.readers import text
from ingest.readers.base import Passage, Reading
from ingest.readers.blocks import Block
from ingest.readers.columns import Columns, MissingColumn, Roles
from ingest.readers.decoding import encoding_of
from ingest.readers.rows import Rows
from ingest.results import Problem, Unreadable
from ingest.sources.base import Document, Kind

_SETTINGS = 1 << 20  # bytes of a JSON file that may be one of settings


class Table(Protocol):
    """names: of the columns, in order; they may repeat."""

    names: list[str]

    def blocks(self, roles: Roles) -> Iterator[Block]: ...


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage | Problem]:
    """Every row, in order; ids: the id column or `<uri>#<record>`, and `<that>#<part>` for the second and later passages of a
    text too long for the encoder or a recording too long for a window. Raises Unreadable or OSError, at the start or on
    the way; MissingColumn at the start."""
    try:
        with _foreign_errors(document):
            table = _opened(document, path, reading.columns, reading.limits)
        roles = reading.columns.roles(table.names)
    except MissingColumn:
        if not _settings(document, path):
            raise
        yield from text.read(document, path, reading)
        return
    rows = Rows(document, path, reading, table.names, roles)
    blocks = table.blocks(roles)
    while (block := _next(document, blocks)) is not None:
        yield from rows.passages(block)
    yield from rows.untold()


def _settings(document: Document, path: Path) -> bool:
    if document.kind is not Kind.JSON or document.named or path.stat().st_size > _SETTINGS:
        return False
    with path.open(encoding=encoding_of(path)) as file:
        return file.read().lstrip("\ufeff \t\r\n").startswith("{")


def column_names(document: Document, path: Path) -> list[str]:
    """The columns of a table, from its head alone; of JSON those of the first rows. Raises Unreadable."""
    with _foreign_errors(document):
        if document.kind in (Kind.JSON, Kind.JSONL):
            from ingest.readers.jsonfiles import names_at_head

            return names_at_head(document.kind, path, Limits().row)
        return _opened(document, path, Columns(), Limits()).names


def _opened(document: Document, path: Path, columns: Columns, limits: Limits) -> Table:
    if document.kind in (Kind.JSON, Kind.JSONL):
        from ingest.readers.jsonfiles import JsonTable

        return JsonTable(document.kind, path, columns, limits.row)
    if document.kind in (Kind.CSV, Kind.TSV):
        from ingest.readers.csvfiles import CsvTable

        return CsvTable(document.kind, path, limits.row)
    from ingest.readers.arrowfiles import ArrowTable

    return ArrowTable(document.kind, path)


def _next(document: Document, blocks: Iterator[Block]) -> Block | None:
    with _foreign_errors(document):
        return next(blocks, None)


@contextmanager
def _foreign_errors(document: Document) -> Iterator[None]:
    """What libraries raise of a broken file, as Unreadable."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, UnicodeError, MemoryError) as cause:
        raise Unreadable(f"cannot be read as {document.kind}: {cause}") from cause
