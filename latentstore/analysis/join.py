"""The k nearest of each of many distinct rows among them: bounded by a few cells first, then completed.

With `every`, all pairs are bounded by sketches, and so the result is exact. Otherwise each row probes the cells nearest to it,
as many as a sample of rows with known neighbours asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latentstore.analysis.cells import AXES, Cells, arrange
from latentstore.analysis.closest import Closest
from latentstore.analysis.lookup import nearest
from latentstore.analysis.probing import Centred, probe
from latentstore.analysis.progress import Progress
from latentstore.analysis.sweep import Span, complete, guess
from latentstore.analysis.table import Axes, Table, comparable, middle, narrowed, principal
from latentstore.analysis.twins import Twins
from latentstore.types import Float32, Int64, Metric

Int32 = NDArray[np.int32]
RECALL = 0.98  # the least that is aimed at where not every pair is compared
_AIM = 0.987  # on the sample that says how many probes it takes: more than RECALL, by what a sample may err
_TURNED = 16_384  # rows from which short sketches are worth their making
_SAMPLE = 8192  # rows that give the axes
_ASKED = 1024  # rows whose true neighbours are looked up
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
    if every or known is None:
        return _all(vectors, rows, k, metric, known, seed, progress)
    return _near(vectors, groups, k, metric, known, seed, progress)


def _known(vectors: Float32, rows: Int64, k: int, metric: Metric, seed: int) -> Known:
    asked = np.random.default_rng(seed).permutation(len(rows))[:_ASKED]
    return Known(asked, *nearest(vectors[rows[asked]], vectors, k + 1, metric))


def _all(
    vectors: Float32, rows: Int64, k: int, metric: Metric, known: Known | None, seed: int, progress: Progress
) -> tuple[Int32, Float32]:
    axes = _axes(vectors, rows, metric, known, seed)
    sketches = np.concatenate([axes.sketch(part) for part in _parts(vectors, rows, metric)])
    cells = arrange(sketches[:, :AXES], seed)
    table = Table.of(comparable(vectors, rows[cells.order], metric), sketches[cells.order], axes.width)
    del sketches
    closest = Closest(len(rows), k, rows[cells.order])
    guess(table, cells, closest, progress)
    complete(table, _everything(len(rows)), closest, progress)
    return _placed(cells, closest.positions, closest.squares)


def _near(
    vectors: Float32, groups: Twins, k: int, metric: Metric, known: Known, seed: int, progress: Progress
) -> tuple[Int32, Float32]:
    rows = groups.rows
    axes = principal(_drawn(vectors, rows, metric, seed))
    points = np.concatenate([axes.turned(part, AXES) for part in _parts(vectors, rows, metric)])
    cells = arrange(points, seed)
    table = Centred.of(comparable(vectors, rows[cells.order], metric), axes.center)
    closest = Closest(len(rows), k, rows[cells.order])
    probe(table, points[cells.order], cells, _probes(cells, points, groups, known), closest, progress)
    return _placed(cells, closest.positions, closest.squares)


def _probes(cells: Cells, points: Float32, groups: Twins, known: Known) -> int:
    """How many cells each row must probe, so that of two true neighbours one reaches the other in the share aimed at."""
    group = np.full(int(known.positions.max()) + 1, -1)
    there = groups.members < len(group)
    group[groups.members[there]] = np.repeat(np.arange(len(groups)), groups.sizes)[there]
    one, two = np.repeat(known.rows, known.positions.shape[1]), group[known.positions].ravel()
    # Not itself, nor a zero row: those are told apart by other means.
    apart = (two != one) & (two >= 0)
    one, two, cell = one[apart], two[apart], cells.of
    needed = np.minimum(cells.before(points[one], cell[two]), cells.before(points[two], cell[one]))
    return int(np.quantile(needed, _AIM, method="higher")) + 1 if len(needed) else 1


def _drawn(vectors: Float32, rows: Int64, metric: Metric, seed: int) -> Float32:
    return comparable(vectors, rows[np.random.default_rng(seed).permutation(len(rows))[:_SAMPLE]], metric)


def _axes(vectors: Float32, rows: Int64, metric: Metric, known: Known | None, seed: int) -> Axes:
    if known is None or len(rows) <= max(_TURNED, 16 * vectors.shape[1]):
        return Axes(middle(vectors, metric), None, vectors.shape[1])
    sample = _drawn(vectors, rows, metric, seed)
    bounds = known.distances[:, -1] * 2 if metric is Metric.COSINE else known.distances[:, -1] ** 2
    return narrowed(principal(sample), comparable(vectors, rows[known.rows], metric), bounds, sample)


def _everything(n: int) -> list[tuple[Span, list[Span]]]:
    spans = [(at, min(at + _BLOCK, n)) for at in range(0, n, _BLOCK)]
    return [(span, spans[at:]) for at, span in enumerate(spans)]


def _parts(vectors: Float32, rows: Int64, metric: Metric) -> Iterator[Float32]:
    return (comparable(vectors, rows[at : at + _ROWS], metric) for at in range(0, len(rows), _ROWS))


def _placed(cells: Cells, positions: Int32, far: Float32) -> tuple[Int32, Float32]:
    """From places in the order of the cells to distinct rows."""
    out = np.empty_like(positions), np.empty_like(far)
    out[0][cells.order], out[1][cells.order] = cells.order[positions], far
    return out
