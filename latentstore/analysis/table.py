"""Rows laid out for comparing all pairs: a short sketch of each says which pairs cannot be close, the row itself how far.

Rows are compared by squared Euclidean distance; rows of length 1 have twice the cosine distance. With the rows turned so that
their first `width` axes hold most of the variance, |x - y|² is at least |x' - y'|² + (|x"| - |y"|)², where ' is the part on
those axes and " the rest. So a sketch of width + 1 numbers bounds every distance from below, and a pair whose bound is beyond
the k-th neighbour of either need not be looked at. Of the pairs that remain, a few axes more rule out most. That loses nothing:
what is left is measured from the rows themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latentstore.distance import norms
from latentstore.types import Float32, Float64, Int64, Metric

_PAIRS = 256  # pairs measured at a time: their rows stay in the processor's cache
_CHECKED = 512  # pairs held against further axes at a time
_ROWS = 4096  # rows turned at a time
_SAMPLE = 2048
_WIDTHS = (32, 48, 64, 96, 128, 160, 192, 224, 256, 320, 384, 512, 768, 1024, 1536)
_MORE = 64  # axes that a pair which may be near is held against next
_PRODUCT, _CHECK, _MEASURE = (
    0.03,
    80.0,
    270.0,
)  # nanoseconds: an axis of a pair in a product; a pair by more axes; by its rows


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
        """(m, width + 1 + more) float32: the part on the first axes and the length of the rest; where rows are turned, the
        same of that rest: its first axes, and the length of what remains."""
        return np.concatenate([self._part(rows[at : at + _ROWS]) for at in range(0, len(rows), _ROWS)])

    def turned(self, rows: Float32, width: int) -> Float32:
        """(m, width) float32: the part on the first axes, as precise as float32 makes it."""
        part = rows - self.center
        return part if self.turn is None else part @ self.turn[:, :width].astype(np.float32)

    def _part(self, rows: Float32) -> Float32:
        if self.turn is None:
            return np.pad(rows - self.center, ((0, 0), (0, 1)))
        turned = (rows - self.center).astype(np.float64) @ self.turn
        return _cut(turned, self.width).astype(np.float32)


def _cut(turned: Float64, width: int) -> Float64:
    rest, more = turned[:, width:], turned[:, width : width + _MORE]
    lengths = [np.linalg.norm(part, axis=1, keepdims=True) for part in (rest, rest[:, _MORE:])]
    return np.concatenate([turned[:, :width], lengths[0], more, lengths[1]], axis=1)


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
    assert axes.turn is not None
    asked, given = ((rows - axes.center).astype(np.float64) @ axes.turn for rows in (some, others))
    shares = {width: _share(asked, given, width, bounds) for width in (*_WIDTHS, axes.width) if width <= axes.width}

    def cost(width: int) -> float:
        later = shares[min(one for one in shares if one >= min(width + _MORE, axes.width))]
        # Either row of a pair may want it.
        return _PRODUCT * width + 2 * (_CHECK * shares[width] + _MEASURE * later)

    return Axes(axes.center, axes.turn, min(shares, key=cost))


def _share(asked: Float64, given: Float64, width: int, bounds: Float32) -> float:
    """Of pairs, those that a sketch does not rule out."""
    left, right = _cut(asked, width)[:, : width + 1], _cut(given, width)[:, : width + 1]
    least = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    return float(np.mean(least <= bounds[:, None]))


@dataclass(frozen=True)
class Table:
    """rows (n, dim) float32 as they are compared; sketches (n, width + 1), and their halved squared lengths (n,); more (n, w):
    the rest as a sketch of its own, or of width 0; rest (n,): its length. All float32.
    """

    rows: Float32
    sketches: Float32
    halves: Float32
    more: Float32
    rest: Float32

    @classmethod
    def of(cls, rows: Float32, sketches: Float32, width: int) -> Table:
        """sketches: as `Axes.sketch` makes them, of that width."""
        first = sketches[:, : width + 1]
        # Half a squared length less than it is, by more than what rounding can add up to: a bound must be one in float32, too.
        slack = 1 - (sketches.shape[1] + 16) * 2.0**-22
        halves = np.einsum("nd,nd->n", first, first, dtype=np.float64) * 0.5 * slack
        more, rest = (np.ascontiguousarray(part) for part in (sketches[:, width + 1 :], first[:, -1]))
        return cls(rows, np.ascontiguousarray(first), halves.astype(np.float32), more, rest)

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


def gain(table: Table, at: Int64, to: Int64) -> Float32:
    """(p,) float32, at most 0: by how much less, by its further axes, a pair of rows is alike than its sketches allowed for."""
    out = np.empty(len(at), dtype=np.float32)
    one, two = np.empty((2, _CHECKED, table.more.shape[1]), dtype=np.float32)
    for start in range(0, len(at), _CHECKED):
        a, b = at[start : start + _CHECKED], to[start : start + _CHECKED]
        np.take(table.more, a, axis=0, out=one[: len(a)], mode="clip")
        np.take(table.more, b, axis=0, out=two[: len(a)], mode="clip")
        np.vecdot(one[: len(a)], two[: len(a)], out=out[start : start + _CHECKED])
    out -= table.rest[at] * table.rest[to]
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
