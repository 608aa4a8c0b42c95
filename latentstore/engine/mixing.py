"""One answer from several spaces and kinds of items. Distances of different spaces do not compare, nor do those of texts and
pictures in one space: each list is held against how far random items of its own kind lie from the same query.

The score of a mixed hit is a robust z: by how many standard deviations it is closer than the median of a random sample. Of
each query and list anew, so that a query that is close to everything gains nothing by it. What is near to nothing has low
scores in every list; no list has a place of its own in the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from latentstore import distance
from latentstore.engine import planner, read
from latentstore.engine.core import Engine
from latentstore.engine.planner import Allowed
from latentstore.engine.read import Moment, Question
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.storage.records import id_of
from latentstore.types import Float32, Float64, Hits, Int64, Modality, PlanStep

SAMPLE = 1000  # random items that a list's distances are held against
_SEED = 0
_MAD = 1.4826  # median absolute deviation → standard deviation, where the distribution is normal
_FEW = 50  # items of which a robust spread says as much as a plain one


@dataclass(frozen=True)
class Part:
    """One list to be: the queries as points of a space. kind: only items that the space sees as such; None: all of it."""

    space: str
    queries: Float32
    kind: Modality | None = None
    others: tuple[Modality, ...] = ()  # the kinds that the space sees otherwise

    @property
    def condition(self) -> str | None:
        """As a filter."""
        if self.kind is None:
            return None
        if self.kind is Modality.TEXT:
            named = ", ".join(f"'{one}'" for one in self.others)
            return f"modality is null or modality not in ({named})"
        return f"modality = '{self.kind}'"


@dataclass(frozen=True)
class _Listed:
    """What one part found, of q queries: slots and distances (q, k), -1 and +inf at the end; scores (q, k)."""

    part: Part
    snapshot: Snapshot
    view: SpaceView
    slots: Int64
    distances: Float64
    scores: Float64


def search(engine: Engine, parts: Sequence[Part], question: Question) -> list[Hits]:
    """The k best items of each query over all parts, the best of its scores counting for an item in several."""
    if len(parts) == 1 and parts[0].kind is None:
        return read.search(engine, parts[0].space, parts[0].queries, question)
    trace: list[PlanStep] | None = [] if question.explain else None
    while True:
        listed = [_listed(engine, part, question, trace) for part in parts]
        # All lists are of one commit, or an item could be in two states at once.
        if len({one.snapshot.seq for one in listed}) == 1:
            break
    return [_merged(engine, listed, at, question, trace) for at in range(len(parts[0].queries))]


def _listed(engine: Engine, part: Part, question: Question, trace: list[PlanStep] | None) -> _Listed:
    snapshot, view, allowed = _moment(engine, part, question.where, trace)
    k = min(question.k, max(1, view.live_count))
    slots, distances = planner.search(
        view.searchable,
        part.queries,
        k,
        allowed=allowed,
        recall=question.recall,
        exact=question.exact,
        trace=trace,
    )
    began = perf_counter()
    sample = _sample(engine, part, snapshot)
    scored = np.stack(
        [_calibrated(query, far, sample, view) for query, far in zip(part.queries, distances, strict=True)]
    )
    if trace is not None:
        what = part.space if part.kind is None else f"{part.space}, {part.kind}"
        trace.append(
            PlanStep("calibrate", f"{what}: held against random items", len(sample), (perf_counter() - began) * 1e3)
        )
    return _Listed(part, snapshot, view, slots, distances, scored)


def _moment(engine: Engine, part: Part, where: str | None, trace: list[PlanStep] | None) -> Moment:
    """The caller's filter and the part's own at one commit. Each is evaluated by itself: spliced into one expression, what is
    no condition alone could pass for one."""
    if where is None or part.condition is None:
        return read.moment(engine, part.space, where or part.condition, trace)
    while True:
        snapshot, view, passing = read.moment(engine, part.space, where, trace)
        other, _, alike = read.moment(engine, part.space, part.condition)
        if other.seq == snapshot.seq:
            break
    assert passing is not None and alike is not None
    key = (f"{where}\0{part.condition}", snapshot.seq, part.space)
    both = engine.filters.get(key)
    if both is None or both.view is not view.searchable:
        both = Allowed(view.searchable, np.intersect1d(passing.slots, alike.slots, assume_unique=True))
        engine.filters.put(key, both)
    return snapshot, view, both


def _calibrated(query: Float32, distances: Float64, sample: Float32, view: SpaceView) -> Float64:
    """(k,) float64: how many standard deviations closer than the median of the sample; 0 where the sample tells nothing."""
    found = np.isfinite(distances)
    scored = np.full(len(distances), -np.inf)
    scored[found] = 0.0
    if len(sample) < 2:
        return scored
    random = distance.exact(query, sample, view.row.metric)
    middle = float(np.median(random))
    spread = _spread(random - middle)
    if spread > 0:
        scored[found] = (middle - distances[found]) / spread
    return scored


def _spread(off: Float64) -> float:
    """Of distances from their median. The robust one, so that a store full of what is asked for does not make it small; of a
    few items, or where most are alike, it is an accident, and the plain deviation counts for more."""
    robust = _MAD * float(np.median(np.abs(off)))
    n = len(off)
    return float(np.sqrt((n * robust**2 + _FEW * off.var()) / (n + _FEW)))


def _sample(engine: Engine, part: Part, snapshot: Snapshot) -> Float32:
    """Up to SAMPLE random vectors of what the part looks at, whatever the query's own filter; the same for one commit."""
    kept = engine.samples.get((part.space, part.kind, snapshot.seq))
    if kept is None:
        snapshot, view, allowed = read.moment(engine, part.space, part.condition)
        slots = view.all_live() if allowed is None else allowed.slots
        if len(slots) > SAMPLE:
            chosen = np.random.default_rng(_SEED).choice(len(slots), SAMPLE, replace=False)
            slots = slots[np.sort(chosen)]
        # Nobody asks for an earlier commit again.
        newest = {key: held for key, held in tuple(engine.samples.items()) if key[2] >= snapshot.seq}
        kept = newest[part.space, part.kind, snapshot.seq] = view.vectors.gather(slots)
        engine.samples = newest  # another thread may be looking at the one before
    return kept


def _merged(
    engine: Engine, listed: Sequence[_Listed], at: int, question: Question, trace: list[PlanStep] | None
) -> Hits:
    """The best of all lists for query `at`. Equal scores: the item that came first."""
    best: dict[int, tuple[float, float, str]] = {}
    for one in listed:
        found = one.slots[at] >= 0
        rows = one.view.vectors.rows[one.slots[at][found]]
        for row, far, score in zip(rows.tolist(), one.distances[at][found], one.scores[at][found], strict=True):
            if row not in best or score > best[row][0]:
                best[row] = (float(score), float(far), one.part.space)
    rows = sorted(best, key=lambda row: (-best[row][0], row))[: question.k]
    snapshot = listed[0].snapshot
    raw = read.records(engine, snapshot, np.array(rows, dtype=np.int64))
    scores, distances, spaces = zip(*(best[row] for row in rows), strict=True) if rows else ((), (), ())
    return Hits(
        [id_of(one) for one in raw],
        np.array(distances, dtype=np.float64),
        np.array(scores, dtype=np.float64),
        read.details(snapshot, raw, question.columns),
        trace,
        list(spaces),
    )
