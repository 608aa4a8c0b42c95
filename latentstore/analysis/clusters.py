"""Clusters: groups of rows at three levels, without a given number of them.

Labels: 0..k-1, largest cluster first; -1 only for what HDBSCAN calls noise. Levels are nested: every fine cluster lies in one
medium cluster, every medium in one coarse. Rows are worked on in a canonical order, so that their own order changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from sklearn.metrics import silhouette_score

from latentstore.analysis import leiden
from latentstore.analysis.neighbors import Graph
from latentstore.analysis.order import canonical
from latentstore.analysis.progress import Progress, silent
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Int64, Metric

METHODS = ("auto",)
LEVELS = ("coarse", "medium", "fine")
K = 15  # neighbours a row that the graph of `partition` should have

_RESOLUTIONS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0)
_APART = 4.0  # between the resolutions of two levels
_PLAIN = 0.12  # silhouette below which groups are too vague to choose by it
_JUDGED = 2000  # rows whose silhouette is taken


@dataclass(frozen=True)
class Partition:
    """levels: (n,) int64 labels of each of LEVELS. parents: of "medium" and "fine", (k,) int64, the number of the cluster one
    level up that each cluster lies in. facts: what the rule saw and chose, as JSON. settings: what `again` needs of it.
    """

    method: str
    levels: dict[str, Int64]
    parents: dict[str, Int64]
    facts: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, float] = field(default_factory=dict)


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
    """Clusters of (n, dim) vectors with their neighbour graph (k at least K where n allows it).

    Raises InvalidInput for an unknown method, and for a k, which no method takes.
    """
    if method not in METHODS:
        raise InvalidInput(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    if k is not None:
        raise InvalidInput(f"method {method!r} finds the number of clusters by itself, got k={k}; leave k out")
    order = canonical(vectors)
    own = _permuted(graph, order).head(K)
    settings, facts = _chosen(vectors[order], own, seed, progress)
    levels = _levels(leiden.network(len(order), *leiden.edges(own)), settings, seed)
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    levels = {name: leiden.by_size(labels[back]) for name, labels in levels.items()}
    return Partition(method, levels, _parents(levels), facts, settings)


def again(vectors: Float32, graph: Graph, partition: Partition, level: str, rows: Int64, seed: int) -> Int64:
    """(len(rows),) int64: the same clustering of some rows alone, with what was chosen for all of them.

    vectors, graph: of all rows, as `partition` got them. A graph wider than K keeps the rows better tied together.
    """
    return _levels(leiden.network(len(rows), *leiden.edges(_within(graph, rows))), partition.settings, seed)[level]


def _chosen(vectors: Float32, graph: Graph, seed: int, progress: Progress) -> tuple[dict[str, float], dict[str, Any]]:
    """The resolutions of the levels, and what the choice rested on."""
    net = leiden.network(len(vectors), *leiden.edges(graph.head(K)))
    rows = np.random.default_rng(seed).permutation(len(vectors))[:_JUDGED]
    scores = {}
    for at, resolution in enumerate(_RESOLUTIONS):
        scores[resolution] = _silhouette(vectors[rows], leiden.communities(net, resolution, seed)[rows], graph.metric)
        progress("clusters", (at + 1) / len(_RESOLUTIONS))
    best = max(scores, key=lambda one: scores[one])
    medium = best if scores[best] >= _PLAIN else 1.0
    facts = {"resolution": medium, "silhouettes": {str(one): score for one, score in scores.items()}}
    return {"coarse": medium / _APART, "medium": medium, "fine": medium * _APART}, facts


def _silhouette(vectors: Float32, labels: Int64, metric: Metric) -> float:
    if not 1 < len(np.unique(labels)) < len(labels):
        return -1.0
    return float(silhouette_score(vectors, labels, metric="cosine" if metric is Metric.COSINE else "euclidean"))


def _levels(net: Any, settings: dict[str, float], seed: int) -> dict[str, Int64]:
    """Nested: medium from the whole graph, coarse from what medium leaves, fine within medium."""
    medium = leiden.communities(net, settings["medium"], seed)
    return {
        "coarse": leiden.joined(net, medium, settings["coarse"], seed),
        "medium": medium,
        "fine": leiden.split(net, medium, settings["fine"], seed),
    }


def _parents(levels: dict[str, Int64]) -> dict[str, Int64]:
    return {
        finer: np.asarray(
            [levels[wider][np.argmax(levels[finer] == at)] for at in range(levels[finer].max(initial=-1) + 1)]
        )
        for wider, finer in pairwise(LEVELS)
    }


def _within(graph: Graph, rows: Int64) -> Graph:
    """The first K neighbours that are among `rows`, by their positions there."""
    place = np.full(len(graph) + 1, -1, dtype=np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    neighbors = place[graph.neighbors[rows]]
    first = np.argsort(neighbors < 0, axis=1, kind="stable")[:, :K]
    neighbors = np.take_along_axis(neighbors, first, axis=1)
    distances = np.take_along_axis(graph.distances[rows], first, axis=1)
    return Graph(neighbors, np.where(neighbors < 0, np.float32(np.inf), distances), graph.metric, graph.recall)


def _permuted(graph: Graph, order: Int64) -> Graph:
    back = np.empty(len(order) + 1, dtype=np.int32)
    back[order] = np.arange(len(order), dtype=np.int32)
    back[-1] = -1
    return Graph(back[graph.neighbors[order]], graph.distances[order], graph.metric, graph.recall)
