"""Why an item is strange: what usual items are nearest to it, how far they are, and what its text says that theirs do not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentstore.analysis.neighbors import Graph
from latentstore.analysis.words import contrast
from latentstore.types import Bool, Float64, Int64

NEAREST = 3
_TEXTS = 20  # neighbours whose texts are read
_WORDS = 4


def nearest(graph: Graph, flags: Bool, rows: Int64, count: int = NEAREST) -> list[list[int]]:
    """For each of some rows, the closest neighbours that are not flagged; of a crowd of flagged ones, the closest of any kind."""
    out = []
    for near in graph.neighbors[rows].tolist():
        there = [at for at in near if at >= 0]
        usual = [at for at in there if not flags[at]]
        out.append((usual or there)[:count])
    return out


def times(graph: Graph, rows: Int64, count: int = NEAREST) -> Float64:
    """(len(rows),) float64: mean distance to the nearest, in that of the median row; NaN where it has none, or that is 0."""
    far = graph.distances[:, :count].astype(np.float64)
    mean = np.where(np.isfinite(far).all(axis=1), np.where(np.isfinite(far), far, 0).mean(axis=1), np.nan)
    typical = float(np.nanmedian(mean)) if np.isfinite(mean).any() else 0.0
    return np.asarray(mean[rows] / typical) if typical > 0 else np.full(len(rows), np.nan)


def words(texts: Sequence[str | None], graph: Graph, flags: Bool, row: int) -> tuple[str, ...]:
    """What the text of a row says and those of the usual items around it do not; none without texts."""
    if not texts[row]:
        return ()
    around = nearest(graph, flags, np.array([row], dtype=np.int64), _TEXTS)[0]
    return contrast([texts[row]], [texts[at] for at in around], count=_WORDS)[0]
