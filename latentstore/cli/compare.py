"""compare: what changed between two sets of items. A table of clusters that grew, shrank, appeared or went; rows for machines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentstore.cli.cluster import Grain
from latentstore.cli.output import Format, FormatOption, counted, display, emit, new_table, note, say, short
from latentstore.cli.stores import CollectionOption, StoreArgument, choose, opened
from latentstore.cli.studying import KeepOption, SeedOption, SpaceOption, fullest, say_kept, telling
from latentstore.findings.change import Change, Shift, Side

if TYPE_CHECKING:
    from latentstore.collection import Collection
    from latentstore.store import Store

CLUSTERS = 20  # that a table shows; the other formats have them all
NAME = 40  # characters of a name
EXAMPLE = 90  # of an item
CONDITION = 80  # of a filter


def compare(
    store: StoreArgument,
    a: Annotated[
        str | None, typer.Option("--a", metavar="EXPR", help="One set: items for which this SQL condition holds.")
    ] = None,
    b: Annotated[
        str | None, typer.Option("--b", metavar="EXPR", help="The other set. Every item that is not in a when absent.")
    ] = None,
    other: Annotated[
        Path | None, typer.Option(metavar="STORE", help="Take b from this store; without --a and --b, all with all.")
    ] = None,
    other_collection: Annotated[
        str | None, typer.Option(metavar="NAME", help="Take b from this collection, of --other or of the same store.")
    ] = None,
    level: Annotated[Grain, typer.Option(help="How fine the clusters are.")] = Grain.MEDIUM,
    space: SpaceOption = None,
    seed: SeedOption = 0,
    keep: KeepOption = True,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Compare two sets of items: is there a difference beyond chance, and in which clusters?

    The p-value says how often two random halves of the same items would lie as far apart. Clusters are those that
    "latentstore cluster" kept last where they cover both sets, else they are made for the comparison.

    Examples:
      latentstore compare pile.latent --a "year < 2000" --b "year > 2004"
      latentstore compare pile.latent --a "kind = 'topic'" --format jsonl
      latentstore compare pile.latent --other last-year.latent --no-keep
    """
    with opened(store, read_only=not keep) as here, _second(here, store, other) as there:
        docs = choose(here, collection_name)
        others = None if other is None and other_collection is None else choose(there, other_collection)
        with telling("compare") as tell:
            mine = fullest(docs, space)
            theirs = None if others is None else others.space(mine.name if mine.name in others.spaces() else None)
            found = mine.compare(a, b, other=theirs, level=level.value, seed=seed, keep=keep, progress=tell)
        if form is Format.TABLE:
            _sheet(docs, others or docs, found, others is not None)
        else:
            rows = found.rows()
            emit(rows, rows.columns, form)
            note(_verdict(found))
    say_kept(found.study)


@contextmanager
def _second(here: Store, path: Path, other: Path | None) -> Iterator[Store]:
    """The store that b is taken from, opened for reading; the same one is not opened twice."""
    same = other is None or (other.exists() and other.samefile(path))
    with nullcontext(here) if same or other is None else opened(other) as store:
        yield store


def _sheet(docs: Collection, others: Collection, found: Change, elsewhere: bool) -> None:
    say(f"a: {_side(found.a, False)}\nb: {_side(found.b, elsewhere)}\n\n{_verdict(found)}")
    for name, side in (("a", found.a), ("b", found.b)):
        if side.words:
            say(f"{name} says more often: {', '.join(side.words)}")
    if not found.changed:
        say(
            f"none of {counted(len(found.clusters), f'{found.level} cluster')} weighs more on one side than chance explains"
        )
        return
    examples = _examples(docs, others, found.changed[:CLUSTERS])
    grid = new_table()
    for name, right in (("change", False), ("cluster", False), ("a", True), ("b", True), ("share", True), ("p", True)):
        grid.add_column(name, justify="right" if right else "left", no_wrap=name != "cluster", overflow="fold")
    grid.add_column("for example", overflow="fold")
    for one, example in zip(found.changed, examples, strict=False):
        grid.add_row(*_line(one, example))
    say("")
    display(grid)
    rest = len(found.clusters) - len(found.changed)
    if len(found.changed) > CLUSTERS:
        note(f"the first {CLUSTERS} of {len(found.changed)} changed clusters; --format json, jsonl or csv has them all")
    say(f"\n{counted(rest, 'other cluster')} no more than chance explains")


def _side(side: Side, elsewhere: bool) -> str:
    meant = (
        f"where {short(side.where, CONDITION)}"
        if side.where
        else "of the other collection"
        if elsewhere
        else "all the rest"
    )
    return f"{counted(side.items, 'item')}, {meant}"


def _verdict(found: Change) -> str:
    drawn = f" ({found.a.tested:,} and {found.b.tested:,} drawn at random)" if _drawn(found) else ""
    measured = f"p = {found.p_value:.3g}, {found.statistic:.1f} standard deviations from chance{drawn}"
    return f"the two differ beyond chance: {measured}" if found.differs else f"no difference beyond chance: {measured}"


def _drawn(found: Change) -> bool:
    return (found.a.items, found.b.items) != (found.a.tested, found.b.tested)


def _examples(docs: Collection, others: Collection, shifts: tuple[Shift, ...]) -> list[str]:
    """The most typical item of each, of the side that has more of the cluster."""
    out = []
    for one in shifts:
        item = (others if one.kind in ("appeared", "grew") else docs).get([one.examples[0]])[0]
        out.append(item.text or item.uri or item.id or "")
    return out


def _line(one: Shift, example: str) -> list[object]:
    from rich.text import Text

    shares = f"{one.share_before:.1%} → {one.share_after:.1%}"
    cells = (one.kind, short(one.name, NAME), f"{one.before:,}", f"{one.after:,}", shares, f"{one.p_value:.1g}")
    return [*map(Text, cells), Text(short(example, EXAMPLE), style="dim")]
