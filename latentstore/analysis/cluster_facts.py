"""Facts about clusters that were found: what each is like, which items are typical of it, and how sure each item's place is.

Labels: 0..k-1, -1 for none. Geometry: by the angle under cosine, where rows are taken at length 1, else as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from latentstore.analysis.neighbors import Graph
from latentstore.distance import unit
from latentstore.types import Float32, Float64, Int64, Metric

NEIGHBORS = 15  # neighbours of an item that vote for its cluster
NEAR = 5  # clusters that are named as the nearest to another
SMALL = 5  # items below which a cluster is small, however few there are in all
UNSTABLE = 0.6  # stability below which a cluster should not be trusted (Hennig 2007)
_TYPICAL = 64  # items closest to a centre among which exemplars are chosen
_VARIED = 0.3  # weight of being unlike the exemplars already chosen
_ROWS = 8192  # rows whose distances to every centre are held at a time


@dataclass(frozen=True)
class Description:
    """What k clusters are like.

    sizes: (k,) int64. centers: (k, dim) float32, of length 1 under cosine. tightness: (k,) float64, 0..1, higher is tighter:
    the share of the spread of all items that is gone within the cluster (1 - mean squared distance to its centre / that of all
    items to theirs), 0 for as wide as everything. near: (k, min(NEAR, k - 1)) int64, the clusters with the nearest centres,
    nearest first. exemplars: positions of typical items of each cluster, the closest to its centre first, then others that are
    close to it and unlike those before (maximal marginal relevance, Carbonell & Goldstein 1998).
    """

    sizes: Int64
    centers: Float32
    tightness: Float64
    near: Int64
    exemplars: tuple[Int64, ...]


@dataclass(frozen=True)
class Places:
    """How each of n items lies among the clusters.

    share: (n,) float64, 0..1, of its neighbours that are in its cluster; 1 where it has no neighbour. margin: (n,) float64,
    -1..1: how much nearer its own centre is than the nearest other, (other - own) / (other + own). second: (n,) int64, the
    cluster it would be in if not in its own: the one with most of its neighbours, else the nearest centre; -1 for none.
    """

    share: Float64
    margin: Float64
    second: Int64


def describe(vectors: Float32, labels: Int64, metric: Metric, *, exemplars: int = 5) -> Description:
    """What the clusters of (n, dim) vectors are like. labels: (n,) int64."""
    k = int(labels.max(initial=-1)) + 1
    sizes = np.bincount(labels[labels >= 0], minlength=k)
    centers, spread, chosen = np.zeros((k, vectors.shape[1]), np.float32), np.zeros(k), []
    for at, members in enumerate(_members(labels, sizes)):
        points = _points(vectors[members], metric)
        centers[at] = middle = points.mean(axis=0, dtype=np.float64)
        far = np.linalg.norm(points - middle.astype(np.float32), axis=1).astype(np.float64)
        spread[at] = np.mean(far**2)
        chosen.append(members[_typical(points, far, exemplars)])
    whole = _spread(vectors, metric)
    tightness = np.clip(1 - spread / whole, 0, 1) if whole > 0 else np.ones(k)
    ready = _points(centers, metric)
    return Description(sizes, ready, tightness, _near(ready), tuple(chosen))


def places(vectors: Float32, graph: Graph, labels: Int64, centers: Float32) -> Places:
    """How each item lies among the clusters whose centres `describe` gave."""
    voters = graph.head(electors(len(vectors))).neighbors
    return lie(vectors, voters.astype(np.int64), labels, labels, centers, graph.metric)


def lie(vectors: Float32, voters: Int64, voting: Int64, labels: Int64, centers: Float32, metric: Metric) -> Places:
    """The same of (m, dim) vectors put into clusters `labels` (m,), whose neighbours `voters` (m, v) are positions in
    `voting`, the labels of the items that vote; -1 where there are fewer.
    """
    n, k = len(vectors), len(centers)
    share, margin, second = np.zeros(n), np.zeros(n), np.full(n, -1, dtype=np.int64)
    for at in range(0, n, _ROWS):
        part = slice(at, at + _ROWS)
        votes = ballots(voters[part], voting, k)
        far = distances(vectors[part], centers, metric)
        share[part], margin[part], second[part] = _places(votes, far, labels[part])
        share[part][(voters[part] < 0).all(axis=1) & (labels[part] >= 0)] = 1.0  # nobody says otherwise
    return Places(share, margin, second)


def electors(n: int) -> int:
    """How many neighbours vote among n items: of few, so few that a small cluster can hold them."""
    return max(1, min(NEIGHBORS, n // 4))


def ballots(voters: Int64, voting: Int64, k: int) -> Float64:
    """(m, k): the share of each item's neighbours that is in each cluster. What is in none counts, for none."""
    m = len(voters)
    there = voters >= 0
    chosen = np.where(there, voting[np.where(there, voters, 0)], -1) if len(voting) else np.full_like(voters, -1)
    rows = np.repeat(np.arange(m), voters.shape[1]).reshape(voters.shape)
    cells = (rows * k + chosen)[chosen >= 0]
    counts = np.bincount(cells, minlength=m * k).reshape(m, k)
    return np.asarray(counts / np.maximum(there.sum(axis=1), 1)[:, None])


def distances(vectors: Float32, centers: Float32, metric: Metric) -> Float64:
    """(m, k) float64: from each item to each centre, both at length 1 under cosine."""
    points = _points(vectors, metric).astype(np.float64)
    ends = centers.astype(np.float64)
    squares = np.vecdot(points, points)[:, None] + np.vecdot(ends, ends)[None, :] - 2 * points @ ends.T
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def _places(votes: Float64, far: Float64, labels: Int64) -> tuple[Float64, Float64, Int64]:
    rows = np.arange(len(labels))
    own = np.maximum(labels, 0)
    k = votes.shape[1]
    if k == 0:
        return np.zeros(len(labels)), np.zeros(len(labels)), np.full(len(labels), -1)
    placed = labels >= 0
    share = np.where(placed, votes[rows, own], 0.0)
    near, others = far[rows, own], far.copy()
    others[rows[placed], own[placed]] = np.inf
    # A vote weighs more than any distance; distances part those with equal votes.
    wanted = np.where(np.isfinite(others), votes + 0.01 / (1 + others), -1.0)
    second = np.where(wanted.max(axis=1) < 0, -1, wanted.argmax(axis=1))
    following = others.min(axis=1)
    alone = np.isinf(following)
    following[alone] = 1.0
    apart = np.where(alone, 1.0, (following - near) / np.maximum(following + near, 1e-12))
    return share, np.where(placed, apart, 0.0), second


def small(sizes: Int64, n: int) -> Int64:
    """Numbers of the clusters that are too small to say much: fewer than SMALL items, or than a tenth of the root of all."""
    return np.flatnonzero(sizes < max(SMALL, np.sqrt(n) / 10))


def _members(labels: Int64, sizes: Int64) -> Iterator[Int64]:
    """The positions of each cluster, ascending."""
    order = np.argsort(labels, kind="stable")
    ends = int((labels < 0).sum()) + np.cumsum(sizes)
    for end, size in zip(ends.tolist(), sizes.tolist(), strict=True):
        yield order[end - size : end]


def _points(vectors: Float32, metric: Metric) -> Float32:
    return unit(vectors) if metric is Metric.COSINE else np.asarray(vectors, dtype=np.float32)


def _spread(vectors: Float32, metric: Metric) -> float:
    """The mean squared distance of all items to their middle."""
    total, squares = np.zeros(vectors.shape[1]), 0.0
    for at in range(0, len(vectors), _ROWS):
        points = _points(vectors[at : at + _ROWS], metric).astype(np.float64)
        total += points.sum(axis=0)
        squares += float(np.vdot(points, points))
    n = max(1, len(vectors))
    rest = squares / n - float(np.vdot(total / n, total / n))
    return rest if rest > 1e-9 * squares / n else 0.0  # below that it is rounding: all items are equal


def _near(centers: Float32) -> Int64:
    k = len(centers)
    far = distances(centers, centers, Metric.L2)
    np.fill_diagonal(far, np.inf)
    return np.argsort(far, axis=1, kind="stable")[:, : min(NEAR, max(0, k - 1))]


def _typical(points: Float32, far: Float64, count: int) -> Int64:
    """Positions of exemplars within a cluster. Twins of one already chosen are passed over while there are others."""
    near = np.argsort(far, kind="stable")[:_TYPICAL]
    chosen = [0]
    apart = np.linalg.norm(points[near] - points[near[0]], axis=1)
    while len(chosen) < min(count, len(near)):
        score = far[near] - _VARIED * apart
        score[apart == 0] = np.inf
        score[chosen] = np.inf
        if not np.isfinite(score).any():
            break
        chosen.append(int(score.argmin()))
        apart = np.minimum(apart, np.linalg.norm(points[near] - points[near[chosen[-1]]], axis=1))
    return np.asarray(near[chosen])
