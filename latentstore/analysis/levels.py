"""Levels: at which resolutions a neighbour graph is best cut, coarse, medium and fine; and the cuts, nested.

The rule for medium. Every resolution of a grid is tried, on all rows and on random halves of them. One is admitted where the
clusters come back in the halves about as well as they do at any resolution, and most rows have most of their neighbours in
their own cluster; of those admitted, the one wins whose clusters lie farthest apart, the coarsest of equals. Coming back
alone would favour few large groups, distance alone ever smaller ones. Coarse: what comes back best among a quarter as many
clusters or fewer, half where there is no such; groups of centres where the graph says nothing of what belongs together. Fine:
what comes back best among half as many again or more. Stability after Ben-Hur, Elisseeff & Guyon 2002; separation: the
silhouette, Rousseeuw 1987.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.sparse import csr_matrix
from sklearn.metrics import adjusted_rand_score

from latentstore.analysis import leiden
from latentstore.analysis.kmeans import smoothed
from latentstore.analysis.neighbors import Graph
from latentstore.analysis.progress import Progress
from latentstore.distance import unit
from latentstore.types import Bool, Float32, Float64, Int64, Metric

LEVELS = ("coarse", "medium", "fine")
K = 15  # neighbours of a row
WIDE = 2 * K  # neighbours looked up, so that among half of the rows K are left

RESOLUTIONS = tuple(2.0 ** (step / 2) for step in range(-4, 15))  # from a quarter to 128
_RUNS = 3  # clusterings of all rows at a resolution: Leiden's draws move the silhouette
_HALVES = 12
_LEEWAY = 0.05  # of stability: what lies so close to the best came back as well, but for the draw
_AT_HOME = 0.75  # share of the rows that have most of their neighbours in their own cluster
_SOMEWHAT = 0.5  # the same, for the fine level


@dataclass(frozen=True)
class Sweep:
    """What each resolution gave: arrays (r,). counts: clusters. stability: mean adjusted Rand index between the clusters of
    all rows and those of halves. at_home: share of the rows with most of their neighbours in their own cluster.
    separation: mean silhouette of vectors averaged over their neighbours, -1..1. All of these: higher is better. error: the
    standard error of separation.
    """

    resolutions: Float64
    counts: Int64
    stability: Float64
    at_home: Float64
    separation: Float64
    error: Float64

    def admitted(self) -> Bool:
        """(r,) bool: steady and at home. The coarsest is admitted where none is both."""
        home = self.at_home >= _AT_HOME
        if not home.any():
            return np.asarray(np.arange(len(home)) == 0)
        return np.asarray(home & (self.stability >= self.stability[home].max() - _LEEWAY))

    def chosen(self) -> int:
        apart = np.where(self.admitted(), self.separation, -np.inf)
        best = int(np.argmax(apart))
        # The rule of one standard error (Breiman et al. 1984): of what cannot be told from the best, the simplest.
        return int(np.argmax(apart >= apart[best] - self.error[best]))

    def resolution(self, level: str, k: int) -> float | None:
        """For the level next to one of k clusters; None where nothing in the sweep is that coarse or that fine."""
        much, enough = 4 * self.counts <= k, 2 * self.counts <= k
        finer = (2 * self.counts >= 3 * k) & (self.at_home >= _SOMEWHAT)
        there = finer if level == "fine" else much if much.any() else enough
        if not there.any():
            return None
        return float(self.resolutions[np.argmax(np.where(there, self.stability, -np.inf))])

    def facts(self) -> dict[str, Any]:
        return {
            "resolutions": self.resolutions.tolist(),
            "counts": self.counts.tolist(),
            **{
                name: np.round(getattr(self, name), 4).tolist()
                for name in ("stability", "at_home", "separation", "error")
            },
            "admitted": self.admitted().tolist(),
        }


def sweep(vectors: Float32, graph: Graph, seed: int, progress: Progress) -> Sweep:
    """Try resolutions on (n, dim) vectors, up to where most rows are not at home. graph: WIDE neighbours a row, or all there are."""
    n, rng = len(vectors), np.random.default_rng(seed)
    near = graph.head(wanted(n))
    net = leiden.network(near)
    parts = [np.sort(rng.permutation(n)[: n // 2]) for _ in range(_HALVES)]
    nets = [leiden.network(within(graph, rows, near.k)) for rows in parts]
    apart = _distances(smoothed(vectors, near), graph.metric)
    found: list[tuple[float, ...]] = []
    for at, resolution in enumerate(RESOLUTIONS):
        runs = [leiden.communities(net, resolution, seed + run) for run in range(_RUNS)]
        halves = [leiden.communities(one, resolution, seed + 1 + at) for at, one in enumerate(nets)]
        labels = runs[0]
        steady = np.mean([adjusted_rand_score(labels[rows], half) for rows, half in zip(parts, halves, strict=True)])
        home = float(np.mean(2 * np.sum(labels[near.neighbors] == labels[:, None], axis=1) > near.k))
        silhouettes = np.mean([silhouette(apart, run) for run in runs], axis=0)
        error = silhouettes.std() / np.sqrt(n)
        found.append((labels.max() + 1, float(steady), home, silhouettes.mean(), error))
        progress("clusters", (at + 1) / len(RESOLUTIONS))
        if home < _SOMEWHAT:
            break
    progress("clusters", 1.0)
    counts, *rest = np.asarray(found, dtype=np.float64).T
    return Sweep(np.asarray(RESOLUTIONS[: len(found)]), counts.astype(np.int64), *rest)


def wanted(n: int) -> int:
    """Neighbours a row of n: K, fewer where there are so few rows that K would reach everywhere."""
    return int(min(K, max(2, round(np.sqrt(n))), max(1, n - 1)))


def within(graph: Graph, rows: Int64, k: int) -> Graph:
    """The first k neighbours that are among `rows`, by their positions there."""
    place = np.full(len(graph) + 1, -1, dtype=np.int32)
    place[rows] = np.arange(len(rows), dtype=np.int32)
    neighbors = place[graph.neighbors[rows]]
    first = np.argsort(neighbors < 0, axis=1, kind="stable")[:, :k]
    neighbors = np.take_along_axis(neighbors, first, axis=1)
    distances = np.take_along_axis(graph.distances[rows], first, axis=1)
    return Graph(neighbors, np.where(neighbors < 0, np.float32(np.inf), distances), graph.metric, graph.recall)


def nested(
    net: Any, vectors: Float32, metric: Metric, medium: Int64, coarse: float | None, fine: float | None, seed: int
) -> dict[str, Int64]:
    """Labels of all levels around those of medium. vectors: (n, dim), what centres are taken of. fine None: medium over again."""
    k = int(medium.max(initial=-1)) + 1
    wider = medium if coarse is None else leiden.joined(net, medium, coarse, seed)
    if k > 3 and 2 * (int(wider.max()) + 1) > k:
        wider = linked(vectors, medium, None, metric)
    return {
        "coarse": wider,
        "medium": medium,
        "fine": medium if fine is None else leiden.split(net, medium, fine, seed),
    }


def linked(vectors: Float32, labels: Int64, count: int | None, metric: Metric) -> Int64:
    """(n,) int64: groups of whole clusters whose centres are close, by average linkage.

    count: how many groups; None cuts at the widest gap in the heights of the tree that leaves 2 groups to half as many as clusters.
    """
    k = int(labels.max()) + 1
    member = csr_matrix((np.ones(len(labels), dtype=np.float32), (labels, np.arange(len(labels)))))
    centers = (member @ vectors) / np.bincount(labels)[:, None].astype(np.float32)
    tree = linkage(unit(centers) if metric is Metric.COSINE else centers, "average")
    if count is None:
        gaps = np.diff(tree[:, 2])  # that at k - c - 1 lies between c + 1 groups and c
        counts = np.arange(2, k // 2 + 1)
        count = int(counts[np.argmax(gaps[k - counts - 1])])
    return leiden.by_size(cut_tree(tree, count)[:, 0].astype(np.int64)[labels])


def _distances(vectors: Float32, metric: Metric) -> Float32:
    if metric is Metric.COSINE:
        vectors = unit(vectors)
        return np.asarray(1 - vectors @ vectors.T)
    squares = np.vecdot(vectors, vectors)
    return np.asarray(np.sqrt(np.maximum(squares[:, None] + squares - 2 * vectors @ vectors.T, 0)))


def silhouette(distances: Float32, labels: Int64) -> Float64:
    """(n,) float64, -1..1, higher is better: each row's silhouette (Rousseeuw 1987) from (n, n) distances.

    labels: 0..k-1. A row alone in its cluster counts 0, every row -1 where there is one cluster only.
    """
    n, k = len(labels), int(labels.max()) + 1
    if k < 2:
        return np.full(n, -1.0)
    sizes = np.bincount(labels).astype(np.float64)
    member = csr_matrix((np.ones(n, dtype=np.float32), (labels, np.arange(n))), shape=(k, n))
    sums = (member @ distances).T.astype(np.float64)  # (n, k): distances are symmetric
    at = np.arange(n)
    inner = sums[at, labels] / np.maximum(sizes[labels] - 1, 1)
    means = sums / sizes
    means[at, labels] = np.inf
    outer = means.min(axis=1)
    score = (outer - inner) / np.maximum(np.maximum(outer, inner), np.finfo(np.float32).tiny)
    return np.where(sizes[labels] > 1, score, 0.0)
