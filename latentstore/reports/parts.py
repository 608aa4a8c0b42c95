"""Parts of a section that are lists of findings: outliers with reasons, duplicates, labels, changes, and how all was done."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from latentstore.reports.cards import card, cards
from latentstore.reports.html import Html, day, el, join, number, percent, plural
from latentstore.reports.model import (
    Changes,
    ClusterChange,
    CurvePoint,
    Duplicates,
    LabelCheck,
    Leak,
    Method,
    Outlier,
    Outliers,
    Points,
    Section,
)
from latentstore.reports.tree import bar, swatch

FIRST = 8  # so many findings of a kind are shown before one asks for the rest


def folded(shown: list[Html], what: str, first: int = FIRST) -> Html:
    """The first few, and the rest behind a line that opens."""
    rest = shown[first:]
    more = el("details", el("summary", f"{len(rest):,} more {what}"), rest, class_="more") if rest else None
    return join(shown[:first], more)


def outliers(section: Section, found: Outliers, index: int, colours: dict[int, int]) -> Html:
    """What does not belong, the strangest first, each with its reasons."""
    share = percent(found.flagged / found.judged) if found.judged else "none"
    lead = f"{plural(found.flagged, 'item')} of {found.judged:,} ({share}) stand out from the rest"
    lead += f"; at most {percent(found.fdr)} of these are expected to be false alarms."
    if not found.flagged:
        lead = f"No item of {found.judged:,} stands out beyond doubt, with at most {percent(found.fdr)} false alarms allowed."
        lead += " The strangest are listed all the same." if found.listed else ""
    names = {one.number: one.name for one in section.shown.clusters} if section.shown else {}
    listed = [_outlier(section, one, index, names, colours) for one in found.listed]
    return join(el("p", lead, class_="lead"), folded(listed, "outliers"))


def _outlier(section: Section, one: Outlier, index: int, names: dict[int, str], colours: dict[int, int]) -> Html:
    why = [el("p", one.reason)] if one.reason else []
    if one.differs:
        why.append(el("p", el("b", "Says "), ", ".join(one.differs), ", which its neighbours do not."))
    if one.lacks:
        why.append(el("p", el("b", "Lacks "), ", ".join(one.lacks), ", which its neighbours have."))
    if one.cluster in names:
        why.append(el("p", "Nearest group: ", swatch(colours.get(one.cluster)), names[one.cluster]))
    flagged = section.outliers is not None and bool(section.outliers.flags[one.point])
    grade = [el("span", "stands out" if flagged else "not beyond doubt", class_="flag"), f" score {number(one.score)}"]
    grade.append(f", p = {number(one.p_value)}" if one.p_value is not None else "")
    nearest = el(
        "div", el("p", "Nearest normal items", class_="label"), cards(section.points, one.nearest[:3], index, limit=140)
    )
    return el(
        "article",
        el("div", card(section.points, one.point, index), el("p", *grade, class_="grade")),
        el("div", why, nearest if one.nearest else None, class_="why"),
        class_="finding",
    )


def duplicates(section: Section, found: Duplicates, index: int) -> Html:
    """What is there twice: counts, the threshold's choice, groups, and leaks between splits."""
    lead = f"{plural(found.exact, 'item')} repeat another exactly (in {plural(found.exact_groups, 'group')})"
    lead += f", {plural(found.near, 'item')} nearly (in {plural(found.near_groups, 'group')})."
    if not found.exact and not found.near:
        lead = "No item is there twice."
    elif found.rule:
        lead += f" Of each group one is kept: {found.rule}."
    groups = [
        el(
            "article",
            el(
                "div",
                el("p", f"{plural(one.copies, 'copy', 'copies')}, {one.kind}", class_="label"),
                _apart(one.distance),
                class_="margin",
            ),
            cards(section.points, (one.kept, *one.others), index, limit=200),
            class_="group",
        )
        for one in found.listed
    ]
    return join(
        el("p", lead, class_="lead"),
        curve(found.curve, found.threshold),
        folded(groups, "groups"),
        _leaks(section.points, found.leaks, index) if found.leaks else None,
    )


def _apart(distance: float) -> Html | None:
    return el("p", f"at most {number(distance)} apart") if distance > 0 else None


def curve(points: Any, threshold: float | None) -> Html | None:
    """Pairs found by threshold, on a logarithmic scale, with the threshold chosen; as a picture and as a table."""
    curve: list[CurvePoint] = [one for one in points if math.isfinite(one.threshold)]
    if len(curve) < 2 or max(one.pairs for one in curve) == 0:
        return None
    low, high = curve[0].threshold, curve[-1].threshold
    top = math.log1p(max(one.pairs for one in curve))
    x = [600 * (one.threshold - low) / max(high - low, 1e-12) for one in curve]
    y = [150 - 140 * math.log1p(one.pairs) / top for one in curve]
    parts = [el("polyline", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True)), class_="curve")]
    if threshold is not None and low <= threshold <= high:
        at = f"{600 * (threshold - low) / max(high - low, 1e-12):.1f}"
        parts.append(el("line", x1=at, x2=at, y1=0, y2=150, class_="chosen"))
    says = f"Pairs of items within a distance: {curve[0].pairs:,} within {number(low)}, {curve[-1].pairs:,} within {number(high)}."
    says += " The height is logarithmic."
    says += f" Taken as duplicates: within {number(threshold)}, the dashed line." if threshold is not None else ""
    head = el("tr", [el("th", name, scope="col") for name in ("within", "pairs", "groups")])
    rows = [
        el("tr", el("td", number(one.threshold)), el("td", f"{one.pairs:,}"), el("td", f"{one.groups:,}"))
        for one in curve
    ]
    table = el(
        "details", el("summary", "As a table"), el("table", el("thead", head), el("tbody", rows), class_="figures")
    )
    drawing = el("svg", *parts, viewBox="-4 -4 608 162", role="img", aria_label=says, preserveAspectRatio="none")
    return el("figure", drawing, el("figcaption", says), table, class_="chart")


def _leaks(points: Points, leaks: Any, index: int) -> Html:
    return el("section", el("h4", "Leaks between splits"), [_leak(points, one, index) for one in leaks])


def _leak(points: Points, one: Leak, index: int) -> Html:
    says = f"{plural(one.pairs, 'pair')} of items lie on both sides of {one.column}: {one.a} and {one.b}."
    pairs = [el("div", cards(points, pair, index, limit=160), class_="group") for pair in one.examples]
    return el("div", el("p", says), folded(pairs, "pairs", 3))


def labels(section: Section, check: LabelCheck, index: int) -> Html:
    """How well the space tells a column's values apart, what it confuses, and which items look mislabelled."""
    figures = (
        ("Nearest neighbours", check.neighbours),
        ("Linear probe", check.probe),
        ("Always the commonest", check.baseline),
    )
    rows = [
        el(
            "tr",
            el("th", name, scope="row"),
            el("td", bar(share), class_="drawing"),
            el("td", percent(share), class_="words"),
        )
        for name, share in figures
    ]
    suspects = [
        card(
            section.points,
            one.point,
            index,
            note=join(
                "Labelled ",
                el("b", one.label),
                ", looks like ",
                el("b", one.looks_like),
                f" ({percent(one.probability)})",
            ),
        )
        for one in check.suspects
    ]
    confused = "; ".join(f"{a} taken for {b} ({count:,})" for a, b, count in check.confused[:FIRST])
    spoken = [
        el("p", f"Most often confused: {confused}.") if confused else None,
        el("p", f"{plural(check.suspected, 'item')} look mislabelled.") if check.suspected else None,
        el("p", f"{plural(check.suggested, 'unlabelled item')} got a suggestion, {check.abstained:,} none: too unsure.")
        if check.suggested or check.abstained
        else None,
    ]
    return el(
        "section",
        el("h4", check.column),
        el("p", "Share of items whose value can be told from the space, by cross-validation:", class_="lead"),
        el("table", el("tbody", rows), class_="spread"),
        spoken,
        folded(suspects, "suspects"),
        _classes(check),
    )


def _classes(check: LabelCheck) -> Html | None:
    if not check.classes:
        return None
    worst = sorted(check.classes, key=lambda one: (one[2], one[0]))
    rows = [
        el(
            "tr",
            el("th", name, scope="row"),
            el("td", bar(share), class_="drawing"),
            el("td", f"{percent(share)} of {count:,}", class_="words"),
        )
        for name, count, share in worst
    ]
    return el("details", el("summary", "Value by value"), el("table", el("tbody", rows), class_="spread"))


def changes(found: Changes, index: int) -> Html:
    """What is new since the last report, in counts and group by group."""
    lead = f"Since {day(found.since)}: {plural(found.added, 'item')} added, {found.removed:,} removed;"
    lead += f" {found.before:,} then, {found.now:,} now."
    if found.p_value is not None:
        kin = (
            "differ from the old ones beyond chance"
            if found.p_value < 0.05
            else "are like the old ones, as far as one can tell"
        )
        lead += f" The new items {kin} (p = {number(found.p_value)})."
    rows = [_change(one, index) for one in found.clusters]
    table = el("table", el("tbody", rows), class_="figures wide") if rows else el("p", "No group changed.")
    return join(el("p", lead, class_="lead"), table)


def _change(one: ClusterChange, index: int) -> Html:
    name: str | Html = one.name
    if one.number is not None:
        name = el("a", one.name, href=f"#cluster-{index}-{one.number}")
    sizes = " → ".join("none" if size is None else f"{size:,}" for size in (one.before, one.after))
    kind = el("td", el("span", one.kind, class_=f"flag {one.kind}"))
    return el("tr", kind, el("th", name, scope="row"), el("td", sizes, class_="count"), el("td", one.detail))


def methods(section: Section) -> Html:
    """How each finding was made, with what is needed to make it again."""
    return el("div", [_method(one) for one in section.methods], class_="methods")


def _method(one: Method) -> Html:
    took = f"{number(round(one.seconds, 1))} s" if one.seconds is not None else None
    given = {**one.parameters, **({"seed": one.seed} if one.seed is not None else {})}
    return el(
        "section",
        el("h4", one.what, el("span", took, class_="took") if took else None),
        el("p", one.how),
        _values("Parameters", given),
        _values("Measured", one.facts),
    )


def _values(name: str, values: Mapping[str, Any]) -> Html | None:
    if not values:
        return None
    return el(
        "p", el("b", name), " ", el("code", ", ".join(f"{key} = {_value(value)}" for key, value in values.items()))
    )


def _value(value: Any) -> str:
    if isinstance(value, float):
        return number(value) if math.isfinite(value) else "unknown"
    return number(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)


def sound(section: Section) -> str:
    """How far the map is to be trusted, in a sentence."""
    quality = section.map
    if quality is None or quality.trustworthiness is None:
        return "Items that are alike lie close together."
    trust = quality.trustworthiness
    word = "almost always" if trust >= 0.95 else "mostly" if trust >= 0.85 else "often, though not always,"
    says = f"Items that lie close together here are {word} alike (trustworthiness {trust:.2f} of 1"
    says += f", continuity {quality.continuity:.2f}" if quality.continuity is not None else ""
    return says + "); how far apart distant groups lie says little."
