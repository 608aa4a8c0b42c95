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

_ROUNDS = 3  # Leiden passes; more move a row in a hundred
_LEAST_WEIGHT = 1e-3  # of an edge between rows that are not alike at all: they are neighbours still
_NARROWEST, _WIDEST = 2.0**-10, 2.0**14  # resolutions between which a number of communities is sought
_HALVINGS = 24


def edges(graph: Graph) -> tuple[Int64, Float64]:
    """Pairs (m, 2) int64, each once, lower row first, and their weights (m,): how alike the two are, above 0.

    Weight: the cosine, or exp(-d²/2s²) for l2, s the median distance to the last neighbour.
    """
    source = np.repeat(np.arange(len(graph), dtype=np.int64), graph.k)
    target = graph.neighbors.astype(np.int64).ravel()
    there = target >= 0
    low, high = np.minimum(source, target)[there], np.maximum(source, target)[there]
    alike = _alike(graph.distances.ravel()[there].astype(np.float64), graph)
    key, first = np.unique(low * max(1, len(graph)) + high, return_index=True)
    return np.column_stack((key // max(1, len(graph)), key % max(1, len(graph)))), alike[first]


def _alike(distances: Float64, graph: Graph) -> Float64:
    if graph.metric is Metric.COSINE:
        return np.asarray(np.maximum(1 - distances, _LEAST_WEIGHT))
    last = np.max(graph.distances, axis=1, where=np.isfinite(graph.distances), initial=0.0)
    scale = float(np.median(last)) if len(last) else 0.0
    if scale == 0:
        return np.ones(len(distances))
    return np.asarray(np.maximum(np.exp(-((distances / scale) ** 2) / 2), _LEAST_WEIGHT))


def network(graph: Graph) -> Any:
    """The igraph graph of a neighbour graph, undirected: "weight" of edges, "strength" of rows, the sum of their edges."""
    pairs, weights = edges(graph)
    net = igraph.Graph(n=len(graph), edges=pairs, edge_attrs={"weight": weights})
    net.vs["strength"] = net.strength(weights="weight")
    return net


def communities(net: Any, resolution: float | Float64, seed: int) -> Int64:
    """(n,) int64: the community of each row, 0..k-1, largest first. Higher resolution: more and smaller ones.

    Modularity with a resolution (Reichardt & Bornholdt 2006); (n,) resolutions give each row its own, and what two rows would
    share by chance counts by the geometric mean of theirs.
    """
    strength = np.asarray(net.vs["strength"], dtype=np.float64) if net.vcount() else np.empty(0)
    total = sum(strength.tolist())
    if not total:
        return np.arange(net.vcount(), dtype=np.int64)
    highest = float(np.max(resolution))
    # igraph draws from Python's generator unless it is given another.
    igraph.set_random_number_generator(random.Random(seed))  # noqa: S311 no secret is made of it
    try:
        # CPM over strengths is modularity; igraph's own leaves out loops, which joined clusters live by.
        found, _ = igraph.GraphBase.community_leiden(
            net,
            edge_weights="weight",
            node_weights=(strength * np.sqrt(resolution / highest)).tolist(),
            resolution=highest / total,
            n_iterations=_ROUNDS,
        )
    finally:
        igraph.set_random_number_generator(random)
    return by_size(np.asarray(found, dtype=np.int64))


def counted(net: Any, k: int, seed: int) -> Int64:
    """(n,) int64: communities at the resolution that gives k of them, or the fewest above k that halving finds.

    n is at least k. More than k come where the graph falls into more parts than that.
    """
    low, high = np.log(_NARROWEST), np.log(_WIDEST)
    best = np.arange(net.vcount(), dtype=np.int64)
    for _ in range(_HALVINGS):
        labels = communities(net, float(np.exp((low + high) / 2)), seed)
        found = int(labels.max(initial=-1)) + 1
        if k <= found <= int(best.max(initial=-1)) + 1:
            best = labels
        if found == k:
            break
        low, high = ((low + high) / 2, high) if found < k else (low, (low + high) / 2)
    return best


def joined(net: Any, labels: Int64, resolution: float, seed: int) -> Int64:
    """(n,) int64: groups of whole clusters of `labels`, communities of the graph that the clusters make."""
    whole = net.copy()
    whole.contract_vertices(labels.tolist(), combine_attrs="sum")
    whole.simplify(loops=False, combine_edges="sum")
    return by_size(communities(whole, resolution, seed)[labels])


def split(net: Any, labels: Int64, resolution: float | Float64, seed: int) -> Int64:
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
