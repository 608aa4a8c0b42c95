"""Bringing a batch into the collection: items, what they replace, and the ledger's lines, in one commit.

What the collection refuses is found by halving the batch, so that one bad row costs that row only; a key whose type clashes
with the collection's is left out, and the ledger says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ingest.batches import Finished, Skipped
from ingest.encoding import Ready
from ingest.ledger import Ledger, is_gone, line, literals, touched
from ingest.results import Problem, Result
from ingest.reuse import Reuse
from latentstore import Collection, ColumnTypeClash, InvalidInput, Item


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What the commit that ends a batch tells the ledger."""

    finished: Sequence[Finished]
    skipped: Sequence[Skipped]
    forget: Sequence[str]
    stale: Sequence[str]

    def told(self, shape: str, refused: dict[str, str]) -> dict[str, Sequence[Any]]:
        """As arguments of `Collection.add`. refused: uri → what the collection refused, where the source was read well."""
        lines = [line(_blamed(done, refused), shape) for done in self.finished]
        lines += [touched(one) for one in self.skipped if one.digest is not None]
        return {"sources": lines, "forget": self.forget, "stale": self.stale}


def _blamed(done: Finished, refused: dict[str, str]) -> Finished:
    reason = refused.get(done.document.uri)
    return done if reason is None or done.error is not None else replace(done, error=reason)


class Committer:
    """Writes batches into one collection and counts in `result` what became of them. Used by one thread."""

    def __init__(self, collection: Collection, ledger: Ledger, reuse: Reuse, shape: str, result: Result) -> None:
        self._collection, self._ledger, self._reuse = collection, ledger, reuse
        self._shape, self._result = shape, result
        self._fresh = len(collection) == 0
        self._refused: dict[str, str] = {}  # uri of a source that is not done with → what of it the collection refused

    def commit(self, ready: Ready, fingerprints: Mapping[str, str]) -> None:
        """One commit, unless the collection refuses an item of it. Raises what the collection raises."""
        for problem in ready.problems:
            self._result.note(problem)
        moved = self._moved(ready.finished)
        lost = [uri for done in ready.finished for uri in done.lost]
        stale = self._stale(ready.finished, [*moved, *lost])
        ledger = _Ledger(ready.finished, ready.skipped, [*moved, *lost], list(stale))
        self._add(ready.items, ready.vectors, fingerprints, ledger)
        self._reuse.refresh()
        self._result.moved += len(moved)
        added = {item.id for item in ready.items}
        self._result.removed += sum(uri not in moved and name not in added for name, uri in stale.items())
        self._count(ready)
        for done in ready.finished:
            self._refused.pop(done.document.uri, None)

    def remove(self, uris: Sequence[str]) -> None:
        """Delete the items of sources that have gone, and forget them, in one commit."""
        stale = self._ids(uris)
        self._collection.add([], stale=stale, forget=uris)
        self._result.removed += len(stale)
        self._result.gone += len(uris)

    def _add(
        self,
        items: list[Item],
        vectors: dict[str, list[Any]],
        fingerprints: Mapping[str, str],
        ledger: _Ledger | None,
    ) -> None:
        if not items and ledger is None:
            return
        given = {name: column for name, column in vectors.items() if any(one is not None for one in column)}
        prints = {name: fingerprints[name] for name in given if name in fingerprints}
        told = {} if ledger is None else ledger.told(self._shape, self._refused)
        if not items and not any(told.values()):
            return
        try:
            written = self._collection.add(
                items, vectors=given or None, fingerprint=prints or None, on_conflict="replace", **told
            )
        except ColumnTypeClash as clash:
            if clash.column is None:
                self._part(items, vectors, fingerprints, ledger, clash)
            elif clash.row is None:
                self._add(self._respelled(clash.column, items), vectors, fingerprints, ledger)
            else:
                self._add(self._without(clash.column, items, clash.row, clash), vectors, fingerprints, ledger)
        except InvalidInput as refusal:
            self._part(items, vectors, fingerprints, ledger, refusal)
        else:
            self._result.added += written.inserted
            self._result.replaced += written.replaced

    def _part(
        self,
        items: list[Item],
        vectors: dict[str, list[Any]],
        fingerprints: Mapping[str, str],
        ledger: _Ledger | None,
        refusal: InvalidInput,
    ) -> None:
        """Find the item that is refused, and do without it. The ledger goes with the last part."""
        if not items:
            raise refusal
        if len(items) == 1:
            self._result.passages -= 1
            self._refuse(items[0].uri or "", f"{items[0].id}: {refusal}")
            self._add([], {}, fingerprints, ledger)
            return
        middle = len(items) // 2
        self._add(items[:middle], _slice(vectors, 0, middle), fingerprints, None)
        self._add(items[middle:], _slice(vectors, middle, len(items)), fingerprints, ledger)

    def _without(self, column: str, items: list[Item], row: int, clash: ColumnTypeClash) -> list[Item]:
        """The items, those of one source without a key: a table has one type a column, so that all of its values clash."""
        uri = items[row].uri
        self._refuse(uri or "", f"{clash}; its items are kept without that key")
        return [
            replace(item, metadata={key: value for key, value in item.metadata.items() if key != column})
            if item.uri == uri
            else item
            for item in items
        ]

    def _respelled(self, column: str, items: list[Item]) -> list[Item]:
        """The items, a key that differs in case alone from one before it spelt as that one: SQL takes them for one name."""
        known = self._collection.sql("select * from items limit 0").columns
        keys = [*known, *(key for item in items for key in item.metadata)]
        spelt = next(key for key in keys if key.casefold() == column.casefold())
        return [
            replace(
                item,
                metadata={
                    spelt if key.casefold() == column.casefold() else key: value for key, value in item.metadata.items()
                },
            )
            for item in items
        ]

    def _refuse(self, uri: str, reason: str) -> None:
        if uri not in self._refused or self._refused[uri] != reason:
            self._result.note(Problem(uri, reason))
        self._refused.setdefault(uri, reason)

    def _stale(self, finished: Sequence[Finished], gone: Sequence[str]) -> dict[str, str]:
        """Id → uri of what these documents held at an earlier run and do not hold now."""
        if self._fresh:
            return {}
        now = {done.document.uri: done.ids for done in finished if done.digest is not None}
        if not now and not gone:
            return {}
        rows = self._collection.sql(f"select id, uri from items where uri in ({literals([*now, *gone])})")
        return {row["id"]: row["uri"] for row in rows if row["uri"] not in now or row["id"] not in now[row["uri"]]}

    def _moved(self, finished: Sequence[Finished]) -> list[str]:
        """Uris that new documents had before: the same bytes, and nothing there any more."""
        new = {done.digest: done.document.uri for done in finished if done.was is None and done.digest is not None}
        before = [one.uri for one in self._ledger.of_digests([*new]) if one.uri not in new.values()]
        return [uri for uri in before if is_gone(uri)]

    def _ids(self, uris: Sequence[str]) -> list[str]:
        if not uris:
            return []
        return [row["id"] for row in self._collection.sql(f"select id from items where uri in ({literals(uris)})")]

    def _count(self, ready: Ready) -> None:
        result = self._result
        result.files += sum(done.digest is not None for done in ready.finished)
        result.skipped += len(ready.skipped)
        result.passages += ready.passages
        result.unchanged += ready.unchanged
        result.encoded += ready.encoded
        result.reused += ready.reused
        result.replaced -= len(ready.retold)
        result.updated += len(ready.retold)


def _slice(vectors: dict[str, list[Any]], start: int, end: int) -> dict[str, list[Any]]:
    return {name: column[start:end] for name, column in vectors.items()}
