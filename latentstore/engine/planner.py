"""From a prepared query to its exact answer: which way is cheapest, and whether it found enough.

Whatever the way, every candidate is measured again from the float32 vectors, so an index can cost time but never a
wrong distance; and where a way finds fewer than there are, the next one looks at more (gather, walk, scan, exact).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from time import perf_counter

import numpy as np

from latentstore.index.contract import Effort, Selection, VectorIndex, Vectors, worth_keeping
from latentstore.index.exact import lengths_of, nearest, nearest_of, ranked
from latentstore.types import Bool, Float32, Float64, Int64, Metric, PlanStep, UInt8

# Nanoseconds, measured; only their proportions matter.
_SCAN = 0.045  # to look at a value of an int8 code
_FETCH = 0.27  # the same, when the codes must be brought together first
_STEP = 2500.0  # to visit a node of a graph
_WALK = 40_000.0  # to begin
_FEW_BYTES = 1 << 20  # vectors that are fetched and measured in the time that any other way takes to begin
_MOST_BYTES = 256 << 20  # vectors that are gathered at most
_MEASURED = 1 << 18  # values of candidates that are fetched and measured together: 1 MB, which the cache holds
_SPARE = 1.3  # a walk asks for this much more than it needs on average
_DEEP = 2  # a scan returns this many times k to be measured again


@dataclass(frozen=True)
class SearchView:
    """One space at one commit. `live`: packed bits over its slots, None while all are live."""

    metric: Metric
    vectors: Vectors
    live: UInt8 | None
    live_count: int
    index: VectorIndex | None

    @cached_property
    def covered(self) -> int:
        return self.index.covered if self.index else 0

    @cached_property
    def alive(self) -> Allowed | None:
        """The live slots as a filter; None while all are live."""
        if self.live is None or self.live_count == self.vectors.n:
            return None
        return Allowed(self, np.flatnonzero(np.unpackbits(self.live, count=self.vectors.n, bitorder="little")))

    @cached_property
    def tail_lengths(self) -> Float32:
        """The lengths of the vectors that no index covers."""
        return lengths_of(self.vectors, self.covered, self.vectors.n)

    @cached_property
    def lengths(self) -> Float32:
        return np.concatenate([lengths_of(self.vectors, 0, self.covered), self.tail_lengths])


class Allowed:
    """What passes a filter in one space at one commit. slots: (m,) int64, ascending, live."""

    def __init__(self, view: SearchView, slots: Int64) -> None:
        self.view = view
        self.slots = slots

    @cached_property
    def mask(self) -> Bool:
        """(n,) which slots are allowed."""
        flags = np.zeros(self.view.vectors.n, dtype=np.bool_)
        flags[self.slots] = True
        return flags

    @cached_property
    def covered(self) -> Int64:
        """Those that the index covers."""
        return self.slots[: np.searchsorted(self.slots, self.view.covered)]

    @cached_property
    def selection(self) -> Selection:
        assert self.view.index is not None
        return self.view.index.select(self.covered)

    @property
    def nbytes(self) -> int:
        """About what it takes in memory, with what may yet be derived from it."""
        return self.slots.nbytes + self.view.vectors.n * 2 + len(self.slots) * self.view.vectors.dim


@dataclass(slots=True)
class _Search:
    """One search under way."""

    view: SearchView
    queries: Float32
    k: int
    allowed: Allowed | None
    trace: list[PlanStep] | None

    def note(self, step: str, detail: str, count: int, started: float) -> None:
        if self.trace is not None:
            self.trace.append(PlanStep(step, detail, count, (perf_counter() - started) * 1e3))


def search(
    view: SearchView,
    queries: Float32,
    k: int,
    *,
    allowed: Allowed | None = None,
    recall: float = 0.99,
    exact: bool = False,
    trace: list[PlanStep] | None = None,
) -> tuple[Int64, Float64]:
    """The k nearest live slots of each query: (q, k) int64 and float64, by distance, then slot; -1 and +inf at the end.

    queries: (q, dim) float32, finite; allowed: only these slots count; recall: the share of the true k nearest to
    find, on average; exact: find all. Never fewer than min(k, slots that count). trace: takes the steps.
    """
    allowed = view.alive if allowed is None else allowed
    asked = _Search(view, queries, k, allowed, trace)
    count = view.vectors.n if allowed is None else len(allowed.slots)
    if not count or not k or not len(queries):
        return np.full((len(queries), k), -1, dtype=np.int64), np.full((len(queries), k), np.inf)
    if allowed is not None and (count <= k or count * view.vectors.dim * 4 <= _FEW_BYTES):
        return _gathered(asked, allowed)
    effort = view.index.effort(recall, k) if view.index and not exact else None
    return _without_index(asked, allowed) if effort is None else _indexed(asked, effort)


def _without_index(asked: _Search, allowed: Allowed | None) -> tuple[Int64, Float64]:
    vectors = asked.view.vectors
    if allowed is None or 8 * len(allowed.slots) > vectors.n or len(allowed.slots) * vectors.dim * 4 > _MOST_BYTES:
        return _everything(asked)
    return _gathered(asked, allowed)


def _gathered(asked: _Search, allowed: Allowed) -> tuple[Int64, Float64]:
    started = perf_counter()
    view = asked.view
    found = nearest_of(asked.queries, view.vectors.gather(allowed.slots), allowed.slots, asked.k, view.metric)
    asked.note("gather", "few rows count: each was measured", len(allowed.slots), started)
    return found


def _everything(asked: _Search) -> tuple[Int64, Float64]:
    started = perf_counter()
    view = asked.view
    mask = None if asked.allowed is None else asked.allowed.mask
    found = nearest(asked.queries, view.vectors, asked.k, view.metric, allowed=mask, lengths=view.lengths)
    asked.note("exact", "every vector was looked at", view.vectors.n, started)
    return found


def _indexed(asked: _Search, effort: Effort) -> tuple[Int64, Float64]:
    candidates = _tail(asked, _from_index(asked, effort))
    started = perf_counter()
    slots, distances = _measured(asked, candidates)
    asked.note("measure", "candidates measured in float32 vectors", candidates.size, started)
    return _complete(asked, slots, distances)


def _from_index(asked: _Search, effort: Effort) -> Int64:
    """(q, c) candidates among the slots that the index covers."""
    index, allowed = asked.view.index, asked.allowed
    assert index is not None
    if allowed is None:
        started = perf_counter()
        found = index.search(asked.queries, effort)
        asked.note(
            "index", f"the index was searched with effort {min(effort.width, index.covered)}", found.size, started
        )
        return found
    m = len(allowed.covered)
    if not m:
        return np.full((len(asked.queries), 0), -1, dtype=np.int64)
    wide = _widened(effort, m / index.covered)
    scan = m * index.dim * (_SCAN if worth_keeping(m, index.covered) else _FETCH)
    if _WALK + wide.width * _STEP < scan:
        return _walk(asked, allowed, effort, wide)
    return _scan(asked, allowed, asked.queries)


def _widened(effort: Effort, share: float) -> Effort:
    """The effort that leaves enough candidates when only that share of the slots counts."""
    depth = int(effort.depth / share * _SPARE) + 1
    return Effort(max(int(effort.width / share), depth), depth)


def _walk(asked: _Search, allowed: Allowed, effort: Effort, wide: Effort) -> Int64:
    """Search without the filter, wider, and drop what does not pass: that shows whether the rows lie near the query."""
    assert asked.view.index is not None
    started = perf_counter()
    found = asked.view.index.search(asked.queries, wide)
    found[~allowed.mask[found] & (found >= 0)] = -1
    asked.note("index", f"searched with effort {wide.width}, then filtered", found.size, started)
    poor = np.flatnonzero((found >= 0).sum(axis=1) < min(effort.depth, len(allowed.covered)))
    if poor.size:
        # Few of the nearest pass: the rows that do lie elsewhere, where the graph does not lead.
        better = _scan(asked, allowed, asked.queries[poor])
        width = min(better.shape[1], found.shape[1])
        found[poor] = -1
        found[poor, :width] = better[:, :width]
    return found


def _scan(asked: _Search, allowed: Allowed, queries: Float32) -> Int64:
    assert asked.view.index is not None
    started = perf_counter()
    m = len(allowed.covered)
    found = asked.view.index.scan(queries, min(m, _DEEP * asked.k + 10), allowed.selection)
    asked.note("scan", "the codes of all rows that pass were compared", m * len(queries), started)
    return found


def _tail(asked: _Search, candidates: Int64) -> Int64:
    """Add the nearest of the slots that the index does not cover yet (invariant 3)."""
    view = asked.view
    if view.covered == view.vectors.n:
        return candidates
    started = perf_counter()
    mask = None if asked.allowed is None else asked.allowed.mask[view.covered :]
    k = min(asked.k, view.vectors.n - view.covered)
    slots, _ = nearest(
        asked.queries, view.vectors, k, view.metric, start=view.covered, allowed=mask, lengths=view.tail_lengths
    )
    asked.note("tail", "new rows that the index does not cover yet", view.vectors.n - view.covered, started)
    return np.concatenate([candidates, slots], axis=1)


def _measured(asked: _Search, candidates: Int64) -> tuple[Int64, Float64]:
    """(q, k) of (q, c) candidates, by exact distance, then slot."""
    q, c = candidates.shape
    if c < asked.k or np.count_nonzero(candidates < 0):
        return _one_by_one(asked, candidates)
    if q == 1:
        slots, far = _best(asked, 0, candidates[0])
        return slots[None], far[None]
    step = max(1, _MEASURED // (c * asked.view.vectors.dim))
    parts = [_best(asked, slice(at, at + step), candidates[at : at + step]) for at in range(0, q, step)]
    return np.concatenate([slots for slots, _ in parts]), np.concatenate([far for _, far in parts])


def _one_by_one(asked: _Search, candidates: Int64) -> tuple[Int64, Float64]:
    """As `_measured`, where some candidates are missing."""
    slots = np.full((len(candidates), asked.k), -1, dtype=np.int64)
    distances = np.full((len(candidates), asked.k), np.inf)
    for at, row in enumerate(candidates):
        found, far = _best(asked, at, row[row >= 0])
        slots[at, : len(found)], distances[at, : len(found)] = found, far
    return slots, distances


def _best(asked: _Search, which: int | slice, candidates: Int64) -> tuple[Int64, Float64]:
    """The k nearest of the candidates (m,) of one query, or (q, m) of several."""
    vectors = asked.view.vectors
    found = vectors.gather(candidates.reshape(-1)).reshape(*candidates.shape, vectors.dim)
    return ranked(asked.queries[which], candidates, found, asked.k, asked.view.metric)


def _complete(asked: _Search, slots: Int64, distances: Float64) -> tuple[Int64, Float64]:
    """Search exactly for the queries that found fewer than there are."""
    wanted = min(asked.k, asked.view.live_count if asked.allowed is None else len(asked.allowed.slots))
    missing = slots[:, wanted - 1] < 0
    if np.count_nonzero(missing):
        short = np.flatnonzero(missing)
        rest = _Search(asked.view, asked.queries[short], asked.k, asked.allowed, asked.trace)
        slots[short], distances[short] = _everything(rest)
    return slots, distances
