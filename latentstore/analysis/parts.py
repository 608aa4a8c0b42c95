"""Parts: a resolution for each row, where a pile is so large that no single one suits all of it.

What is steadiest of a large and mixed pile is its first, plain split; how finely the parts are best cut differs from part to
part. So each cluster that is still large is judged as a pile of its own, by the rule of `levels`, at the resolutions above its
own; where none of them parts it, it stays whole. All is read off the same trials: nothing is clustered anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentstore.analysis.levels import Sweep, Trials
from latentstore.types import Float64, Int64


@dataclass(frozen=True)
class Parts:
    """medium, fine: (n,) float64, the resolution of each row at that level; those of fine are None where no level is finer than
    medium. facts: of each part its rows, the resolution it is cut at and into how many clusters, as JSON; the whole comes first.
    """

    medium: Float64
    fine: Float64 | None
    facts: list[dict[str, Any]]


def parts(trials: Trials, whole: Sweep, limit: float) -> Parts:
    """Cut all rows as `whole` chose, and each cluster of more than `limit` rows again. whole: what `trials` gave of all rows."""
    n = len(trials.vectors)
    medium, fine, facts = np.empty(n), np.empty(n), []
    left: list[tuple[Int64, Sweep, int, int]] = [(np.arange(n), whole, 0, whole.chosen())]
    while left:
        part, judged, start, best = left.pop(0)
        count = int(judged.counts[best])
        medium[part] = judged.resolutions[best]
        fine[part] = judged.resolution("fine", count) or np.nan
        facts.append({"rows": len(part), "resolution": float(judged.resolutions[best]), "clusters": count})
        labels, following = trials.runs[start + best][0][part], start + best + 1
        for piece in _large(part, labels, limit) if following < len(trials.resolutions) else ():
            inner = trials.judged(piece, following)
            choice = inner.parting()
            if choice is not None:
                left.append((piece, inner, following, choice))
    if np.isnan(fine).all():
        return Parts(medium, None, facts)
    return Parts(medium, np.where(np.isnan(fine), medium, fine), facts)


def _large(part: Int64, labels: Int64, limit: float) -> list[Int64]:
    return [part[labels == label] for label in np.flatnonzero(np.bincount(labels) > limit).tolist()]
