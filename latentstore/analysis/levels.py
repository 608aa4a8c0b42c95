"""Levels: at which resolutions a neighbour graph is best cut, coarse, medium and fine; and the cuts, nested.

The rule for medium. Every resolution of a grid is tried, on all rows and on random halves of them. One is admitted where the
clusters come back in the halves about as well as they do at any resolution, and most rows have most of their neighbours in
their own cluster; of those admitted, the one wins whose clusters lie farthest apart, the coarsest of equals. Coming back
alone would favour few large groups, distance alone ever smaller ones. A cluster that is too large to be looked at is cut again
by the same rule, at resolutions above its own (see `parts`). Coarse: what comes back best among a quarter as many
clusters or fewer, half where there is no such; groups of centres where the graph says nothing of what belongs together. Fine:
what comes back best among half as many again or more. Stability after Ben-Hur, Elisseeff & Guyon 2002; separation: the
silhouette, Rousseeuw 1987.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import igraph
import numpy as np
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.sparse import csr_matrix

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
_LEEWAY = 0.05  # of stability: what lies so close to the best came back as well, but for the draw
_AT_HOME = 0.75  # share of the rows that have most of their neighbours in their own cluster
_SOMEWHAT = 0.5  # the same, for the fine level
_TOGETHER = 0.75  # share of the rows in one cluster above which they are not parted
_ROWS = 8192  # rows whose distances to every cluster are held at a time


@dataclass(frozen=True)
class Effort:
    """How thoroughly resolutions are tried. runs: clusterings of all rows at each, since Leiden's draws move the silhouette;
    halves: random halves that are clustered too; step: of the resolutions, every which is tried.
    """

    runs: int
    halves: int
    step: int


THOROUGH, QUICK = Effort(runs=3, halves=12, step=1), Effort(runs=1, halves=4, step=2)


@dataclass(frozen=True)
class Sweep:
    """What each resolution gave: arrays (r,). counts: clusters. stability: mean adjusted Rand index between the clusters of
    all rows and those of halves. at_home: share of the rows with most of their neighbours in their own cluster.
    separation: mean silhouette of vectors averaged over their neighbours, -1..1. All of these: higher is better. error: (r, r),
    the standard error of the difference in separation between two resolutions, row by row. largest: the share of the rows that
    the largest cluster holds.
    """

    resolutions: Float64
    counts: Int64
    stability: Float64
    at_home: Float64
    separation: Float64
    error: Float64
    largest: Float64

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

    def parting(self) -> int | None:
        """`chosen` of the resolutions that part the rows at all, and leave most at home; None where there is no such."""
        there = np.flatnonzero((self.largest <= _TOGETHER) & (self.at_home >= _AT_HOME))
        if not len(there):
            return None
        some = {name: values[there] for name, values in vars(self).items()}
        return int(there[Sweep(**{**some, "error": some["error"][:, there]}).chosen()])

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
            **{name: np.round(getattr(self, name), 4).tolist() for name in ("stability", "at_home", "separation")},
            "admitted": self.admitted().tolist(),
        }


@dataclass(frozen=True)
class Trials:
    """n rows clustered at each of r resolutions. vectors: (n, dim), averaged over their neighbours. halves: positions of the
    rows of random halves. runs, halved: of each resolution the labels of all rows, seed by seed, and those of each half.
    home: of each resolution (n,) bool, whether a row has most of its neighbours in its own cluster.
    """

    vectors: Float32
    resolutions: Float64
    halves: list[Int64]
    runs: list[list[Int64]]
    halved: list[list[Int64]]
    home: list[Bool]

    def judged(self, part: Int64 | None = None, start: int = 0) -> Sweep:
        """What the resolutions from `start` on gave of some rows, all by default, up to where most are not at home."""
        rows = np.arange(len(self.vectors)) if part is None else part
        inside = np.zeros(len(self.vectors), dtype=np.bool_)
        inside[rows] = True
        vectors = self.vectors if part is None else self.vectors[part]
        found: list[tuple[float, ...]] = []
        apart: list[Float64] = []
        for at in range(start, len(self.resolutions)):
            home = float(np.mean(self.home[at][rows]))
            runs = [leiden.by_size(run[rows]) for run in self.runs[at]]
            sizes = np.bincount(runs[0])
            apart.append(np.mean([silhouette(vectors, run) for run in runs], axis=0))
            found.append((len(sizes), self._steady(at, inside), home, apart[-1].mean(), sizes[0] / len(rows)))
            if home < _SOMEWHAT:
                break
        counts, steady, homes, separation, largest = np.asarray(found, dtype=np.float64).T
        return Sweep(
            *(self.resolutions[start : start + len(found)], counts.astype(np.int64), steady, homes, separation),
            *(_errors(np.stack(apart)), largest),
        )

    def _steady(self, at: int, inside: Bool) -> float:
        labels = self.runs[at][0]
        pairs = zip(self.halves, self.halved[at], strict=True)
        return float(np.mean([_alike(labels[rows], half, inside[rows]) for rows, half in pairs]))


def _errors(values: Float64) -> Float64:
    """(r, r) standard errors of the differences between the means of (r, n) values of the same n rows."""
    spread = np.atleast_2d(np.cov(values, bias=True))
    own = np.diag(spread)
    return np.asarray(np.sqrt(np.maximum(own[:, None] + own - 2 * spread, 0) / values.shape[1]))


def _alike(first: Int64, second: Int64, asked: Bool) -> float:
    if not asked.any():
        return 0.0
    found = igraph.compare_communities(first[asked].tolist(), second[asked].tolist(), method="adjusted_rand")
    return float(found) if np.isfinite(found) else 1.0  # one cluster in both


def sweep(vectors: Float32, graph: Graph, effort: Effort, seed: int, progress: Progress) -> Trials:
    """Try resolutions on (n, dim) vectors, up to where most rows are not at home. graph: WIDE neighbours a row, or all there are."""
    n, rng = len(vectors), np.random.default_rng(seed)
    near = graph.head(wanted(n))
    net = leiden.network(near)
    halves = [np.sort(rng.permutation(n)[: n // 2]) for _ in range(effort.halves)]
    nets = [leiden.network(within(graph, rows, near.k)) for rows in halves]
    resolutions = RESOLUTIONS[:: effort.step]
    runs: list[list[Int64]] = []
    halved: list[list[Int64]] = []
    home: list[Bool] = []
    for at, resolution in enumerate(resolutions):
        runs.append([leiden.communities(net, resolution, seed + run) for run in range(effort.runs)])
        halved.append([leiden.communities(one, resolution, seed + 1 + at) for one in nets])
        labels = runs[-1][0]
        home.append(2 * np.sum(labels[near.neighbors] == labels[:, None], axis=1) > near.k)
        progress("clusters", (at + 1) / len(resolutions))
        if np.mean(home[-1]) < _SOMEWHAT:
            break
    progress("clusters", 1.0)
    return Trials(smoothed(vectors, near), np.asarray(resolutions[: len(runs)]), halves, runs, halved, home)


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
    net: Any,
    vectors: Float32,
    metric: Metric,
    medium: Int64,
    coarse: float | None,
    fine: float | Float64 | None,
    seed: int,
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


def silhouette(vectors: Float32, labels: Int64) -> Float64:
    """(n,) float64, -1..1, higher is better: each row's silhouette (Rousseeuw 1987) by squared distances, which under cosine,
    between vectors of length 1, are twice the distances themselves.

    labels: 0..k-1. A row alone in its cluster counts 0, every row -1 where there is one cluster only. The mean squared distance
    to a cluster is had from its centre and its spread, without the distances to its rows.
    """
    n, k = len(labels), int(labels.max()) + 1
    if k < 2:
        return np.full(n, -1.0)
    vectors = vectors - vectors.mean(axis=0)  # so that rounding is of distances, not of places
    sizes = np.bincount(labels).astype(np.float32)
    member = csr_matrix((np.ones(n, dtype=np.float32), (labels, np.arange(n))), shape=(k, n))
    squares = np.vecdot(vectors, vectors)
    centers, spread = (member @ vectors) / sizes[:, None], (member @ squares) / sizes
    inner, outer = np.empty(n), np.empty(n)
    for at in range(0, n, _ROWS):
        part = slice(at, at + _ROWS)
        far = vectors[part] @ (-2 * centers.T) + spread
        rows = np.arange(len(far))
        inner[part] = far[rows, labels[part]]
        far[rows, labels[part]] = np.inf
        outer[part] = far.min(axis=1)
    inner, outer = np.maximum(inner + squares, 0), np.maximum(outer + squares, 0)
    inner *= sizes[labels] / np.maximum(sizes[labels] - 1, 1)  # a row is not among its own neighbours
    score = (outer - inner) / np.maximum(np.maximum(outer, inner), np.finfo(np.float32).tiny)
    return np.where(sizes[labels] > 1, score, 0.0)
