"""CSV and TSV, streamed through Arrow. A column's type must hold for the whole file, so the file is read through once
before: where a type fails further down, the column becomes a wider one, in the end text.

A file named .csv whose head is parted evenly by semicolons, tabs or bars, and whose first line has no comma, is parted by
those.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from ingest.readers.arrowfiles import Piece, of_batches
from ingest.readers.blocks import Block
from ingest.readers.columns import Roles, check_count
from ingest.readers.decoding import characters, encoding_of
from ingest.results import Unreadable
from ingest.sources.base import Kind

BLOCK = 4 << 20  # bytes parsed at a time; Arrow reads some twenty of them ahead
_MOST = 1 << 30  # bytes that Arrow parses at a time
_HEAD = 1 << 16  # characters that tell what parts the columns
_CLASH = re.compile(r"column #(\d+): CSV conversion error to (\w+)[^:]*:?(?: invalid value '(.*)')?", re.DOTALL)
_WHOLE = re.compile(r"\s*[+-]?\d+\s*")
_LONG = r"^\s*[+-]?\d{19,}\s*$"

Made = TypeVar("Made")


class CsvTable:
    """longest: bytes parsed at a time where a row is longer than BLOCK. Raises pyarrow.ArrowException, OSError or Unreadable."""

    def __init__(self, kind: Kind, path: Path, longest: int) -> None:
        self._path, self._longest = path, min(max(longest, BLOCK), _MOST)
        self._encoding = encoding_of(path)
        self._delimiter = "\t" if kind is Kind.TSV else _delimiter(path, self._encoding)
        _check_width(path, self._encoding, self._delimiter, self._longest)
        self._block = BLOCK
        self.names: list[str] = self._widening(lambda: list(self._open({}, _skip).schema.names))

    def blocks(self, roles: Roles) -> Iterator[Block]:
        """Columns with a role stay text, whatever they look like; so do whole numbers beyond 64 bits."""
        fixed = {self.names[place]: pa.string() for place in roles if place is not None}
        types, rows = self._widening(lambda: self._types(fixed))
        problems: list[str] = []
        for block in of_batches(self._batches(types, max(1, rows), problems), roles):
            block.problems, problems[:] = problems[:], []
            yield block
        if problems:
            yield Block((), [[] for _ in self.names], 1.0, problems=problems)

    def _batches(self, types: dict[str, Any], total: int, problems: list[str]) -> Iterator[Piece]:
        rows = 0
        for batch in self._open(types, _recording(problems)):
            rows += batch.num_rows
            yield batch, min(1.0, rows / total)

    def _widening(self, step: Callable[[], Made]) -> Made:
        """What the step gives, tried again with longer blocks where a row is too long for one."""
        try:
            return step()
        except pa.ArrowInvalid as cause:
            if "straddling" not in str(cause):
                raise
            if self._block == self._longest:
                raise Unreadable(
                    f"has a row longer than {self._longest >> 20} MB, or a quote that is never closed"
                ) from cause
        self._block = self._longest
        return self._widening(step)

    def _types(self, fixed: dict[str, Any]) -> tuple[dict[str, Any], int]:
        """The type of each column, such that every cell of the file has it, and the number of rows."""
        fixed = self._long_numbers(fixed)
        while True:
            reader, rows = self._open(fixed, _skip), 0
            try:
                for batch in reader:
                    rows += batch.num_rows
            except pa.ArrowInvalid as cause:
                fixed = {**fixed, **_wider(cause, reader.schema.names, fixed)}
            else:
                return {**dict(zip(reader.schema.names, reader.schema.types, strict=True)), **fixed}, rows

    def _long_numbers(self, fixed: dict[str, Any]) -> dict[str, Any]:
        """With the columns as text that Arrow takes for floats because their whole numbers are too long for anything else."""
        found = self._open(fixed, _skip).schema
        floats = [name for name in found.names if pa.float64() in _all(found, name)]
        if not floats:
            return fixed
        head = self._open(fixed | dict.fromkeys(floats, pa.string()), _skip).read_next_batch()
        long = {
            name: pa.string()
            for name, column in zip(head.schema.names, head.columns, strict=True)
            if name in floats and pc.any(pc.match_substring_regex(column, _LONG)).as_py()
        }
        return fixed | long

    def _open(self, types: dict[str, Any], handler: Callable[[Any], str]) -> Any:
        return arrow_csv.open_csv(
            self._path,
            read_options=arrow_csv.ReadOptions(
                use_threads=False,
                block_size=self._block,
                encoding="utf8" if "utf-8" in self._encoding else self._encoding,
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=handler
            ),
            convert_options=arrow_csv.ConvertOptions(column_types=types, strings_can_be_null=False),
        )


def _all(schema: Any, name: str) -> list[Any]:
    return [schema.field(at).type for at in schema.get_all_field_indices(name)]


def _skip(row: Any) -> str:
    return "skip"


def _recording(problems: list[str]) -> Callable[[Any], str]:
    def skip(row: Any) -> str:
        counted = f"{row.actual_columns} cells where {row.expected_columns} were expected"
        problems.append(f"a row has {counted}: {row.text[:60]!r}")
        return "skip"

    return skip


def _wider(cause: Exception, names: list[str], fixed: dict[str, Any]) -> dict[str, Any]:
    """The column that the error tells of, with a type that holds more. Raises the error where there is none."""
    clash = _CLASH.search(str(cause))
    if clash is None or fixed.get(names[int(clash[1])]) == pa.string():
        raise cause
    name, kind, value = names[int(clash[1])], clash[2], clash[3]
    wider = kind == "int64" and name not in fixed and not _WHOLE.fullmatch(value or "")
    return {name: pa.float64() if wider else pa.string()}


def _delimiter(path: Path, encoding: str) -> str:
    head = next(characters(path, encoding), ("", 0))[0][:_HEAD]
    if "," in head.partition("\n")[0]:
        return ","
    fitting = [sign for sign in ";\t|" if _parts(head, sign)]
    return fitting[0] if len(fitting) == 1 else ","


def _parts(head: str, sign: str) -> bool:
    """Whether all rows have as many cells as the first, two at least; the last row may be cut off."""
    try:
        rows = [len(row) for row in csv.reader(io.StringIO(head), delimiter=sign) if row]
    except csv.Error:
        return False
    whole = rows[:-1] if len(head) == _HEAD else rows
    return len(whole) > 0 and whole[0] > 1 and set(whole) == {whole[0]}


def _check_width(path: Path, encoding: str, delimiter: str, longest: int) -> None:
    with path.open("r", encoding=encoding) as file:
        header = file.readline(longest)
    if len(header) == longest:
        raise Unreadable(f"its first row is longer than {longest >> 20} MB")
    check_count(header.count(delimiter) + 1)
