"""Geometry: how rows fill their space. Principal axes and the variance each holds, how many dimensions the rows need where they are, and
what else is known of the rows that goes along an axis.

Rows are taken as their metric compares them: of unit length for the cosine, as they are for l2. Nothing here depends on their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from latentstore.analysis import covariance
from latentstore.analysis.neighbors import Graph
from latentstore.analysis.order import canonical
from latentstore.distance import unit
from latentstore.types import Float32, Float64, Int64, Metric

AXES = 8  # principal axes that are told in full
SURE = 0.01  # p-value, of all tests together, below which a column goes along an axis
SHARE = 0.05  # of the order along an axis that a column must account for to be told
EACH = 5  # rows of a class, and of either end of an axis, that a test or a median rests on

_ROWS = 50_000  # that axes are taken from: more change nothing that is told of them
_BLOCK = 4096
_NOTHING = 1e-12  # of the mean squared length: variance that rounding makes
_NEAREST = 10  # neighbours that the dimension by likelihood looks at
_KEPT = 0.9  # of the ratios of two neighbours: the largest are those of rows far from all others
_FEWEST = 20  # rows from which a dimension can be told
_APART = 3.0  # standard errors that a class lies from the middle of an axis to be at an end of it


@dataclass(frozen=True)
class Axes:
    """The principal axes of some rows.

    center: (dim,) float64. directions: (a, dim) float64 of length 1 and orthogonal, the one of most variance first, each turned so
    that its largest component is positive. deviations: (a,) float64, the standard deviation along each. shares: (r,) float64, of the
    whole variance, of every axis that there is, falling, with sum 1; empty where all rows lie at one place. steadiness: (a,) float64,
    how well an axis comes back: the cosine of the angle between what two halves of the rows make of it; NaN where halves say nothing.
    """

    metric: Metric
    center: Float64
    directions: Float64
    deviations: Float64
    shares: Float64
    steadiness: Float64

    def __len__(self) -> int:
        return len(self.directions)

    def places(self, vectors: Float32) -> Float64:
        """(n, a) float64: where (n, dim) rows lie along the axes, in standard deviations from the center."""
        out = np.empty((len(vectors), len(self)))
        for at in range(0, len(vectors), _BLOCK):
            rows = _measured(vectors[at : at + _BLOCK], self.metric) - self.center
            out[at : at + _BLOCK] = rows @ self.directions.T / self.deviations
        return out

    def needed(self, share: float) -> int:
        """How many axes hold that share of the variance, 0..1; 0 where there is none."""
        return min(int(np.searchsorted(np.cumsum(self.shares), share - 1e-9)) + 1, len(self.shares))


def principal(vectors: Float32, metric: Metric, count: int = AXES) -> Axes:
    """The axes of (n, dim) rows, the first `count` of them in full. Of more than 50,000 rows, those of so many drawn by a hash."""
    order = canonical(vectors)[:_ROWS]
    rows = _measured(vectors[order], metric)
    center = rows.mean(axis=0, dtype=np.float64)
    variances, directions = _spread(rows, center, count)
    # The hash has mixed the rows: every other one is as good a half as any.
    halves = [
        _spread(half, half.mean(axis=0, dtype=np.float64), count)[1] for half in (rows[::2], rows[1::2]) if len(half)
    ]
    return Axes(
        *(metric, center, directions, np.sqrt(variances[: len(directions)])),
        *(variances / max(float(variances.sum()), np.finfo(float).tiny), _steadiness(directions, halves)),
    )


def _measured(vectors: Float32, metric: Metric) -> Float32:
    return unit(vectors) if metric is Metric.COSINE else vectors


def _spread(rows: Float32, center: Float64, count: int) -> tuple[Float64, Float64]:
    """Variances (r,) along all axes that have any, falling; and the first directions (a, dim)."""
    n, dim = rows.shape
    if n > dim:
        values, vectors = np.linalg.eigh(covariance.moments(rows, center).outer / n)
        directions = vectors.T[::-1]
    else:
        apart = rows.astype(np.float64) - center
        values, vectors = np.linalg.eigh(apart @ apart.T / max(n, 1))
        directions = vectors.T[::-1][:count] @ apart
    floor = _NOTHING * max(float(values.sum()) + float(center @ center), np.finfo(float).tiny)
    there = int(np.count_nonzero(values > floor))
    first = directions[: min(count, there)]
    first = first / np.linalg.norm(first, axis=1, keepdims=True)
    largest = np.take_along_axis(first, np.abs(first).argmax(axis=1)[:, None], axis=1)
    return np.ascontiguousarray(values[::-1][:there]), first * np.sign(largest)


def _steadiness(directions: Float64, halves: Sequence[Float64]) -> Float64:
    if len(halves) < 2 or not all(map(len, halves)):
        return np.full(len(directions), np.nan)
    # Axes of about the same variance change places between halves: each is held against the one most like it.
    one, other = (half[np.abs(directions @ half.T).argmax(axis=1)] for half in halves)
    return np.asarray(np.abs(np.vecdot(one, other)))


@dataclass(frozen=True)
class Dimension:
    """How many dimensions rows need where they are, by two estimates that look at another scale each. From `rows` of them.

    neighbors: by the ten nearest. two: by the nearest two, the finest scale there is. NaN where too few rows are apart. Both fall
    short where the dimension is large beside the logarithm of the number of rows: above about 20 read "at least".
    """

    neighbors: float
    two: float
    rows: int


def dimension(graph: Graph) -> float:
    """Intrinsic dimension by maximum likelihood (Levina & Bickel 2004), inverses averaged (MacKay & Ghahramani 2005)."""
    far = _apart(graph, _NEAREST)
    if far.shape[1] < 3 or not len(far):
        return 1.0
    growth = float(np.log(far[:, -1:] / far[:, :-1]).sum(axis=1).mean())
    return (far.shape[1] - 1) / growth if growth > 0 else float("inf")


def intrinsic(graph: Graph) -> Dimension:
    """The dimension of the rows of a graph, ten neighbours wide. Rows with a twin are passed over: copies have no dimension."""
    rows = len(_apart(graph, _NEAREST))
    if rows < _FEWEST:
        return Dimension(float("nan"), float("nan"), rows)
    return Dimension(dimension(graph), _two_nearest(graph), rows)


def _two_nearest(graph: Graph) -> float:
    """By the ratios of the distances to the nearest two (Facco, d'Errico, Rodriguez & Laio 2017), which are Pareto with the dimension
    as exponent. By maximum likelihood, of the largest tenth of them only that they are large."""
    far = _apart(graph, 2)
    logs = np.sort(np.log(far[:, 1] / far[:, 0]))
    kept = int(_KEPT * len(logs))
    growth = float(logs[:kept].sum() + (len(logs) - kept) * logs[kept - 1])
    return kept / growth if growth > 0 else float("inf")


def _apart(graph: Graph, k: int) -> Float64:
    """(m, k) float64 distances of the rows that have so many neighbours and none at their own place."""
    far = graph.distances[:, :k].astype(np.float64)
    far = far[np.isfinite(far).all(axis=1) & (far > 0).all(axis=1)]
    # The cosine distance is half the square of the chord.
    return np.sqrt(far) if graph.metric is Metric.COSINE else far


@dataclass(frozen=True)
class Tie:
    """A column that goes along an axis beyond chance. items: rows with a value. p_value: of all tests together (Bonferroni).

    share: 0..1, of the order of the rows along the axis. correlation: Spearman's, -1..1, of numbers; share is its square. Of classes
    the share is the correlation ratio of the ranks. low, high: classes at either end, the outermost first; of numbers the median
    among the tenth of the rows that is furthest out.
    """

    axis: int
    column: str
    share: float
    p_value: float
    items: int
    low: tuple[str, ...] | float
    high: tuple[str, ...] | float
    correlation: float | None = None


def ties(places: Float64, numbers: Mapping[str, Float64], classes: Mapping[str, Sequence[str | None]]) -> list[Tie]:
    """What goes along the axes, of each axis the strongest first.

    places: (n, a), of rows along axes. numbers: n values by name, NaN where there is none. classes: n values by name, None where
    there is none; classes of fewer than five rows are passed over. Tests: Spearman's of numbers, Kruskal and Wallis's of classes.
    """
    found = [*_numbers(places, numbers), *_classes(places, classes)]
    sure = [
        Tie(*(one.axis, one.column, one.share, one.p_value * len(found), one.items, one.low, one.high, one.correlation))
        for one in found
        if one.share >= SHARE and one.p_value * len(found) < SURE
    ]
    return sorted(sure, key=lambda one: (one.axis, -one.share, one.column))


def _numbers(places: Float64, numbers: Mapping[str, Float64]) -> Iterator[Tie]:
    from scipy.stats import rankdata
    from scipy.stats import t as student

    for name, values in numbers.items():
        known = np.isfinite(values)
        own, n = values[known], int(known.sum())
        if n < 2 * EACH or np.ptp(own) == 0:
            continue
        ranks = rankdata(own)
        for axis, along in _spanned(places[known]):
            rho = float(np.clip(np.corrcoef(ranks, rankdata(along))[0, 1], -1, 1))
            # A perfect order has no finite t.
            p = 2 * float(student.sf(abs(rho) * np.sqrt((n - 2) / max(1 - rho**2, 1e-300)), n - 2))
            order, end = np.argsort(along, kind="stable"), max(EACH, n // 10)
            low, high = float(np.median(own[order[:end]])), float(np.median(own[order[-end:]]))
            yield Tie(axis, name, rho**2, p, n, low, high, rho)


def _classes(places: Float64, classes: Mapping[str, Sequence[str | None]]) -> Iterator[Tie]:
    from scipy.stats import chi2, rankdata

    for name, values in classes.items():
        known, codes, names = _coded(values)
        n = len(known)
        if len(names) < 2:
            continue
        counts = np.bincount(codes)
        for axis, along in _spanned(places[known]):
            ranks = rankdata(along)
            means = np.bincount(codes, ranks) / counts
            between = counts @ (means - (n + 1) / 2) ** 2
            share = float(between / ((ranks - (n + 1) / 2) ** 2).sum())
            p = float(chi2.sf((n - 1) * share, len(names) - 1))
            yield Tie(axis, name, share, p, n, *_ends(means, counts, names))


def _spanned(places: Float64) -> Iterator[tuple[int, Float64]]:
    """The axes along which these rows lie apart at all."""
    return ((axis, along) for axis, along in enumerate(places.T) if np.ptp(along) > 0)


def _coded(values: Sequence[str | None]) -> tuple[Int64, Int64, list[str]]:
    """The rows whose class is large enough, the class of each, and the names of the classes."""
    given = np.array([value if value is not None else "" for value in values], dtype=object)
    there = np.array([value is not None for value in values], dtype=bool)
    known = np.flatnonzero(there)
    names, codes, counts = np.unique(given[known].astype(str), return_inverse=True, return_counts=True)
    large = counts[codes] >= EACH
    kept, again = np.unique(codes[large], return_inverse=True)
    return known[large], again, [str(names[at]) for at in kept]


def _ends(means: Float64, counts: Int64, names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The classes whose mean rank lies clearly to either side of the middle, the outermost first."""
    n = int(counts.sum())
    error = np.sqrt((n + 1) * np.maximum(n - counts, 1) / (12 * counts))
    off = (means - (n + 1) / 2) / error
    order = np.argsort(means, kind="stable").tolist()
    low = tuple(names[at] for at in order if off[at] < -_APART)
    return low, tuple(names[at] for at in reversed(order) if off[at] > _APART)


def extremes(places: Float64, count: int) -> tuple[list[int], list[int]]:
    """The rows furthest out at the low and the high end of one axis, the outermost first; of rows at one place only the first.

    places: (n,) along the axis. No row is at both ends: with few rows, each end has fewer than `count`.
    """
    order = np.argsort(places, kind="stable")
    apart = np.ones(len(order), dtype=bool)
    apart[1:] = np.diff(places[order]) > 1e-6 * max(float(np.ptp(places)) if len(places) else 0.0, 1e-300)
    order = order[apart].tolist()
    count = min(count, len(order) // 2)
    return order[:count], order[::-1][:count]
