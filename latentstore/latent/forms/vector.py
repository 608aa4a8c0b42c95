"""Vectors as rows: around the mean of the sample, and scaled so that a value differs from it by about one.

The rule: under the cosine, vectors are brought to unit length first, and all columns share one scale, since directions are what
counts. Under l2 and ip, `scale` says: "columns", each by its own deviation, where columns are features in units of their own; or
"one" for all of them, which leaves the axes of PCA as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentstore.distance import prepare, unit
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Metric

SCALES = ("columns", "one")


@dataclass(frozen=True, eq=False)
class VectorForm:
    """middle, deviation: (width,) float32; metric: that of the vectors."""

    middle: Float32
    deviation: Float32
    metric: Metric

    name = "vector"
    bounded = False
    divisor = 1.0
    error_unit = "squared deviations of a column"

    @property
    def width(self) -> int:
        return len(self.middle)

    def rows(self, items: Any) -> Float32:
        """(n, width) float32 of (n, width) vectors. Raises DimensionMismatch, NotFinite."""
        vectors = prepare(items, self.width)
        return (_directed(vectors, self.metric) - self.middle) / self.deviation

    def content(self, rows: Float32) -> Float32:
        """(n, width) float32: vectors again, of unit length under the cosine."""
        vectors = np.asarray(rows * self.deviation + self.middle, np.float32)
        return _directed(vectors, self.metric)

    def round_trip(self, rows: Float32) -> None:
        """Rounding alone is lost."""

    def caption(self) -> str:
        return f"vectors of {self.width} dimensions"

    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "metric": self.metric.value}

    def arrays(self) -> dict[str, Any]:
        return {"middle": self.middle, "deviation": self.deviation}

    @classmethod
    def of(cls, facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> VectorForm:
        return cls(arrays["middle"], arrays["deviation"], Metric(facts["metric"]))


def choose(sample: Float32 | Sequence[Any], *, metric: Metric = Metric.L2, scale: str = "columns") -> VectorForm:
    """sample: (n, dim), best all of them. scale: one of SCALES; under the cosine it is always "one".

    Raises InvalidInput for an empty sample, NotFinite.
    """
    if scale not in SCALES:
        raise InvalidInput(f"scale is one of {', '.join(SCALES)}, got {scale!r}")
    if not len(sample):
        raise InvalidInput("expected some vectors to choose a form from, got none")
    vectors = _directed(prepare(sample), metric)
    middle = vectors.mean(axis=0, dtype=np.float64)
    spread = vectors.std(axis=0, dtype=np.float64)
    if metric is Metric.COSINE or scale == "one":
        spread[:] = np.sqrt(np.square(spread).mean())
    deviation = np.where(spread > 0, spread, 1.0)
    return VectorForm(middle.astype(np.float32), deviation.astype(np.float32), metric)


def _directed(vectors: Float32, metric: Metric) -> Float32:
    return unit(vectors) if metric is Metric.COSINE else vectors
