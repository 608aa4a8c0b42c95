"""The push of many points in the plane on each other, by interpolation on a grid (Linderman et al. 2019, FIt-SNE).

Points push by the Student kernel of t-SNE: at a distance d with 1 / (1 + d²), summed up, and as a force with the offset times
1 / (1 + d²)². Charges are spread over a grid, one convolution a sum, and the sums are read off the grid again.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, sparse

from latentstore.types import Float32, Float64

_STEP = 0.4  # width of a cell of the grid: forces are within a few in a hundred of the exact ones
_EDGE = 2  # cells around the points, for the stencil of four by four
_NODES = np.arange(-1, 3, dtype=np.int32)  # of the stencil along an axis, from the cell that a place is in


class Field:
    """What (n, 2) points exert on each other."""

    def __init__(self, points: Float64) -> None:
        self._points = len(points)
        self._low = points.min(axis=0)
        self._cells = np.floor(np.ptp(points, axis=0) / _STEP).astype(np.int64) + 2 * _EDGE + 1
        self._shape = _padded(int(self._cells[0])), _padded(int(self._cells[1]))
        self._weights = self._stencil(points)
        charges = self._weights.T @ np.ones(len(points), dtype=np.float32)
        grid = np.zeros(self._shape, dtype=np.float32)
        grid[: self._cells[0], : self._cells[1]] = charges.reshape(self._cells)
        self._turned = fft.rfft2(grid)

    def total(self) -> float:
        """The sum of 1 / (1 + d²) over all ordered pairs of the points, each with itself left out."""
        power = np.abs(self._turned) ** 2 * _kernels(self._shape)[0].real
        twice = 2 * power.sum(dtype=np.float64) - power[:, 0].sum(dtype=np.float64)
        if self._shape[1] % 2 == 0:
            twice -= power[:, -1].sum(dtype=np.float64)
        return float(twice / (self._shape[0] * self._shape[1])) - self._points

    def forces(self) -> Float32:
        """(n, 2): on each of the points itself, the sum of (offset from another) / (1 + d²)²."""
        wide, high = self._cells
        kernels = _kernels(self._shape)[1:]
        grids = [fft.irfft2(self._turned * kernel, s=self._shape)[:wide, :high].ravel() for kernel in kernels]
        return np.asarray(self._weights @ np.column_stack(grids))

    def _stencil(self, places: Float64) -> sparse.csr_matrix:
        """(m, cells): the sixteen nodes around each place and their weights."""
        scaled = (places - self._low) / _STEP + _EDGE
        whole = np.floor(scaled).astype(np.int32)
        x, y = np.moveaxis(_cubic((scaled - whole).astype(np.float32)), 1, 0)
        columns = whole[:, :, None] + _NODES
        nodes = columns[:, 0, :, None] * np.int32(self._cells[1]) + columns[:, 1, None, :]
        ends = np.arange(0, nodes.size + 1, 16, dtype=np.int32)
        both = x[:, :, None] * y[:, None, :]
        return sparse.csr_matrix((both.ravel(), nodes.ravel(), ends), shape=(len(places), int(self._cells.prod())))


def _cubic(at: Float32) -> Float32:
    """(…, 4): Lagrange's weights of the nodes -1, 0, 1, 2 for places between 0 and 1."""
    less, more, far = at - 1, at + 1, at - 2
    parts = (-at * less * far / 6, more * less * far / 2, -more * at * far / 2, more * at * less / 6)
    return np.stack(parts, axis=-1)


def _padded(cells: int) -> int:
    """A length that is fast to transform, at least twice the cells, so that one end does not meet the other; in big steps,
    so that kernels can be used again."""
    wanted = 2 * cells
    coarse = 1 << max(3, wanted.bit_length() - 4)
    return int(fft.next_fast_len(-(-wanted // coarse) * coarse, real=True))


@lru_cache(maxsize=2)
def _kernels(shape: tuple[int, int]) -> tuple[NDArray[np.complex64], ...]:
    """The transforms of the kernel and of the two parts of the force."""
    x, y = (np.fft.fftfreq(cells, 1 / cells) * _STEP for cells in shape)
    alike = 1 / (1 + x[:, None] ** 2 + y[None, :] ** 2)
    parts = alike, x[:, None] * alike**2, y[None, :] * alike**2
    return tuple(fft.rfft2(part).astype(np.complex64) for part in parts)
