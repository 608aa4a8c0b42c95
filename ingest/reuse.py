"""Vectors of equal content, so that nothing is encoded twice: an index of what the collection holds, 16 bytes a content.

A content is named by its text, or by the key of a picture or a sound. The index finds candidates by a 64-bit hash; the
name itself is compared before a vector is taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection as Names
from collections.abc import Sequence
from typing import Any

import numpy as np

from latentstore import Collection, ItemNotFound, Modality
from latentstore.types import Float32, Int64, UInt64

_PAGE = 100_000  # rows read at a time
CONTENT = "content"  # the metadata column that names a picture or a sound
KEPT = "content"  # the attachment that is a source's own bytes
MODALITY = "modality"  # the one in which the store keeps what an item is
_Run = tuple[UInt64, Int64]  # hashes ascending, and the row of each


class Reuse:
    """`refresh` in one thread while `find` runs in another is safe."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._next = 0
        self._runs: tuple[_Run, ...] = ()
        self.refresh()

    def refresh(self) -> None:
        """Take in what was committed since."""
        last = next(iter(self._collection.sql("select max(row) as last from items")))["last"]
        last = -1 if last is None else int(last)
        named = ["text", CONTENT] if CONTENT in self._columns() else ["text"]
        while self._next <= last:
            end = min(self._next + _PAGE, last + 1)
            for name in named:
                self._take(
                    f"select row, md5_number_lower({name}) as hash from items "
                    f"where row >= {self._next} and row < {end} and {name} is not null"
                )
            self._next = end

    def find(
        self, space: str, takes: Names[Modality], wanted: Sequence[tuple[Modality, str]]
    ) -> dict[tuple[Modality, str], Float32]:
        """The vectors in `space` of those contents (modality, name) that the collection holds. takes: what the space's encoder does."""
        rows = self._rows([name for _, name in wanted])
        if not rows:
            return {}
        there = self._held(rows, takes)
        ids = [there[content] for content in wanted if content in there]
        if not ids:
            return {}
        try:
            _, vectors = self._collection.space(space).vectors(ids)
        except ItemNotFound:
            return {}  # one of them was added without a vector here
        return dict(zip((content for content in wanted if content in there), vectors, strict=True))

    def _held(self, rows: Sequence[int], takes: Names[Modality]) -> dict[tuple[Modality, str], str]:
        """The id of an item for each content that an encoder of `takes` saw of the items in these rows."""
        media = ", ".join(name for name in (CONTENT, MODALITY) if name in self._columns())
        chosen = f"id, text, {media}" if media else "id, text"
        found = self._collection.sql(f"select {chosen} from items where row in ({', '.join(map(str, rows))})")
        return {seen: str(row["id"]) for row in found if (seen := _seen(row, takes)) is not None}

    def _rows(self, names: Sequence[str]) -> list[int]:
        hashes = np.unique(np.fromiter(map(hash_of, names), np.uint64, len(names)))
        rows: list[int] = []
        for held, at in self._runs:
            # The last of equal ones: what replaced an item has a later row than what it replaced.
            places = np.searchsorted(held, hashes, side="right") - 1
            rows += at[places[held[places] == hashes]].tolist()
        return rows

    def _take(self, query: str) -> None:
        values = self._collection.sql(query).values
        if not values:
            return
        rows, hashes = zip(*values, strict=True)
        run = _sorted(np.array(hashes, np.uint64), np.array(rows, np.int64))
        runs = list(self._runs)
        while runs and len(runs[-1][0]) <= len(run[0]):
            earlier = runs.pop()
            run = _sorted(np.concatenate([earlier[0], run[0]]), np.concatenate([earlier[1], run[1]]))
        self._runs = (*runs, run)

    def _columns(self) -> list[str]:
        return self._collection.sql("select * from items limit 0").columns


def hash_of(name: str) -> int:
    """What DuckDB's md5_number_lower gives."""
    return int.from_bytes(hashlib.md5(name.encode(), usedforsecurity=False).digest()[8:], "little")


def _sorted(hashes: UInt64, rows: Int64) -> _Run:
    order = np.argsort(hashes, kind="stable")
    return hashes[order], rows[order]


def _seen(row: dict[str, Any], takes: Names[Modality]) -> tuple[Modality, str] | None:
    kind = Modality(row.get(MODALITY) or Modality.TEXT)
    if kind in takes and kind is not Modality.TEXT:
        return (kind, row[CONTENT]) if row.get(CONTENT) else None
    return (Modality.TEXT, row["text"]) if Modality.TEXT in takes and row["text"] is not None else None
