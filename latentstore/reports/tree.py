"""Clusters as a tree: coarse ones open, each with the finer ones within, and what one needs to trust a name."""

from __future__ import annotations

from dataclasses import dataclass

from latentstore.reports import payload
from latentstore.reports.cards import anchor, cards, glimpse
from latentstore.reports.html import Html, breakable, el, join, percent, plural
from latentstore.reports.model import Cluster, Section

STEADY = 0.75  # Hennig (2007): below it a cluster should not be trusted as it stands; below .6 not at all
LOOSE = 0.6
ROWS = 48  # so many groups of the map's level are in sight at first; the coarse ones after them stay closed


@dataclass(frozen=True, slots=True)
class _Tree:
    section: Section
    index: int
    shown: int
    colours: dict[int, int]
    names: tuple[dict[int, str], ...]
    children: tuple[dict[int | None, list[Cluster]], ...]


def tree(section: Section, index: int) -> Html:
    """The clusters of a section, from coarse to fine, as nested lists that open."""
    grown = _grow(section, index)
    roots = [cluster for found in grown.children[0].values() for cluster in found]
    rows, lines = 0, list[Html]()
    for cluster in roots:
        rows += _rows(grown, 0, cluster)
        lines.append(_node(grown, 0, cluster, unfold=rows <= ROWS or not lines))
    return el("ul", lines, class_="tree")


def colours(section: Section) -> dict[int, int]:
    """The colour of each cluster, by number, at the level that colours the map."""
    level = section.shown
    if level is None:
        return {}
    painted, _ = payload.colours(level, payload.scaled(section.points.coordinates.astype(float)))
    return {cluster.number: int(colour) for cluster, colour in zip(level.clusters, painted, strict=True)}


def swatch(colour: int | None) -> Html:
    """A spot of a cluster's colour; hollow for none."""
    return el("i", class_="dot" if colour is None else f"dot k{colour}", aria_hidden="true")


def bar(share: float, kind: str = "") -> Html:
    """A share 0..1 as a bar. The figure stands beside it, so that it is hidden from screen readers."""
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}%"
    return el("svg", el("rect", width=width, height="100%"), class_=f"bar {kind}".strip(), aria_hidden="true")


def _grow(section: Section, index: int) -> _Tree:
    children: list[dict[int | None, list[Cluster]]] = []
    for at, level in enumerate(section.levels):
        above = {cluster.number for cluster in section.levels[at - 1].clusters} if at else set()
        found: dict[int | None, list[Cluster]] = {}
        for cluster in level.clusters:
            found.setdefault(cluster.parent if cluster.parent in above else None, []).append(cluster)
        children.append(found)
    names = tuple({cluster.number: cluster.name for cluster in level.clusters} for level in section.levels)
    shown = next((at for at, level in enumerate(section.levels) if level is section.shown), 0)
    return _Tree(section, index, shown, colours(section), names, tuple(children))


def _rows(tree: _Tree, depth: int, cluster: Cluster) -> int:
    if depth >= tree.shown:
        return 1
    return sum(_rows(tree, depth + 1, one) for one in tree.children[depth + 1].get(cluster.number, []))


def _node(tree: _Tree, depth: int, cluster: Cluster, *, unfold: bool = True) -> Html:
    below = _below(tree, depth, cluster)
    head = el("summary", _head(tree, depth, cluster))
    finer = el("ul", [_node(tree, depth + 1, one) for one in below]) if below else None
    # Above the level of the map the finer clusters speak for the coarse one.
    about = None if depth < tree.shown and below else _about(tree, depth, cluster)
    grain = f"depth{min(depth, 3)}"
    # The same name may be on two levels; only the one that colours the map is what links go to.
    target = f"cluster-{tree.index}-{cluster.number}" if depth == tree.shown else None
    return el("li", el("details", head, about, finer, open=unfold and depth < tree.shown), class_=grain, id=target)


def _below(tree: _Tree, depth: int, cluster: Cluster) -> list[Cluster]:
    if depth + 1 >= len(tree.children):
        return []
    below = tree.children[depth + 1].get(cluster.number, [])
    # A cluster that a finer level leaves whole is not worth a second line, unless the map shows the finer one.
    return [] if len(below) == 1 and depth >= tree.shown else below


def _head(tree: _Tree, depth: int, cluster: Cluster) -> Html:
    colour = swatch(tree.colours.get(cluster.number)) if depth == tree.shown else None
    share = cluster.size / max(tree.section.items, 1)
    largest = max(one.size for one in tree.section.levels[depth].clusters)
    # The last column says what "unstable" says, and how much.
    doubtful = cluster.stability is not None and cluster.stability < LOOSE
    flags = [el("span", flag, class_="flag") for flag in cluster.flags if not (doubtful and flag == "unstable")]
    return join(
        colour,
        el("span", breakable(cluster.name), flags, class_="title"),
        el("span", glimpse(tree.section.points, cluster.exemplars), class_="sample"),
        bar(cluster.size / max(largest, 1), "size"),
        el("span", f"{cluster.size:,}", el("span", " items", class_="aside"), class_="count"),
        el("span", percent(share), class_="share"),
        el("span", _steadiness(cluster), class_="steady doubt" if doubtful else "steady"),
    )


def _steadiness(cluster: Cluster) -> str:
    if cluster.stability is None:
        return ""
    word = "steady" if cluster.stability >= STEADY else "shaky" if cluster.stability >= LOOSE else "doubtful"
    return f"{word} {cluster.stability:.2f}"


def _about(tree: _Tree, depth: int, cluster: Cluster) -> Html:
    points, index = tree.section.points, tree.index
    level = tree.section.levels[depth].name
    link = el("a", "Show on the map", href=f"#{anchor('map', index)}", data_level=level, data_cluster=cluster.number)
    rows = [_row("Words", ", ".join(cluster.words)), _row("Close to", ", ".join(_neighbours(tree, depth, cluster)))]
    if cluster.tightness is not None:
        rows.append(_row("Tightness", f"{cluster.tightness:.2f}"))
    examples = (
        [el("p", "Typical", class_="label"), cards(points, cluster.exemplars, index)] if cluster.exemplars else None
    )
    border = (
        [el("p", "On the border", class_="label"), cards(points, cluster.border, index)] if cluster.border else None
    )
    facts = el("dl", *rows, class_="facts")
    return el(
        "div", facts, el("div", el("div", examples), el("div", border), class_="pair"), el("p", link), class_="about"
    )


def _row(name: str, value: str) -> Html | None:
    return el("div", el("dt", name), el("dd", value)) if value else None


def _neighbours(tree: _Tree, depth: int, cluster: Cluster) -> list[str]:
    names = tree.names[depth]
    return [names[number] for number in cluster.neighbours if number in names]


def heading(section: Section) -> str:
    """What the tree holds, in a sentence."""
    shown = section.shown
    if shown is None or not shown.clusters:
        return "No clusters were found."
    shaky = sum(one.stability is not None and one.stability < LOOSE for one in shown.clusters)
    counts = [f"{len(level.clusters):,} {level.name}" for level in section.levels]
    grains = f" The levels, from coarse to fine: {', '.join(counts)}." if len(counts) > 1 else ""
    doubt = f"{plural(shaky, 'is', 'are')} doubtful: another sample might not show {'it' if shaky == 1 else 'them'}."
    return f"{plural(len(shown.clusters), 'group')} of like items{f', of which {doubt}' if shaky else '.'}{grains}"
