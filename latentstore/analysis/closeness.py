"""How close is too close: a distance below which items are near copies, read off how far items are from their nearest.

Squared distances on a logarithmic scale, where the nearest neighbours of items that were made apart lie nearly normally. Copies
are a heap of their own, far below. Where there is a valley between the two, it is the threshold; where copies are few, it is a
tenth of the typical squared distance. Either way the curve says what another threshold would find, and how many items would be
as close to another by chance, were the upper heap's lower half all there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from latentstore.types import Bool, Float64

_TENTH = 0.1
_LEAST = 50  # items from which the shape of a distribution says anything
_SHARE = 0.005  # of the items, that a heap of copies holds at least
_DEEP = 0.5  # a valley's density, of the lower of the two heaps beside it, at most
_LOCAL = 0.25  # copies are at most so far, for how far their other neighbours are, as the rest
_WIDE = 10  # neighbours that are looked at together
_GRID = 256
_FLOOR = 1e-6  # of the typical squared distance: closer is equal, but for rounding
Basis = Literal["given", "valley", "tenth"]


@dataclass(frozen=True)
class Scale:
    """threshold: squared distance. center, spread: of the natural logarithm of what lies above the valley."""

    threshold: float
    basis: Basis
    center: float
    spread: float

    def expected(self, at: Float64) -> Float64:
        """The share of items whose nearest would be within squared distances `at` by chance."""
        from scipy.special import ndtr

        if not self.spread:
            return np.asarray(at >= np.exp(self.center), dtype=np.float64)
        with np.errstate(divide="ignore"):
            share: Float64 = ndtr((np.log(at) - self.center) / self.spread)
        return share


def scale(near: Float64) -> Scale:
    """near: (m, k), k >= 1, squared distances of each item to neighbours of other content, ascending, +inf where there are fewer."""
    near = near[np.isfinite(near[:, 0])]
    local = np.max(near, axis=1, where=np.isfinite(near), initial=0.0)
    floor = _FLOOR * float(np.median(local)) if len(near) else 0.0
    if floor == 0:
        return Scale(0.0, "tenth", np.inf, 0.0)
    logs, around = np.log(np.maximum(near, floor)), np.log(np.maximum(local, floor))
    valley = _copies(logs[:, :1], around) if len(near) >= _LEAST else None
    if valley is None and len(near) >= _LEAST:
        # Where nearly every item has a copy, only neighbours farther away show how far items are otherwise.
        valley = _copies(logs[:, :_WIDE], around)
    apart = np.min(logs, axis=1, where=logs > (-np.inf if valley is None else valley), initial=np.inf)
    quarter, center = np.quantile(apart[np.isfinite(apart)], [0.25, 0.5])
    threshold, spread = _TENTH * float(np.exp(center)), float(center - quarter) / 0.6745
    if valley is not None and np.exp(valley) > threshold:
        return Scale(float(np.exp(valley)), "valley", float(center), spread)
    return Scale(threshold, "tenth", float(center), spread)


def _copies(logs: Float64, around: Float64) -> float | None:
    """The valley of (m, w) distances, if those below it are close for where they are: in a dense place, all neighbours are."""
    there = np.isfinite(logs)
    valley = _valley(logs[there])
    if valley is None:
        return None
    below = logs[there] <= valley
    # Copies by the hundred have no other neighbours; what is a tenth of the rest is a copy by the other rule, too.
    if _step(logs[there], below) <= np.log(_TENTH) or _step((logs - around[:, None])[there], below) <= np.log(_LOCAL):
        return valley
    return None


def _step(values: Float64, below: Bool) -> float:
    return float(np.median(values[below]) - np.median(values[~below]))


def _valley(logs: Float64) -> float | None:
    """The lowest point between a heap of copies and the rest; None where there is none."""
    from scipy.ndimage import gaussian_filter1d

    low, high = float(logs.min()), float(logs.max())
    if high - low < 1e-6:
        return None
    counts, edges = np.histogram(logs, bins=_GRID, range=(low, high))
    quarters = np.quantile(logs, [0.25, 0.75])
    width = 0.9 * min(float(logs.std()), float(quarters[1] - quarters[0]) / 1.34) * len(logs) ** -0.2
    density = gaussian_filter1d(counts.astype(float), max(1.0, width / (edges[1] - edges[0])), mode="constant")
    below = np.cumsum(counts) / len(logs)
    beside = np.minimum(np.maximum.accumulate(density), np.maximum.accumulate(density[::-1])[::-1])
    depth = np.where((below >= _SHARE) & (below <= 1 - _SHARE), density / np.maximum(beside, 1e-12), np.inf)
    if depth.min() > _DEEP:
        return None
    lowest = np.flatnonzero(depth <= depth.min() + 0.01)
    return float(edges[lowest[len(lowest) // 2] + 1])
