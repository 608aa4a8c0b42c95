"""Bringing a batch into the collection: items, what they replace, and the ledger's lines, in one commit.

What the collection refuses is found by halving the batch, so that one bad row costs that row only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ingest.batches import Finished
from ingest.encoding import Ready
from ingest.ledger import Ledger, is_gone, line, literals, touched
from ingest.results import Problem, Result
from ingest.reuse import Reuse
from latentstore import Collection, InvalidInput, Item


class Committer:
    """Writes batches into one collection and counts in `result` what became of them. Used by one thread."""

    def __init__(self, collection: Collection, ledger: Ledger, reuse: Reuse, shape: str, result: Result) -> None:
        self._collection, self._ledger, self._reuse = collection, ledger, reuse
        self._shape, self._result = shape, result
        self._fresh = len(collection) == 0

    def commit(self, ready: Ready, fingerprints: Mapping[str, str]) -> None:
        """One commit, unless the collection refuses an item of it. Raises what the collection raises."""
        for problem in ready.problems:
            self._result.note(problem)
        moved = self._moved(ready.finished)
        lost = [uri for done in ready.finished for uri in done.lost]
        stale = self._stale(ready.finished, [*moved, *lost])
        lines = [line(done, self._shape) for done in ready.finished]
        lines += [touched(one) for one in ready.skipped if one.digest is not None]
        ledger: dict[str, Sequence[Any]] = {"sources": lines, "forget": [*moved, *lost], "stale": list(stale)}
        self._add(ready.items, ready.vectors, fingerprints, ledger)
        self._reuse.refresh()
        self._result.moved += len(moved)
        added = {item.id for item in ready.items}
        self._result.removed += sum(uri not in moved and name not in added for name, uri in stale.items())
        self._count(ready)

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
        ledger: Mapping[str, Sequence[Any]],
    ) -> None:
        if not items and not any(ledger.values()):
            return
        given = {name: column for name, column in vectors.items() if any(one is not None for one in column)}
        prints = {name: fingerprints[name] for name in given if name in fingerprints}
        try:
            written = self._collection.add(
                items, vectors=given or None, fingerprint=prints or None, on_conflict="replace", **ledger
            )
        except InvalidInput as refusal:
            if not items:
                raise
            if len(items) == 1:
                self._result.passages -= 1
                self._result.note(Problem(items[0].uri or "", f"{items[0].id}: {refusal}"))
                self._add([], {}, fingerprints, ledger)
                return
            middle = len(items) // 2
            self._add(items[:middle], _part(vectors, 0, middle), fingerprints, {})
            self._add(items[middle:], _part(vectors, middle, len(items)), fingerprints, ledger)
        else:
            self._result.added += written.inserted
            self._result.replaced += written.replaced

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


def _part(vectors: dict[str, list[Any]], start: int, end: int) -> dict[str, list[Any]]:
    return {name: column[start:end] for name, column in vectors.items()}
