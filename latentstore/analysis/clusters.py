"""Clusters: groups of rows at three levels, with or without a given number of them.

Labels: 0..k-1, largest cluster first; -1 only for what HDBSCAN calls noise. Levels are nested: every fine cluster lies in one
medium cluster, every medium in one coarse; where nothing coarser or finer is there to find, two levels are the same. Rows that are
equal share a cluster. The order of the rows changes nothing: distinct rows are clustered in a canonical order.

Of more than SAMPLE distinct rows a random sample is clustered, one row in five, and every other row goes with most of its
neighbours. Clusters of more than PART rows are cut again, as far as they have parts; see `parts`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.cluster import HDBSCAN

from latentstore.analysis import leiden
from latentstore.analysis.kmeans import kmeans, smoothed
from latentstore.analysis.levels import (
    LEVELS,
    QUICK,
    THOROUGH,
    WIDE,
    K,
    Sweep,
    Trials,
    linked,
    nested,
    sweep,
    wanted,
    within,
)
from latentstore.analysis.neighbors import Graph, knn, nearest
from latentstore.analysis.order import canonical
from latentstore.analysis.parts import parts
from latentstore.analysis.progress import Progress, silent
from latentstore.distance import unit
from latentstore.errors import InvalidInput
from latentstore.types import Bool, Float32, Float64, Int64, Metric

__all__ = ["LEAST", "LEVELS", "METHODS", "PART", "SAMPLE", "WIDE", "K", "Partition", "partition", "regrouped"]

METHODS = ("auto", "kmeans", "hdbscan")
SAMPLE = 5000  # distinct rows up to which all are clustered
_SHARE, _LARGEST = 5, 20_000  # of more: one in so many, and so many at most
PART = 2000  # rows of a cluster above which it is cut again
_LARGE = 100  # and it holds more than one row in so many: of less the sample has too few
LEAST = 10  # distinct rows below which nothing can be told apart: one cluster, unless a number is asked for
_DENSE = 5  # rows that HDBSCAN takes for a cluster at least
_ROWS = 8192  # rows compared at a time
_OPEN = -2  # no cluster yet; -1 is noise
_VOTERS = 15  # neighbours that say where a row goes which was not sampled

Setting = int | float | Float64 | None
Settings = Mapping[str, Setting]


@dataclass(frozen=True)
class Partition:
    """levels: (n,) int64 labels of each of LEVELS. parents: of "medium" and "fine", (k,) int64, the number of the cluster one
    level up that each cluster lies in. rows: (s,) int64, the distinct rows that were clustered, in their canonical order; graph:
    their neighbours among themselves, None where they are fewer than LEAST. facts: what the rule saw and chose, as JSON.
    settings: what `regrouped` needs of it.
    """

    method: str
    levels: dict[str, Int64]
    parents: dict[str, Int64]
    rows: Int64
    graph: Graph | None
    facts: dict[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=dict)


def partition(
    vectors: Float32,
    graph: Graph,
    metric: Metric,
    *,
    method: str = "auto",
    k: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Partition:
    """Clusters of (n, dim) finite float32 vectors. graph: their neighbours; one of WIDE neighbours or more saves a search.

    method: "auto", communities of the neighbour graph (Leiden), "kmeans", on vectors averaged over their neighbours, or
    "hdbscan" (Campello et al. 2013), which leaves noise out. k: how many clusters the medium level has; None lets the data say,
    by one rule for "auto" and "kmeans" (see `levels`). Raises InvalidInput for an unknown method, for k below 1 or above the
    number of distinct rows, and for a k beside "hdbscan".
    """
    if method not in METHODS:
        raise InvalidInput(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if k is not None and method == "hdbscan":
        raise InvalidInput(f"hdbscan finds the number of clusters by itself, got k={k}; leave k out or take kmeans")
    order = canonical(vectors)
    group = _twins(vectors, order)
    distinct = order[np.flatnonzero(np.diff(group, prepend=-1))]
    if k is not None and not 1 <= k <= len(distinct):
        raise InvalidInput(f"k must be between 1 and {len(distinct)}, the number of distinct items, got {k}")
    sampled = _sampled(len(distinct), method, seed)
    rows = distinct[sampled]
    wide = _wide(vectors, graph, rows, metric) if len(rows) >= LEAST or k is not None else None
    levels, facts, settings = _found(vectors[rows], wide, len(distinct), method, k, seed, progress)
    levels = _spread(vectors, graph, group[np.argsort(order)], distinct, sampled, levels, progress)
    every = {name: np.empty(len(order), dtype=np.int64) for name in LEVELS}
    for name, labels in levels.items():
        every[name][order] = leiden.by_size(labels[group])
    return Partition(method, every, _parents(every), rows, wide, facts, settings)


def regrouped(vectors: Float32, partition: Partition, rows: Int64, seed: int) -> dict[str, Int64]:
    """(len(rows),) int64 of each level: the same clustering of some rows alone, with what was chosen for all of them.

    vectors: of all rows; rows: positions in `partition.rows`. Neighbours are looked up anew where too few of those known are among
    the rows. One cluster where the partition has no graph.
    """
    if partition.graph is None:
        return dict.fromkeys(LEVELS, np.zeros(len(rows), dtype=np.int64))
    some, graph = vectors[partition.rows[rows]], partition.graph
    near = within(graph, rows, wanted(len(rows)))
    if np.mean(near.neighbors >= 0) < 0.5:
        near = knn(some, wanted(len(rows)), graph.metric)
    net = leiden.network(near)
    settings = {name: _of(value, rows) for name, value in partition.settings.items()}
    medium = _medium(some, near, net, partition.method, settings, seed)
    return _around(net, some, graph.metric, medium, settings, seed)


def _of(value: Setting, rows: Int64) -> Setting:
    return value[rows] if isinstance(value, np.ndarray) else value


def _sampled(n: int, method: str, seed: int) -> Int64:
    """Positions of the distinct rows that are clustered, ascending."""
    if n <= SAMPLE:
        return np.arange(n)
    # HDBSCAN's time grows with the square of the rows.
    count = SAMPLE if method == "hdbscan" else int(np.clip(n // _SHARE, SAMPLE, max(SAMPLE, _LARGEST)))
    return np.sort(np.random.default_rng(seed).permutation(n)[:count])


def _wide(vectors: Float32, graph: Graph, rows: Int64, metric: Metric) -> Graph:
    """WIDE neighbours of `rows` among themselves."""
    whole = len(rows) == len(vectors) and graph.k >= min(WIDE, len(rows) - 1) and graph.recall == 1
    return within(graph, rows, WIDE) if whole else knn(vectors[rows], WIDE, metric)


def _twins(vectors: Float32, order: Int64) -> Int64:
    """(n,) int64: 0, 0, 1, … along `order`, the same number for rows that are equal."""
    new = np.ones(len(order), dtype=np.bool_)
    for at in range(1, len(order), _ROWS):
        here = order[at : at + _ROWS]
        new[at : at + _ROWS] = np.any(vectors[here] != vectors[order[at - 1 : at - 1 + len(here)]], axis=1)
    return np.cumsum(new) - 1


def _found(
    some: Float32, wide: Graph | None, n: int, method: str, k: int | None, seed: int, progress: Progress
) -> tuple[dict[str, Int64], dict[str, Any], Settings]:
    """Levels of the rows `some` of n distinct ones, what the choice rested on, and how to do it again."""
    facts = {"rows": len(some), "method": method}
    if wide is None:
        return dict.fromkeys(LEVELS, np.zeros(len(some), dtype=np.int64)), facts, {"k": 1}
    near = wide.head(wanted(len(some)))
    net = leiden.network(near)
    trials = sweep(some, wide, THOROUGH if len(some) <= SAMPLE else QUICK, seed, progress)
    tried = trials.judged()
    settings, cuts = _settled(trials, tried, net, n, method, k, seed)
    medium = _medium(some, near, net, method, settings, seed)
    count = int(medium.max(initial=-1)) + 1
    settings = {"fine": tried.resolution("fine", count), **settings, "coarse": tried.resolution("coarse", count)}
    levels = _around(net, some, wide.metric, medium, settings, seed)
    told = {name: value for name, value in settings.items() if not isinstance(value, np.ndarray)}
    return levels, {**facts, "sweep": tried.facts(), "settings": told, "parts": cuts}, settings


def _settled(
    trials: Trials, tried: Sweep, net: Any, n: int, method: str, k: int | None, seed: int
) -> tuple[dict[str, Setting], list[dict[str, Any]]]:
    """What the medium level is made with, the fine one too where its parts differ; and the parts."""
    if k is not None:
        return {"k": k}, []
    cut = parts(trials, tried, max(PART, n / _LARGE) * len(trials.vectors) / n)
    if method == "kmeans":
        return {"k": int(leiden.communities(net, cut.medium, seed).max()) + 1}, cut.facts
    if len(cut.facts) == 1:
        return {"medium": float(cut.medium[0])}, cut.facts
    return {"medium": cut.medium, "fine": cut.fine}, cut.facts


def _medium(vectors: Float32, near: Graph, net: Any, method: str, settings: Settings, seed: int) -> Int64:
    if method == "hdbscan":
        return _dense(vectors, near.metric)
    resolution, k = settings.get("medium"), settings.get("k")
    if resolution is not None:
        return leiden.communities(net, resolution, seed)
    assert isinstance(k, int)
    if k == 1:
        return np.zeros(len(vectors), dtype=np.int64)
    asked = min(k, len(vectors))
    if method == "kmeans":
        return kmeans(vectors, near, asked, seed)
    labels = leiden.counted(net, asked, seed)
    return labels if labels.max() < asked else linked(smoothed(vectors, near), labels, asked, near.metric)


def _dense(vectors: Float32, metric: Metric) -> Int64:
    if len(vectors) < LEAST:
        return np.zeros(len(vectors), dtype=np.int64)
    rows = unit(vectors) if metric is Metric.COSINE else vectors
    return leiden.by_size(HDBSCAN(min_cluster_size=_DENSE, copy=True).fit_predict(rows).astype(np.int64))


def _around(
    net: Any, vectors: Float32, metric: Metric, medium: Int64, settings: Settings, seed: int
) -> dict[str, Int64]:
    """All levels. Noise is noise at each."""
    coarse, fine = settings.get("coarse"), settings.get("fine")
    assert not isinstance(coarse, np.ndarray)
    kept = np.flatnonzero(medium >= 0)
    out = {name: np.full(len(medium), -1, dtype=np.int64) for name in LEVELS}
    if len(kept):
        inner = net.induced_subgraph(kept.tolist())
        for name, labels in nested(inner, vectors[kept], metric, medium[kept], coarse, _of(fine, kept), seed).items():
            out[name][kept] = labels
    return out


def _spread(
    vectors: Float32,
    graph: Graph,
    group: Int64,
    distinct: Int64,
    sampled: Int64,
    levels: dict[str, Int64],
    progress: Progress,
) -> dict[str, Int64]:
    """Levels of all distinct rows: those not sampled are put into the fine cluster of most of their neighbours.

    graph: of all rows; group: (n,) the distinct row that each is. Neighbours that have no cluster yet do not vote, and who has no
    other waits for them; in the end each is put once more, where all of its nearest neighbours vote.
    """
    rest = np.setdiff1d(np.arange(len(distinct)), sampled)
    if not len(rest):
        return levels
    found = np.full(len(distinct), _OPEN)
    found[sampled] = levels["fine"]
    neighbors = graph.neighbors[distinct]
    near = np.where(neighbors >= 0, group[neighbors], -1)
    waiting = rest
    while len(waiting):
        heard, won = _votes(near[waiting], found)
        if not heard.any():  # an island without a sampled row
            far, _ = nearest(vectors[distinct[waiting]], vectors[distinct[sampled]], 1, graph.metric, progress=progress)
            heard, won = np.ones(len(waiting), dtype=np.bool_), levels["fine"][far[:, 0]]
        found[waiting[heard]] = won[heard]
        waiting = waiting[~heard]
    heard, won = _votes(near[rest, :_VOTERS], found)
    found[rest[heard]] = won[heard]
    least = min(0, int(levels["fine"].min()))
    _, first = np.unique(levels["fine"], return_index=True)
    up = found - least
    return {name: labels[first][up] for name, labels in levels.items()}


def _votes(voters: Int64, labels: Int64) -> tuple[Bool, Int64]:
    """(m,) whether any of the voters (m, v), -1 for none, has a label, and (m,) the label that most have."""
    m, v = voters.shape
    said = np.where(voters >= 0, labels[voters], _OPEN)
    there = said != _OPEN
    # Of two labels with as many votes, that of the nearer rows wins.
    weight = np.broadcast_to(1 - np.arange(v) / (v * 100), (m, v))[there]
    rows = np.repeat(np.arange(m), v).reshape(m, v)[there]
    votes = csr_matrix((weight, (rows, said[there] + 1)), shape=(m, int(labels.max()) + 2))
    return there.any(axis=1), np.asarray(votes.argmax(axis=1)).ravel() - 1


def _parents(levels: dict[str, Int64]) -> dict[str, Int64]:
    out = {}
    for wider, finer in pairwise(LEVELS):
        numbers, first = np.unique(levels[finer], return_index=True)
        out[finer] = levels[wider][first[numbers >= 0]]
    return out
