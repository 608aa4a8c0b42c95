"""JSON as a table: a line an object, an array of objects, an object that holds one array of objects, or one object.

Streamed, of any size. A file named .json that goes on behind its first object is one object after the other. A column's
type must hold for the whole file, so the file is read through once before: a column that mixes types, or has integers
beyond 64 bits, becomes text.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

from ingest.readers import vectors
from ingest.readers.blocks import INT64, ROWS, WEIGHT, Block, fitted
from ingest.readers.columns import Columns, MissingColumn, Roles, check_count
from ingest.readers.decoding import encoding_of
from ingest.readers.jsontext import JsonText
from ingest.results import Unreadable
from ingest.sources.base import Kind

_EXACT = 2**53  # beyond it floats skip integers
_TOGETHER = (  # kinds of value that one column may hold; any other company is a mixture
    {"int", "long"},
    {"int", "float"},
    {"ints", "floats", "nothing"},
    {"strs", "nothing"},
    {"bools", "nothing"},
    {"list", "nothing"},
)


@dataclass(slots=True)
class Chunk:
    """Some rows. numbers: from 1, of each of fields; problems: why others are no rows; done: share of the file."""

    numbers: list[int] = field(default_factory=list)
    fields: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    done: float = 0.0

    def take(self, number: int, value: Any) -> None:
        if isinstance(value, dict):
            self.numbers.append(number)
            self.fields.append(value)
        else:
            self.problems.append(f"record {number} is a JSON {type(value).__name__}, not an object")

    def columns(self, names: Iterable[str]) -> Iterator[list[Any]]:
        """The cells of each column, None where a row has none."""
        return ([row.get(name) for row in self.fields] for name in names)


class Layout(Enum):
    LINES = "an object a line"
    SEQUENCE = "one object after the other"
    ARRAY = "an array of objects"
    WITHIN = "an object that holds one"


class JsonTable:
    """Making one reads the file through. Raises OSError or Unreadable."""

    def __init__(self, kind: Kind, path: Path, columns: Columns, longest: int) -> None:
        self._path, self._longest = path, longest
        self._encoding = encoding_of(path)
        self._layout, self._key = (Layout.LINES, "") if kind is Kind.JSONL else self._find_layout(columns)
        kinds: dict[str, set[str]] = {}
        problem = ""
        for chunk in self._chunks():
            problem = problem or next(iter(chunk.problems), "")
            names = list(dict.fromkeys(chain.from_iterable(chunk.fields)))
            check_count(len(kinds.keys() | set(names)))
            for name, cells in zip(names, chunk.columns(names), strict=True):
                kinds.setdefault(name, set()).update(_kinds(cells))
        if problem and not kinds:
            raise Unreadable(f"holds no JSON object: {problem}")
        self.names = list(kinds)
        self._mixed = [_mixes(found) for found in kinds.values()]

    def blocks(self, roles: Roles) -> Iterator[Block]:
        for chunk in self._chunks():
            block = Block(chunk.numbers, [], chunk.done, problems=chunk.problems)
            for place, cells in enumerate(chunk.columns(self.names)):
                if place == roles.vector:
                    block.columns.append(vectors.from_values(cells))
                    continue
                faults: dict[int, str] = {}
                if place not in roles:
                    cells, faults = _told(cells) if self._mixed[place] else fitted(cells)
                block.columns.append(cells)
                if faults:
                    block.faults[place] = faults
            yield block

    def _chunks(self) -> Iterator[Chunk]:
        size = max(1, self._path.stat().st_size)
        with self._path.open("rb") as raw, io.TextIOWrapper(raw, self._encoding) as file:
            if self._layout is Layout.LINES:
                chunks = _of_lines(file, self._longest)
            else:
                chunks = _gathered(self._values(JsonText(file, self._longest)))
            for chunk in chunks:
                chunk.done = min(1.0, raw.tell() / size)
                yield chunk

    def _values(self, text: JsonText) -> Iterator[tuple[Any, int]]:
        if self._layout is Layout.SEQUENCE:
            while text.peek():
                yield text.value()
            return
        if self._layout is Layout.WITHIN:
            text.expect("{")
            for key in text.members():
                if key == self._key and text.take("["):
                    yield from text.elements()
                else:
                    text.value()
            return
        text.expect("[")
        yield from text.elements()
        if text.peek():
            raise Unreadable("goes on behind the end of its array")

    def _find_layout(self, columns: Columns) -> tuple[Layout, str]:
        with self._path.open("r", encoding=self._encoding) as file:
            text = JsonText(file, self._longest)
            if text.peek() == "[":
                return Layout.ARRAY, ""
            if not text.take("{"):
                raise Unreadable("is JSON of neither an array nor an object")
            keys, arrays = _members(text)
            if text.peek() or not arrays or _has(columns, keys):
                return Layout.SEQUENCE, ""
            if len(arrays) > 1:
                raise MissingColumn(
                    f"holds {len(arrays)} arrays of objects, {', '.join(arrays)}; keep one, or write JSON lines"
                )
            return Layout.WITHIN, arrays[0]


def names_at_head(kind: Kind, path: Path, longest: int) -> list[str]:
    """The columns of the first rows; of an object also its own keys up to its first array of objects."""
    with path.open("rb") as raw, io.TextIOWrapper(raw, encoding_of(path)) as file:
        if kind is Kind.JSONL:
            return list(dict.fromkeys(chain.from_iterable(next(_of_lines(file, longest), Chunk()).fields)))
        text, outer = JsonText(file, longest), []
        if text.take("{"):
            for key in text.members():
                outer.append(key)
                if text.peek() == "[":
                    break
                text.value()
        inner: list[str] = []
        if text.take("["):
            first: Any = next(text.elements(), ({}, 0))[0]
            inner = list(first) if isinstance(first, dict) else []
        return list(dict.fromkeys([*outer, *inner]))


def _members(text: JsonText) -> tuple[list[str], list[str]]:
    """The keys of an object, and those of them whose values are arrays of objects."""
    keys, arrays = [], []
    for key in text.members():
        keys.append(key)
        if not text.take("["):
            text.value()
            continue
        if text.peek() == "{":
            arrays.append(key)
        for _ in text.elements():
            pass
    return keys, arrays


def _has(columns: Columns, keys: list[str]) -> bool:
    try:
        columns.check(keys)
    except MissingColumn:
        return False
    return True


def _of_lines(file: TextIO, longest: int) -> Iterator[Chunk]:
    number, weight = 0, 0
    chunk = Chunk()
    lines: list[str] = []
    numbers: list[int] = []
    while line := file.readline(longest):
        number += 1
        weight += len(line)
        if len(line) == longest and not line.endswith("\n"):
            while (rest := file.readline(longest)) and not rest.endswith("\n"):
                pass
            chunk.problems.append(f"record {number} is longer than {longest:,} characters")
        elif line := line.strip():
            lines.append(line)
            numbers.append(number)
        if weight >= WEIGHT or len(lines) >= ROWS:
            yield _parsed(chunk, numbers, lines)
            chunk, lines, numbers, weight = Chunk(), [], [], 0
    yield _parsed(chunk, numbers, lines)


def _parsed(chunk: Chunk, numbers: list[int], lines: list[str]) -> Chunk:
    rows = _at_once(lines)
    if rows is not None:
        chunk.numbers, chunk.fields = numbers, rows
        return chunk
    for number, line in zip(numbers, lines, strict=True):
        try:
            chunk.take(number, json.loads(line))
        except (ValueError, RecursionError) as cause:
            chunk.problems.append(f"record {number} is not JSON: {cause}")
    return chunk


def _at_once(lines: list[str]) -> list[dict[str, Any]] | None:
    """A row for each line, parsed together, in a third of the time; None where they are not all objects."""
    if not all(line.startswith("{") and line.endswith("}") for line in lines):
        return None
    try:
        rows = json.loads(f"[{','.join(lines)}]")
    except (ValueError, RecursionError):
        return None
    return rows if len(rows) == len(lines) and set(map(type, rows)) <= {dict} else None


def _gathered(values: Iterable[tuple[Any, int]]) -> Iterator[Chunk]:
    chunk, weight = Chunk(), 0
    for number, (value, length) in enumerate(values, 1):
        chunk.take(number, value)
        weight += length
        if weight >= WEIGHT or len(chunk.fields) + len(chunk.problems) >= ROWS:
            yield chunk
            chunk, weight = Chunk(), 0
    yield chunk


def _kinds(cells: list[Any]) -> set[str]:
    """What kinds of value a column holds."""
    found: set[str] = set()
    for kind in set(map(type, cells)) - {type(None)}:
        if kind is list:
            found.update(_of_list(cell) for cell in cells if type(cell) is list)
        else:
            found.add(kind.__name__)
    if "int" in found:
        whole = [cell for cell in cells if type(cell) is int]
        low, high = min(whole), max(whole)
        found |= {"long"} if low < -_EXACT or high > _EXACT else set()
        found |= {"huge"} if low not in INT64 or high not in INT64 else set()
    return found


def _mixes(kinds: set[str]) -> bool:
    return "huge" in kinds or (len(kinds) > 1 and not any(kinds <= group for group in _TOGETHER))


def _of_list(cell: list[Any]) -> str:
    kinds = {type(one) for one in cell} - {type(None)}
    if not kinds:
        return "nothing"
    if kinds == {int, float}:
        return "floats"
    (kind,) = kinds if len(kinds) == 1 else (list,)
    return f"{kind.__name__}s" if kind in (int, float, str, bool) else "list"


def _told(cells: list[Any]) -> tuple[list[Any], dict[int, str]]:
    """Values of a column that mixes types, each as text."""
    plain = [json.dumps(cell) if type(cell) in (bool, int, float) else cell for cell in cells]
    fit, faults = fitted(plain)
    return [json.dumps(cell, ensure_ascii=False) if isinstance(cell, list | dict) else cell for cell in fit], faults
