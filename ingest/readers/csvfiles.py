"""CSV and TSV, streamed through Arrow. A column's type must hold for the whole file, so the file is read through once
before: where a type fails further down, the column becomes a wider one, in the end text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingest.readers.decoding import encoding_of
from ingest.results import Problem
from ingest.sources.base import Document, Kind

if TYPE_CHECKING:
    import pyarrow

BLOCK = 16 << 20  # bytes parsed at a time; a row cannot be longer
_CLASH = re.compile(r"column #(\d+): CSV conversion error to (\w+)")


def batches(
    document: Document, path: Path, problems: list[Problem], as_text: Sequence[str | None], strings: bool
) -> Iterator[pyarrow.RecordBatch]:
    """Record batches of one schema. problems: filled with rows of the wrong length, which are left out.
    as_text: columns that stay text whatever they look like. strings: all of them, as when only names matter.

    Raises pyarrow.ArrowException, Unreadable.
    """
    import pyarrow

    encoding = encoding_of(path)
    fixed = {name: pyarrow.string() for name in as_text if name is not None}
    if not strings:
        fixed = _types(document, path, encoding, fixed)
    yield from _open(document, path, encoding, fixed, _recording(document, problems))


def _types(document: Document, path: Path, encoding: str, fixed: dict[str, Any]) -> dict[str, Any]:
    """The type of each column, such that every cell of the file has it."""
    import pyarrow

    while True:
        reader = _open(document, path, encoding, fixed, lambda row: "skip")
        try:
            for _ in reader:
                pass
        except pyarrow.ArrowInvalid as cause:
            clash = _CLASH.search(str(cause))
            if clash is None:
                raise
            name = reader.schema.names[int(clash[1])]
            if fixed.get(name) == pyarrow.string():
                raise
            wider = pyarrow.float64() if clash[2] == "int64" and name not in fixed else pyarrow.string()
            fixed = {**fixed, name: wider}
        else:
            return {**dict(zip(reader.schema.names, reader.schema.types, strict=True)), **fixed}


def _open(document: Document, path: Path, encoding: str, types: dict[str, Any], handler: Callable[[Any], str]) -> Any:
    from pyarrow import csv

    tabs = document.kind is Kind.TSV
    return csv.open_csv(
        path,
        read_options=csv.ReadOptions(block_size=BLOCK, encoding="utf8" if "utf-8" in encoding else encoding),
        parse_options=csv.ParseOptions(
            delimiter="\t" if tabs else ",", newlines_in_values=True, invalid_row_handler=handler
        ),
        convert_options=csv.ConvertOptions(column_types=types, strings_can_be_null=False),
    )


def _recording(document: Document, problems: list[Problem]) -> Callable[[Any], str]:
    def skip(row: Any) -> str:
        counted = f"{row.actual_columns} cells where {row.expected_columns} were expected"
        problems.append(Problem(document.uri, f"a row has {counted}: {row.text[:60]!r}"))
        return "skip"

    return skip
