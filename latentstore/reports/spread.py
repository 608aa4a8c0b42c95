"""How a column of metadata falls over the clusters: who has which values, and whether clusters and values have to do with each other.

The strength of the tie is the share of the column that knowing the cluster explains: Cramér's V with Bergsma's correction (2013) for
values, eta squared for numbers. Both are 0 for no tie and 1 for a full one, and are counted on the points that the map shows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentstore.reports.html import Html, cut, day, el, number, percent, plural
from latentstore.reports.model import Cluster, Column, Level
from latentstore.reports.tree import bar, swatch
from latentstore.types import Float64

FEW = 8  # so many values have a colour each
FIRST = 12  # so many clusters are shown before one asks for the rest


@dataclass(frozen=True, slots=True)
class _Spread:
    column: Column
    level: Level
    colours: dict[int, int]
    members: dict[int, list[int]]


def spreads(columns: list[Column], level: Level, colours: dict[int, int]) -> Html:
    """Every column over the clusters of one level, the ones with the strongest tie first."""
    members: dict[int, list[int]] = {}
    for point, label in enumerate(np.asarray(level.labels).tolist()):
        members.setdefault(label, []).append(point)
    ties = sorted(((tie(column, level), column) for column in columns), key=lambda pair: -pair[0])
    return el("div", [_column(_Spread(column, level, colours, members), strength) for strength, column in ties])


def tie(column: Column, level: Level) -> float:
    """How much of the column the cluster explains, 0..1; 0 where there is nothing to tell apart."""
    known = np.array([value is not None and value == value for value in column.values], bool)
    labels = np.asarray(level.labels)[known]
    values = [value for value, there in zip(column.values, known, strict=True) if there]
    if len(values) < 2 or len(set(labels.tolist())) < 2:
        return 0.0
    return _cramer(labels, values) if column.kind == "category" else _eta(labels, np.array(values, float))


def _cramer(labels: NDArray[Any], values: list[Any]) -> float:
    rows, columns = (
        np.unique(labels, return_inverse=True)[1],
        np.unique([str(x) for x in values], return_inverse=True)[1],
    )
    n, r, c = len(rows), int(rows.max()) + 1, int(columns.max()) + 1
    if r < 2 or c < 2:
        return 0.0
    # Only cells with items are visited: a table of 300 clusters and 100,000 values does not fit.
    cells, counts = np.unique(rows * c + columns, return_counts=True)
    expected = np.bincount(rows)[cells // c] * np.bincount(columns)[cells % c] / n
    phi2 = float((counts**2 / expected).sum()) / n - 1
    phi2 = max(0.0, phi2 - (r - 1) * (c - 1) / (n - 1))
    narrow = min(r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(min(1.0, phi2 / narrow))) if narrow > 0 else 0.0


def _eta(labels: NDArray[Any], values: Float64) -> float:
    groups = np.unique(labels, return_inverse=True)[1]
    counts = np.bincount(groups)
    means = np.bincount(groups, values) / counts
    spread = float(((values - values.mean()) ** 2).sum())
    return float((counts * (means - values.mean()) ** 2).sum()) / spread if spread > 0 else 0.0


def _column(spread: _Spread, strength: float) -> Html:
    clusters = [one for one in spread.level.clusters if spread.members.get(one.number)]
    words = "Strongly" if strength >= 0.5 else "Somewhat" if strength >= 0.2 else "Hardly"
    missing = sum(value is None or value != value for value in spread.column.values)
    lead = f"{words} tied to the groups ({strength:.2f} of 1)."
    lead += f" {plural(missing, 'item has', 'items have')} no value." if missing else ""
    parts = _category(spread, clusters) if spread.column.kind == "category" else _numeric(spread, clusters)
    rest = el("details", el("summary", f"{len(parts[1]) - FIRST} more groups"), _table(parts[1][FIRST:]))
    return el(
        "section",
        el("h4", spread.column.name),
        el("p", lead, class_="lead"),
        parts[0],
        _table(parts[1][:FIRST]),
        rest if len(parts[1]) > FIRST else None,
        class_="column",
    )


def _table(rows: list[Html]) -> Html:
    return el("table", el("tbody", rows), class_="spread")


def _line(spread: _Spread, cluster: Cluster, drawing: Html, words: str) -> Html:
    name = el("th", swatch(spread.colours.get(cluster.number)), cluster.name, scope="row")
    return el("tr", name, el("td", drawing, class_="drawing"), el("td", words, class_="words"))


def _category(spread: _Spread, clusters: list[Cluster]) -> tuple[Html | None, list[Html]]:
    values = [None if one is None else str(one) for one in spread.column.values]
    common = [value for value, _ in Counter(one for one in values if one is not None).most_common(FEW + 1)]
    coloured = {value: at for at, value in enumerate(common)} if len(common) <= FEW else {}
    rows = []
    for cluster in clusters:
        counts = Counter(values[point] for point in spread.members[cluster.number])
        total = sum(counts.values())
        known = [(value, count) for value, count in counts.most_common() if value is not None]
        words = ", ".join(f"{cut(value, 32)}\u00a0{percent(count / total)}" for value, count in known[:3])
        parts = sorted((coloured[value], count / total) for value, count in known) if coloured else []
        drawing = _stack(parts) if coloured else bar(known[0][1] / total if known else 0.0, "size")
        rows.append(_line(spread, cluster, drawing, words or "no value"))
    key = [el("span", swatch(at), cut(value, 32)) for value, at in coloured.items()]
    return (el("p", key, class_="key") if coloured else None), rows


def _stack(parts: list[tuple[int, float]]) -> Html:
    rects, left = [], 0.0
    for colour, share in parts:
        rects.append(
            el("rect", x=f"{100 * left:.2f}%", width=f"{100 * share:.2f}%", height="100%", class_=f"k{colour}")
        )
        left += share
    return el("svg", rects, class_="bar stack", aria_hidden="true")


def _numeric(spread: _Spread, clusters: list[Cluster]) -> tuple[Html | None, list[Html]]:
    values = np.array([np.nan if one is None else one for one in spread.column.values], float)
    known = values[np.isfinite(values)]
    if not len(known):
        return el("p", "No item has a value."), []
    say = day if spread.column.kind == "time" else number
    low, high = np.quantile(known, [0.01, 0.99])
    rows = []
    for cluster in clusters:
        own = values[spread.members[cluster.number]]
        own = own[np.isfinite(own)]
        marks = np.quantile(own, [0.05, 0.25, 0.5, 0.75, 0.95]) if len(own) else None
        words = "no value" if marks is None else f"{say(marks[2])} (half: {say(marks[1])} to {say(marks[3])})"
        rows.append(
            _line(
                spread, cluster, _box((marks - low) / max(high - low, 1e-12)) if marks is not None else el("svg"), words
            )
        )
    axis = f"Each line runs from {say(float(low))} to {say(float(high))}; box: the middle half of the items; tick: the median."
    return el("p", axis, class_="key"), rows


def _box(marks: Float64) -> Html:
    a, b, c, _, e = (f"{100 * min(max(float(x), 0.0), 1.0):.2f}%" for x in marks)
    wide = f"{100 * max(min(float(marks[3]), 1.0) - max(float(marks[1]), 0.0), 0.004):.2f}%"
    parts = [
        el("line", x1=a, x2=e, y1="50%", y2="50%", class_="whisker"),
        el("rect", x=b, width=wide, y="20%", height="60%", class_="box"),
        el("line", x1=c, x2=c, y1="5%", y2="95%", class_="median"),
    ]
    return el("svg", parts, class_="bar boxes", aria_hidden="true")
