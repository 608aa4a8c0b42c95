"""Each metric, defined once. Distance: smaller is closer, for every metric; score: higher is closer.

cosine   1 - q.x / |q||x|, in [0, 2]; a zero vector is at distance 1 from everything
ip       -(q.x)
l2       |q - x|, the root taken
"""

from __future__ import annotations

from typing import Any

import numpy as np

from latentstore.errors import DimensionMismatch, InvalidInput, NotFinite
from latentstore.types import Float32, Float64, Metric

# Values that are turned to float64 at a time: 2 MB, which the processor's cache holds.
_CELLS = 1 << 18


def prepare(vectors: Any, dim: int | None = None, what: str = "vectors") -> Float32:
    """(n, dim) float32, C-contiguous: `vectors` as they are kept, copied only where they must be.

    vectors: (n, dim) numbers of any kind: lists, float64, float16, integers, strided and read-only arrays.
    Raises InvalidInput where they are not a table of numbers, DimensionMismatch where `dim` is another, NotFinite with
    the row numbers where a value is NaN, infinite or too large for float32.
    """
    given = as_array(vectors, what)
    if given.ndim != 2 or (given.shape[1] == 0 and dim is None):
        raise InvalidInput(f"{what} must be a (n, dim) table with dim at least 1, got shape {given.shape}")
    if dim is not None and given.shape[1] != dim:
        raise DimensionMismatch(f"expected {what} of {dim} dimensions, got {given.shape[1]}; another encoder?")
    if given.dtype != np.float32 or not given.flags.c_contiguous:
        with np.errstate(over="ignore", invalid="ignore"):
            given = np.ascontiguousarray(given, dtype=np.float32)
    _refuse_not_finite(given, what)
    ready: Float32 = given
    return ready


def as_array(vectors: Any, what: str) -> Any:
    """An array of real numbers, of whatever shape and type came. Raises InvalidInput."""
    try:
        given = np.asarray(vectors)
    except ValueError as error:
        raise InvalidInput(f"{what} must be rows of one length: {error}") from error
    # How a tensor says that it is on another device, of a type that numpy lacks, or part of a graph.
    except (TypeError, RuntimeError) as error:
        raise InvalidInput(f"{what} cannot be read as a numpy array: {error}") from error
    if given.dtype.kind not in "fiu":
        raise InvalidInput(f"{what} must be numbers, got {given.dtype}; convert them first")
    return given


def _refuse_not_finite(vectors: Float32, what: str) -> None:
    finite = np.isfinite(vectors)
    if np.count_nonzero(finite) < finite.size:
        bad = np.flatnonzero(~finite.all(axis=1))
        rows = ", ".join(map(str, bad[:5])) + (", …" if bad.size > 5 else "")
        raise NotFinite(f"{what} must be finite float32 values; NaN, infinite or too large in row(s) {rows}")


def unit(vectors: Float32) -> Float32:
    """(n, dim) float32 rows scaled to length 1; zero rows stay zero. Always a copy."""
    lengths = norms(vectors)
    lengths[lengths == 0] = 1.0
    return np.asarray(vectors / lengths[:, None], dtype=np.float32)


def norms(vectors: Float32) -> Float64:
    """(n,) float64: the length of each row of (n, dim), without overflow or underflow."""
    out = np.empty(len(vectors), dtype=np.float64)
    step = max(1, _CELLS // max(1, vectors.shape[1]))
    for at in range(0, len(vectors), step):
        part = vectors[at : at + step].astype(np.float64)
        out[at : at + step] = np.sqrt(np.vecdot(part, part))
    return out


def exact(queries: Float32, vectors: Float32, metric: Metric) -> Float64:
    """Distances, calculated in float64. queries and vectors: finite float32.

    (m,) of one query (dim,) to m vectors (m, dim); (q, m) of each of q queries (q, dim) to its own m vectors (q, m, dim).
    """
    measure, asked = _MEASURES[metric], queries.astype(np.float64)
    if vectors.size <= _CELLS:
        return measure(asked, vectors.astype(np.float64))
    step = max(1, _CELLS // (vectors.size // len(vectors)))
    starts = range(0, len(vectors), step)
    return np.concatenate(
        [
            measure(asked if asked.ndim == 1 else asked[at : at + step], vectors[at : at + step].astype(np.float64))
            for at in starts
        ]
    )


# A dot product a row, not a matrix product, whose last digit depends on the rows around: equal vectors must be equally far.
def _cosine(queries: Float64, vectors: Float64) -> Float64:
    lengths = np.sqrt(np.vecdot(vectors, vectors))
    lengths *= np.sqrt(np.vecdot(queries, queries))[..., None]
    alike: Float64 = np.vecdot(vectors, queries[..., None, :])
    if np.count_nonzero(lengths) < lengths.size:
        lengths[lengths == 0] = 1.0
    alike /= lengths
    far: Float64 = 1.0 - alike
    # Rounding may carry a vector past itself: a distance is never below 0 nor above 2.
    np.maximum(far, 0.0, out=far)
    return np.minimum(far, 2.0, out=far)


def _ip(queries: Float64, vectors: Float64) -> Float64:
    alike: Float64 = np.vecdot(vectors, queries[..., None, :])
    return -alike


def _l2(queries: Float64, vectors: Float64) -> Float64:
    # The difference itself: |q|² - 2qx + |x|² loses every digit where both are long and near.
    apart = vectors - queries[..., None, :]
    far: Float64 = np.sqrt(np.vecdot(apart, apart))
    return far


_MEASURES = {Metric.COSINE: _cosine, Metric.IP: _ip, Metric.L2: _l2}


def scores(distances: Float64, metric: Metric) -> Float64:
    """Distances of any shape as scores, higher is closer: cosine and ip give the similarity, l2 gives 1 / (1 + d)."""
    if metric is Metric.L2:
        return 1.0 / (1.0 + distances)
    return 1.0 - distances if metric is Metric.COSINE else -distances
