"""Rows laid out for comparing all pairs: a short sketch of each says which pairs cannot be close, the row itself how far.

Rows are compared by squared Euclidean distance; rows of length 1 have twice the cosine distance. With the rows turned so that
their first `width` axes hold most of the variance, |x - y|² is at least |x' - y'|² + (|x"| - |y"|)², where ' is the part on
those axes and " the rest. So a sketch of width + 1 numbers bounds every distance from below, and a pair whose bound is beyond
the k-th neighbour of either need not be looked at. That loses nothing: what remains is measured from the rows themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latentstore.distance import norms
from latentstore.types import Float32, Float64, Int64, Metric

_PAIRS = 256  # pairs measured at a time: their rows stay in the processor's cache
_ROWS = 4096  # rows turned at a time
_SAMPLE = 2048
_WIDTHS = (32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 512, 768, 1024, 1536)
_PRODUCT, _MEASURE = 0.03, 270.0  # nanoseconds: an entry of a product, for each axis; a pair measured from its rows


def comparable(vectors: Float32, rows: slice | Int64, metric: Metric) -> Float32:
    """Rows as they are compared: for cosine at length 1, zero rows staying zero; for l2 as they are. Always a copy."""
    part = vectors[rows].copy() if isinstance(rows, slice) else vectors[rows]
    if metric is Metric.COSINE:
        for at in range(0, len(part), _ROWS):
            lengths = norms(part[at : at + _ROWS])
            lengths[lengths == 0] = 1.0
            np.divide(part[at : at + _ROWS], lengths[:, None], out=part[at : at + _ROWS], casting="same_kind")
    return part


def middle(vectors: Float32, metric: Metric) -> Float32:
    """(dim,) float32: the median of some evenly spread rows. Around it numbers are small, and float32 fine."""
    # The median: a few rows far away must not make numbers large for all the others.
    some = comparable(vectors, slice(0, None, max(1, len(vectors) // _SAMPLE)), metric)
    return np.median(some, axis=0).astype(np.float32)


@dataclass(frozen=True)
class Axes:
    """Where sketches come from: (x - center) @ turn, its first `width` axes. turn None: as they are, all of them."""

    center: Float32
    turn: Float64 | None
    width: int

    def sketch(self, rows: Float32) -> Float32:
        """(m, width + 1) float32: the part on the first axes, and the length of the rest."""
        out = np.empty((len(rows), self.width + 1), dtype=np.float32)
        for at in range(0, len(rows), _ROWS):
            part = rows[at : at + _ROWS] - self.center
            turned = part if self.turn is None else part.astype(np.float64) @ self.turn
            out[at : at + _ROWS, :-1] = turned[:, : self.width]
            rest = turned[:, self.width :]
            out[at : at + _ROWS, -1] = np.sqrt(np.einsum("nd,nd->n", rest, rest))
        return out


def principal(sample: Float32) -> Axes:
    """The principal axes of a sample (m, dim), all of them, around its median."""
    center = np.median(sample, axis=0).astype(np.float32)
    part = (sample - center).astype(np.float64)
    turn = np.linalg.eigh(part.T @ part)[1][:, ::-1]
    return Axes(center, np.ascontiguousarray(turn), sample.shape[1])


def narrowed(axes: Axes, some: Float32, bounds: Float32, others: Float32) -> Axes:
    """The width at which products and measured pairs together cost least, tried on a sample.

    bounds: (m,) float32, squared distance from each of `some` (m, dim) to its k-th neighbour among all rows; others: (o, dim).
    """
    if axes.turn is None:
        return axes
    asked, given = axes.sketch(some)[:, :-1], axes.sketch(others)[:, :-1]
    costs = {axes.width: _PRODUCT * axes.width}
    for width in (width for width in _WIDTHS if width < axes.width):
        left, right = _cut(asked, width), _cut(given, width)
        least = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
        # Either row of a pair may want it.
        costs[width] = _PRODUCT * width + 2 * _MEASURE * float(np.mean(least <= bounds[:, None]))
    width = min(costs, key=costs.__getitem__)
    return Axes(axes.center, axes.turn, width)


def _cut(turned: Float32, width: int) -> Float32:
    rest = np.linalg.norm(turned[:, width:], axis=1, keepdims=True)
    return np.concatenate([turned[:, :width], rest], axis=1)


@dataclass(frozen=True)
class Table:
    """rows (n, dim) float32 as they are compared; sketches (n, width + 1), and their halved squared lengths (n,), both float32."""

    rows: Float32
    sketches: Float32
    halves: Float32

    @classmethod
    def of(cls, rows: Float32, sketches: Float32) -> Table:
        # Half a squared length less than it is, by more than what rounding can add up to: a bound must be one in float32, too.
        slack = 1 - (sketches.shape[1] + 16) * 2.0**-22
        halves = np.einsum("nd,nd->n", sketches, sketches, dtype=np.float64) * 0.5 * slack
        return cls(rows, sketches, halves.astype(np.float32))

    def __len__(self) -> int:
        return len(self.rows)

    def left(self, start: int, stop: int) -> Float32:
        """(m, width + 3): times `right` transposed gives, for each pair, at least -|x - y|² / 2."""
        return self._with(slice(start, stop), -3, -2)

    def right(self, rows: slice | Int64) -> Float32:
        return self._with(rows, -2, -3)

    def _with(self, rows: slice | Int64, halves: int, ones: int) -> Float32:
        part = self.sketches[rows]
        out = np.empty((len(part), part.shape[1] + 2), dtype=np.float32)
        out[:, : part.shape[1] - 1], out[:, -1] = part[:, :-1], part[:, -1]
        out[:, halves], out[:, ones] = -self.halves[rows], 1
        return out


def squares(left: Float32, right: Float32, at: Int64, to: Int64) -> Float32:
    """(p,) float32: |left[at] - right[to]|², from the difference itself, which keeps its digits where the two are near."""
    out = np.empty(len(at), dtype=np.float32)
    one, two = np.empty((2, min(_PAIRS, len(at)), left.shape[1]), dtype=np.float32)
    for start in range(0, len(at), _PAIRS):
        stop = min(start + _PAIRS, len(at))
        a, b = one[: stop - start], two[: stop - start]
        # The mode spares a copy; every place is a valid one.
        np.take(left, at[start:stop], axis=0, out=a, mode="clip")
        np.take(right, to[start:stop], axis=0, out=b, mode="clip")
        np.subtract(a, b, out=a)
        np.vecdot(a, a, out=out[start:stop])
    return out
