"""The nearest of many rows to each of some others, all compared, part by part."""

from __future__ import annotations

from functools import partial

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
    if k < 1:
        raise InvalidInput(f"a query needs at least one neighbour, got k={k}")
    queries = prepare(queries, what="queries")
    vectors = prepare(vectors, queries.shape[1])
    positions = np.full((len(queries), k), -1, dtype=np.int64)
    far = np.full((len(queries), k), np.inf, dtype=np.float32)
    wanted = min(k, len(vectors))
    for at in range(0, len(queries) if wanted else 0, _GROUP):
        found = _group(queries[at : at + _GROUP], vectors, wanted, metric)
        positions[at : at + _GROUP, :wanted], far[at : at + _GROUP, :wanted] = found.positions, found.squares
        progress("nearest rows", min(1.0, (at + _GROUP) / len(queries)))
    if metric is Metric.COSINE:  # all rows are equally far from a zero one, to the last digit
        zeros = ~queries.any(axis=1)
        positions[zeros, :wanted], far[zeros, :wanted] = np.arange(wanted), 2
    return positions, distances(far, metric)


def distances(far: Float32, metric: Metric) -> Float32:
    """The metric's own, of the squared ones between rows that `comparable` gave. Missing ones stay at +inf."""
    if metric is not Metric.COSINE:
        return np.sqrt(far)
    own: Float32 = np.where(np.isfinite(far), np.minimum(far / 2, 2), np.inf).astype(np.float32)
    return own


def _group(queries: Float32, vectors: Float32, k: int, metric: Metric) -> Closest:
    axes = Axes(middle(vectors, metric), None, vectors.shape[1])
    asked = _table(queries, slice(None), metric, axes, 0)
    closest = Closest(len(queries), k, np.arange(len(vectors)))
    spread = np.unique(np.linspace(0, len(vectors) - 1, max(_FIRST, 4 * k)).astype(np.int64))
    some = _table(vectors, spread, metric, axes, 1)
    starts = range(0, len(asked), _ASKED)
    for start, found in zip(starts, each(partial(_first, asked, some, k), starts), strict=True):
        closest.fill(start, spread[found[0]], found[1])
    limits = closest.bounds * np.float32(-0.5)

    def one(start: int) -> Pairs:
        part = _table(vectors, slice(start, start + _PART), metric, axes, 1)
        return joined([_near(asked, at, part, start, limits) for at in starts])

    for pairs in each(one, range(0, len(vectors), _PART)):
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


def _first(asked: Table, some: Table, k: int, start: int) -> tuple[Int64, Float32]:
    stop = min(len(asked), start + _ASKED)
    found = best(asked.left(start, stop) @ some.right(slice(None)).T, k)
    far = squares(asked.rows[start:stop], some.rows, np.repeat(np.arange(len(found)), k), found.ravel())
    return found, far.reshape(-1, k)


def _near(asked: Table, start: int, part: Table, offset: int, limits: Float32) -> Pairs:
    stop = min(len(asked), start + _ASKED)
    sums = asked.left(start, stop) @ part.right(slice(None)).T
    at, to = np.divmod(np.flatnonzero(sums >= limits[start:stop, None]), len(part))
    far = squares(asked.rows[start:stop], part.rows, at, to)
    return at + start, to + offset, far
