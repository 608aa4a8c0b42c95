"""The k closest rows found so far for each row, kept up to date as pairs come in. Squared distances; ties by rank."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentstore.types import Float32, Int64, UInt64

Int32 = NDArray[np.int32]
_HALF = np.uint64(32)
_LOW = np.uint64(0xFFFFFFFF)
_BLOCK = 2048  # rows taken in at a time


class Closest:
    """positions (n, k) int32, closest first, -1 where none is known yet; squares (n, k) float32, +inf there.

    ranks: (m,) int64, below 2³²; of two others equally far, the one of lower rank is the closer one. What is kept does not
    depend on the order in which pairs are offered.
    """

    # One number for each: the bits of a distance, which order as it does from 0 up, then the rank. Numbers sort fast.
    def __init__(self, rows: int, k: int, ranks: Int64) -> None:
        self.k = k
        self._keys: UInt64 = np.full((rows, k), _NONE, dtype=np.uint64)
        self._ranks = ranks.astype(np.uint64)

    @property
    def positions(self) -> Int32:
        place = np.full(int(self._ranks.max(initial=0)) + 1, -1, dtype=np.int32)
        place[self._ranks.astype(np.int64)] = np.arange(len(self._ranks))
        out = np.empty(self._keys.shape, dtype=np.int32)
        for at in range(0, len(out), _BLOCK):
            keys = self._keys[at : at + _BLOCK]
            out[at : at + _BLOCK] = np.where(
                keys == _NONE, -1, place[np.minimum(keys & _LOW, len(place) - 1).astype(np.int64)]
            )
        return out

    @property
    def squares(self) -> Float32:
        return _squares(self._keys)

    @property
    def bounds(self) -> Float32:
        """(n,) float32: squared distance of the k-th. A pair farther than that changes nothing."""
        return _squares(self._keys[:, -1])

    def fill(self, start: int, others: NDArray[np.integer], squares: Float32) -> None:
        """Take (m, k) others, no one twice, as what is known of rows start to start + m."""
        self._keys[start : start + len(others)] = np.sort(self._packed(others, squares), axis=1)

    def offer(self, rows: Int64, others: Int64, squares: Float32) -> None:
        """Keep of pairs (p,) those that are closer than what is known. A pair may be known, and come more than once; of several
        distances it keeps the least."""
        keys = self._packed(others, squares)
        keep = np.flatnonzero(keys < self._keys[:, -1].copy()[rows])  # a copy: its values lie side by side
        if not len(keep):
            return
        by_row = np.sort(rows[keep].astype(np.uint64) << _HALF | np.arange(len(keep), dtype=np.uint64))
        keys, rows = keys[keep[(by_row & _LOW).astype(np.int64)]], (by_row >> _HALF).astype(np.int64)
        starts = np.concatenate([[0], np.flatnonzero(rows[1:] != rows[:-1]) + 1])
        counts = np.diff(starts, append=len(rows))
        by_count = np.argsort(counts, kind="stable")  # so that blocks are of rows with about as many
        for at in range(0, len(starts), _BLOCK):
            block = by_count[at : at + _BLOCK]
            self._take(rows[starts[block]], keys, starts[block], counts[block])

    def _take(self, rows: Int64, keys: UInt64, starts: Int64, counts: Int64) -> None:
        k, most = self._keys.shape[1], int(counts.max())
        wide = np.full((len(rows), k + most), _NONE, dtype=np.uint64)
        wide[:, :k] = self._keys[rows]
        there = np.arange(most) < counts[:, None]
        wide[:, k:][there] = keys[(starts[:, None] + np.arange(most))[there]]
        # By rank, then distance: the same row stands side by side, the least distance first.
        turned = np.sort(wide << _HALF | wide >> _HALF, axis=1)
        turned[:, 1:][turned[:, 1:] >> _HALF == turned[:, :-1] >> _HALF] = _TURNED
        self._keys[rows] = np.sort(turned << _HALF | turned >> _HALF, axis=1)[:, :k]

    def _packed(self, others: NDArray[np.integer], squares: Float32) -> UInt64:
        # A zero added: -0 has other bits than 0.
        bits = (squares + np.float32(0)).view(np.uint32).astype(np.uint64)
        packed: UInt64 = bits << _HALF | self._ranks[others]
        return packed


def _squares(keys: UInt64) -> Float32:
    far: Float32 = (keys >> _HALF).astype(np.uint32).view(np.float32)
    return far


_NONE = np.uint64(np.float32(np.inf).view(np.uint32)) << _HALF | _LOW
_TURNED = _NONE << _HALF | _NONE >> _HALF


def first(k: int, lines: Int64, far: Float32, ranks: Int64) -> Int64:
    """Places in three (p,) arrays: of each line, in order, its k closest, by rank where equally far. Each has k or more."""
    order = np.lexsort((ranks, far, lines))
    counts = np.bincount(lines)
    ends = np.cumsum(counts)
    place = np.arange(len(lines)) - np.repeat(ends - counts, counts)
    chosen: Int64 = order[place < k]
    return chosen
