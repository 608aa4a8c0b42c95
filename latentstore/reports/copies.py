"""Duplicates of a space as a page shows them: the largest groups, the curve, and leaks between splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from latentstore.findings.duplicates import Duplicates as Found
from latentstore.findings.duplicates import Leak as FoundLeak
from latentstore.reports.model import CurvePoint, DuplicateGroup, Duplicates, Leak

RULE = "of each group the item that was added first is kept"
_GROUPS = 60  # that are listed
_OTHERS = 6  # of a group
_EXAMPLES = 6  # of a leak


def named(found: Found) -> Iterator[str]:
    """Ids that a page names, the most important first."""
    for group in found.groups[:_GROUPS]:
        yield from (group.kept, *group.ids[:_OTHERS])
    for leaks in _by_splits(found).values():
        for leak in leaks[:_EXAMPLES]:
            yield from (leak.id, leak.other)


def shown(found: Found, point: Callable[[str], int], splits: Sequence[Any]) -> Duplicates:
    """point: of an id. splits: the value of each item in the column that was held against duplicates, if one was."""
    groups = found.groups[:_GROUPS]
    return Duplicates(
        exact=sum(len(group.ids) for group in found.exact),
        near=sum(len(group.ids) for group in found.near),
        exact_groups=len(found.exact),
        near_groups=len(found.near),
        threshold=found.threshold,
        rule=RULE,
        listed=[
            DuplicateGroup(
                *(group.kind, point(group.kept), [point(one) for one in group.ids[:_OTHERS]], len(group), group.widest)
            )
            for group in groups
        ],
        curve=[CurvePoint(one.threshold, one.pairs, one.groups) for one in found.curve],
        leaks=_leaks(found, point, Counter(splits)),
    )


def _by_splits(found: Found) -> dict[tuple[Any, Any], list[FoundLeak]]:
    leaks: dict[tuple[Any, Any], list[FoundLeak]] = {}
    for leak in sorted(found.leaks, key=lambda one: one.distance):
        leaks.setdefault((leak.split, leak.other_split), []).append(leak)
    return leaks


def _leaks(found: Found, point: Callable[[str], int], sizes: Counter[Any]) -> list[Leak]:
    """One of each two splits, told from the smaller: what of a test set is in the training set is what matters."""
    told = []
    for (a, b), leaks in _by_splits(found).items():
        if (sizes[a], str(a)) <= (sizes[b], str(b)):
            examples = [(point(one.id), point(one.other)) for one in leaks[:_EXAMPLES]]
            told.append(Leak(found.split or "", str(a), str(b), len(leaks), examples))
    return sorted(told, key=lambda leak: -leak.pairs)
