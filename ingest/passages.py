"""Documents as items: texts cut into passages that say where they stand, table rows with their columns.

Ids are the same at every run: `<uri>#<part>` for a text, the id column or `<uri>#<record>` for a row, `<that>#<part>`
for the second and later passages of a row too long for the encoder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ingest.chunking import Span, Splitter
from ingest.decoding import characters, encoding_of
from ingest.results import Problem
from ingest.sources import TABLES, Document, Kind
from ingest.tables import Columns, Record, records
from latentstore import Item

BLOCK = 1 << 18  # characters split at a time


@dataclass(frozen=True, slots=True)
class Reading:
    """How documents become items."""

    columns: Columns
    texts: Splitter
    rows: Splitter


@dataclass(frozen=True, slots=True)
class Passage:
    """An item, and the share of its document that is behind it, 0 to 1."""

    item: Item
    done: float


def passages(document: Document, reading: Reading) -> Iterator[Passage | Problem]:
    """Everything in a document, in order. Raises Unreadable or OSError, at the start or on the way."""
    if document.kind in TABLES:
        return _of_table(document, reading)
    return _of_text(document, reading.texts)


def _of_text(document: Document, splitter: Splitter) -> Iterator[Passage]:
    part, line, title = 0, 1, None
    for base, block, done in _blocks(document):
        counted = 0
        for span in splitter.split(block, document.kind is Kind.MARKDOWN, title):
            part, title = part + 1, span.title
            line += block.count("\n", counted, span.start)
            counted = span.start
            place = {"line": line, "part": part, "start": base + span.start, "end": base + span.end}
            metadata = place if title is None else {"title": title, **place}
            item = Item(f"{document.uri}#{part}", block[span.start : span.end], document.uri, metadata)
            yield Passage(item, done)
        line += block.count("\n", counted)


def _blocks(document: Document) -> Iterator[tuple[int, str, float]]:
    """(characters before it, text, share read) of stretches that end where a paragraph does."""
    base, held, done = 0, "", 0.0
    for piece, read in characters(document.path, encoding_of(document.path)):
        held, done = held + piece, read / max(1, document.size)
        while len(held) >= BLOCK:
            cut = _pause(held)
            yield base, held[:cut], done
            base, held = base + cut, held[cut:]
    if held:
        yield base, held, done


def _pause(text: str) -> int:
    """Where to cut a text of at least BLOCK characters: behind a paragraph, else a line, else a space."""
    for border in ("\n\n", "\n", " "):
        cut = text.rfind(border, BLOCK // 2, BLOCK)
        if cut >= 0:
            return cut + len(border)
    return BLOCK


def _of_table(document: Document, reading: Reading) -> Iterator[Passage | Problem]:
    seen = Seen()
    for record in records(document, reading.columns):
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


class Seen:
    """A set of strings in 8 bytes each: it keeps hashes, in sorted arrays that double in size."""

    _SMALL = 4096

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._sorted: list[np.ndarray[Any, np.dtype[np.int64]]] = []  # longest first

    def __contains__(self, name: object) -> bool:
        key = hash(name)
        return key in self._recent or any(_holds(array, key) for array in self._sorted)

    def add(self, name: str) -> bool:
        """True when the name is new."""
        if name in self:
            return False
        self._recent.add(hash(name))
        if len(self._recent) >= self._SMALL:
            self._settle()
        return True

    def _settle(self) -> None:
        array = np.sort(np.fromiter(self._recent, np.int64, len(self._recent)))
        self._recent.clear()
        while self._sorted and len(self._sorted[-1]) <= len(array):
            array = np.sort(np.concatenate([self._sorted.pop(), array]))
        self._sorted.append(array)


def _holds(array: np.ndarray[Any, np.dtype[np.int64]], key: int) -> bool:
    at = int(np.searchsorted(array, key))
    return at < len(array) and int(array[at]) == key
