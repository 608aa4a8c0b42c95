"""Change: whether two sets of vectors differ beyond chance, and which clusters weigh more in one than in the other.

Both tests take the items as independent draws: where several come from one document or one person, small p-values say less.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.stats import false_discovery_control, fisher_exact

from latentstore.analysis.order import canonical
from latentstore.analysis.progress import Progress, silent
from latentstore.distance import unit
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Float64, Int64, Metric

MOST = 2000  # vectors of a side that are compared; of more, as many at random

_SHUFFLES = 999
_NEIGHBORS = 15
_NEAR = 10  # the neighbour whose distance sets the width of the local kernel


@dataclass(frozen=True, slots=True)
class TwoSample:
    """statistic: by how many standard deviations of shuffled sides the sides lie apart, higher is further; 0 is what chance gives.

    p_value: in 1/1000..1, how often shuffled sides lie as far apart. separation: 0..1, the share of the distance between the
    sides that is more than distance within them (energy coefficient, less what chance gives). parts: the statistic of each
    view. compared: vectors of each side.
    """

    statistic: float
    p_value: float
    separation: float
    parts: Mapping[str, float]
    compared: tuple[int, int]


def two_sample(a: Float32, b: Float32, metric: Metric, *, seed: int = 0, progress: Progress = silent) -> TwoSample:
    """Test whether (n, dim) and (m, dim) vectors are drawn from one distribution, in whatever order they come.

    Three views see different changes: energy distance (Székely & Rizzo 2013) one of the whole, a narrow Gaussian kernel (MMD,
    Gretton et al. 2012) one of local density, shared neighbours (Schilling 1986) a topic more or less. The largest of their
    standardised values is held against those of 999 shuffles of the sides, so that the level holds for any data. Sides of
    more than 2,000 are compared by 2,000 at random. Raises InvalidInput where a side is empty.
    """
    if not len(a) or not len(b):
        raise InvalidInput(f"two sets of vectors are compared, got {len(a)} and {len(b)}; neither may be empty")
    rng = np.random.default_rng(seed)
    first, second = _drawn(a, rng), _drawn(b, rng)
    vectors = np.concatenate((first, second))
    weights = np.repeat((1 / len(first), -1 / len(second)), (len(first), len(second)))
    order = canonical(vectors)
    apart = _distances(vectors[order], metric)
    progress("comparing", 0.2)
    shuffled = np.column_stack([weights[order], *(rng.permutation(weights) for _ in range(_SHUFFLES))])
    values = _views(apart, shuffled.astype(np.float32))
    progress("comparing", 1.0)
    standard = {name: _standardised(value) for name, value in values.items()}
    largest = np.max(list(standard.values()), axis=0)
    # Shuffles that come out the same but for rounding are as far apart.
    as_far = np.count_nonzero(largest >= largest[0] - 1e-6)
    return TwoSample(
        float(largest[0]),
        int(as_far) / (_SHUFFLES + 1),
        _separation(apart, weights[order], values["energy"]),
        {name: float(value[0]) for name, value in standard.items()},
        (len(first), len(second)),
    )


def _drawn(vectors: Float32, rng: np.random.Generator) -> Float32:
    """All, or MOST at random; free of row order."""
    if len(vectors) <= MOST:
        return vectors
    return np.asarray(vectors[np.sort(canonical(vectors)[rng.permutation(len(vectors))[:MOST]])])


def _distances(vectors: Float32, metric: Metric) -> Float32:
    """(N, N) Euclidean distances, of unit vectors for cosine: its own square is not metric enough to see more than means."""
    points = (unit(vectors) if metric is Metric.COSINE else vectors).astype(np.float64)
    points -= points.mean(axis=0)
    squares = np.einsum("nd,nd->n", points, points)
    table = np.maximum(squares[:, None] + squares - 2 * (points @ points.T), 0)
    np.fill_diagonal(table, 0)
    return np.asarray(np.sqrt(table, out=table), dtype=np.float32)


def _views(apart: Float32, weights: Float32) -> dict[str, Float64]:
    """Of each column of weights, how much more alike each side is within than the sides are to each other; (R,) each."""
    nearest, width = _neighbors(apart)
    kernel = np.exp(-((apart / width) ** 2) / 2) if width > 0 else np.zeros_like(apart)
    tables = {"energy": -apart, "density": kernel, "neighbours": nearest}
    return {name: np.einsum("nr,nr->r", weights, table @ weights, dtype=np.float64) for name, table in tables.items()}


def _neighbors(apart: Float32) -> tuple[sparse.csr_array, float]:
    """Who is among whose nearest, as a sparse (N, N) table, and half the usual distance to a near neighbour."""
    n = len(apart)
    k = min(_NEIGHBORS, n - 1)
    others = apart + np.diag(np.full(n, np.inf, dtype=np.float32))
    near = np.argsort(others, axis=1, kind="stable")[:, :k]
    far = np.take_along_axis(others, near, axis=1)[:, min(_NEAR, k) - 1]
    ones = np.ones(near.size, dtype=np.float32)
    return sparse.csr_array((ones, (np.repeat(np.arange(n), k), near.ravel())), shape=(n, n)), float(np.median(far)) / 2


def _standardised(values: Float64) -> Float64:
    spread = values.std()
    # Equal but for rounding: nothing was seen.
    return (values - values.mean()) / spread if spread > 1e-7 * np.abs(values).max() else np.zeros_like(values)


def _separation(apart: Float32, weights: Float64, energies: Float64) -> float:
    """The energy distance above that of shuffled sides, which is the more above 0 the fewer vectors there are."""
    between = 2 * float(apart[np.ix_(weights > 0, weights < 0)].mean(dtype=np.float64))
    return min(1.0, max(0.0, float(energies[0] - energies[1:].mean()) / between)) if between > 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """counts: (k, 2) int64 items of each cluster a side; shares: (k, 2) float64, of all items of the side.

    p_values: (k,) float64, corrected for the number of clusters (Benjamini & Hochberg 1995): of those up to .05, at most one in
    twenty is expected to differ by chance.
    """

    counts: Int64
    shares: Float64
    p_values: Float64


def shifts(a: Int64, b: Int64, k: int) -> Shifts:
    """How clusters 0..k-1 weigh on two sides, by Fisher's exact test. a, b: labels of each side's items, -1 for no cluster."""
    sides = (a, b)
    counts = np.column_stack([np.bincount(side[side >= 0], minlength=k) for side in sides])
    sizes = np.asarray([len(side) for side in sides])
    tables = [np.stack((counts[at], sizes - counts[at])) for at in range(k)]
    raw = np.asarray([float(fisher_exact(table)[1]) for table in tables])
    return Shifts(counts, counts / np.maximum(sizes, 1), false_discovery_control(np.clip(raw, 0, 1)) if k else raw)
