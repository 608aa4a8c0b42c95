"""Which index, how hard it has to try, and how that is found out.

Recall is measured, not assumed: some vectors are chosen at random and really left out while the index is asked for
their neighbours; only then do they go in. An effort counts as reaching a recall when it does so with a margin for the
error of that sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentstore.distance import exact
from latentstore.index.contract import Effort, Kind, Spec, Vectors
from latentstore.types import Float32, Float64, Int64, Metric

# Below these an exact search is as fast as an index: 4 MB of vectors are read in a quarter of a millisecond.
_SMALL_BYTES = 4 << 20
_SMALL_ROWS = 20_000
_LINK_BYTES = 4 * 2 * 32 + 24  # of a node in a graph with 32 links

_CELLS_A_STEP = 60_000  # values of codes that are scanned in the time that a graph takes to visit a node
EVERY_CODE = 1 << 40  # a width for graphs: the codes are scanned instead, where no walk reaches a recall
K = 10  # recall is measured at this k
_MARGIN = 1.28  # standard errors: nine in ten samples err by less
_ENOUGH = 0.9985  # a ladder need not be climbed past this
# fmt: off
_WIDTHS = (10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 32, 36, 40, 48, 56, 64, 72, 80, 88, 96, 112, 128, 160, 192, 256, 320, 448,
           640, 1024, 2048)
# fmt: on
_PROBES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 1024)


def choose(n: int, dim: int, memory_budget: int, kind: str | None = None) -> Spec:
    """The index for n vectors. memory_budget: bytes that the index may take; kind: exact, hnsw or ivf to insist on one."""
    if kind is not None:
        return Spec(Kind(kind) if n else Kind.EXACT, lists=_lists(n))
    if n <= _SMALL_ROWS and n * dim * 4 <= _SMALL_BYTES:
        return Spec(Kind.EXACT)
    if n * (dim + _LINK_BYTES) <= memory_budget:
        return Spec(Kind.HNSW, lists=_lists(n))
    return Spec(Kind.IVF, lists=_lists(n))


def _lists(n: int) -> int:
    # Four times the root balances the search among centroids with the search in lists; k-means wants 39 points a list.
    return max(1, min(int(4 * n**0.5), n // 39))


def ladder(kind: Kind, lists: int, cells: int) -> list[Effort]:
    """Efforts to try, least first; the last one looks at every code. cells: values of all codes."""
    if kind is Kind.IVF:
        return [Effort(width, 2 * K) for width in (*(p for p in _PROBES if p < lists), lists)]
    # Codes misplace a neighbour by few places: measuring many more candidates than are wanted gains nothing.
    # A wider walk takes longer than looking at every code does.
    widest = max(256, cells // _CELLS_A_STEP)
    steps = [Effort(width, min(width, max(K + 4, min(2 * K, width // 8)))) for width in _WIDTHS if width <= widest]
    return [*steps, Effort(EVERY_CODE, 2 * K)]


@dataclass(frozen=True, slots=True)
class Rung:
    """An effort and the recall@10 measured with it. `sure`: what it reaches with nine chances in ten."""

    effort: Effort
    recall: float
    sure: float


def measure(
    search: Callable[[Float32, Effort], Int64],
    queries: Float32,
    truth: Float64,
    vectors: Vectors,
    metric: Metric,
    efforts: Sequence[Effort],
) -> list[Rung]:
    """Climb the ladder until recall is as good as full. truth: (q,) exact distance of each query's k-th neighbour."""
    rungs = []
    for effort in efforts:
        shares = _shares(search(queries, effort), queries, truth, vectors, metric)
        error = float(shares.std()) / max(1, len(shares)) ** 0.5
        recall = float(shares.mean())
        # A sample without a miss still says little when it is small: the rule of three, for nine in ten.
        sure = recall - max(_MARGIN * error, 2.3 / (K * max(1, len(shares))))
        rungs.append(Rung(effort, recall, sure))
        if sure >= _ENOUGH:
            break
    return rungs


def _shares(slots: Int64, queries: Float32, truth: Float64, vectors: Vectors, metric: Metric) -> Float64:
    """(q,) the share of the true k nearest among the slots found, by distance: an equal twin is no miss."""
    found = np.empty(len(queries))
    for at, (query, row) in enumerate(zip(queries, slots, strict=True)):
        far = exact(query, vectors.gather(row[row >= 0]), metric)
        found[at] = np.count_nonzero(far <= truth[at] + 1e-9 * abs(truth[at]))
    return np.minimum(found, K) / K


def least(rungs: Sequence[Rung], recall: float, k: int) -> Effort | None:
    """The least effort that is sure of a recall, for k neighbours; None where none of the rungs is."""
    for rung in rungs:
        if rung.sure >= recall:
            return scaled(rung.effort, k)
    return None


def scaled(effort: Effort, k: int) -> Effort:
    """An effort measured for 10 neighbours, for k."""
    if k <= K:
        return effort
    times = k / K
    # An effort of 10 returns what it visits; for many neighbours that leaves nothing to choose from.
    depth = int(max(effort.depth, 1.5 * K) * times)
    return Effort(max(int(effort.width * times), depth), depth)


def merged(one: Sequence[Rung], other: Sequence[Rung]) -> list[Rung]:
    """What is true of both measurements: the lower recall of each effort that both tried."""
    theirs = {rung.effort: rung for rung in other}
    both = [(rung, theirs[rung.effort]) for rung in one if rung.effort in theirs]
    return [Rung(a.effort, min(a.recall, b.recall), min(a.sure, b.sure)) for a, b in both]


def dump(rungs: Sequence[Rung]) -> list[list[Any]]:
    return [[*rung.effort, round(rung.recall, 5), round(rung.sure, 5)] for rung in rungs]


def parse(data: Sequence[Sequence[Any]]) -> list[Rung]:
    return [Rung(Effort(int(w), int(d)), float(recall), float(sure)) for w, d, recall, sure in data]
