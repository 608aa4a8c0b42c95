"""Clusters: groups of rows at three levels, with or without a given number of them.

Labels: 0..k-1, largest cluster first; -1 only for what HDBSCAN calls noise. Levels are nested: every fine cluster lies in one
medium cluster, every medium in one coarse; where nothing coarser or finer is there to find, two levels are the same. Rows that are
equal share a cluster. The order of the rows changes nothing: distinct rows are clustered in a canonical order.

Of more than SAMPLE distinct rows a random sample is clustered, and every other row goes with most of the sampled rows nearest to it.
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
from latentstore.analysis.levels import LEVELS, WIDE, K, Sweep, linked, nested, sweep, wanted, within
from latentstore.analysis.neighbors import Graph, knn, nearest
from latentstore.analysis.order import canonical
from latentstore.analysis.progress import Progress, silent
from latentstore.distance import unit
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Int64, Metric

__all__ = ["LEAST", "LEVELS", "METHODS", "SAMPLE", "WIDE", "K", "Partition", "again", "partition"]

METHODS = ("auto", "kmeans", "hdbscan")
SAMPLE = 5000  # distinct rows that are clustered
LEAST = 10  # distinct rows below which nothing can be told apart: one cluster, unless a number is asked for
_DENSE = 5  # rows that HDBSCAN takes for a cluster at least
_VOTERS = 15  # sampled rows that say where another row goes

Settings = Mapping[str, float | None]


@dataclass(frozen=True)
class Partition:
    """levels: (n,) int64 labels of each of LEVELS. parents: of "medium" and "fine", (k,) int64, the number of the cluster one
    level up that each cluster lies in. facts: what the rule saw and chose, as JSON. settings: what `again` needs of it.
    """

    method: str
    levels: dict[str, Int64]
    parents: dict[str, Int64]
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
    sampled = np.arange(len(distinct))
    if len(distinct) > SAMPLE:
        sampled = np.sort(np.random.default_rng(seed).permutation(len(distinct))[:SAMPLE])
    levels, facts, settings = _found(vectors, graph, distinct[sampled], metric, method, k, seed, progress)
    levels = _spread(vectors, distinct, sampled, levels, metric, progress)
    every = {name: np.empty(len(order), dtype=np.int64) for name in LEVELS}
    for name, labels in levels.items():
        every[name][order] = leiden.by_size(labels[group])
    return Partition(method, every, _parents(every), facts, settings)


def again(vectors: Float32, graph: Graph, partition: Partition, level: str, rows: Int64, seed: int) -> Int64:
    """(len(rows),) int64: one level of what `regrouped` gives."""
    return regrouped(vectors, graph, partition, rows, seed)[level]


def regrouped(vectors: Float32, graph: Graph, partition: Partition, rows: Int64, seed: int) -> dict[str, Int64]:
    """(len(rows),) int64 of each level: the same clustering of some rows alone, with what was chosen for all of them.

    vectors, graph: of all rows. The rows should not be many more than SAMPLE. Neighbours are looked up anew where too few of the
    graph's are among the rows.
    """
    near = within(graph, rows, wanted(len(rows)))
    if np.mean(near.neighbors >= 0) < 0.5:
        near = knn(vectors[rows], wanted(len(rows)), graph.metric)
    net = leiden.network(near)
    medium = _medium(vectors[rows], near, net, partition.method, partition.settings, seed)
    return _around(net, vectors[rows], graph.metric, medium, partition.settings, seed)


def _twins(vectors: Float32, order: Int64) -> Int64:
    """(n,) int64: 0, 0, 1, … along `order`, the same number for rows that are equal."""
    new = np.ones(len(order), dtype=np.bool_)
    for at, (before, here) in enumerate(pairwise(order.tolist()), start=1):
        new[at] = not np.array_equal(vectors[before], vectors[here])
    return np.cumsum(new) - 1


def _found(
    vectors: Float32,
    graph: Graph,
    rows: Int64,
    metric: Metric,
    method: str,
    k: int | None,
    seed: int,
    progress: Progress,
) -> tuple[dict[str, Int64], dict[str, Any], Settings]:
    """Levels of `rows` alone, what the choice rested on, and how to do it again."""
    some, facts = vectors[rows], {"rows": len(rows), "method": method}
    if len(rows) < LEAST and k is None:
        return dict.fromkeys(LEVELS, np.zeros(len(rows), dtype=np.int64)), facts, {"k": 1}
    whole = len(rows) == len(vectors) and graph.k >= min(WIDE, len(rows) - 1) and graph.recall == 1
    wide = within(graph, rows, WIDE) if whole else knn(some, WIDE, metric)
    near = wide.head(wanted(len(rows)))
    net = leiden.network(near)
    tried = sweep(some, wide, seed, progress)
    settings = _settled(tried, method, k)
    medium = _medium(some, near, net, method, settings, seed)
    count = int(medium.max(initial=-1)) + 1
    settings = {**settings, **{level: tried.resolution(level, count) for level in ("coarse", "fine")}}
    levels = _around(net, some, metric, medium, settings, seed)
    return levels, {**facts, "sweep": tried.facts(), "settings": settings}, settings


def _settled(tried: Sweep, method: str, k: int | None) -> dict[str, float | None]:
    if k is not None:
        return {"k": k}
    best = tried.chosen()
    return {"medium": float(tried.resolutions[best])} if method != "kmeans" else {"k": int(tried.counts[best])}


def _medium(vectors: Float32, near: Graph, net: Any, method: str, settings: Settings, seed: int) -> Int64:
    if method == "hdbscan":
        return _dense(vectors, near.metric)
    k = settings.get("k")
    if k is None:
        return leiden.communities(net, float(settings["medium"] or 1), seed)
    if k == 1:
        return np.zeros(len(vectors), dtype=np.int64)
    asked = min(int(k), len(vectors))
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
    kept = np.flatnonzero(medium >= 0)
    out = {name: np.full(len(medium), -1, dtype=np.int64) for name in LEVELS}
    if len(kept):
        inner = net.induced_subgraph(kept.tolist())
        for name, labels in nested(inner, vectors[kept], metric, medium[kept], coarse, fine, seed).items():
            out[name][kept] = labels
    return out


def _spread(
    vectors: Float32, distinct: Int64, sampled: Int64, levels: dict[str, Int64], metric: Metric, progress: Progress
) -> dict[str, Int64]:
    """Levels of all distinct rows: those not sampled are put into the fine cluster of most sampled rows nearest to them."""
    rest = np.setdiff1d(np.arange(len(distinct)), sampled)
    if not len(rest):
        return levels
    near, _ = nearest(vectors[distinct[rest]], vectors[distinct[sampled]], _VOTERS, metric, progress=progress)
    # Of two labels with as many votes, that of the nearer rows wins.
    weight = np.tile(1 - np.arange(_VOTERS) / (_VOTERS * 100), len(rest))
    votes = csr_matrix((weight, (np.repeat(np.arange(len(rest)), _VOTERS), levels["fine"][near].ravel() + 1)))
    won = np.asarray(votes.argmax(axis=1)).ravel() - 1
    _, first = np.unique(levels["fine"], return_index=True)
    up = {name: labels[first[won - levels["fine"].min()]] for name, labels in levels.items()}
    out = {}
    for name, labels in levels.items():
        out[name] = np.empty(len(distinct), dtype=np.int64)
        out[name][sampled], out[name][rest] = labels, up[name]
    return out


def _parents(levels: dict[str, Int64]) -> dict[str, Int64]:
    out = {}
    for wider, finer in pairwise(LEVELS):
        numbers, first = np.unique(levels[finer], return_index=True)
        out[finer] = levels[wider][first[numbers >= 0]]
    return out
