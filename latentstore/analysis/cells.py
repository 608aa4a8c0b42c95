"""Rows sorted into cells of near rows, so that most neighbours are found in a few cells.

k-means (Lloyd) on a sample, every row then in the cell of its nearest centre, as inverted files do (Jégou et al. 2011).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentstore.types import Float32, Int64

Int32 = NDArray[np.int32]
_SIZE = 256  # rows a cell, on average
_MOST = 8192  # cells
_SAMPLE = 32  # rows of the sample, for each cell
_ROUNDS = 6
_AXES = 128  # of a sketch: enough to tell what is near
_ROWS = 4096


@dataclass(frozen=True)
class Cells:
    """order: (n,) int64, positions sorted by cell; starts: (c + 1,) int64, where each begins in it; near: (c, c) int32, for each
    cell all cells from the nearest centre on, itself first; ahead: (c, c) int64, how many rows lie in the cells up to that one.
    """

    order: Int64
    starts: Int64
    near: Int32
    ahead: Int64

    def __len__(self) -> int:
        return len(self.starts) - 1

    def before(self, cell: int, others: Int64) -> Int64:
        """How many rows come before those of other cells, from a cell outwards."""
        place = np.empty(len(self), dtype=np.int64)
        place[self.near[cell]] = np.arange(len(self))
        return np.concatenate([[0], self.ahead[cell]])[place[others]]


def arrange(sketches: Float32, seed: int) -> Cells:
    """Cells of (n, width) float32 rows, from the first axes of each. The same rows in the same order give the same cells."""
    points = sketches[:, :_AXES]
    centers = _centers(points, min(_MOST, max(1, len(points) // _SIZE)), np.random.default_rng(seed))
    cells = _assign(points, centers)
    used, cells = np.unique(cells, return_inverse=True)
    sizes = np.bincount(cells)
    far = _far(centers[used], centers[used])
    np.fill_diagonal(far, -np.inf)
    near = np.argsort(far, axis=1, kind="stable").astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return Cells(np.argsort(cells, kind="stable"), starts, near, np.cumsum(sizes[near], axis=1))


def _centers(points: Float32, count: int, rng: np.random.Generator) -> Float32:
    some = points[np.sort(rng.permutation(len(points))[: count * _SAMPLE])]
    centers = some[rng.permutation(len(some))[:count]]
    for _ in range(_ROUNDS if count > 1 else 0):
        cells = _assign(some, centers)
        order = np.argsort(cells, kind="stable")
        kept, starts = np.unique(cells[order], return_index=True)
        sums = np.add.reduceat(some[order], starts, axis=0, dtype=np.float64)
        centers = (sums / np.bincount(cells)[kept, None]).astype(np.float32)
    return centers


def _assign(points: Float32, centers: Float32) -> Int64:
    out = np.empty(len(points), dtype=np.int64)
    for at in range(0, len(points), _ROWS):
        out[at : at + _ROWS] = _far(points[at : at + _ROWS], centers).argmin(axis=1)
    return out


def _far(points: Float32, centers: Float32) -> Float32:
    """(n, c) float32: squared distances less the squared length of the point."""
    lengths = np.einsum("nd,nd->n", centers, centers)
    far: Float32 = lengths - 2 * points @ centers.T
    return far
