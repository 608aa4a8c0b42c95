"""Clusters of a space: found, described, named, held against the run before, and kept.

Numbers do not depend on the order of rows, and last from run to run; see `analysis.persistence`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentstore.analysis import clusters, leiden, naming, resampling
from latentstore.analysis.cluster_facts import UNSTABLE, Description, Places, describe, places, small
from latentstore.analysis.neighbors import Graph
from latentstore.analysis.order import canonical
from latentstore.analysis.persistence import Event, Matched, match
from latentstore.analysis.progress import Progress, silent
from latentstore.engine.core import Engine
from latentstore.engine.encoding import Encoders
from latentstore.engine.studies.keep import Kept, Outcome, history, keep, last
from latentstore.engine.studies.sample import Sample, take
from latentstore.errors import Corrupted, EncoderMismatch, EncoderMissing, InvalidInput
from latentstore.findings.clusters import Cluster, ClusterChange, Clustering, Level, Since
from latentstore.types import Float64, Int64, Modality

KIND = "clusters"
WIDE = 2 * clusters.K  # so that half of the rows still have about K neighbours among themselves
_ROUNDS = (5, 20)  # fewest, for many items, and most, for few
_BORDER = 5  # border cases that are named
# Columns that say where in its source an item stands: they name no cluster.
_PLACES = frozenset({"start", "end", "part", "parts", "line", "record", "content", "modality"})


@dataclass(frozen=True)
class Asked:
    """method: one of METHODS; k: how many clusters at the medium level, None to find it; level: one of LEVELS."""

    method: str = "auto"
    k: int | None = None
    level: str = "medium"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in clusters.METHODS:
            raise InvalidInput(f"method must be one of {', '.join(clusters.METHODS)}, got {self.method!r}")
        if self.level not in clusters.LEVELS:
            raise InvalidInput(f"level must be one of {', '.join(clusters.LEVELS)}, got {self.level!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 1 << 31:
            raise InvalidInput(f"seed must be a whole number from 0 to 2³¹ - 1, got {self.seed!r}")


@dataclass(frozen=True)
class Seen:
    """One level as it was found, clusters by label 0..k-1, and the lasting number of each in `matched`."""

    labels: Int64
    description: Description
    places: Places
    stability: Float64
    calibration: resampling.Calibration | None
    confidence: Float64
    matched: Matched


def run(
    engine: Engine,
    encoders: Encoders,
    space: str | None,
    asked: Asked,
    where: str | None = None,
    *,
    keeping: bool = True,
    progress: Progress = silent,
) -> Clustering:
    """Cluster a space, or what passes a filter there. Kept unless the store is read-only.

    Raises InvalidInput where there is nothing to cluster, or fewer items than clusters were asked for.
    """
    began = time.perf_counter()
    sample = take(engine, space, where)
    sample.thin(1, "clusters")
    earlier = _earlier(engine, sample.space)
    graph = sample.graph(WIDE, progress)
    found = clusters.partition(
        sample.vectors, graph, sample.metric, method=asked.method, k=asked.k, seed=asked.seed, progress=progress
    )
    seen = _seen(sample, graph, found, earlier, asked.seed, progress)
    progress("names", 0.0)
    names = _names(engine, encoders, sample, seen, earlier)
    progress("names", 1.0)
    levels = _levels(sample, seen, names, earlier)
    result = Clustering(
        *(sample.space, found.method, asked.level, asked.seed, list(sample.ids), levels, found.facts),
        since=_since(sample, earlier),
    )
    if not keeping or engine.read_only:
        return result
    parameters = {"method": asked.method, "k": asked.k, "level": asked.level, "where": where}
    outcome = _outcome(result, sample, seen, parameters, time.perf_counter() - began)
    return replace(result, study=keep(engine, sample, outcome))


def _earlier(engine: Engine, space: str) -> Kept | None:
    try:
        return last(engine, KIND, space)
    except Corrupted as damage:
        warnings.warn(f"clusters are numbered and named anew: {damage}", UserWarning, stacklevel=2)
        return None


def _seen(
    sample: Sample,
    graph: Graph,
    found: clusters.Partition,
    earlier: Kept | None,
    seed: int,
    progress: Progress,
) -> dict[str, Seen]:
    order = canonical(sample.vectors)
    levels = {name: _numbered(found.levels[name], order) for name in clusters.LEVELS}
    resampled = _resampled(sample, found, levels, seed, progress)
    out = {}
    for name, labels in levels.items():
        description = describe(sample.vectors, labels, sample.metric)
        lying = places(sample.vectors, graph, labels, description.centers)
        matched = _matched(sample, labels, len(description.sizes), name, earlier)
        stability = resampled.stability[name] if resampled else np.full(len(description.sizes), np.nan)
        steady = np.where(labels >= 0, np.append(stability, np.nan)[labels], np.nan)
        calibration = resampling.calibrate(lying, steady, resampled.back[name], resampled.tried) if resampled else None
        sure = calibration.confidence(lying, steady) if calibration else lying.share
        confidence = np.where(labels >= 0, sure, np.nan)
        out[name] = Seen(labels, description, lying, stability, calibration, confidence, matched)
    return out


def _numbered(labels: Int64, order: Int64) -> Int64:
    """Largest first, and of equals the one that comes first in an order free of that of the rows."""
    out = np.empty_like(labels)
    out[order] = leiden.by_size(labels[order])
    return out


def _resampled(
    sample: Sample, found: clusters.Partition, levels: Mapping[str, Int64], seed: int, progress: Progress
) -> resampling.Resampled | None:
    """How the clusters come back where halves of the distinct items that were clustered are; None of too few."""
    vectors = sample.vectors
    rows = np.arange(len(sample)) if found.graph is None else found.rows
    if len(rows) < resampling.LEAST:
        return None

    def again(half: Int64, round_: int) -> dict[str, Int64]:
        return clusters.regrouped(vectors, found, half, round_)

    rounds = int(np.clip(100_000 // len(rows), *_ROUNDS))
    drawn = {name: labels[rows] for name, labels in levels.items()}
    resampled = resampling.resample(again, drawn, np.arange(len(rows)), rounds=rounds, seed=seed, progress=progress)
    return resampling.spread(resampled, rows, len(sample))


def _matched(sample: Sample, labels: Int64, k: int, level: str, earlier: Kept | None) -> Matched:
    if earlier is None:
        return Matched(np.arange(k), np.zeros(k, dtype=np.bool_), (), k)
    told = earlier.study.summary["levels"][level]
    before = np.sort(np.asarray([one["number"] for one in told["clusters"]], dtype=np.int64))
    _, then, now = np.intersect1d(earlier.arrays["rows"], sample.rows, assume_unique=True, return_indices=True)
    old = earlier.arrays[f"labels_{level}"][then].astype(np.int64)
    return match(old, labels[now], before, k, told["fresh"])


def _names(
    engine: Engine, encoders: Encoders, sample: Sample, seen: Mapping[str, Seen], earlier: Kept | None
) -> dict[str, list[naming.Name]]:
    known = known_columns(engine, sample)
    kept = {name: _lasting(one.matched, name, earlier) for name, one in seen.items()}
    return naming.levels(
        sample.texts,
        {name: one.labels for name, one in seen.items()},
        metadata={**{column: sample.column(column) for column in known}, "uri": sample.uris},
        encode=text_encoder(encoders, sample.space),
        centers={name: one.description.centers for name, one in seen.items()},
        kept=kept,
    )


def _lasting(matched: Matched, level: str, earlier: Kept | None) -> dict[int, str]:
    """The names of the clusters that persist, by label."""
    names = {} if earlier is None else _told(earlier, level)
    at = np.flatnonzero(matched.kept).tolist()
    return {label: names[int(matched.numbers[label])]["name"] for label in at}


def _told(earlier: Kept, level: str) -> dict[int, dict[str, Any]]:
    return {one["number"]: one for one in earlier.study.summary["levels"][level]["clusters"]}


def known_columns(engine: Engine, sample: Sample) -> list[str]:
    """The metadata columns that may name a cluster: not those of studies, nor those that say where an item stands."""
    found = {column for study in history(engine) for column in study.columns.values()}
    return [column for column in sample.columns if column not in found | _PLACES]


def text_encoder(encoders: Encoders, space: str) -> naming.Encode | None:
    """The space's encoder, if it takes texts and is here."""
    try:
        encoder = encoders.of(space)
    except (EncoderMissing, EncoderMismatch):
        return None
    return encoder.encode if Modality.TEXT in encoder.modalities else None


def _levels(
    sample: Sample, seen: Mapping[str, Seen], names: Mapping[str, list[naming.Name]], earlier: Kept | None
) -> dict[str, Level]:
    out: dict[str, Level] = {}
    wider: Seen | None = None
    for name, one in seen.items():
        made = _clusters(sample, one, names[name], wider)
        changes = () if earlier is None else _changes(one, made, _told(earlier, name))
        numbers = np.append(one.matched.numbers, -1)
        out[name] = Level(name, numbers[one.labels], one.confidence, numbers[one.places.second], made, changes)
        wider = one
    return out


def _clusters(sample: Sample, seen: Seen, names: list[naming.Name], wider: Seen | None) -> tuple[Cluster, ...]:
    """Largest first, as labels are."""
    numbers, facts = seen.matched.numbers.tolist(), seen.description
    doubts = _doubts(seen, len(sample))
    parents = [None] * len(numbers) if wider is None else _parents(seen.labels, wider)
    border = _border(seen)
    return tuple(
        Cluster(
            *(number, names[at].name, names[at].words, int(facts.sizes[at]), float(facts.sizes[at] / len(sample))),
            *(_number(seen.stability[at]), float(facts.tightness[at]), doubts[at], parents[at]),
            tuple(numbers[other] for other in facts.near[at]),
            tuple(sample.ids[item] for item in facts.exemplars[at].tolist()),
            tuple(sample.ids[item] for item in border[at].tolist()),
        )
        for at, number in enumerate(numbers)
    )


def _doubts(seen: Seen, n: int) -> list[tuple[str, ...]]:
    few = set(small(seen.description.sizes, n).tolist())
    steady = seen.stability.tolist()
    return [
        (*(["small"] if at in few else []), *(["unstable"] if value < UNSTABLE else []))
        for at, value in enumerate(steady)
    ]


def _parents(labels: Int64, wider: Seen) -> list[int | None]:
    """The number of the wider cluster that holds each cluster, or most of it."""
    numbers, k = wider.matched.numbers, int(labels.max(initial=-1)) + 1
    both = (labels >= 0) & (wider.labels >= 0)
    cells = labels[both] * len(numbers) + wider.labels[both]
    held = np.bincount(cells, minlength=k * len(numbers)).reshape(k, len(numbers))
    return [int(numbers[row.argmax()]) if row.any() else None for row in held]


def _border(seen: Seen) -> list[Int64]:
    """Of each cluster, the items least surely in it that have a second choice."""
    doubtful = np.flatnonzero((seen.labels >= 0) & (seen.places.second >= 0))
    order = doubtful[np.lexsort((seen.confidence[doubtful], seen.labels[doubtful]))]
    ends = np.searchsorted(seen.labels[order], np.arange(len(seen.description.sizes) + 1))
    return [order[start : min(end, start + _BORDER)] for start, end in pairwise(ends)]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _changes(seen: Seen, now: tuple[Cluster, ...], before: Mapping[int, dict[str, Any]]) -> tuple[ClusterChange, ...]:
    there = {one.number: one for one in now}
    return tuple(_change(event, there, before) for event in seen.matched.events)


def _change(event: Event, now: Mapping[int, Cluster], before: Mapping[int, dict[str, Any]]) -> ClusterChange:
    old = [before[number] for number in event.old]
    new = [now[number] for number in event.new]
    if event.kind == "new":
        return ClusterChange("new", new[0].name, new[0].number, None, new[0].size)
    if event.kind == "gone":
        return ClusterChange("gone", old[0]["name"], None, old[0]["size"], None)
    if event.kind == "merged":
        detail = f"from {_listed([(one['name'], one['size']) for one in old])}"
        return ClusterChange("merged", new[0].name, new[0].number, sum(one["size"] for one in old), new[0].size, detail)
    lasts = old[0]["number"] in event.new
    detail = f"into {_listed([(one.name, one.size) for one in new])}"
    after = sum(one.size for one in new)
    return ClusterChange("split", old[0]["name"], old[0]["number"] if lasts else None, old[0]["size"], after, detail)


def _listed(parts: list[tuple[str, int]]) -> str:
    return " and ".join(f"{name!r} ({size:,})" for name, size in parts)


def _since(sample: Sample, earlier: Kept | None) -> Since | None:
    if earlier is None:
        return None
    both = len(np.intersect1d(earlier.arrays["rows"], sample.rows, assume_unique=True))
    study = earlier.study
    return Since(study.id, study.made, study.rows, len(sample), len(sample) - both, study.rows - both)


def _outcome(
    result: Clustering, sample: Sample, seen: Mapping[str, Seen], parameters: Mapping[str, Any], seconds: float
) -> Outcome:
    names = result.names
    return Outcome(
        *(KIND, parameters, result.seed, seconds),
        summary={
            "method": result.method,
            "level": result.level,
            "facts": dict(result.facts),
            "since": None if result.since is None else asdict(result.since),
            "levels": {name: _summary(level, seen[name]) for name, level in result.levels.items()},
        },
        arrays={"rows": sample.rows, **_arrays(result, seen)},
        columns={
            "cluster": [names.get(number) for number in result.labels.tolist()],
            "cluster_confidence": result.confidence,
        },
    )


def _summary(level: Level, seen: Seen) -> dict[str, Any]:
    return {
        "fresh": seen.matched.fresh,
        "clusters": [asdict(one) for one in level.clusters],
        "changes": [asdict(one) for one in level.changes],
        "weights": None if seen.calibration is None else seen.calibration.weights.tolist(),
    }


def _arrays(result: Clustering, seen: Mapping[str, Seen]) -> dict[str, NDArray[Any]]:
    """Of each level: labels_, second_ (n,) int32, confidence_ (n,) float32; centers_ (k, dim) float32 in the order of its clusters."""
    out: dict[str, NDArray[Any]] = {}
    for name, level in result.levels.items():
        out[f"labels_{name}"] = level.labels.astype(np.int32)
        out[f"second_{name}"] = level.second.astype(np.int32)
        out[f"confidence_{name}"] = level.confidence.astype(np.float32)
        out[f"centers_{name}"] = seen[name].description.centers
    return out
