"""The exact answer, by looking at every vector. Fast in float32, decided in float64.

One matrix product in float32 tells which vectors can be among the nearest, rounding errors allowed for; only those
are measured in float64. So the answer is that of float64, ties by slot, at the price of float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from latentstore.distance import exact, norms
from latentstore.index.contract import ArrayVectors, Vectors
from latentstore.types import Bool, Float32, Float64, Int64, Metric

_CELLS = 1 << 20  # values of a block: 4 MB, which the processor's cache still holds
_APPROXIMATIONS = 1 << 24  # values of the table of approximate distances
_EPSILON = float(np.finfo(np.float32).eps)
# Beyond these lengths float32 products overflow or vanish; such vectors are measured in float64 from the start.
_SHORT, _LONG = 1e-15, 1e15


def lengths_of(vectors: Vectors, start: int, stop: int) -> Float32:
    """(stop - start,) float32: the length of each vector; +inf where float32 arithmetic cannot be trusted with it."""
    out = np.empty(stop - start, dtype=np.float32)
    for at, block in _blocks(vectors, start, stop):
        with np.errstate(over="ignore", under="ignore"):
            out[at - start : at - start + len(block)] = np.sqrt(np.einsum("nd,nd->n", block, block))
    doubtful = np.flatnonzero((out < _SHORT) | ~(out < _LONG))
    if doubtful.size:
        true = norms(vectors.gather(doubtful + start))
        out[doubtful] = np.where(true == 0, 0.0, np.where((true < _SHORT) | (true > _LONG), np.inf, true))
    return out


def nearest(
    queries: Float32,
    vectors: Vectors,
    k: int,
    metric: Metric,
    *,
    start: int = 0,
    stop: int | None = None,
    allowed: Bool | None = None,
    lengths: Float32 | None = None,
) -> tuple[Int64, Float64]:
    """The k nearest slots of start..stop to each query, (q, k) int64 and float64, by distance, then slot; -1 and +inf.

    queries: (q, dim) finite; allowed: (stop - start,) which slots count; lengths: as from `lengths_of`.
    """
    stop = vectors.n if stop is None else stop
    if lengths is None:
        lengths = lengths_of(vectors, start, stop)
    slots = np.full((len(queries), k), -1, dtype=np.int64)
    distances = np.full((len(queries), k), np.inf)
    step = max(1, _APPROXIMATIONS // max(1, _CELLS // max(1, vectors.dim)))
    for at in range(0, len(queries), step):
        part = slice(at, at + step)
        found = _candidates(queries[part], vectors, k, metric, start, stop, allowed, lengths)
        for row, candidates in enumerate(found, start=at):
            best = ranked(queries[row], candidates, vectors.gather(candidates), k, metric)
            slots[row, : len(best[0])], distances[row, : len(best[0])] = best
    return slots, distances


def ranked(queries: Float32, slots: Int64, vectors: Float32, k: int, metric: Metric) -> tuple[Int64, Float64]:
    """The k nearest of some slots, by exact distance, then slot, or as many as there are.

    (k,) for one query (dim,), m slots (m,) in any order, and their vectors (m, dim); (q, k) for q queries (q, dim), each
    with its own slots (q, m) and vectors (q, m, dim).
    """
    distances = exact(queries, vectors, metric)
    order = np.lexsort((slots, distances))[..., :k]
    if slots.ndim == 2:
        order += np.arange(len(slots))[:, None] * slots.shape[1]
    return slots.take(order), distances.take(order)


def nearest_of(queries: Float32, vectors: Float32, slots: Int64, k: int, metric: Metric) -> tuple[Int64, Float64]:
    """As `nearest`, among gathered vectors (m, dim) whose slots are (m,) int64, ascending."""
    places, distances = nearest(queries, ArrayVectors(vectors), k, metric)
    if not len(slots):
        return places, distances
    return np.where(places < 0, -1, slots[places]), distances


def _blocks(vectors: Vectors, start: int, stop: int) -> Iterator[tuple[int, Float32]]:
    step = max(1, _CELLS // max(1, vectors.dim))
    for at in range(start, stop, step):
        yield at, vectors.block(at, min(stop, at + step))


def _candidates(
    queries: Float32,
    vectors: Vectors,
    k: int,
    metric: Metric,
    start: int,
    stop: int,
    allowed: Bool | None,
    lengths: Float32,
) -> list[Int64]:
    """For each query, slots that hold its k nearest for sure, and few more."""
    near = _Near(len(queries), k)
    sizes = norms(queries)
    for at, block in _blocks(vectors, start, stop):
        here = slice(at - start, at - start + len(block))
        table, slack = _approximate(queries, sizes, block, lengths[here], metric)
        if allowed is not None:
            table[:, ~allowed[here]] = np.nan
        near.see(at, table, slack)
    return near.slots()


def _approximate(
    queries: Float32, sizes: Float64, block: Float32, lengths: Float32, metric: Metric
) -> tuple[Float32, Float64]:
    """(q, m) float32 in the order of the distances, and (q,) how far each may be off. -inf: not known, look closer."""
    longest = float(lengths[np.isfinite(lengths)].max(initial=0.0))
    with np.errstate(all="ignore"):
        table = queries @ block.T
        if metric is Metric.L2:
            table *= -2.0
            table += np.square(lengths)
            reach = (sizes + longest) ** 2
        elif metric is Metric.COSINE:
            table /= -np.where(lengths == 0, np.float32(1), lengths)
            reach = sizes
        else:
            np.negative(table, out=table)
            reach = sizes * longest
    table[:, np.isinf(lengths)] = -np.inf
    table[(sizes > _LONG) | ((sizes < _SHORT) & (sizes > 0))] = -np.inf
    # Errors of a dot product grow with the root of its terms; four times that is never reached in practice.
    return table, reach * _EPSILON * 4 * (4 + block.shape[1] ** 0.5)


class _Near:
    """What was seen so far: per query a bound on its k-th smallest approximation, and the slots within it."""

    def __init__(self, q: int, k: int) -> None:
        self.k = k
        self.bound = np.full(q, np.inf)
        self.slack = np.zeros(q)
        self.seen: list[tuple[Int64, Int64, Float32]] = []

    def see(self, first: int, table: Float32, slack: Float64) -> None:
        """table: (q, m) approximations for slots first..first+m; NaN: not to be returned."""
        np.maximum(self.slack, slack, out=self.slack)
        if table.shape[1] > self.k:
            # NaN sorts last, so a row with fewer than k values bounds nothing.
            least = np.partition(table, self.k - 1, axis=1)[:, : self.k]
            if np.isneginf(least).any():  # nor does what is not known
                least = np.partition(np.where(np.isneginf(table), np.nan, table), self.k - 1, axis=1)
            self.bound = np.fmin(self.bound, least[:, self.k - 1])
        rows, columns = np.nonzero(table <= (self.bound + 2 * self.slack)[:, None])
        self.seen.append((rows, columns + first, table[rows, columns]))

    def slots(self) -> list[Int64]:
        if not self.seen:
            return [np.empty(0, dtype=np.int64) for _ in self.bound]
        rows, slots, values = (np.concatenate(part) for part in zip(*self.seen, strict=True))
        keep = values <= (self.bound + 2 * self.slack)[rows]
        rows, slots = rows[keep], slots[keep]
        order = np.argsort(rows, kind="stable")
        return np.split(slots[order], np.searchsorted(rows[order], np.arange(1, len(self.bound))))
