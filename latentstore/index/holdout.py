"""Which vectors are left out of an index while its recall is measured, and are its queries meanwhile.

A vector with a twin in the index is found at once, which says nothing of a new query. So equal vectors are left out
together and asked for once, and a query that lies almost on a vector of the index does not count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import xxhash

from latentstore.index.contract import Vectors
from latentstore.types import Bool, Float64, Int64, Metric, UInt64

MOST = 1000  # slots left out
FEWEST = 50  # queries that a measurement needs
_TWINS = 16  # equal vectors that are left out together at most
_BLOCK = 8192
_TOUCHING = 0.01  # of the distance of the k-th neighbour: the nearest is a twin but for rounding


class Held(NamedTuple):
    """slots: (h,) int64, ascending; queries: (q,) one slot of each group of equal vectors among them."""

    slots: Int64
    queries: Int64

    def swaps(self, stop: int) -> list[tuple[int, int]]:
        """The pairs to exchange so that the slots left out stand at the end of 0..stop."""
        end = np.arange(stop - len(self.slots), stop)
        here, there = np.setdiff1d(self.slots, end), np.setdiff1d(end, self.slots)
        return list(zip(here.tolist(), there.tolist(), strict=True))


def choose(vectors: Vectors, start: int, stop: int, seed: int) -> Held:
    """Some of the slots start..stop, at random, at most a tenth of them; none that equals a vector before `start`."""
    count = min(MOST, (stop - start) // 10)
    if not count:
        return Held(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
    firsts, group, sizes = np.unique(
        _hashes(vectors, stop), return_index=True, return_inverse=True, return_counts=True
    )[1:]
    drawn = np.random.default_rng((seed, start)).permutation(stop - start)[: 2 * count] + start
    drawn = group[drawn[(firsts[group[drawn]] >= start) & (sizes[group[drawn]] <= _TWINS)]]
    drawn = drawn[np.sort(np.unique(drawn, return_index=True)[1])]  # each group once, in the order drawn
    chosen = drawn[np.cumsum(sizes[drawn]) <= count]
    return Held(np.flatnonzero(np.isin(group, chosen)), np.sort(firsts[chosen]))


def _hashes(vectors: Vectors, stop: int) -> UInt64:
    """(stop,) uint64, equal where vectors are equal."""
    out = np.empty(stop, dtype=np.uint64)
    width = vectors.dim * 4
    for at in range(0, stop, _BLOCK):
        block = vectors.block(at, min(stop, at + _BLOCK))
        data = np.ascontiguousarray(block).data.cast("B")
        out[at : at + len(block)] = [xxhash.xxh3_64_intdigest(data[i : i + width]) for i in range(0, len(data), width)]
    return out


def apart(distances: Float64, metric: Metric) -> Bool:
    """(q,) whether a query tells something. distances: (q, k) of its true neighbours in the index."""
    if metric is Metric.IP:  # a product does not tell how near two vectors are
        return np.ones(len(distances), dtype=np.bool_)
    telling: Bool = distances[:, 0] > _TOUCHING * distances[:, -1]
    return telling
