"""Equal rows: told apart once, so that hundreds of them cost no more than one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentstore.analysis.closest import first
from latentstore.analysis.order import canonical
from latentstore.types import Float32, Int64

Int32 = NDArray[np.int32]


@dataclass(frozen=True)
class Twins:
    """members: (n,) int64, positions sorted by distinct row, then by position; starts: (u + 1,) int64, where each row's begin.

    The distinct rows are in an order that the rows alone give, not that in which they came.
    """

    members: Int64
    starts: Int64

    @property
    def rows(self) -> Int64:
        """(u,) int64: the first position of each distinct row."""
        return self.members[self.starts[:-1]]

    @property
    def sizes(self) -> Int64:
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def head(self, groups: Int64, most: int) -> tuple[Int64, Int64]:
        """The first members of some groups, at most `most` of each: which of `groups`, and positions."""
        counts = np.minimum(self.sizes[groups], most)
        which = np.repeat(np.arange(len(groups)), counts)
        place = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        return which, self.members[self.starts[groups][which] + place]


def twins(vectors: Float32, among: Int64) -> Twins:
    """Which of the rows `among` (ascending positions) of (n, dim) float32 are equal to the last bit."""
    members = among[canonical(vectors[among] if len(among) < len(vectors) else vectors)]
    same = vectors[members[1:], 0] == vectors[members[:-1], 0]
    for at in np.flatnonzero(same):
        same[at] = np.array_equal(vectors[members[at]], vectors[members[at + 1]])
    starts = np.concatenate([[0], np.flatnonzero(~same) + 1, [len(members)]]) if len(members) else np.zeros(1, np.int64)
    return Twins(members, starts.astype(np.int64))


def spread(groups: Twins, positions: Int32, squares: Float32, k: int, n: int) -> tuple[Int32, Float32]:
    """From neighbours of distinct rows to neighbours of all: (n, k) positions and squared distances, -1 and +inf where fewer.

    positions: (u, w) int32, of distinct rows; squares: (u, w). Ties by position.
    """
    lists, far = _listed(groups, positions, squares, k + 1)
    out = np.full((n, k), -1, dtype=np.int32), np.full((n, k), np.inf, dtype=np.float32)
    of = np.repeat(np.arange(len(groups)), groups.sizes)
    # Its own place in the list of its kind, which it leaves out; the last where it is not in it.
    own = lists[of] == groups.members[:, None]
    at = np.where(own.any(axis=1), own.argmax(axis=1), k)
    kept = np.arange(k) + (np.arange(k) >= at[:, None])
    out[0][groups.members] = np.take_along_axis(lists[of], kept, axis=1)
    out[1][groups.members] = np.take_along_axis(far[of], kept, axis=1)
    return out


def _listed(groups: Twins, positions: Int32, squares: Float32, most: int) -> tuple[Int32, Float32]:
    """(u, most): members of each row's own group and of its neighbours', closest first."""
    u = len(groups)
    lists, far = np.full((u, most), -1, dtype=np.int32), np.full((u, most), np.inf, dtype=np.float32)
    width = min(most - 1, positions.shape[1])
    lists[:, 0], lists[:, 1 : width + 1] = (
        groups.rows,
        np.where(positions[:, :width] < 0, -1, groups.rows[positions[:, :width]]),
    )
    far[:, 0], far[:, 1 : width + 1] = 0, squares[:, :width]
    several = groups.sizes > 1
    some = np.flatnonzero(several | (several[positions] & (positions >= 0)).any(axis=1))
    around = np.concatenate([some[:, None], positions[some]], axis=1)
    there = np.flatnonzero(around.ravel() >= 0)
    which, found = groups.head(around.ravel()[there], most)
    line = there[which] // around.shape[1]
    apart = np.concatenate([np.zeros((len(some), 1), np.float32), squares[some]], axis=1).ravel()[there][which]
    short = np.maximum(0, most - np.bincount(line, minlength=len(some)))
    pad = np.repeat(np.arange(len(some)), short)
    line, found = np.concatenate([line, pad]), np.concatenate([found, np.full(len(pad), -1)])
    apart = np.concatenate([apart, np.full(len(pad), np.inf, np.float32)])
    chosen = first(most, line, apart, found)
    lists[some], far[some] = found[chosen].reshape(-1, most), apart[chosen].reshape(-1, most)
    return lists, far
