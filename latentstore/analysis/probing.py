"""Rows compared with those of the cells nearest to each, rather than with all.

A pair is compared where either row's probes reach the cell of the other, and is offered to both: so each row needs far fewer
probes than if it had to find its neighbours alone. Probes go outwards in rounds, and from one round to the next it is known better
how close a neighbour must be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from latentstore.analysis.cells import Cells
from latentstore.analysis.closest import Closest
from latentstore.analysis.progress import Progress
from latentstore.analysis.sweep import Pairs, best, each, joined
from latentstore.analysis.table import squares
from latentstore.types import Float32, Int64

_FIRST = 1024  # rows around a cell that the first guess looks at
_ROUNDS = (8, 1)  # of the probes, one part in so many is made by the end of each
_ROWS = 1 << 17  # rows whose probes are known at a time
_LEFT = 8192  # rows held against a cell at a time
_CELLS = 1 << 21  # entries of a product at a time: 8 MB
_WAITING = 1 << 22  # pairs that wait to be taken in
Int32 = NDArray[np.int32]
Task = tuple[int, Int64]  # a cell, and rows that are held against it


@dataclass(frozen=True)
class Centred:
    """points: (n, dim) float32, near the origin, in the order of the cells; halves: (n,) float32, half their squared lengths."""

    points: Float32
    halves: Float32

    @classmethod
    def of(cls, rows: Float32, center: Float32) -> Centred:
        """rows: (n, dim), which it takes over."""
        rows -= center
        return cls(rows, np.vecdot(rows, rows) / 2)

    def __len__(self) -> int:
        return len(self.points)

    def alike(self, rows: Int64 | slice, others: Int64 | slice) -> Float32:
        """(m, o) float32: of each pair, -|x - y|² / 2."""
        sums: Float32 = self.points[rows] @ self.points[others].T
        sums -= self.halves[rows, None]
        sums -= self.halves[others]
        return sums


def probe(table: Centred, points: Float32, cells: Cells, probes: int, closest: Closest, progress: Progress) -> None:
    """Find the closest of each row among those of its `probes` nearest cells, and those that so many cells bring to it.

    points: (n, width) float32, what the cells were made of, in their order.
    """
    _guess(table, cells, closest, progress)
    cuts = sorted({-(-probes // share) for share in _ROUNDS})
    starts = range(0, len(table), _ROWS)
    for at in starts:
        near = cells.nearest(points[at : at + _ROWS], cuts)
        for start, stop in pairwise([0, *cuts]):
            _round(table, cells, list(_tasks(near[:, start:stop], at)), closest)
            progress("neighbours", (at / _ROWS + stop / cuts[-1]) / len(starts))
    _measure(table, closest)


def _guess(table: Centred, cells: Cells, closest: Closest, progress: Progress) -> None:
    k = closest.k
    wanted = min(len(table), max(_FIRST, 4 * k))

    def one(cell: int) -> list[tuple[int, Int64, Float32]]:
        around = cells.around(cell, wanted)
        start, stop = cells.starts[cell : cell + 2].tolist()
        step = max(1, _CELLS // len(around))
        return [_best(table, slice(at, min(at + step, stop)), start, around, k) for at in range(start, stop, step)]

    for cell, found in enumerate(each(one, range(len(cells)))):
        for at, others, far in found:
            closest.fill(at, others, far)
        progress("neighbours nearby", (cell + 1) / len(cells))


def _best(table: Centred, rows: slice, start: int, around: Int64, k: int) -> tuple[int, Int64, Float32]:
    sums = table.alike(rows, around)
    here = np.arange(len(sums))
    sums[here, here + rows.start - start] = -np.inf  # itself: its own cell comes first
    found = best(sums, k)
    return rows.start, around[found], _far(np.take_along_axis(sums, found, axis=1))


def _tasks(near: Int32, start: int) -> Iterator[Task]:
    """Of (m, p) cells that rows from `start` on probe: the rows that probe each cell, ascending."""
    # A cell and a row in one number: those sort fast.
    by_cell = np.sort((near.astype(np.int64) << 32 | np.arange(start, start + len(near))[:, None]).ravel())
    cell, rows = by_cell >> 32, by_cell & 0xFFFFFFFF
    ends = [0, *(np.flatnonzero(np.diff(cell)) + 1).tolist(), len(cell)]
    for first, end in pairwise(ends):
        for at in range(first, end, _LEFT):
            yield int(cell[first]), rows[at : min(at + _LEFT, end)]


def _round(table: Centred, cells: Cells, tasks: list[Task], closest: Closest) -> None:
    # Bounds of when the round began: what passes must not depend on which thread is first.
    limits = closest.bounds * np.float32(-0.5)

    def one(task: Task) -> Pairs:
        cell, rows = task
        return _compare(table, rows, int(cells.starts[cell]), int(cells.starts[cell + 1]), limits)

    waiting: list[Pairs] = []
    for at, found in enumerate(each(one, tasks)):
        waiting.append(found)
        if at == len(tasks) - 1 or sum(len(pairs[0]) for pairs in waiting) > _WAITING:
            closest.offer(*joined(waiting))
            waiting = []


def _compare(table: Centred, rows: Int64, start: int, stop: int, limits: Float32) -> Pairs:
    """Of the pairs of some rows with those from start to stop, for either, those that may be among its closest."""
    sums = table.alike(rows, slice(start, stop))
    near = sums >= limits[rows, None]
    near |= sums >= limits[start:stop]
    found = np.flatnonzero(near)
    at, to = np.divmod(found, stop - start)
    at, to, alike = rows[at], to + start, sums.ravel()[found]
    mine, theirs = (alike >= limits[at]) & (at != to), (alike >= limits[to]) & (at != to)
    far = _far(alike)
    return joined([(at[mine], to[mine], far[mine]), (to[theirs], at[theirs], far[theirs])])


def _measure(table: Centred, closest: Closest) -> None:
    """Squares from the differences themselves, whose digits a product loses where two rows are near."""
    positions, k = closest.positions, closest.k

    def one(start: int) -> Float32:
        part = positions[start : start + _LEFT]
        rows = np.repeat(np.arange(start, start + len(part)), k)
        return squares(table.points, table.points, rows, part.ravel().astype(np.int64)).reshape(part.shape)

    starts = range(0, len(table), _LEFT)
    for start, far in zip(starts, each(one, starts), strict=True):
        closest.fill(start, positions[start : start + _LEFT], far)


def _far(alike: Float32) -> Float32:
    far: Float32 = np.maximum(alike * np.float32(-2), 0)
    return far
