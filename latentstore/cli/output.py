"""Rows on standard output as table, json, jsonl or csv, and lines on standard error.

Machines get every value whole: JSON has null for what is missing and for NaN and infinity, ISO 8601 for times, base64
for bytes, a string for a decimal. Tables are for people: control characters are taken out, so that no stored text can
steer the terminal.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

Row = Mapping[str, Any]


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


FormatOption = Annotated[Format, typer.Option("--format", help="How rows are printed.")]

PIPED_WIDTH = 120  # columns of a table that no terminal measures
CELL = 320  # characters of a value that a table shows
ROWS = 1000  # rows of a table: drawing more takes longer than anyone reads


def note(line: str) -> None:
    """One line on standard error, for people."""
    sys.stderr.write(f"{printable(line)}\n")
    sys.stderr.flush()


def say(line: str) -> None:
    """One line on standard output: the outcome of a command that has no rows to print."""
    sys.stdout.write(f"{printable(line)}\n")


def counted(count: int, noun: str) -> str:
    """'1 item', '2,000 items'."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def one_line(text: str) -> str:
    """The text with every run of white space made one space."""
    return " ".join(text.split())


def printable(text: str) -> str:
    """The text without control characters, line breaks and tabs excepted."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in text)


def emit(rows: Iterable[Row], columns: Sequence[str], form: Format) -> None:
    """Print rows. columns: the order for csv and table; JSON has each row's own keys."""
    if form is Format.TABLE:
        table(rows, columns)
    else:
        emit_data(rows, columns, form)


def emit_data(rows: Iterable[Row], columns: Sequence[str], form: Format) -> None:
    """Print rows for a machine: json is one array, jsonl one object a line, csv has a header."""
    if form is Format.CSV:
        _csv(rows, columns)
    elif form is Format.JSONL:
        for row in rows:
            sys.stdout.write(f"{_json(row)}\n")
    else:
        sys.stdout.write(f"{_json(list(rows), indent=2)}\n")


def _json(value: Any, indent: int | None = None) -> str:
    unicode = (sys.stdout.encoding or "ascii").lower().replace("-", "").startswith("utf")
    return json.dumps(plain(value), ensure_ascii=not unicode, indent=indent, allow_nan=False)


def plain(value: Any) -> Any:
    """The value as JSON can hold it."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return _exotic(value)


def _exotic(value: Any) -> Any:
    if isinstance(value, bytes):
        from base64 import b64encode

        return b64encode(value).decode()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item"):  # numpy scalars
        return plain(value.item())
    return str(value)


def _csv(rows: Iterable[Row], columns: Sequence[str]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)


def _cell(value: Any) -> Any:
    value = plain(value)
    return _json(value) if isinstance(value, dict | list) else value


def shown(value: Any) -> str:
    """A value as a table shows it: missing is empty, a float has four digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    value = plain(value)
    return printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def short(text: str, longest: int) -> str:
    """The text on one line, cut at a word, with an ellipsis where it is longer."""
    line = printable(one_line(text))
    if len(line) <= longest:
        return line
    cut = line.rfind(" ", longest // 2, longest - 1)
    return f"{line[: cut if cut > 0 else longest - 2]} …"


def table(rows: Iterable[Row], columns: Sequence[str]) -> None:
    """Print the first ROWS rows as a table that wraps to the terminal's width; numbers stand on the right."""
    from rich.text import Text

    every = list(rows)
    rows = every[:ROWS]
    grid = new_table()
    for column in columns:
        numbers = all(isinstance(row.get(column), int | float | None) for row in rows)
        grid.add_column(Text(column), justify="right" if numbers else "left", overflow="fold")
    whole = [[one_line(shown(row.get(column))) for column in columns] for row in rows]
    for cells in whole:
        grid.add_row(*(Text(short(cell, CELL)) for cell in cells))
    display(grid)
    if any(len(cell) > CELL for cells in whole for cell in cells):
        note("long values are cut at …; --format json, jsonl or csv has them whole")
    if len(every) > ROWS:
        note(f"the first {ROWS:,} of {len(every):,} rows; --format json, jsonl or csv has them all")


def new_table() -> Any:
    """A table in the house's style, its header ruled off."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold", expand=False)


def display(grid: Any) -> None:
    """Print a table; where no terminal needs the padding of its lines, without it."""
    out = console()
    if out.is_terminal:
        out.print(grid)
        return
    with out.capture() as drawn:
        out.print(grid)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in drawn.get().splitlines()))


def console(stderr: bool = False) -> Console:
    """Where tables go: as wide as the terminal, or plain and PIPED_WIDTH wide when there is none."""
    from os import environ

    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    piped = not stream.isatty() and not environ.get("COLUMNS", "").isdigit()
    return Console(file=stream, width=PIPED_WIDTH if piped else None, highlight=False, markup=False, emoji=False)
