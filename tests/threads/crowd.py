"""What threads are held against: a collection whose every commit keeps whole batches, and doors that show all of it.

Batch b is SIZE items "b-i" with metadata batch, stamp and version. Each commit adds a batch, gives one a new stamp, puts one in
anew (version + 1, other vectors) or deletes one. So whatever one commit shows holds SIZE items of a batch or none, all of one
stamp and version, each with the vector of its version.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from truth import Array, distances, gaussian

from latentstore import Collection, ItemNotFound

SIZE, DIM, VERSIONS = 12, 16, 3
_TABLE = gaussian(200 * VERSIONS * SIZE, DIM, seed=5).reshape(200, VERSIONS, SIZE, DIM)
Seen = dict[str, tuple[int, int, int]]  # id → batch, stamp, version


def vectors_of(batch: int, version: int) -> Array:
    """(SIZE, DIM) float32."""
    return _TABLE[batch % 200, version % VERSIONS]  # type: ignore[no-any-return]


def ids_of(batch: int) -> list[str]:
    return [f"{batch}-{at}" for at in range(SIZE)]


def vector_of(name: str, version: int) -> Array:
    batch, at = map(int, name.split("-"))
    return vectors_of(batch, version)[at]  # type: ignore[no-any-return]


@dataclass
class Crowd:
    """One writer, and readers that check what they see until the writer is done."""

    points: Collection
    done: threading.Event = field(default_factory=threading.Event)
    errors: list[str] = field(default_factory=list)
    kept: set[int] = field(default_factory=set)  # batches that are in, whatever the writer does next
    gone: set[int] = field(default_factory=set)  # batches that will never be in again
    looks: int = 0
    enough: Callable[[], bool] = lambda: True  # the writer goes on until then

    def write(self, rounds: int) -> None:
        for batch in count(1):
            if batch >= rounds and (self.enough() or self.errors):
                return
            self._put(batch, version=0)
            if batch >= 2:
                self.points.update(ids_of(batch - 1), [{"stamp": batch}] * SIZE)
                self._put(batch - 2, version=1 + batch % (VERSIONS - 1))
            if batch >= 5:
                self.kept.discard(batch - 5)
                self._delete(batch - 5)
                self.gone.add(batch - 5)

    def _put(self, batch: int, version: int) -> None:
        about = [{"batch": batch, "stamp": 0, "version": version}] * SIZE
        vectors = vectors_of(batch, version)
        texts = [f"{name} v{version}" for name in ids_of(batch)]
        self.points.add(texts, vectors=vectors, ids=ids_of(batch), metadata=about, on_conflict="replace")
        self.kept.add(batch)

    def _delete(self, batch: int) -> None:
        if batch % 2:
            self.points.delete(ids_of(batch))
        else:
            self.points.delete(where=f"batch = {batch}")

    def run(self, rounds: int, doors: list[Callable[[Crowd], None]], *chores: Callable[[Crowd], None]) -> None:
        """Let every door and chore go round in a thread of its own while this one writes. Raises what they met."""
        self._put(0, version=0)
        threads = [threading.Thread(target=self._repeat, args=(work,)) for work in (*doors, *chores)]
        for thread in threads:
            thread.start()
        try:
            self.write(rounds)
        finally:
            self.done.set()
            for thread in threads:
                thread.join()
        assert not self.errors, self.errors[0]
        assert self.looks > len(doors)

    def _repeat(self, work: Callable[[Crowd], None]) -> None:
        try:
            while True:
                last = self.done.is_set()
                kept, gone = set(self.kept), set(self.gone)
                seen = work(self)
                self.looks += 1
                if seen is not None:
                    check(seen, missing_never=kept & self.kept, never=gone)
                if last:
                    return
        except BaseException:
            self.errors.append(traceback.format_exc())


def check(seen: Seen, missing_never: set[int] = frozenset(), never: set[int] = frozenset()) -> None:  # type: ignore[assignment]
    """Assert that this is what one commit holds."""
    batches: dict[int, set[tuple[int, int]]] = {}
    for batch, stamp, version in seen.values():
        batches.setdefault(batch, set()).add((stamp, version))
    for batch, states in batches.items():
        assert len(states) == 1, f"batch {batch} was seen half changed: {states}"
        assert {name for name in seen if name.startswith(f"{batch}-")} == set(ids_of(batch)), f"half of batch {batch}"
    assert not never & set(batches), "a deleted batch came back"
    assert missing_never <= set(batches), "a committed batch was not seen"


def _row(metadata: dict[str, Any]) -> tuple[int, int, int]:
    return metadata["batch"], metadata["stamp"], metadata["version"]


def by_search(crowd: Crowd, **how: Any) -> Seen:
    query = vectors_of(0, 0)[0]
    hits = crowd.points.search(query, 10_000, **how)
    for hit in hits:
        assert hit.text == f"{hit.id} v{hit.metadata['version']}"
        true = distances(query, vector_of(hit.id, hit.metadata["version"])[None], "cosine")[0]
        assert abs(hit.distance - true) < 1e-5, "the vector of another version"
    return {hit.id: _row(hit.metadata) for hit in hits}


def by_exact_search(crowd: Crowd) -> Seen:
    return by_search(crowd, exact=True)


def by_filter(crowd: Crowd) -> Seen:
    return by_search(crowd, where="batch >= 0")


def by_changing_filter(crowd: Crowd) -> None:
    found = by_search(crowd, where="version = 0 and stamp = 0")
    assert all(state[1:] == (0, 0) for state in found.values()), "filter and items are of two commits"
    check(found)


def by_few(crowd: Crowd) -> None:
    hits = crowd.points.search(vectors_of(0, 0)[0], 5, where="batch >= 0")
    assert len(hits) == min(5, len(hits) or 5) and len(set(hits.ids)) == len(hits)
    assert list(hits.distances) == sorted(hits.distances)


def by_sql(crowd: Crowd) -> Seen:
    found = crowd.points.sql("select id, batch, stamp, version from items where batch is not null")
    return {name: (batch, stamp, version) for name, batch, stamp, version in found.values}


def by_get(crowd: Crowd) -> None:
    batch = max(crowd.kept, default=0)
    try:
        items = crowd.points.get(ids_of(batch))
    except ItemNotFound:
        return
    check({item.id: _row(item.metadata) for item in items})  # type: ignore[misc]


def by_similar(crowd: Crowd) -> None:
    name = ids_of(max(crowd.kept, default=0))[0]
    try:
        hits = crowd.points.similar(name, 10_000, where="batch >= 0")
    except ItemNotFound:
        return
    assert name not in hits.ids
    versions = {hit.metadata["version"] for hit in hits if hit.id.split("-")[0] == name.split("-")[0]}
    assert len(versions) == 1, "its own batch is there, of one version"
    own = vector_of(name, versions.pop())
    for hit in hits:
        true = distances(own, vector_of(hit.id, hit.metadata["version"])[None], "cosine")[0]
        assert abs(hit.distance - true) < 1e-5, "the item and its neighbours are of two commits"


def by_count(crowd: Crowd) -> None:
    assert crowd.points.count("batch >= 0") % SIZE == len(crowd.points) % SIZE == 0


def by_vectors(crowd: Crowd) -> None:
    names, held = crowd.points.space().vectors()
    versions: dict[str, set[int]] = {}
    for name, vector in zip(names, held, strict=True):
        like = [version for version in range(VERSIONS) if (vector == vector_of(name, version)).all()]
        assert len(like) == 1, "a vector that belongs to no version of its item"
        versions.setdefault(name.split("-")[0], set()).add(like[0])
    assert all(len(found) == 1 for found in versions.values()) and len(names) == len(versions) * SIZE


DOORS = [
    by_search,
    by_exact_search,
    by_filter,
    by_changing_filter,
    by_few,
    by_sql,
    by_get,
    by_similar,
    by_count,
    by_vectors,
]
