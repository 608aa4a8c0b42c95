"""K-means on vectors averaged over their neighbours: k-means++ (Arthur & Vassilvitskii 2007) and Lloyd's rounds.

Averages pull rows to the middle of their groups, which takes the noise from the many directions in which near rows differ.
Cosine: rows and centres are of length 1 (spherical k-means, Dhillon & Modha 2001).
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from latentstore.analysis.leiden import by_size
from latentstore.analysis.neighbors import Graph
from latentstore.distance import unit
from latentstore.types import Float32, Int64, Metric

_ROUNDS = 2  # of averaging
_NEAR = 10  # neighbours averaged over
_STARTS = 5
_LLOYD = 50


def smoothed(vectors: Float32, graph: Graph) -> Float32:
    """(n, dim) float32: each row half itself, half the mean of its nearest neighbours, twice. Cosine: of length 1."""
    cosine = graph.metric is Metric.COSINE
    rows = unit(vectors) if cosine else vectors
    near = graph.neighbors[:, :_NEAR]
    there = near >= 0
    if not there.any():
        return rows
    counts = there.sum(axis=1)
    starts = np.concatenate(([0], np.cumsum(counts)))
    share = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    mean = csr_matrix((share, near[there], starts), shape=(len(rows), len(rows)))
    own = np.where(counts > 0, np.float32(0.5), np.float32(1))[:, None]
    for _ in range(_ROUNDS):
        rows = own * rows + (1 - own) * (mean @ rows)
        rows = unit(rows) if cosine else rows
    return rows


def kmeans(vectors: Float32, graph: Graph, k: int, seed: int) -> Int64:
    """(n,) int64: k clusters of (n, dim) distinct vectors, largest first; the best of several starts. n is at least k."""
    rows = smoothed(vectors, graph)
    squares = np.vecdot(rows, rows)
    rng = np.random.default_rng(seed)
    runs = [_lloyd(rows, squares, _started(rows, squares, k, rng), graph.metric) for _ in range(_STARTS)]
    return by_size(min(runs, key=lambda run: run[1])[0])


def _started(rows: Float32, squares: Float32, k: int, rng: np.random.Generator) -> Float32:
    """k rows, each drawn with a chance that grows with its squared distance from those drawn before; of a few, the best."""
    chosen = [int(rng.integers(len(rows)))]
    closest = _squared(rows, squares, rows[chosen])[:, 0].astype(np.float64)
    tries = 2 + int(np.log(k))
    while len(chosen) < k:
        far = closest.copy()
        far[chosen] = 0
        total = far.sum()
        left = np.setdiff1d(np.arange(len(rows)), chosen)
        drawn = rng.choice(len(rows), tries, p=far / total) if total > 0 else left[:1]
        after = np.minimum(closest[:, None], _squared(rows, squares, rows[drawn]))
        best = int(np.argmin(after.sum(axis=0)))
        chosen.append(int(drawn[best]))
        closest = after[:, best]
    return rows[chosen]


def _lloyd(rows: Float32, squares: Float32, centers: Float32, metric: Metric) -> tuple[Int64, float]:
    """Labels, and the sum of squared distances from the centres."""
    k, at = len(centers), np.arange(len(rows))
    labels = np.full(len(rows), -1, dtype=np.int64)
    for _ in range(_LLOYD):
        far = _squared(rows, squares, centers)
        now = _filled(np.argmin(far, axis=1), far, k)
        if np.array_equal(now, labels):
            break
        labels = now
        member = csr_matrix((np.ones(len(rows), dtype=np.float32), (labels, at)), shape=(k, len(rows)))
        centers = (member @ rows) / np.bincount(labels, minlength=k)[:, None].astype(np.float32)
        centers = unit(centers) if metric is Metric.COSINE else centers
    return labels, float(_squared(rows, squares, centers)[at, labels].sum(dtype=np.float64))


def _filled(labels: Int64, far: Float32, k: int) -> Int64:
    """Give each empty cluster the row that lies farthest from its own centre among those not alone."""
    for empty in np.flatnonzero(np.bincount(labels, minlength=k) == 0):
        shared = np.bincount(labels, minlength=k)[labels] > 1
        labels[np.argmax(np.where(shared, far[np.arange(len(labels)), labels], -np.inf))] = empty
    return labels


def _squared(rows: Float32, squares: Float32, centers: Float32) -> Float32:
    return np.asarray(np.maximum(squares[:, None] + np.vecdot(centers, centers) - 2 * rows @ centers.T, 0))
