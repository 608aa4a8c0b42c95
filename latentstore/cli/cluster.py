"""cluster: what a collection is about, in groups. A table of clusters for people, a row a cluster or an item for machines."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, fields
from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from latentstore.cli.output import Format, FormatOption, counted, display, emit, emit_data, new_table, note, say, short
from latentstore.cli.stores import CollectionOption, StoreArgument, collection
from latentstore.cli.studying import KeepOption, SeedOption, SpaceOption, WhereOption, day, fullest, say_kept, telling
from latentstore.findings.clusters import Cluster, ClusterChange, Clustering

if TYPE_CHECKING:
    from rich.text import Text

    from latentstore.collection import Collection
    from latentstore.types import Item

NAME = 44  # characters of a name that a table shows
EXAMPLE = 100  # characters of an exemplar
CHANGES = 20  # changes that are told; the study has them all
DETAIL = 160  # characters of one
DOUBT = "!"  # before a number that says why a cluster is to be doubted


class Method(StrEnum):
    AUTO = "auto"
    KMEANS = "kmeans"
    HDBSCAN = "hdbscan"


class Grain(StrEnum):
    COARSE = "coarse"
    MEDIUM = "medium"
    FINE = "fine"


def cluster(
    store: StoreArgument,
    level: Annotated[
        Grain, typer.Option(help="How fine the groups are that are shown and kept; all three are found.")
    ] = Grain.MEDIUM,
    k: Annotated[
        int | None, typer.Option("-k", min=1, metavar="N", help="How many clusters. Found from the data when absent.")
    ] = None,
    method: Annotated[
        Method, typer.Option(help="auto: communities of the neighbour graph, no item left out; or one by name.")
    ] = Method.AUTO,
    items: Annotated[bool, typer.Option("--items", help="Print a row an item instead of a row a cluster.")] = False,
    space: SpaceOption = None,
    where: WhereOption = None,
    seed: SeedOption = 0,
    keep: KeepOption = True,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Sort items into groups of like ones, and name them.

    "stable" says how well a cluster is found again when halves of the items are clustered: below 60 % it is not to be
    trusted. "tight" says how much of the spread of all items is gone within it, 0 to 1. A later run keeps the numbers
    and names of clusters that persist, and tells which are new, gone, merged or split.

    Examples:
      latentstore cluster pile.latent
      latentstore cluster pile.latent --level coarse --format json
      latentstore cluster pile.latent --items --no-keep --format csv
    """
    with collection(store, collection_name, read_only=not keep) as docs:
        with telling("clusters") as tell:
            found = fullest(docs, space).cluster(
                method.value, k, level.value, seed, where=where, keep=keep, progress=tell
            )
        if items:
            rows = found.rows()
            emit(rows, rows.columns, form)
        elif form is Format.TABLE:
            _sheet(docs, found)
        else:
            emit_data([asdict(one) for one in found.clusters], [field.name for field in fields(Cluster)], form)
    _tell_changes(found, say if form is Format.TABLE and not items else note)
    say_kept(found.study, _condition(found))


def _sheet(docs: Collection, found: Clustering) -> None:
    say(_headline(found))
    examples = {one: item.text or _file(item.uri) or one for one, item in _exemplars(docs, found).items()}
    grid = new_table()
    for name, right in (("no", True), ("cluster", False), ("items", True), ("stable", True), ("tight", True)):
        grid.add_column(name, justify="right" if right else "left", no_wrap=right, overflow="fold")
    grid.add_column("for example", overflow="fold")
    for wider, clusters in _grouped(found):
        if wider is not None:
            grid.add_row(*_heading(wider))
        for one in clusters:
            grid.add_row(*_line(one, examples, indent=wider is not None))
    display(grid)
    if any(one.flags for one in found.clusters):
        say(f"\n{DOUBT} too few items, or found again too seldom, to be trusted")


def _headline(found: Clustering) -> str:
    counts = {name: len(level.clusters) for name, level in found.levels.items()}
    others = " and ".join(f"{count:,} {name}" for name, count in counts.items() if name != found.level)
    none = int((found.labels < 0).sum())
    loose = f"; {counted(none, 'item')} in none" if none else ""
    return (
        f"{counted(len(found), 'item')} of space {found.space} in {counted(counts[found.level], f'{found.level} cluster')} "
        f"({others}){loose}\n"
    )


def _exemplars(docs: Collection, found: Clustering) -> dict[str, Item]:
    ids = [one.exemplars[0] for one in found.clusters]
    return dict(zip(ids, docs.get(ids), strict=True))


def _file(uri: str | None) -> str | None:
    """The last two parts of a path: a file seldom says what it shows, its folder may."""
    return None if uri is None else "/".join(PurePath(uri).parts[-2:])


def _grouped(found: Clustering) -> Iterator[tuple[Cluster | None, list[Cluster]]]:
    """Clusters under those one level up, both largest first; without them where that level tells nothing apart."""
    at = list(found.levels).index(found.level)
    above = list(found.levels.values())[at - 1].clusters if at else ()
    if len(above) < 2:
        yield None, list(found.clusters)
        return
    for wider in above:
        within = [one for one in found.clusters if one.parent == wider.number]
        if within:
            yield wider, within
    if rest := [one for one in found.clusters if one.parent is None]:
        yield None, rest


def _heading(wider: Cluster) -> list[Text]:
    from rich.text import Text

    cells = ["", short(wider.name, NAME), *_doubted(wider)]
    return [Text(cell, style="bold") for cell in cells]


def _line(one: Cluster, examples: Mapping[str, str], indent: bool) -> list[Text]:
    from rich.text import Text

    name = f"{'  ' if indent else ''}{short(one.name, NAME)}"
    example = Text(short(examples[one.exemplars[0]], EXAMPLE), style="dim")
    return [*map(Text, (str(one.number), name, *_doubted(one), f"{one.tightness:.2f}")), example]


def _doubted(one: Cluster) -> list[str]:
    """Its size and its stability, each marked where it is a reason to doubt the cluster."""
    small, unstable = (f"{DOUBT} " if flag in one.flags else "" for flag in ("small", "unstable"))
    return [f"{small}{one.size:,}", "" if one.stability is None else f"{unstable}{one.stability:.0%}"]


def _tell_changes(found: Clustering, tell: Callable[[str], None]) -> None:
    since = found.since
    if since is None:
        return
    moved = " and ".join(
        f"{count:,} {what}" for count, what in ((since.added, "new"), (since.removed, "fewer")) if count
    )
    tell(f"since {day(since.made)} (study {since.study}), {moved or 'the same'} items: {_summed(found)}")
    for change in found.changes[:CHANGES]:
        tell(f"  {change.kind:<6}  {_told(change)}")
    if len(found.changes) > CHANGES:
        tell(f"  and {len(found.changes) - CHANGES} more")


def _summed(found: Clustering) -> str:
    """'all 12 clusters are those of then', '10 of 12 clusters are those of then'."""
    fresh = {change.number for change in found.changes if change.kind == "new"}
    lasting = len(found.clusters) - len(fresh)
    return f"{'all' if not fresh else f'{lasting} of'} {counted(len(found.clusters), 'cluster')} are those of then"


def _told(change: ClusterChange) -> str:
    sizes = {"new": f" ({change.after})", "gone": f" ({change.before})", "merged": f" ({change.after})"}
    return short(f"{change.name!r}{sizes.get(change.kind, f' ({change.before})')} {change.detail}", DETAIL)


def _condition(found: Clustering) -> str | None:
    """A filter that finds the largest cluster."""
    if found.study is None or not found.clusters:
        return None
    quoted = found.clusters[0].name.replace("'", "''")
    return f"{found.study.columns['cluster']} = '{quoted}'"
