"""An order of rows that does not depend on the order in which they came."""

from __future__ import annotations

import numpy as np
import xxhash

from latentstore.types import Float32, Int64


def canonical(vectors: Float32) -> Int64:
    """(n,) int64: positions of the rows of (n, dim) float32, sorted by a hash of each row's bytes.

    The rows taken in this order are the same sequence however they were shuffled before; equal rows are interchangeable.
    """
    hashes = np.empty((len(vectors), 2), dtype=np.uint64)
    for at, vector in enumerate(vectors):
        wide = xxhash.xxh3_128_intdigest(np.ascontiguousarray(vector).data)
        hashes[at] = wide >> 64, wide & 0xFFFFFFFFFFFFFFFF
    return np.lexsort((hashes[:, 1], hashes[:, 0]))
