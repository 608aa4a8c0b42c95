"""Comparing rows block by block, each pair once for both of its rows, on every core."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from latentstore.analysis.cells import Cells
from latentstore.analysis.closest import Closest
from latentstore.analysis.progress import Progress
from latentstore.analysis.table import Table, gain, squares
from latentstore.threads import one_thread
from latentstore.types import Float32, Int64

_FIRST = 2048  # rows that the first guess at neighbours looks at
_CELLS = 1 << 21  # entries of a product at a time: 8 MB
_WAITING = 1 << 18  # pairs that wait to be taken in
Pairs = tuple[Int64, Int64, Float32]
Span = tuple[int, int]
T = TypeVar("T")
R = TypeVar("R")


def guess(table: Table, cells: Cells, closest: Closest, progress: Progress) -> None:
    """Fill in, for each row, the closest of those in the cells around: a bound on how far the true ones can be."""
    k = closest.k
    wanted = min(len(table), max(_FIRST, 4 * k))

    def one(cell: int) -> list[tuple[int, Int64, Float32]]:
        around = cells.around(cell, wanted)
        return list(_around(table, cells.starts[cell], cells.starts[cell + 1], around, k))

    for cell, found in enumerate(each(one, range(len(cells)))):
        for start, others, far in found:
            closest.fill(start, others, far)
        progress("neighbours nearby", (cell + 1) / len(cells))


def _around(table: Table, start: int, stop: int, around: Int64, k: int) -> Iterator[tuple[int, Int64, Float32]]:
    right = table.right(around).T
    step = max(1, _CELLS // len(around))
    for at in range(start, stop, step):
        sums = table.left(at, min(stop, at + step)) @ right
        here = np.arange(len(sums))
        sums[here, here + at - start] = -np.inf  # itself: its own cell comes first
        others = around[best(sums, k)]
        far = squares(table.rows[at : at + len(here)], table.rows, np.repeat(here, k), others.ravel())
        yield at, others, far.reshape(-1, k)


def best(sums: Float32, k: int) -> Int64:
    """(m, k) int64: the columns of the k largest of each row, in no order."""
    return np.argpartition(sums, -k, axis=1)[:, -k:]


def complete(table: Table, work: Sequence[tuple[Span, list[Span]]], closest: Closest, progress: Progress) -> None:
    """Compare spans of rows with others, none of which begins before them, and keep what is closer than what is known."""
    limits = _limits(closest.bounds)
    share = np.cumsum([(b - a) * sum(d - c for c, d in others) for (a, b), others in work])

    def one(task: tuple[Span, list[Span]]) -> Pairs:
        return joined([_compare(table, task[0], other, limits) for other in task[1]])

    waiting: list[Pairs] = []
    for at, found in enumerate(each(one, work)):
        waiting.append(found)
        if at == len(work) - 1 or sum(len(pairs[0]) for pairs in waiting) > _WAITING:
            closest.offer(*joined(waiting))
            limits[:] = _limits(closest.bounds)
            waiting = []
        progress("neighbours", float(share[at] / share[-1]))


def _limits(bounds: Float32) -> Float32:
    return bounds * np.float32(-0.5)


def _compare(table: Table, span: Span, other: Span, limits: Float32) -> Pairs:
    """Of the pairs between two spans, for either row, those that may be among its closest: rows, others, squared distances."""
    (a, b), (c, d) = span, other
    sums: Float32 = table.left(a, b) @ table.right(slice(c, d)).T
    near = sums >= limits[a:b, None]
    near |= sums >= limits[c:d]
    found = np.flatnonzero(near)
    at, to = np.divmod(found, d - c)
    if a == c:
        found, at, to = found[to > at], at[to > at], to[to > at]
    at, to = at + a, to + c
    if table.more.shape[1]:
        alike = sums.ravel()[found] + gain(table, at, to)
        near = (alike >= limits[at]) | (alike >= limits[to])
        at, to = at[near], to[near]
    far = squares(table.rows, table.rows, at, to)
    mine, theirs = far <= limits[at] * -2, far <= limits[to] * -2
    return joined([(at[mine], to[mine], far[mine]), (to[theirs], at[theirs], far[theirs])])


def joined(parts: list[Pairs]) -> Pairs:
    """One list of pairs of several."""
    rows, others, far = (np.concatenate(column) for column in zip(*parts, strict=True))
    return rows, others, far


def each(do: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
    """do(task) of each, in order, on every core, only a few ahead of whoever takes them. Products use one thread each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ahead: deque[Future[R]] = deque()
    with one_thread, ThreadPoolExecutor(cores) as pool:
        try:
            for task in tasks:
                ahead.append(pool.submit(do, task))
                if len(ahead) > 2 * cores:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
