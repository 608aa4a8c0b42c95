"""Outliers of a space as a page shows them: the strangest first, each with the normal items and the group it is nearest to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from latentstore.findings.outliers import Outlier as FoundOne
from latentstore.findings.outliers import Outliers as Found
from latentstore.reports.model import Outlier, Outliers
from latentstore.types import Int64

_FLAGGED = 100  # that are listed, where so many are flagged
_FEWEST = 20  # that are listed, flagged or not
_NEAREST = 3


def listed(found: Found) -> Sequence[FoundOne]:
    flagged = sum(one.flagged for one in found.strangest)
    return found.strangest[: max(_FEWEST, min(flagged, _FLAGGED))]


def named(found: Found) -> Iterator[str]:
    """Ids that a page names, the most important first."""
    for one in listed(found):
        yield one.id
    for one in listed(found):
        yield from one.nearest[:_NEAREST]


def shown(found: Found, at: Int64, point: Callable[[str], int], labels: Int64 | None) -> Outliers:
    """at: positions of the points. point: of an id. labels: of the points, their groups, where there are any."""
    return Outliers(
        method=_METHODS.get(found.method, found.method),
        fdr=found.fdr,
        judged=len(found),
        flagged=int(found.flags.sum()),
        scores=found.scores[at],
        flags=found.flags[at],
        listed=[_one(one, point, labels) for one in listed(found)],
    )


def _one(one: FoundOne, point: Callable[[str], int], labels: Int64 | None) -> Outlier:
    nearest = [point(name) for name in one.nearest[:_NEAREST]]
    return Outlier(
        point=point(one.id),
        score=one.score,
        p_value=one.p_value,
        nearest=nearest,
        cluster=None if labels is None else _most([int(labels[at]) for at in nearest]),
        differs=one.words,
        reason=_reason(one),
    )


def _reason(one: FoundOne) -> str:
    if one.times is None or one.times <= 1:
        return ""
    far = f"{one.times:,.0f}" if one.times >= 10 else f"{one.times:.1f}"
    return f"{far} times as far from its neighbours as is usual"


def _most(numbers: list[int]) -> int | None:
    """The group that most are in, the nearest one's where it is a draw."""
    counts = Counter(number for number in numbers if number >= 0)
    return counts.most_common(1)[0][0] if counts else None


_METHODS = {
    "auto": "how unlike its surroundings an item is, judged without a setting",
    "knn": "distance to the nearest items",
    "lof": "density beside that of its neighbours (LOF)",
    "mahalanobis": "Mahalanobis distance from the middle",
    "iforest": "isolation forest",
    "reconstruction": "what the main axes leave of an item",
}
