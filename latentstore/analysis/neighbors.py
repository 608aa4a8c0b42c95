"""Neighbours: the k nearest of every row, as a graph; and of new rows among old ones.

Distance: smaller is closer. Metric is COSINE or L2. A row is never its own neighbour, but a twin of it may be.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentstore.analysis.progress import Progress, silent
from latentstore.distance import unit
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Int64, Metric

Int32 = NDArray[np.int32]
_CELLS = 1 << 24  # distances held at a time: 64 MB


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
    """The k nearest neighbours of each of (n, dim) rows. Ties by position."""
    if k < 1:
        raise InvalidInput(f"a graph needs at least one neighbour a row, got k={k}")
    positions, distances = _search(vectors, vectors, k, metric, progress, own=True)
    return Graph(positions.astype(np.int32), distances, metric)


def nearest(
    queries: Float32, vectors: Float32, k: int, metric: Metric, *, progress: Progress = silent
) -> tuple[Int64, Float32]:
    """Positions (q, k) int64 and distances (q, k) float32 of the k nearest rows to each query, closest first; -1 and +inf."""
    return _search(queries, vectors, k, metric, progress, own=False)


def _search(
    queries: Float32, vectors: Float32, k: int, metric: Metric, progress: Progress, own: bool
) -> tuple[Int64, Float32]:
    positions = np.full((len(queries), k), -1, dtype=np.int64)
    distances = np.full((len(queries), k), np.inf, dtype=np.float32)
    wanted = min(k, len(vectors) - own)
    cosine = metric is Metric.COSINE
    base = unit(vectors) if cosine else vectors
    squares = None if cosine else np.einsum("nd,nd->n", base, base)
    step = max(1, _CELLS // max(1, len(vectors)))
    for at in range(0, len(queries) if wanted > 0 else 0, step):
        block = queries[at : at + step]
        if squares is None:
            table = 1 - unit(block) @ base.T
        else:
            table = np.maximum(squares + np.einsum("nd,nd->n", block, block)[:, None] - 2 * block @ base.T, 0)
        if own:
            table[np.arange(len(block)), np.arange(at, at + len(block))] = np.inf
        best = np.argpartition(table, wanted - 1, axis=1)[:, :wanted]
        far = np.take_along_axis(table, best, axis=1)
        order = np.lexsort((best, far))
        far = np.take_along_axis(far, order, axis=1)
        positions[at : at + len(block), :wanted] = np.take_along_axis(best, order, axis=1)
        distances[at : at + len(block), :wanted] = np.maximum(far, 0) if cosine else np.sqrt(far)
        progress("neighbours", min(1.0, (at + step) / len(queries)))
    return positions, distances
