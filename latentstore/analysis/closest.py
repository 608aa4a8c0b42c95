"""The k closest rows found so far for each row, kept up to date as pairs come in. Squared distances; ties by position."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentstore.types import Float32, Int64

Int32 = NDArray[np.int32]


class Closest:
    """positions (n, k) int32, closest first, -1 where none is known yet; squares (n, k) float32, +inf there.

    ranks: (m,) int64; of two others equally far, the one of lower rank is the closer one. What is kept does not depend on
    the order in which pairs are offered.
    """

    def __init__(self, rows: int, k: int, ranks: Int64) -> None:
        self.positions: Int32 = np.full((rows, k), -1, dtype=np.int32)
        self.squares: Float32 = np.full((rows, k), np.inf, dtype=np.float32)
        self._ranks = ranks

    @property
    def bounds(self) -> Float32:
        """(n,) float32: squared distance of the k-th. A pair farther than that changes nothing."""
        return self.squares[:, -1]

    def fill(self, start: int, others: NDArray[np.integer], squares: Float32) -> None:
        """Take (m, k) others, no one twice, as what is known of rows start to start + m."""
        order = np.lexsort((self._ranks[others], squares), axis=1)
        self.positions[start : start + len(others)] = np.take_along_axis(others, order, axis=1)
        self.squares[start : start + len(others)] = np.take_along_axis(squares, order, axis=1)

    def offer(self, rows: Int64, others: Int64, squares: Float32) -> None:
        """Keep of pairs (p,) those that are closer than what is known. A pair may be known; within a call it comes once."""
        keep = np.flatnonzero(squares <= self.bounds[rows])
        keep = keep[(self.positions[rows[keep]] != others[keep, None]).all(axis=1)]
        if not len(keep):
            return
        touched, line = np.unique(rows[keep], return_inverse=True)
        k = self.positions.shape[1]
        lines = np.concatenate([np.repeat(np.arange(len(touched)), k), line])
        known = np.concatenate([self.positions[touched].ravel(), others[keep]])
        far = np.concatenate([self.squares[touched].ravel(), squares[keep]])
        chosen = first(k, lines, far, self._ranks[known])
        self.positions[touched] = known[chosen].reshape(-1, k)
        self.squares[touched] = far[chosen].reshape(-1, k)


def first(k: int, lines: Int64, far: Float32, ranks: Int64) -> Int64:
    """Places in three (p,) arrays: of each line, in order, its k closest, by rank where equally far. Each has k or more."""
    order = np.lexsort((ranks, far, lines))
    counts = np.bincount(lines)
    ends = np.cumsum(counts)
    place = np.arange(len(lines)) - np.repeat(ends - counts, counts)
    chosen: Int64 = order[place < k]
    return chosen
