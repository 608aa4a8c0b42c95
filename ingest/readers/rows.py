"""Rows of a table as passages: which cell is what, what is left out and why, and what is too long for one item."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, time
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any

from ingest.readers import mediacells
from ingest.readers.base import Passage, Reading
from ingest.readers.blocks import Block, Unfit, fitted
from ingest.readers.columns import Roles, renamed
from ingest.results import Problem
from ingest.seen import Seen
from ingest.sources.base import Document
from latentstore import Item
from latentstore.types import Float32

_TOLD = 20  # values left out of a column that are told one by one
_LONGEST_ID = 1024  # bytes, as the store has it
_NO_TEXT = (dict, list, bytes)
_IDS = (str, int, Decimal, date, time)

_Texts = list[str | None]


class Rows:
    """Makes passages of the blocks of one table, in order."""

    def __init__(self, document: Document, path: Path, reading: Reading, names: Sequence[str], roles: Roles) -> None:
        self._uri, self._reading, self._names, self._roles = document.uri, reading, names, roles
        given = renamed(names, roles)
        media = (roles.image, roles.audio)
        self._places = [place for place, name in enumerate(given) if name is not None and place not in media]
        self._keys = ["record", *(str(given[place]) for place in self._places)]
        self._rich = roles.vector is not None or media != (None, None)
        self._media = mediacells.Media(document, path, reading, given, roles)
        self._seen = Seen()
        self._dim: int | None = None
        self._left_out: Counter[int] = Counter()

    def passages(self, block: Block) -> Iterator[Passage | Problem]:
        """The rows of a block, behind what is wrong with it."""
        yield from (Problem(self._uri, reason) for reason in block.problems)
        yield from self._faults(block)
        bad: dict[int, str] = {}
        texts, names = self._texts(block, bad), self._ids(block, bad)
        for at, metadata in enumerate(self._metadata(block)):
            if at in bad:
                yield self._problem(block, at, bad[at])
            elif self._rich:
                yield from self._row(block, at, texts[at], names[at], metadata)
            elif (text := texts[at]) and not text.isspace():
                yield from self._of_text(text, names[at], metadata, block.done)

    def untold(self) -> Iterator[Problem]:
        """How much more was left out than has been told. Once, at the end."""
        for place, count in self._left_out.items():
            if count > _TOLD:
                reason = f"{self._names[place]!r} was left out of {count - _TOLD:,} more records, for the like reasons"
                yield Problem(self._uri, reason)

    def _problem(self, block: Block, at: int, reason: str) -> Problem:
        return Problem(self._uri, f"record {block.numbers[at]}: {reason}")

    def _faults(self, block: Block) -> Iterator[Problem]:
        for place, faults in block.faults.items():
            for at, reason in faults.items():
                self._left_out[place] += 1
                if self._left_out[place] <= _TOLD:
                    yield self._problem(block, at, f"{self._names[place]!r} is left out: {reason}")

    def _texts(self, block: Block, bad: dict[int, str]) -> _Texts:
        """bad: filled with rows whose text is none."""
        place = self._roles.text
        if place is None:
            return [None] * len(block.numbers)
        cells = block.columns[place]
        for at, cell in enumerate(cells) if not set(map(type, cells)) <= {str, type(None)} else ():
            if isinstance(cell, _NO_TEXT):
                bad[at] = f"{self._names[place]!r} holds {type(cell).__name__}, not text"
        told = [cell if cell is None or type(cell) is str else str(cell) for cell in cells]
        fit, faults = fitted(told)
        bad |= {at: f"{self._names[place]!r} is no text: {reason}" for at, reason in faults.items()}
        return fit

    def _ids(self, block: Block, bad: dict[int, str]) -> list[str]:
        """bad: filled with rows whose id is none, or came before."""
        place = self._roles.id
        if place is None:
            return [f"{self._uri}#{number}" for number in block.numbers]
        found = [_id(cell) for cell in block.columns[place]]
        for at, name in enumerate(found):
            if name is None:
                bad[at] = f"{self._names[place]!r} holds {block.columns[place][at]!r:.60}, which is no id"
            elif at not in bad and not self._seen.add(name):
                bad[at] = f"the id {name!r} came before in this file"
        return [name or "" for name in found]

    def _metadata(self, block: Block) -> Iterator[dict[str, Any]]:
        columns = [block.columns[place] for place in self._places]
        rows = zip(block.numbers, *columns, strict=True)
        if any(None in column for column in columns):
            for row in rows:
                yield {key: value for key, value in zip(self._keys, row, strict=True) if value is not None}
        else:
            for row in rows:
                yield dict(zip(self._keys, row, strict=True))

    def _of_text(self, text: str, name: str, metadata: dict[str, Any], done: float) -> Iterator[Passage]:
        spans = self._reading.rows.split(text)
        first, second = next(spans, None), next(spans, None)
        if first is None or second is None:
            yield Passage(Item(name, text, self._uri, metadata), done)
            return
        for part, span in enumerate(chain((first, second), spans), 1):
            place = {"part": part, "start": span.start, "end": span.end}
            piece = text[span.start : span.end]
            yield Passage(Item(_part(name, part), piece, self._uri, {**metadata, **place}), done)

    def _row(
        self, block: Block, at: int, text: str | None, name: str, metadata: dict[str, Any]
    ) -> Iterator[Passage | Problem]:
        """A row that may have more than text. A text beside a picture, a sound or a vector is not taken apart."""
        text = text if text and not text.isspace() else None
        try:
            vector = self._vector(block, at)
        except Unfit as cause:
            yield self._problem(block, at, str(cause))
            return
        made = 0
        for found in self._media.opened(block, at):
            if isinstance(found, str):
                kept = "; kept without it" if text or vector is not None else ""
                yield self._problem(block, at, f"{found}{kept}")
                continue
            made += 1
            item = Item(
                _part(name, made),
                text if made == 1 else None,
                self._uri,
                {**metadata, **found.told},
                found.image,
                found.audio,
                found.attachments,
            )
            yield Passage(item, block.done, found.key, vector)
        if made:
            return
        if vector is not None:
            yield Passage(Item(name, text, self._uri, metadata), block.done, None, vector)
        elif text:
            yield from self._of_text(text, name, metadata, block.done)

    def _vector(self, block: Block, at: int) -> Float32 | None:
        """Raises Unfit."""
        if self._roles.vector is None:
            return None
        cells = block.columns[self._roles.vector]
        if self._dim is None:
            sizes = Counter(len(cell) for cell in cells if cell is not None and not isinstance(cell, str))
            self._dim = sizes.most_common(1)[0][0] if sizes else None
        cell, column = cells[at], self._names[self._roles.vector]
        if isinstance(cell, str):
            raise Unfit(f"{column!r} {cell}")
        if cell is not None and len(cell) != self._dim:
            raise Unfit(f"{column!r} holds {len(cell):,} numbers, where others hold {self._dim:,}")
        return cell  # type: ignore[no-any-return]


def _part(name: str, part: int) -> str:
    return name if part == 1 else f"{name}#{part}"


def _id(cell: Any) -> str | None:
    if isinstance(cell, bool) or not isinstance(cell, _IDS):
        return None
    try:
        name = str(cell)
        fine = 0 < len(name.encode()) <= _LONGEST_ID and "\0" not in name
    except ValueError:
        return None
    return name if fine else None
