"""Rows sorted into cells of near rows, so that most neighbours are found in a few cells.

k-means (Lloyd) on a sample, every row then in the cell of its nearest centre, as inverted files do (Jégou et al. 2011).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentstore.types import Float32, Int64

Int32 = NDArray[np.int32]
AXES = 128  # of a sketch: enough to tell what is near
_SIZE = 64  # rows a cell, on average
_MOST = 8192  # cells
_SAMPLE = 16  # rows of the sample, for each cell
_ROUNDS = 4
_BLOCK = 1 << 22  # distances at a time


@dataclass(frozen=True)
class Cells:
    """order: (n,) int64, positions sorted by cell; starts: (c + 1,) int64, where each begins in it; centers: (c, width) float32."""

    order: Int64
    starts: Int64
    centers: Float32

    def __len__(self) -> int:
        return len(self.centers)

    @property
    def of(self) -> Int64:
        """(n,) int64: the cell of each position."""
        cell = np.empty(len(self.order), dtype=np.int64)
        cell[self.order] = np.repeat(np.arange(len(self)), np.diff(self.starts))
        return cell

    def around(self, cell: int, wanted: int) -> Int64:
        """Places in `order` of the rows in a cell, then of those in the nearest cells, until `wanted` are there."""
        far = _far(self.centers[cell : cell + 1], self.centers)[0]
        far[cell] = -np.inf
        near = np.argsort(far, kind="stable")
        ahead = np.cumsum(np.diff(self.starts)[near])
        taken = near[: 1 + np.searchsorted(ahead, wanted)]
        return np.concatenate([np.arange(self.starts[at], self.starts[at + 1]) for at in taken])

    def nearest(self, points: Float32, cuts: Sequence[int]) -> Int32:
        """(m, last cut) int32: the cells whose centres are nearest to (m, width) points; those before each cut nearer than the rest."""
        out = np.empty((len(points), cuts[-1]), dtype=np.int32)
        last = [min(cut, len(self)) - 1 for cut in cuts]
        for at in range(0, len(points), self._step):
            far = _far(points[at : at + self._step], self.centers)
            out[at : at + self._step] = np.argpartition(far, last, axis=1)[:, : cuts[-1]]
        return out

    def before(self, points: Float32, cells: Int64) -> Int64:
        """(m,) int64: how many cells have centres nearer to each of (m, width) points than its one of (m,) cells."""
        out = np.empty(len(points), dtype=np.int64)
        for at in range(0, len(points), self._step):
            far = _far(points[at : at + self._step], self.centers)
            own = np.take_along_axis(far, cells[at : at + self._step, None], axis=1)
            out[at : at + self._step] = np.count_nonzero(far < own, axis=1)
        return out

    @property
    def _step(self) -> int:
        return max(1, _BLOCK // len(self))


def arrange(points: Float32, seed: int) -> Cells:
    """Cells of (n, width) float32 points. The same points in the same order give the same cells."""
    centers = _centers(points, min(_MOST, max(1, len(points) // _SIZE)), np.random.default_rng(seed))
    used, cells = np.unique(_assign(points, centers), return_inverse=True)
    starts = np.concatenate([[0], np.cumsum(np.bincount(cells))])
    return Cells(np.argsort(cells, kind="stable"), starts, centers[used])


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
    step = max(1, _BLOCK // len(centers))
    for at in range(0, len(points), step):
        out[at : at + step] = _far(points[at : at + step], centers).argmin(axis=1)
    return out


def _far(points: Float32, centers: Float32) -> Float32:
    """(m, c) float32: squared distances less the squared length of the point."""
    lengths = np.einsum("nd,nd->n", centers, centers)
    far: Float32 = lengths - 2 * points @ centers.T
    return far
