"""The k nearest of each of many distinct rows among them: bounded by a few cells first, then completed.

With `every`, all pairs are bounded by sketches, and so the result is exact. Otherwise only cells near each other are compared,
as many as a sample of rows with known neighbours asks for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentstore.analysis.cells import Cells, arrange
from latentstore.analysis.closest import Closest
from latentstore.analysis.lookup import nearest
from latentstore.analysis.progress import Progress
from latentstore.analysis.sweep import Span, complete, guess
from latentstore.analysis.table import Axes, Table, comparable, middle, narrowed, principal
from latentstore.analysis.twins import Twins
from latentstore.types import Float32, Int64, Metric

Int32 = NDArray[np.int32]
RECALL = 0.98  # the least that is aimed at where not every pair is compared
_AIM = 0.985  # on the sample that says how many cells; another one says what came of it
_TURNED = 16_384  # rows from which short sketches are worth their making
_SAMPLE = 8192  # rows that give the axes
_ASKED = 512  # rows whose true neighbours are looked up
_ROWS = 4096
_BLOCK = 1024  # rows compared with as many others at a time


@dataclass(frozen=True)
class Known:
    """Some distinct rows and what is truly near: rows (m,) int64, which; positions (m, k + 1) and distances of all rows."""

    rows: Int64
    positions: Int64
    distances: Float32


def join(
    vectors: Float32, groups: Twins, k: int, metric: Metric, every: bool, seed: int, progress: Progress
) -> tuple[Int32, Float32]:
    """(u, w) int32 neighbours among the distinct rows, closest first, and squared distances; w = min(k, u - 1)."""
    rows, k = groups.rows, max(0, min(k, len(groups) - 1))
    if not k:
        return np.empty((len(rows), 0), dtype=np.int32), np.empty((len(rows), 0), dtype=np.float32)
    known = _known(vectors, rows, k, metric, seed) if len(rows) > _TURNED or not every else None
    axes = _axes(vectors, rows, metric, known, seed)
    blocks = [axes.sketch(comparable(vectors, rows[at : at + _ROWS], metric)) for at in range(0, len(rows), _ROWS)]
    sketches = np.concatenate(blocks)
    cells = arrange(sketches, seed)
    table = Table.of(comparable(vectors, rows[cells.order], metric), sketches[cells.order], axes.width)
    del blocks, sketches
    closest = Closest(len(rows), k, rows[cells.order])
    guess(table, cells, closest, progress)
    work = _everything(len(rows)) if every or known is None else _nearby(cells, _reach(cells, groups, known))
    complete(table, work, closest, progress)
    positions, squares = np.empty_like(closest.positions), np.empty_like(closest.squares)
    positions[cells.order], squares[cells.order] = cells.order[closest.positions], closest.squares
    return positions, squares


def _known(vectors: Float32, rows: Int64, k: int, metric: Metric, seed: int) -> Known:
    asked = np.random.default_rng(seed).permutation(len(rows))[:_ASKED]
    return Known(asked, *nearest(vectors[rows[asked]], vectors, k + 1, metric))


def _axes(vectors: Float32, rows: Int64, metric: Metric, known: Known | None, seed: int) -> Axes:
    if known is None or len(rows) <= max(_TURNED, 16 * vectors.shape[1]):
        return Axes(middle(vectors, metric), None, vectors.shape[1])
    some = np.random.default_rng(seed).permutation(len(rows))[:_SAMPLE]
    sample = comparable(vectors, rows[some], metric)
    bounds = known.distances[:, -1] * 2 if metric is Metric.COSINE else known.distances[:, -1] ** 2
    return narrowed(principal(sample), comparable(vectors, rows[known.rows], metric), bounds, sample)


def _everything(n: int) -> list[tuple[Span, list[Span]]]:
    spans = _spans(0, n)
    return [(span, spans[at:]) for at, span in enumerate(spans)]


def _spans(start: int, stop: int) -> list[Span]:
    return [(at, min(at + _BLOCK, stop)) for at in range(start, stop, _BLOCK)]


def _reach(cells: Cells, groups: Twins, known: Known) -> int:
    """How many rows before it a cell may have in the order of another and be compared with it, to find the share aimed at."""
    cell = np.empty(len(groups), dtype=np.int64)
    cell[cells.order] = np.repeat(np.arange(len(cells)), np.diff(cells.starts))
    group = np.full(int(known.positions.max()) + 1, -1)
    there = groups.members < len(group)
    group[groups.members[there]] = np.repeat(np.arange(len(groups)), groups.sizes)[there]
    needed = []
    for row, found in zip(known.rows, group[known.positions], strict=True):
        # Not itself, nor a zero row: those are told apart by other means.
        near = cell[found[(found != row) & (found >= 0)]]
        needed.append(np.minimum(cells.before(cell[row], near), [cells.before(one, cell[row]) for one in near]))
    return int(np.quantile(np.concatenate(needed), _AIM, method="higher")) + 1


def _nearby(cells: Cells, reach: int) -> list[tuple[Span, list[Span]]]:
    """For each cell, those after it of which either has the other within reach."""
    chosen = np.zeros((len(cells), len(cells)), dtype=np.bool_)
    for at in range(len(cells)):
        chosen[at, cells.near[at, : np.searchsorted(cells.ahead[at], reach) + 1]] = True
    chosen |= chosen.T
    spans = [_spans(*cells.starts[at : at + 2]) for at in range(len(cells))]
    work = []
    for at in range(len(cells)):
        after = [span for other in at + 1 + np.flatnonzero(chosen[at, at + 1 :]) for span in spans[other]]
        work += [(span, spans[at][place:] + after) for place, span in enumerate(spans[at])]
    return work
