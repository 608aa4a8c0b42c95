"""Bringing a batch into the collection: new passages are encoded, changed ones replaced, equal ones left alone.

What the collection refuses is found by halving the batch, so that one bad row costs that row only.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import TYPE_CHECKING

from ingest.results import Problem, Result
from latentstore import InvalidInput, Item

if TYPE_CHECKING:
    from latentstore import Collection


class Committer:
    """Writes batches into one collection and counts in `result` what became of them."""

    def __init__(self, collection: Collection, result: Result) -> None:
        self._collection, self._result = collection, result
        self._empty = len(collection) == 0  # a first run need not look for what is there

    def store(self, items: Sequence[Item]) -> None:
        """One commit for the new and changed items, the last one of each id counting."""
        batch = list({str(item.id): item for item in items}.values())
        self._result.passages += len(items)
        self._result.unchanged += len(items) - len(batch)
        known = self._known(batch)
        fresh = [item for item in batch if (old := known.get(str(item.id))) is None or _encodes(item, old)]
        told = [item for item in batch if (old := known.get(str(item.id))) and not _encodes(item, old)]
        moved = [item for item in told if dict(item.metadata) != _metadata(known[str(item.id)])]
        self._result.unchanged += len(told) - len(moved)
        self._add(fresh)
        self._update(moved, known)

    def forget(self, finished: Mapping[str, Container[str]]) -> None:
        """Delete what a document held at an earlier run and does not hold now."""
        if self._empty or not finished:
            return
        listed = ", ".join(_literal(uri) for uri in finished)
        rows = self._collection.sql(f"select id, uri from items where uri in ({listed})")
        stale = [row["id"] for row in rows if row["id"] not in finished[row["uri"]]]
        if stale:
            self._collection.delete(ids=stale)
            self._result.removed += len(stale)

    def _known(self, items: Sequence[Item]) -> dict[str, Item]:
        if self._empty or not items:
            return {}
        listed = ", ".join(_literal(str(item.id)) for item in items)
        there = [row["id"] for row in self._collection.sql(f"select id from items where id in ({listed})")]
        return {str(item.id): item for item in self._collection.get(there)} if there else {}

    def _add(self, items: list[Item]) -> None:
        if not items:
            return
        try:
            written = self._collection.add(items, on_conflict="replace")
        except InvalidInput as refusal:
            if len(items) == 1:
                self._result.passages -= 1
                self._result.note(Problem(items[0].uri or "", f"{items[0].id}: {refusal}"))
                return
            middle = len(items) // 2
            self._add(items[:middle])
            self._add(items[middle:])
        else:
            self._result.added += written.inserted
            self._result.replaced += written.replaced

    def _update(self, items: list[Item], known: Mapping[str, Item]) -> None:
        if not items:
            return
        # An update keeps keys that it does not name: those that are gone are named with None.
        metadata = [{**dict.fromkeys(_metadata(known[str(item.id)])), **item.metadata} for item in items]
        try:
            self._collection.update(ids=[str(item.id) for item in items], metadata=metadata)
        except InvalidInput:
            self._add(items)  # which tells which one, and why
        else:
            self._result.updated += len(items)


def _encodes(item: Item, old: Item) -> bool:
    """Whether the passage must be written anew: another text, or the same from another place."""
    return item.text != old.text or item.uri != old.uri


def _metadata(item: Item) -> dict[str, object]:
    return {key: value for key, value in item.metadata.items() if value is not None}


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
