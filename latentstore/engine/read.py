"""The way of a query: filter → plan → candidates → exact distances → fetch. Nothing here waits for a writer."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from latentstore.distance import scores
from latentstore.engine import planner
from latentstore.engine.core import Engine, find_space
from latentstore.engine.latents.lag import warn_if_behind
from latentstore.engine.planner import Allowed
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.errors import Corrupted, ItemNotFound
from latentstore.storage.records import encode, id_of
from latentstore.types import Float32, Float64, Hits, Int64, Item, PlanStep

Detail = tuple[str | None, str | None, dict[str, Any]]
Moment = tuple[Snapshot, SpaceView, Allowed | None]


@dataclass(frozen=True, slots=True)
class Question:
    """How to answer: everything of a search but its vectors."""

    k: int
    where: str | None = None
    exact: bool = False
    recall: float = 0.99
    columns: tuple[str, ...] | None = None
    explain: bool = False


def search(engine: Engine, space: str | None, queries: Float32, question: Question) -> list[Hits]:
    """The k nearest items of each query. queries: (q, dim) float32, finite."""
    trace: list[PlanStep] | None = [] if question.explain else None
    return _answer(engine, moment(engine, space, question.where, trace), queries, question, trace)


def similar(engine: Engine, space: str | None, name: str, question: Question) -> Hits:
    """The neighbours of an item, itself left out."""
    trace: list[PlanStep] | None = [] if question.explain else None
    while True:
        snapshot, rows = rows_of(engine, [name])
        now = moment(engine, space or _space_of(snapshot, rows), question.where, trace)
        if snapshot.seq == now[0].seq:
            break
    view = now[1]
    warn_if_behind(snapshot, view, stacklevel=4)
    slot = view.vectors.slots_of(rows)
    if slot[0] < 0:
        raise ItemNotFound(f"item {name!r} has no vector in space {view.row.name!r}")
    wider = replace(question, k=question.k + 1)
    return without(_answer(engine, now, view.vectors.gather(slot), wider, trace)[0], [name], question.k)


def _space_of(snapshot: Snapshot, rows: Int64) -> str | None:
    """The first space in which an item has a vector."""
    held = (name for name, view in snapshot.spaces.items() if view.vectors.slots_of(rows)[0] >= 0)
    return next(held, None)


def _answer(
    engine: Engine, now: Moment, queries: Float32, question: Question, trace: list[PlanStep] | None
) -> list[Hits]:
    snapshot, view, allowed = now
    slots, distances = planner.search(
        view.searchable,
        queries,
        min(question.k, max(1, view.live_count)),
        allowed=allowed,
        recall=question.recall,
        exact=question.exact,
        trace=trace,
    )
    return _hits(engine, snapshot, view, slots, distances, question, trace)


def without(hits: Hits, names: Container[str], k: int) -> Hits:
    """The first k that are not of these names."""
    keep = [at for at, other in enumerate(hits.ids) if other not in names][:k]
    told = hits.details
    return Hits(
        [hits.ids[at] for at in keep],
        hits.distances[keep],
        hits.scores[keep],
        lambda: [found for at, found in enumerate(told()) if at in keep],
        hits.plan,
    )


def moment(engine: Engine, space: str | None, where: str | None, trace: list[PlanStep] | None = None) -> Moment:
    """A snapshot, and the filter's result at that very commit."""
    if where is None:
        snapshot = engine.snapshot
        return snapshot, find_space(snapshot, space), None
    started = perf_counter()
    while True:
        snapshot = engine.snapshot
        view = find_space(snapshot, space)
        key = (where, snapshot.seq, view.row.name)
        allowed = engine.filters.get(key)
        detail = "kept from an earlier search"
        if allowed is not None and allowed.view is not view.searchable:
            # A new index came without a commit: the slots still hold, what was derived for the old index does not.
            allowed = Allowed(view.searchable, allowed.slots)
            engine.filters.put(key, allowed)
        if allowed is None:
            seq, rows = engine.catalog.rows_where(where, snapshot.columns)
            if seq != snapshot.seq:
                # The filter saw another commit than this snapshot holds: take both from one.
                engine.snapshot_at(seq)
                continue
            slots = view.vectors.slots_of(rows)
            allowed = Allowed(view.searchable, view.live_slots(slots[slots >= 0]))
            engine.filters.put(key, allowed)
            detail = "evaluated by the catalog"
        if trace is not None:
            trace.append(PlanStep("filter", detail, len(allowed.slots), (perf_counter() - started) * 1e3))
        return snapshot, view, allowed


def _hits(
    engine: Engine,
    snapshot: Snapshot,
    view: SpaceView,
    slots: Int64,
    distances: Float64,
    question: Question,
    trace: list[PlanStep] | None,
) -> list[Hits]:
    """What a hit shows is fetched for all queries at once. slots, distances: (q, k), -1 and +inf at the end."""
    started = perf_counter()
    q, k = slots.shape
    scored = scores(distances, view.row.metric)
    found, counts, flat = slots >= 0, [k] * q, slots.reshape(-1)
    if np.count_nonzero(found) < found.size:
        counts, flat = found.sum(axis=1).tolist(), slots[found]
    raw = records(engine, snapshot, view.vectors.rows.take(flat))
    ids = [id_of(one) for one in raw]
    if trace is not None:
        trace.append(PlanStep("fetch", "read ids, texts and metadata", len(raw), (perf_counter() - started) * 1e3))
    hits, start = [], 0
    for at, count in enumerate(counts):
        mine = slice(start, start + count)
        told = details(snapshot, raw[mine], question.columns)
        hits.append(Hits(ids[mine], distances[at, :count], scored[at, :count], told, trace))
        start += count
    return hits


def details(snapshot: Snapshot, raw: list[bytes], columns: tuple[str, ...] | None) -> Callable[[], list[Detail]]:
    def unpack() -> list[Detail]:
        found = [snapshot.details(one)[1:] for one in raw]
        if columns is None:
            return found
        return [(text, uri, {name: metadata[name] for name in columns}) for text, uri, metadata in found]

    return unpack


def records(engine: Engine, snapshot: Snapshot, rows: Int64) -> list[bytes]:
    """Raw records; from the catalog where the derived copy is damaged."""
    try:
        return snapshot.records.read(rows)
    except Corrupted as reason:
        engine.notes.append(f"{reason} (answered from the catalog instead)")
    wanted = ", ".join(map(str, rows.tolist()))
    found = {record.row: encode(record) for record in engine.catalog.records(snapshot.columns, f"row in ({wanted})")}
    missing = [row for row in rows.tolist() if row not in found]
    if missing:
        raise Corrupted(
            f"row {missing[0]} is in neither the records nor the catalog any more; run 'latentstore repair'"
        )
    return [found[row] for row in rows.tolist()]


def rows_of(engine: Engine, ids: Sequence[str]) -> tuple[Snapshot, Int64]:
    """A snapshot, and the row of each id in it. Raises ItemNotFound naming the first that is missing."""
    while True:
        snapshot = engine.snapshot
        seq, held = engine.catalog.rows_of(ids)
        if seq == snapshot.seq:
            break
        engine.snapshot_at(seq)
    missing = [name for name in ids if name not in held]
    if missing:
        raise ItemNotFound(f"{len(missing)} of {len(ids)} ids are not in the collection, the first is {missing[0]!r}")
    return snapshot, np.array([held[name] for name in ids], dtype=np.int64)


def holds(engine: Engine, name: object) -> bool:
    """Whether an item has that id."""
    if not engine.snapshot.items or not isinstance(name, str) or not _is_unicode(name):
        return False
    return bool(engine.catalog.rows_of([name])[1])


def _is_unicode(name: str) -> bool:
    """DuckDB refuses a lone surrogate; no id holds one."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def get(engine: Engine, ids: Sequence[str]) -> list[Item]:
    """The items, in the order asked. Raises ItemNotFound."""
    snapshot, rows = rows_of(engine, ids)
    found = [snapshot.details(raw) for raw in records(engine, snapshot, rows)]
    return [Item(name, text, uri, metadata) for name, text, uri, metadata in found]


def any_pass(engine: Engine, space: str, condition: str | None) -> bool:
    """Whether any item of a space passes a filter."""
    allowed = moment(engine, space, condition)[2]
    return allowed is None or len(allowed.slots) > 0


def rows_where(engine: Engine, where: str) -> tuple[Snapshot, Int64]:
    """A snapshot, and the rows that pass a filter in it, ascending."""
    while True:
        snapshot = engine.snapshot
        seq, rows = engine.catalog.rows_where(where, snapshot.columns)
        if seq == snapshot.seq:
            return snapshot, rows
        engine.snapshot_at(seq)


def vectors(
    engine: Engine, space: str | None, ids: Sequence[str] | None, where: str | None
) -> tuple[list[str], Float32]:
    """(ids, (n, dim) float32): of the given ids in their order, of a filter, or of all items in the order added."""
    if ids is not None:
        snapshot, rows = rows_of(engine, ids)
        view = find_space(snapshot, space)
        slots = view.vectors.slots_of(rows)
        if slots.size and slots.min() < 0:
            raise ItemNotFound(f"item {ids[int(slots.argmin())]!r} has no vector in space {view.row.name!r}")
    else:
        snapshot, view, allowed = moment(engine, space, where)
        slots = view.all_live() if allowed is None else allowed.slots
    names = [id_of(raw) for raw in records(engine, snapshot, view.vectors.rows[slots])]
    return names, view.vectors.gather(slots)
