"""labels: how well a space tells a column's values apart. A table of classes and of values that look wrong; rows for machines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from latentstore.cli.output import Format, FormatOption, counted, emit, note, say, short, table
from latentstore.cli.stores import CollectionOption, StoreArgument, collection
from latentstore.cli.studying import KeepOption, SeedOption, SpaceOption, WhereOption, fullest, say_kept, telling
from latentstore.findings.labels import LabelClass, Labels

if TYPE_CHECKING:
    from latentstore.collection import Collection

CLASSES = 15  # that a table shows, those recognised least
SUSPECTS = 15
NAME = 32  # characters of a value
TEXT = 60  # characters of an item


def labels(
    store: StoreArgument,
    column: Annotated[str, typer.Argument(metavar="COLUMN", help="The metadata column that holds the labels.")],
    accuracy: Annotated[
        float,
        typer.Option(
            min=0.01, max=1.0, metavar="SHARE", help="Of the labels that are suggested, how many should be right."
        ),
    ] = 0.95,
    space: SpaceOption = None,
    where: WhereOption = None,
    seed: SeedOption = 0,
    keep: KeepOption = True,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Say how well a column's values are told apart, which look wrong, and suggest missing ones.

    Each value is read from the vectors without looking at the item's own, by the 10 nearest and by a linear model.
    Where both say the same other value with confidence, the given one looks wrong. An item without a value gets a
    suggestion where the readers are sure enough. The column itself stays as it is.

    Examples:
      latentstore labels pile.latent kind
      latentstore labels pile.latent kind --format csv
      latentstore labels pile.latent kind --no-keep --accuracy 0.9
    """
    with collection(store, collection_name, read_only=not keep) as docs:
        with telling("labels") as tell:
            found = fullest(docs, space).labels(column, seed, accuracy=accuracy, where=where, keep=keep, progress=tell)
        if form is Format.TABLE:
            _sheet(docs, found)
        else:
            rows = found.rows()
            emit(rows, rows.columns, form)
            note(_verdict(found))
    kept = found.study.columns[f"{column}_suggested"] if found.study else ""
    say_kept(found.study, f"{kept} IS NOT NULL")


def _verdict(found: Labels) -> str:
    return (
        f"{found.both:.1%} of {counted(found.items, 'label')} read right ({found.neighbors:.1%} by the nearest, {found.probe:.1%} "
        f"by a linear model); always saying the commonest: {found.baseline:.1%}"
    )


def _sheet(docs: Collection, found: Labels) -> None:
    say(f"{_head(found)}\n{_verdict(found)}; the mean over values: {found.balanced:.1%}\n")
    hardest = sorted(found.classes, key=lambda one: (one.recognised, -one.items))
    table([_line(one) for one in hardest[:CLASSES]], ["value", "items", "recognised", "else read as"])
    if len(hardest) > CLASSES:
        note(f"the {CLASSES} of {counted(len(hardest), 'value')} that are recognised least")
    if found.rare:
        say(f"\nleft out: {counted(len(found.rare), 'value')} of fewer than five items")
    _suspects(docs, found)
    if found.threshold is not None:
        say(
            f"\n{counted(len(found.suggested), 'item')} without a value got a suggestion; of {found.abstained:,} more the space "
            "is not sure enough"
        )


def _head(found: Labels) -> str:
    counts = f"{counted(len(found.classes), 'value')} of {counted(found.items, 'item')}"
    return f"{found.column}: {counts}, read from space {found.space}"


def _line(one: LabelClass) -> dict[str, object]:
    other = "" if one.taken_for is None else f"{short(str(one.taken_for), NAME)} ({one.times:,})"
    return {
        "value": short(str(one.value), NAME),
        "items": one.items,
        "recognised": f"{one.recognised:.0%}",
        "else read as": other,
    }


def _suspects(docs: Collection, found: Labels) -> None:
    if not found.suspects:
        say("\nno value looks wrong")
        return
    say(f"\n{counted(len(found.suspects), 'value')} {'looks' if len(found.suspects) == 1 else 'look'} wrong")
    shown = found.suspects[:SUSPECTS]
    texts = _texts(docs, [one.id for one in shown])
    rows = [
        {
            "label": short(str(one.label), NAME),
            "looks like": short(str(one.looks_like), NAME),
            "sure": f"{one.probability:.1%}",
            "item": texts[one.id],
        }
        for one in shown
    ]
    table(rows, ["label", "looks like", "sure", "item"])
    if len(found.suspects) > SUSPECTS:
        note(f"the {SUSPECTS} surest; --format json, jsonl or csv has them all")


def _texts(docs: Collection, ids: Iterable[str]) -> dict[str, str]:
    wanted = list(ids)
    return {one: short(item.text or item.uri or one, TEXT) for one, item in zip(wanted, docs.get(wanted), strict=True)}
