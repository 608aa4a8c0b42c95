"""Two sets of items held against each other: chosen, tested, and told apart by the clusters that both lie in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np

from latentstore.analysis import clusters, naming, words
from latentstore.analysis.change import Shifts, TwoSample, shifts, two_sample
from latentstore.analysis.neighbors import Graph, knn
from latentstore.analysis.progress import Progress, silent
from latentstore.distance import exact
from latentstore.engine.core import Engine
from latentstore.engine.encoding import Encoders
from latentstore.engine.studies.clusters import KIND as CLUSTERS
from latentstore.engine.studies.clusters import known_columns, text_encoder
from latentstore.engine.studies.keep import Outcome, keep, last
from latentstore.engine.studies.sample import Sample, take
from latentstore.errors import Corrupted, EncoderMismatch, InvalidInput
from latentstore.findings.change import Change, Shift, ShiftKind, Side
from latentstore.types import Bool, Float32, Int64, Metric

KIND = "change"
SURE = 0.05  # p-value up to which a cluster counts as changed

_COVERED = 0.95  # share of each side's items that kept clusters must know to be used
_EXAMPLES = 3


@dataclass(frozen=True)
class Asked:
    """a, b: filters. b None: the rest, or all of the other space. level: of clusters, one of LEVELS."""

    a: str | None
    b: str | None = None
    level: str = "medium"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.level not in clusters.LEVELS:
            raise InvalidInput(f"level must be one of {', '.join(clusters.LEVELS)}, got {self.level!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 1 << 31:
            raise InvalidInput(f"seed must be a whole number from 0 to 2³¹ - 1, got {self.seed!r}")


@dataclass(frozen=True)
class Other:
    """A space of another collection. name: how the study calls it."""

    engine: Engine
    space: str
    name: str


@dataclass(frozen=True)
class _Both:
    """Items of both sides together. later: (n,) bool, those of b. samples: what they are of, one or one a side, in their order."""

    vectors: Float32
    later: Bool
    metric: Metric
    samples: tuple[Sample, ...]

    def all(self, of: Callable[[Sample], Sequence[Any]]) -> list[Any]:
        """What each item has, over the samples."""
        return [value for sample in self.samples for value in of(sample)]

    def graph(self, k: int, progress: Progress) -> Graph:
        if len(self.samples) == 1:
            return self.samples[0].graph(k, progress)
        return knn(self.vectors, k, self.metric, progress=progress)


@dataclass(frozen=True)
class _Grouped:
    """labels: (n,) int64 into numbers and names, -1 for no cluster. study: of the run that they are of."""

    labels: Int64
    numbers: list[int]
    names: list[str]
    study: int | None = None


def run(
    engine: Engine,
    encoders: Encoders,
    space: str,
    asked: Asked,
    other: Other | None = None,
    *,
    keeping: bool = True,
    progress: Progress = silent,
) -> Change:
    """Compare two sets of items. Kept as a study of `space` unless its store is read-only.

    Raises InvalidInput where a side is empty or both share items, EncoderMismatch where the spaces are of different encoders.
    """
    began = time.perf_counter()
    sample = take(engine, space)
    both = _of_one(sample, asked) if other is None else _of_two(engine, sample, other, asked)
    later = both.later
    test = two_sample(both.vectors[~later], both.vectors[later], both.metric, seed=asked.seed, progress=progress)
    grouped = (_kept(engine, both, asked) if other is None else None) or _fresh(engine, encoders, both, asked, progress)
    a, b = _sides(both, asked, test)
    weight = _shifts(both, grouped, shifts(grouped.labels[~later], grouped.labels[later], len(grouped.names)))
    result = Change(
        *(sample.space, a, b, test.statistic, test.p_value, test.separation, test.parts),
        *(asked.level, weight, asked.seed, grouped.study),
    )
    if not keeping or engine.read_only:
        return result
    parameters = {"a": asked.a, "b": asked.b, "level": asked.level, "other": None if other is None else other.name}
    summary = {name: value for name, value in asdict(result).items() if name not in ("study", "seed", "space")}
    outcome = Outcome(KIND, parameters, asked.seed, time.perf_counter() - began, summary)
    covered = both.samples[0]
    return replace(result, study=keep(engine, covered, outcome))


def _of_one(sample: Sample, asked: Asked) -> _Both:
    """Both sides of one space; b: the rest, where nothing else is said."""
    if asked.a is None:
        raise InvalidInput("a says which items to compare with the rest; give it a filter, such as \"split = 'train'\"")
    first = _passing(sample, asked.a)
    second = ~first if asked.b is None else _passing(sample, asked.b)
    if shared := int((first & second).sum()):
        raise InvalidInput(f"{shared:,} items are in both a and b; compare sets that share none")
    _refuse_empty(first, second, sample.space, asked)
    chosen = np.flatnonzero(first | second)
    part = sample if len(chosen) == len(sample) else sample.subset(chosen)
    return _Both(part.vectors, second[chosen], sample.metric, (part,))


def _of_two(engine: Engine, sample: Sample, other: Other, asked: Asked) -> _Both:
    """a of one space, b of another with the same encoder."""
    if other.engine is engine and other.space == sample.space:
        raise InvalidInput("other is this very space; leave it out, and say by b which of its items to compare a with")
    theirs = take(other.engine, other.space)
    one, two = sample.view.row, theirs.view.row
    if (one.fingerprint, one.dim, one.metric) != (two.fingerprint, two.dim, two.metric):
        raise EncoderMismatch(
            f"space {one.name!r} ({one.fingerprint or 'vectors from elsewhere'}, {one.dim} dimensions, {one.metric}) and space "
            f"{two.name!r} of {other.name} ({two.fingerprint or 'vectors from elsewhere'}, {two.dim} dimensions, {two.metric}) "
            "do not compare; both need the same encoder"
        )
    first, second = _passing(sample, asked.a), _passing(theirs, asked.b)
    _refuse_empty(first, second, sample.space, asked)
    parts = sample.subset(np.flatnonzero(first)), theirs.subset(np.flatnonzero(second))
    later = np.repeat((False, True), (len(parts[0]), len(parts[1])))
    return _Both(np.concatenate([part.vectors for part in parts]), later, sample.metric, parts)


def _passing(sample: Sample, where: str | None) -> Bool:
    """(n,) bool: which items of the sample pass a filter."""
    return np.ones(len(sample), dtype=np.bool_) if where is None else sample.passing(where)


def _refuse_empty(first: Bool, second: Bool, space: str, asked: Asked) -> None:
    for name, side, where in (("a", first, asked.a), ("b", second, asked.b)):
        if not side.any():
            condition = f"no item of space {space!r} passes {where!r}" if where else "there is none left"
            raise InvalidInput(f"side {name} has no items: {condition}; two sets are compared, neither may be empty")


def _kept(engine: Engine, both: _Both, asked: Asked) -> _Grouped | None:
    """The clusters last kept, where they know nearly all items of both sides."""
    try:
        kept = last(engine, CLUSTERS, both.samples[0].space)
    except Corrupted:
        return None
    if kept is None:
        return None
    rows = both.samples[0].rows
    known = np.isin(rows, kept.arrays["rows"], assume_unique=True)
    if min(known[both.later].mean(), known[~both.later].mean()) < _COVERED:
        return None
    told = kept.study.summary["levels"][asked.level]["clusters"]
    numbers = [one["number"] for one in told]
    label_of = {number: label for label, number in enumerate(numbers)}
    labels = np.full(len(rows), -1, dtype=np.int64)
    _, here, there = np.intersect1d(rows, kept.arrays["rows"], assume_unique=True, return_indices=True)
    labels[here] = [label_of.get(number, -1) for number in kept.arrays[f"labels_{asked.level}"][there].tolist()]
    return _Grouped(labels, numbers, [one["name"] for one in told], kept.study.id)


def _fresh(engine: Engine, encoders: Encoders, both: _Both, asked: Asked, progress: Progress) -> _Grouped:
    """Clusters of both sides together, made for the comparison."""
    graph = both.graph(clusters.K, progress)
    found = clusters.partition(both.vectors, graph, both.metric, seed=asked.seed, progress=progress)
    labels = found.levels[asked.level]
    columns = known_columns(engine, both.samples[0])
    shared = [name for name in columns if all(name in sample.columns for sample in both.samples)]
    metadata = {name: both.all(methodcaller("column", name)) for name in shared}
    names = naming.names(
        both.all(attrgetter("texts")),
        labels,
        metadata={**metadata, "uri": both.all(attrgetter("uris"))},
        encode=text_encoder(encoders, both.samples[0].space),
        centers=_centers(both.vectors, labels),
    )
    return _Grouped(labels, list(range(len(names))), [one.name for one in names])


def _centers(vectors: Float32, labels: Int64) -> Float32:
    """(k, dim): the mean of each cluster's vectors."""
    return np.stack([vectors[labels == at].mean(axis=0) for at in range(int(labels.max(initial=-1)) + 1)])


def _sides(both: _Both, asked: Asked, test: TwoSample) -> tuple[Side, Side]:
    texts, later = both.all(attrgetter("texts")), both.later
    first = [texts[at] for at in np.flatnonzero(~later).tolist()]
    second = [texts[at] for at in np.flatnonzero(later).tolist()]
    said = words.contrast(first, second)
    return (
        Side(asked.a, len(first), test.compared[0], said[0]),
        Side(asked.b, len(second), test.compared[1], said[1]),
    )


def _shifts(both: _Both, grouped: _Grouped, weighed: Shifts) -> tuple[Shift, ...]:
    ids = both.all(attrgetter("ids"))
    out = []
    for at, (number, name) in enumerate(zip(grouped.numbers, grouped.names, strict=True)):
        before, after = weighed.counts[at].tolist()
        if not before + after:
            continue
        share_before, share_after = weighed.shares[at].tolist()
        p_value = float(weighed.p_values[at])
        kind = _kind(before, after, share_after > share_before, p_value)
        examples = _typical(both, grouped.labels == at, kind, after >= before)
        shown = tuple(ids[one] for one in examples)
        out.append(Shift(number, name, kind, before, after, share_before, share_after, p_value, shown))
    return tuple(sorted(out, key=lambda one: (one.kind == "steady", one.p_value, -one.before - one.after, one.number)))


def _kind(before: int, after: int, more: bool, p_value: float) -> ShiftKind:
    if p_value > SURE:
        return "steady"
    if more:
        return "grew" if before else "appeared"
    return "shrank" if after else "went"


def _typical(both: _Both, inside: Bool, kind: ShiftKind, mostly_later: bool) -> list[int]:
    """Positions of the items nearest to the centre of a cluster, of the side that has more of it."""
    later = mostly_later if kind == "steady" else kind in ("appeared", "grew")
    own = np.flatnonzero(inside & (both.later == later))
    center = both.vectors[inside].mean(axis=0, dtype=np.float64).astype(np.float32)
    far = exact(center, both.vectors[own], both.metric)
    return [int(own[at]) for at in np.lexsort((own, far))[:_EXAMPLES]]
