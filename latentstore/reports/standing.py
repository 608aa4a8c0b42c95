"""What stands out in metadata over clusters: a value that a cluster has far more often than the others, a number that is higher or lower.

Every cluster is tested against the rest: values by Pearson's chi-square of the 2 x 2 table with Yates's correction for continuity,
numbers and times by the Mann-Whitney test. p-values are corrected for the number of tests (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentstore.reports.model import Column, Level
from latentstore.types import Bool, Float64, Int64

SURE = 1e-3  # corrected p-value below which something stands out
_LEAST = 5  # items
_LIFT = 2.0  # how much larger a share must be than elsewhere
_APART = 0.2  # of the probability that a member is above another item, from one half


@dataclass(frozen=True, slots=True)
class Standing:
    """One thing that stands out. value: of a category, else None. weight: by which to rank, higher is more telling.

    inside, outside: of a category the counts with that value, else the medians. members, others: how many items have any value.
    """

    column: Column
    number: int
    value: str | bool | None
    inside: float
    outside: float
    members: int
    others: int
    p_value: float
    weight: float


def find(columns: Sequence[Column], level: Level) -> list[Standing]:
    """The most telling of each column that has one, the most telling first."""
    found = [best for column in columns if (best := _best(column, level)) is not None]
    return sorted(found, key=lambda one: -one.weight)


def _best(column: Column, level: Level) -> Standing | None:
    known = np.array([value is not None for value in column.values], dtype=bool) & (level.labels >= 0)
    labels = level.labels[known]
    if len(np.unique(labels)) < 2:
        return None
    values = [value for value, there in zip(column.values, known.tolist(), strict=True) if there]
    found = (
        _category(column, labels, values) if column.kind == "category" else _number(column, labels, np.array(values))
    )
    return max(found, key=lambda one: one.weight, default=None)


def _category(column: Column, labels: Int64, values: list[str | bool]) -> list[Standing]:
    numbers, rows = np.unique(labels, return_inverse=True)
    distinct = list(dict.fromkeys(values))
    place = {value: at for at, value in enumerate(distinct)}
    cells, counts = np.unique(rows * len(distinct) + np.array([place[one] for one in values]), return_counts=True)
    at, which = cells // len(distinct), cells % len(distinct)
    members, total = np.bincount(rows)[at], np.bincount(np.array([place[one] for one in values]))[which]
    p_values = _chi_square(counts, members, total, len(values)) * len(cells)
    outside = (total - counts) / np.maximum(len(values) - members, 1)
    lift = counts / members / np.maximum(outside, 0.5 / np.maximum(len(values) - members, 1))
    good = (p_values < SURE) & (counts >= _LEAST) & (lift >= _LIFT)
    weights = counts / len(column.values) * np.log(lift)
    return [
        Standing(
            *(
                column,
                int(numbers[at[cell]]),
                distinct[which[cell]],
                int(counts[cell]),
                int(total[cell] - counts[cell]),
            ),
            *(int(members[cell]), int(len(values) - members[cell]), float(p_values[cell]), float(weights[cell])),
        )
        for cell in np.flatnonzero(good)
    ]


def _chi_square(counts: Int64, members: Int64, total: Int64, n: int) -> Float64:
    """p-value of each 2 x 2 table: in the cluster or not, with the value or not."""
    from scipy.stats import chi2

    a, b, c = counts.astype(float), (members - counts).astype(float), (total - counts).astype(float)
    d = n - a - b - c
    apart = np.maximum(np.abs(a * d - b * c) - n / 2, 0.0)
    below = (a + b) * (c + d) * (a + c) * (b + d)
    statistic = np.divide(n * apart**2, below, out=np.zeros_like(a), where=below > 0)
    return np.asarray(chi2.sf(statistic, 1))


def _number(column: Column, labels: Int64, values: Float64) -> list[Standing]:
    from scipy.stats import norm, rankdata

    numbers, rows = np.unique(labels, return_inverse=True)
    ranks, members = rankdata(values), np.bincount(rows)
    others = len(values) - members
    ties = np.unique(values, return_counts=True)[1].astype(float)
    spread = members * others / 12 * (len(values) + 1 - (ties**3 - ties).sum() / (len(values) * (len(values) - 1)))
    above = (np.bincount(rows, ranks) - members * (members + 1) / 2) / (members * others)
    z = np.divide((above - 0.5) * members * others, np.sqrt(spread), out=np.zeros(len(numbers)), where=spread > 0)
    p_values = 2 * norm.sf(np.abs(z)) * len(numbers)
    good = (p_values < SURE) & (members >= _LEAST) & (np.abs(above - 0.5) >= _APART)
    return [
        _medians(column, int(numbers[at]), values, rows == at, p_values[at], abs(above[at] - 0.5))
        for at in np.flatnonzero(good)
    ]


def _medians(column: Column, number: int, values: Float64, inside: Bool, p_value: float, apart: float) -> Standing:
    weight = float(inside.sum() / len(column.values) * 2 * apart)
    own, rest = float(np.median(values[inside])), float(np.median(values[~inside]))
    return Standing(column, number, None, own, rest, int(inside.sum()), int((~inside).sum()), float(p_value), weight)
