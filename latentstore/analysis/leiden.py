"""Communities of a neighbour graph: weighted edges, and Leiden (Traag, Waltman & van Eck 2019) at a resolution.

Rows stay in the order they come in; who wants results free of row order brings them in a canonical one.
"""

from __future__ import annotations

import random
from typing import Any

import igraph
import numpy as np

from latentstore.analysis.neighbors import Graph
from latentstore.types import Float64, Int64, Metric

_ROUNDS = 10  # Leiden passes; it stops by itself where nothing moves any more


def edges(graph: Graph) -> tuple[Int64, Float64]:
    """Pairs (m, 2) int64, each once, lower row first, and their weights (m,): how alike the two are, above 0.

    Weight: the cosine, or exp(-d²/2s²) for l2, s the median distance to the last neighbour.
    """
    source = np.repeat(np.arange(len(graph), dtype=np.int64), graph.k)
    target = graph.neighbors.astype(np.int64).ravel()
    there = target >= 0
    pairs = np.sort(np.column_stack((source[there], target[there])), axis=1)
    alike = _alike(graph.distances.ravel()[there].astype(np.float64), graph)
    pairs, first = np.unique(pairs, axis=0, return_index=True)
    return pairs, alike[first]


def _alike(distances: Float64, graph: Graph) -> Float64:
    if graph.metric is Metric.COSINE:
        return np.asarray(np.maximum(1 - distances, 1e-3))
    widest = graph.distances[:, -1]
    scale = float(np.median(widest[np.isfinite(widest)])) if np.isfinite(widest).any() else 0.0
    return np.asarray(np.maximum(np.exp(-((distances / scale) ** 2) / 2), 1e-3)) if scale else np.ones(len(distances))


def network(n: int, pairs: Int64, weights: Float64) -> Any:
    """An igraph graph of n rows."""
    return igraph.Graph(n=n, edges=pairs, edge_attrs={"weight": weights})


def communities(net: Any, resolution: float, seed: int) -> Int64:
    """(n,) int64: the community of each row, 0..k-1, largest first. Higher resolution: more and smaller ones."""
    # igraph draws from Python's generator unless it is given another.
    igraph.set_random_number_generator(random.Random(seed))  # noqa: S311 no secret is made of it
    try:
        found = net.community_leiden(
            objective_function="modularity", weights="weight", resolution=resolution, n_iterations=_ROUNDS
        )
    finally:
        igraph.set_random_number_generator(random)
    return by_size(np.asarray(found.membership, dtype=np.int64))


def joined(net: Any, labels: Int64, resolution: float, seed: int) -> Int64:
    """(n,) int64: groups of whole clusters of `labels`, communities of the graph that the clusters make."""
    whole = net.copy()
    whole.contract_vertices(labels.tolist(), combine_attrs="ignore")
    # Loops stay: what lies within a cluster counts for its degree.
    whole.simplify(loops=False, combine_edges="sum")
    return by_size(communities(whole, resolution, seed)[labels])


def split(net: Any, labels: Int64, resolution: float, seed: int) -> Int64:
    """(n,) int64: communities within each cluster of `labels`: edges between clusters are left out."""
    ends = np.asarray(net.get_edgelist(), dtype=np.int64).reshape(-1, 2)
    inside = net.copy()
    inside.delete_edges(np.flatnonzero(labels[ends[:, 0]] != labels[ends[:, 1]]).tolist())
    return communities(inside, resolution, seed)


def by_size(labels: Int64) -> Int64:
    """The same groups numbered 0..k-1, largest first, ties by the first row; -1 stays."""
    kept = labels >= 0
    names, first, inverse, counts = np.unique(labels[kept], return_index=True, return_inverse=True, return_counts=True)
    rank = np.empty(len(names), dtype=np.int64)
    rank[np.lexsort((first, -counts))] = np.arange(len(names))
    out = np.full(len(labels), -1, dtype=np.int64)
    out[kept] = rank[inverse]
    return out
