"""The nearest of many rows to each of some others, all compared, part by part; laid out once for batch after batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from latentstore.analysis.closest import Closest
from latentstore.analysis.progress import Progress, silent
from latentstore.analysis.sweep import Pairs, best, each, joined
from latentstore.analysis.table import Axes, Table, comparable, middle, squares
from latentstore.distance import prepare
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Int64, Metric

_FIRST = 2048  # rows, evenly spread, that give the first bounds
_PART = 8192  # rows at a time
_ASKED = 256  # queries at a time
_GROUP = 16_384  # queries whose answers grow together


def nearest(
    queries: Float32, vectors: Float32, k: int, metric: Metric, *, progress: Progress = silent
) -> tuple[Int64, Float32]:
    """Positions (q, k) int64 and distances (q, k) float32 of the k nearest rows to each query, closest first; -1 and +inf.

    queries (q, dim) and vectors (n, dim): finite float32; metric: COSINE or L2. Ties by position. Raises InvalidInput,
    DimensionMismatch, NotFinite.
    """
    queries = prepare(queries, what="queries")
    reference = _Reference(prepare(vectors, queries.shape[1]), metric)
    return _nearest(queries, reference, reference.part, k, progress)


class Lookup:
    """Rows laid out to be looked up among, batch after batch: a second time as large in memory, and each batch only compares.

    vectors: (n, dim) finite float32, metric: COSINE or L2. Raises InvalidInput, NotFinite.
    """

    def __init__(self, vectors: Float32, metric: Metric) -> None:
        self.vectors = prepare(vectors)
        self._reference = _Reference(self.vectors, metric)
        self._parts = list(each(self._reference.part, self._reference.starts))

    def nearest(self, queries: Float32, k: int, *, progress: Progress = silent) -> tuple[Int64, Float32]:
        """As the function of that name."""
        queries = prepare(queries, self.vectors.shape[1], "queries")
        return _nearest(queries, self._reference, lambda start: self._parts[start // _PART], k, progress)


def distances(far: Float32, metric: Metric) -> Float32:
    """The metric's own, of the squared ones between rows that `comparable` gave. Missing ones stay at +inf."""
    if metric is not Metric.COSINE:
        return np.sqrt(far)
    own: Float32 = np.where(np.isfinite(far), np.minimum(far / 2, 2), np.inf).astype(np.float32)
    return own


@dataclass(frozen=True)
class _Part:
    """rows (m, dim) as they are compared; right: what `Table.right` gives of them, transposed."""

    rows: Float32
    right: Float32


@dataclass(frozen=True)
class _Reference:
    """(n, dim) rows to look up among."""

    vectors: Float32
    metric: Metric

    @cached_property
    def axes(self) -> Axes:
        return Axes(middle(self.vectors, self.metric), None, self.vectors.shape[1])

    @property
    def starts(self) -> range:
        return range(0, len(self.vectors), _PART)

    def part(self, start: int) -> _Part:
        return self.some(slice(start, start + _PART))

    def some(self, rows: slice | Int64) -> _Part:
        table = _table(self.vectors, rows, self.metric, self.axes, 1)
        return _Part(table.rows, table.right(slice(None)).T)


def _nearest(
    queries: Float32, reference: _Reference, part: Callable[[int], _Part], k: int, progress: Progress
) -> tuple[Int64, Float32]:
    if k < 1:
        raise InvalidInput(f"a query needs at least one neighbour, got k={k}")
    positions = np.full((len(queries), k), -1, dtype=np.int64)
    far = np.full((len(queries), k), np.inf, dtype=np.float32)
    wanted = min(k, len(reference.vectors))
    for at in range(0, len(queries) if wanted else 0, _GROUP):
        found = _group(queries[at : at + _GROUP], reference, part, wanted)
        positions[at : at + _GROUP, :wanted], far[at : at + _GROUP, :wanted] = found.positions, found.squares
        progress("nearest rows", min(1.0, (at + _GROUP) / len(queries)))
    if reference.metric is Metric.COSINE:  # all rows are equally far from a zero one, to the last digit
        zeros = ~queries.any(axis=1)
        positions[zeros, :wanted], far[zeros, :wanted] = np.arange(wanted), 2
    return positions, distances(far, reference.metric)


def _group(queries: Float32, reference: _Reference, part: Callable[[int], _Part], k: int) -> Closest:
    n = len(reference.vectors)
    asked = _table(queries, slice(None), reference.metric, reference.axes, 0)
    closest = Closest(len(queries), k, np.arange(n))
    spread = np.unique(np.linspace(0, n - 1, max(_FIRST, 4 * k)).astype(np.int64))
    some = reference.some(spread)
    starts = range(0, len(asked), _ASKED)
    for start, found in zip(starts, each(partial(_first, asked, some, k), starts), strict=True):
        closest.fill(start, spread[found[0]], found[1])
    limits = closest.bounds * np.float32(-0.5)

    def one(start: int) -> Pairs:
        here = part(start)
        return joined([_near(asked, at, here, start, limits) for at in starts])

    for pairs in each(one, reference.starts):
        closest.offer(*pairs)
        limits[:] = closest.bounds * np.float32(-0.5)
    return closest


def _table(vectors: Float32, rows: slice | Int64, metric: Metric, axes: Axes, side: int) -> Table:
    """Rows to compare. Zero rows point where nothing else does, those asked for and those asked for them each their own way."""
    part = comparable(vectors, rows, metric)
    sketches = axes.sketch(part)
    if metric is Metric.COSINE:
        aside = np.zeros((len(part), 2), dtype=np.float32)
        aside[~part.any(axis=1), side] = 1
        part, sketches = np.concatenate([part, aside], axis=1), np.concatenate([aside, sketches], axis=1)
    return Table.of(part, sketches, part.shape[1])


def _first(asked: Table, some: _Part, k: int, start: int) -> tuple[Int64, Float32]:
    stop = min(len(asked), start + _ASKED)
    found = best(asked.left(start, stop) @ some.right, k)
    far = squares(asked.rows[start:stop], some.rows, np.repeat(np.arange(len(found)), k), found.ravel())
    return found, far.reshape(-1, k)


def _near(asked: Table, start: int, part: _Part, offset: int, limits: Float32) -> Pairs:
    stop = min(len(asked), start + _ASKED)
    sums = asked.left(start, stop) @ part.right
    at, to = np.divmod(np.flatnonzero(sums >= limits[start:stop, None]), len(part.rows))
    far = squares(asked.rows[start:stop], part.rows, at, to)
    return at + start, to + offset, far
