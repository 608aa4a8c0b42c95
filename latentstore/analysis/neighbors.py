"""Neighbours: the k nearest of every row, as a graph; and of new rows among old ones.

Distance: smaller is closer. Metric is COSINE or L2. A row is never its own neighbour, but a twin of it may be. Results do not
depend on how the work is cut up, and, of rows in another order, are the same but for the order of ties.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentstore.analysis.join import RECALL, join
from latentstore.analysis.lookup import distances, nearest
from latentstore.analysis.progress import Progress, silent
from latentstore.analysis.twins import Twins, spread, twins
from latentstore.distance import norms, prepare
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Int64, Metric

__all__ = ["EXACT", "RECALL", "Graph", "knn", "nearest"]

Int32 = NDArray[np.int32]
EXACT = 40_000  # distinct rows up to which every pair is compared, where nothing else is asked
_JUDGED = 512  # of the shuffled rows, the last: the search has learnt from the first


@dataclass(frozen=True)
class Graph:
    """neighbors: (n, k) int32, closest first, -1 where there are fewer; distances: (n, k) float32, +inf there.

    recall: the share of the true neighbours that are there; 1.0 where every pair was compared.
    """

    neighbors: Int32
    distances: Float32
    metric: Metric
    recall: float = 1.0

    @property
    def k(self) -> int:
        return int(self.neighbors.shape[1])

    def __len__(self) -> int:
        return len(self.neighbors)

    def head(self, k: int) -> Graph:
        """The same graph with the k closest neighbours only."""
        return Graph(self.neighbors[:, :k], self.distances[:, :k], self.metric, self.recall)


def knn(
    vectors: Float32, k: int, metric: Metric, *, exact: bool | None = None, seed: int = 0, progress: Progress = silent
) -> Graph:
    """The k nearest neighbours of each of (n, dim) finite float32 rows. Ties by position.

    exact: compare every pair; None does so up to 40,000 distinct rows. Otherwise each row is compared with the cells nearest
    to it, as many as the true neighbours of a sample of rows ask for; the recall of other rows is measured and stated. `seed`
    draws cells and samples, and changes nothing in an exact graph. Raises InvalidInput, NotFinite.
    """
    if k < 1:
        raise InvalidInput(f"a graph needs at least one neighbour a row, got k={k}")
    vectors = prepare(vectors)
    zeros = np.flatnonzero(norms(vectors) == 0) if metric is Metric.COSINE else np.empty(0, dtype=np.int64)
    groups = twins(vectors, np.setdiff1d(np.arange(len(vectors)), zeros, assume_unique=True))
    every = len(groups) <= EXACT if exact is None else exact
    positions, squares = join(vectors, groups, k, metric, every, seed, progress)
    neighbors, far = spread(groups, positions, squares, k, len(vectors))
    own = distances(far, metric)
    if len(zeros):
        neighbors, own = _with_zeros(zeros, groups.members, neighbors, own)
    return Graph(neighbors, own, metric, 1.0 if every else _recall(vectors, groups, own, metric, seed))


def _recall(vectors: Float32, groups: Twins, own: Float32, metric: Metric, seed: int) -> float:
    """The share of the true neighbours that some rows have. One as near as the k-th is no miss."""
    some = groups.rows[np.random.default_rng(seed).permutation(len(groups))[-_JUDGED:]]
    k = min(own.shape[1], len(vectors) - 1)
    if not len(some) or not k:
        return 1.0
    # The row itself is the closest, and a zero row, which is not, is not among them.
    true = nearest(vectors[some], vectors, k + 1, metric)[1][:, -1:]
    return float(np.mean(own[some, :k] <= true * (1 + 1e-5) + 1e-7))


def _with_zeros(zeros: Int64, others: Int64, neighbors: Int32, own: Float32) -> tuple[Int32, Float32]:
    """Zero rows, at cosine distance 1 from everything, put among the neighbours of all rows, and given their own."""
    k = neighbors.shape[1]
    for row in zeros:
        first = np.delete(np.arange(min(k + 1, len(neighbors))), row if row <= k else [])[:k]
        neighbors[row, : len(first)], own[row, : len(first)] = first, 1
    some = others[~(own[others, -1] < 1)]
    near = np.concatenate([neighbors[some], np.broadcast_to(zeros[:k], (len(some), len(zeros[:k])))], axis=1)
    far = np.concatenate([own[some], np.ones((len(some), len(zeros[:k])), dtype=np.float32)], axis=1)
    order = np.lexsort((near, far), axis=1)[:, :k]
    neighbors[some], own[some] = np.take_along_axis(near, order, axis=1), np.take_along_axis(far, order, axis=1)
    return neighbors, own
