"""The shape of a space on the page: a sentence on its dimension, the variance by axis, and the first axes with what they mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentstore.reports.cards import cards
from latentstore.reports.decoded import strip
from latentstore.reports.html import Html, cut, day, el, join, number, percent, plural
from latentstore.reports.model import Section
from latentstore.reports.parts import folded
from latentstore.reports.shapes import Axis, Shape, Tie
from latentstore.reports.tree import bar

_FIRST = 3  # axes that are shown before one asks for the rest
_STEADY = 0.75  # cosine between what two halves make of an axis
_SHORT = 20  # dimensions beyond which the estimates fall short
_VALUES = 4  # at an end of an axis
_DRAWN = 0.99  # of the variance: the axes beyond add a line that rises no more


def shape(section: Section, found: Shape, index: int) -> Html:
    """How the items fill the space."""
    if not len(found.shares):
        return el("p", "All items lie at one place: the space tells them apart in nothing.", class_="lead")
    listed = [_axis(section, one, index, found.held) for one in found.axes]
    return join(
        el("p", _dimension(section, found), class_="lead"),
        el("p", _variance(section, found), class_="lead"),
        _chart(found),
        el("h4", "The first axes, and what lies at their ends"),
        folded(listed, "axes", _FIRST),
    )


def _dimension(section: Section, found: Shape) -> str:
    says = f"Each item is a point in {plural(section.dim, 'dimension')}"
    if found.dimension is None or found.finest is None:
        return f"{says}; too few lie apart to tell how many of them are needed."
    # Both are estimates, and may say a little more than there is room for.
    low, high = sorted(min(value, section.dim) for value in (found.dimension, found.finest))
    least = "at least " if high > _SHORT else ""
    about = _round(low) if _round(low) == _round(high) else f"{_round(low)} to {_round(high)}"
    return f"{says}. Around an item the others spread in {least}about {about} of them: the intrinsic dimension."


def _round(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def _variance(section: Section, found: Shape) -> str:
    half, ninety = (dict(found.needed)[share] for share in (0.5, 0.9))
    says = f"Half of what sets items apart (the variance) lies along {plural(half, 'axis', 'axes')}"
    says += f", 90\u00a0% along {ninety:,}." if ninety > half else ", and so do 90\u00a0%."
    if section.items <= section.dim:
        says += " There are fewer items than dimensions, so that axes fit these items better than they would others."
    return says


def _chart(found: Shape) -> Html | None:
    """The variance that the first so many axes hold together; as a picture and as a table."""
    sums = np.minimum(np.cumsum(found.shares), 1)
    drawn = max(2, int(np.searchsorted(sums, _DRAWN)) + 1)
    if len(sums) < 2:
        return None
    sums = np.concatenate([[0.0], sums[:drawn]])
    x, y = np.linspace(0, 600, len(sums)), 150 - 150 * sums
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    marks = [
        el("line", x1=0, x2=600, y1=f"{150 - 150 * at:.1f}", y2=f"{150 - 150 * at:.1f}", class_="mark")
        for at in (0.5, 0.9)
    ]
    says = f"Variance that the first axes hold together, up to {len(sums) - 1:,} of them. The dashed lines are 50 and 90\u00a0%."
    head = el("tr", [el("th", name, scope="col") for name in ("variance", "axes")])
    rows = [el("tr", el("td", percent(share)), el("td", f"{count:,}")) for share, count in found.needed]
    table = el(
        "details", el("summary", "As a table"), el("table", el("thead", head), el("tbody", rows), class_="figures")
    )
    drawing = el(
        "svg", *marks, el("polyline", points=line, class_="curve"),
        viewBox="-4 -4 608 162", role="img", aria_label=says, preserveAspectRatio="none",
    )  # fmt: skip
    scale = el("p", el("span", "no axis"), el("span", plural(len(sums) - 1, "axis", "axes")), class_="ends")
    return el("figure", drawing, scale, el("figcaption", says), table, class_="chart")


def _axis(section: Section, one: Axis, index: int, held: int) -> Html:
    flag = None
    if one.steadiness is not None and one.steadiness < _STEADY:
        flag = el("span", "another sample may turn it", class_="flag")
    ends = [
        el("div", el("p", name, class_="label"), _values(values), cards(section.points, points, index, limit=140))
        for name, points, values in (
            ("One end", one.low, [(tie, tie.low) for tie in one.ties]),
            ("The other end", one.high, [(tie, tie.high) for tie in one.ties]),
        )
        if points
    ]
    return el(
        "article",
        el("h5", f"Axis {one.number}: {percent(one.share)} of the variance", flag),
        _ties(one.ties, held),
        el("div", ends, class_="pair"),
        _walk(section, one),
        class_="axis",
    )


def _walk(section: Section, one: Axis) -> Html | None:
    if not one.walk:
        return None
    head = "What the model makes of places along it, from one end to the other"
    walked = strip(section, one.walk, f"A place along axis {one.number}")
    return el("div", el("p", head, class_="label"), walked, class_="walk")


def _ties(ties: Sequence[Tie], held: int) -> Html | None:
    if not ties:
        return el("p", "No column goes along it beyond chance.", class_="note") if held else None
    rows = [
        el(
            "tr",
            el("th", one.column, scope="row"),
            el("td", bar(one.share), class_="drawing"),
            el("td", f"accounts for {percent(one.share)} of the order", class_="words"),
        )
        for one in ties
    ]
    return el("table", el("tbody", rows), class_="spread")


def _values(values: Sequence[tuple[Tie, Sequence[str] | float]]) -> Html | None:
    """What the columns are at one end."""
    rows = [
        el("div", el("dt", tie.column), el("dd", _end(value, tie.kind)))
        for tie, value in values
        if isinstance(value, float) or value
    ]
    return el("dl", rows, class_="facts") if rows else None


def _end(value: Sequence[str] | float, kind: str) -> str:
    if isinstance(value, float):
        return f"{day(value) if kind == 'time' else number(value)} in the middle"
    more = f" and {len(value) - _VALUES:,} more" if len(value) > _VALUES else ""
    return ", ".join(cut(one, 32) for one in value[:_VALUES]) + more
