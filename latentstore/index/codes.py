"""How vectors become the codes that an index keeps, so that order among codes is order of distance.

Cosine and inner product with INT8 are products of small integers, which processors do fastest: vectors are scaled to
-127..127 and rounded, queries likewise, each by a factor of its own, which changes no order. L2 and the floats leave
coding to FAISS and only bring the values to a size whose square fits float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentstore.distance import unit
from latentstore.index.contract import Compression, Vectors
from latentstore.types import Float32, Float64, Metric

_TOP = 127.0
SAMPLE = 20_000


@dataclass(frozen=True, slots=True)
class Coder:
    metric: Metric
    integers: bool
    scale: float

    def vectors(self, block: Float32) -> Float32:
        """(m, dim) float32: what the index is given for these vectors. Always a copy."""
        # Normalise here: FAISS has no cosine.
        raw = unit(block) if self.metric is Metric.COSINE else block
        coded = _times(raw, self.scale)
        return np.clip(np.rint(coded, out=coded), -_TOP, _TOP, out=coded) if self.integers else coded

    def queries(self, queries: Float32) -> Float32:
        """(q, dim) float32, C-contiguous: what the index is asked."""
        if not self.integers:
            ready = unit(queries) if self.metric is Metric.COSINE else queries
            return np.ascontiguousarray(_times(ready, self.scale))
        if len(queries) == 1:
            top = float(np.abs(queries).max())
            one = _times(queries, _TOP / top if top else 1.0)
            return np.rint(one, out=one)
        # Each query by its own largest value: that uses all of the range, and no order depends on a query's length.
        tops = np.abs(queries).max(axis=1, keepdims=True).astype(np.float64)
        tops[tops == 0] = _TOP
        coded = _times(queries, _TOP / tops)
        return np.rint(coded, out=coded)


_HUGE = 1e30
_LIMIT = 1e18  # its square, summed over any number of dimensions, fits float32


def _times(values: Float32, factor: float | Float64) -> Float32:
    """A copy of the values times a factor, or one a row, that may lie outside what float32 holds."""
    if (factor if isinstance(factor, float) else factor.max()) <= _HUGE:
        return values * np.float32(factor)
    return np.clip(values.astype(np.float64) * factor, -_LIMIT, _LIMIT).astype(np.float32)


def fit(sample: Float32, metric: Metric, compression: Compression) -> Coder:
    """sample: (m, dim) vectors like those to come."""
    integers = compression is Compression.INT8 and metric is not Metric.L2
    if metric is Metric.COSINE and not integers:
        return Coder(metric, integers, 1.0)
    raw = unit(sample) if metric is Metric.COSINE else sample
    largest = float(np.abs(raw).max(initial=0.0))
    return Coder(metric, integers, (_TOP if integers else 1.0) / largest if largest else 1.0)


def sample_of(vectors: Vectors, n: int, rng: np.random.Generator) -> Float32:
    """(m, dim): at most SAMPLE of the first n vectors, chosen at random."""
    if n <= SAMPLE:
        return vectors.block(0, n)
    return vectors.gather(np.sort(rng.choice(n, SAMPLE, replace=False)))


def dump(coder: Coder) -> dict[str, Any]:
    return {"integers": coder.integers, "scale": coder.scale}


def parse(metric: Metric, data: dict[str, Any]) -> Coder:
    return Coder(metric, bool(data["integers"]), float(data["scale"]))
