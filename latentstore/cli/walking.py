"""interpolate, traverse and directions: ways through a latent space, each point decoded and held beside what is really there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from latentstore.cli.latents import LatentOption, OutOption, item_id, latent, named, show
from latentstore.cli.output import Format, FormatOption, emit_data, note, table
from latentstore.cli.stores import CollectionOption, StoreArgument
from latentstore.errors import InvalidInput

if TYPE_CHECKING:
    from latentstore.findings.latent import Direction

Number = TypeVar("Number", int, float)

STEPS, FRAMES = 9, 25  # of a morph: one that is looked at point by point, one in motion
AXES = 8  # principal axes that a table shows
ENDS = 2  # items that a table shows at each end of a direction
AMOUNTS = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0)


class Way(StrEnum):
    LINEAR = "linear"
    SPHERICAL = "spherical"


class Even(StrEnum):
    LATENT = "latent"
    DECODED = "decoded"


def _item(what: str) -> Any:
    return typer.Argument(metavar="ID", help=what, show_default=False)


def interpolate(
    store: StoreArgument,
    a: Annotated[str, _item("Where to begin: the id of an item, or the path of the file it came from.")],
    b: Annotated[str, _item("Where to end.")],
    steps: Annotated[
        int | None,
        typer.Option(
            min=2, help="How many points, both ends included.", show_default=f"{STEPS}, or {FRAMES} of an animation"
        ),
    ] = None,
    path: Annotated[
        Way,
        typer.Option(help="spherical keeps the distance from the middle, where the space of a vae or gan is dense."),
    ] = Way.LINEAR,
    even: Annotated[
        Even, typer.Option(help="Steps of one length in the space, or of one change in what is decoded.")
    ] = Even.LATENT,
    space: LatentOption = None,
    out: OutOption = None,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Morph one item into another: a strip of steps, each beside the real item nearest to it.

    "off data" says how many held-out items lie less far off what was learnt from than the step.

    Examples:
      latentstore interpolate album.latent photo.jpg holiday.jpg
      latentstore interpolate album.latent photo.jpg holiday.jpg -o morph.gif
    """
    with latent(store, collection_name, space) as (docs, one):
        start, end = (item_id(docs, given) for given in (a, b))
        moving = out is not None and out.suffix.casefold() == ".gif"
        count = steps or (FRAMES if moving else STEPS)
        show(one.interpolate(start, end, count, path=path.value, even=even.value), out, "morph", form)


def traverse(
    store: StoreArgument,
    item: Annotated[
        str | None, _item("Where to begin: the id of an item, or the path of its file. The middle when absent.")
    ] = None,
    dims: Annotated[
        str | None,
        typer.Option(metavar="N,N", help="Which dimensions, counted from 0. Those that vary most when absent."),
    ] = None,
    steps: Annotated[int, typer.Option(min=2, help="How many points along each.")] = 7,
    span: Annotated[float, typer.Option(min=0.01, help="How far to each side, in standard deviations.")] = 2.5,
    space: LatentOption = None,
    out: OutOption = None,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show what each dimension does: a line of points along it, all else left as it is.

    Examples:
      latentstore traverse album.latent
      latentstore traverse album.latent photo.jpg --dims 0,1 -o axes.png
    """
    chosen = None if dims is None else _numbers(dims, int, "--dims")
    with latent(store, collection_name, space) as (docs, one):
        start = None if item is None else item_id(docs, item)
        show(one.traverse(start, chosen, steps, span), out, "traverse", form)


def directions(
    store: StoreArgument,
    by: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="A direction towards each value of this metadata column.")
    ] = None,
    towards: Annotated[
        str | None, typer.Option(metavar="EXPR", help="One direction, towards items for which this condition holds,")
    ] = None,
    away: Annotated[
        str | None, typer.Option(metavar="EXPR", help="away from those for which this one does, or from all the rest.")
    ] = None,
    move: Annotated[
        str | None, typer.Option(metavar="ID", help="Move this item along the direction, and decode it on its way.")
    ] = None,
    along: Annotated[
        str | None, typer.Option(metavar="LABEL", help="With --move, where there are several: which direction.")
    ] = None,
    amounts: Annotated[
        str | None,
        typer.Option(metavar="X,X", help="With --move: how far, in standard deviations.", show_default="-3,-2,…,3"),
    ] = None,
    space: LatentOption = None,
    out: OutOption = None,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Find directions that mean something, and move an item along one.

    Without a column or conditions, those along which items differ most. "accuracy" says how well a direction tells its
    two sides apart among items that had no part in finding it: .5 is chance, 1 all.

    Examples:
      latentstore directions album.latent
      latentstore directions album.latent --towards "format = 'JPEG'"
      latentstore directions album.latent --along "axis 1" --move photo.jpg
    """
    _check(by, towards, away, move, {"--along": along, "--amounts": amounts, "-o": out})
    far = AMOUNTS if amounts is None else _numbers(amounts, float, "--amounts")
    with latent(store, collection_name, space) as (docs, one):
        found = one.directions(by=by) if towards is None else [one.direction(towards=towards, away=away)]
        if move is None:
            _table(found, form)
            return
        direction = _one(found, along)
        show(one.move(item_id(docs, move), direction, far), out, "moved", form)


def _check(by: str | None, towards: str | None, away: str | None, move: str | None, moving: Mapping[str, Any]) -> None:
    if away is not None and towards is None:
        raise typer.BadParameter("goes with --towards EXPR.", param_hint="--away")
    if towards is not None and by is not None:
        raise typer.BadParameter("takes no --towards; leave one of the two out.", param_hint="--by")
    alone = next((name for name, given in moving.items() if given is not None and move is None), None)
    if alone is not None:
        raise typer.BadParameter("goes with --move ID.", param_hint=alone)


def _numbers(text: str, kind: type[Number], option: str) -> list[Number]:
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        what = "whole numbers" if kind is int else "numbers"
        raise typer.BadParameter(f"takes {what} with commas between them, got {text!r}.", param_hint=option) from None


def _one(found: Sequence[Direction], along: str | None) -> Direction:
    """The direction that is meant. Raises InvalidInput naming those there are."""
    meant = [one for one in found if along is None or one.label == along]
    if len(meant) == 1:
        return meant[0]
    labels = ", ".join(one.label for one in found)
    raise InvalidInput(f"name one of the directions with --along: {labels}")


def _table(found: Sequence[Direction], form: Format) -> None:
    if form is not Format.TABLE:
        columns = ["label", "kind", "accuracy", "share", "deviation", "low", "high", "vector"]
        rows = [{column: getattr(one, column) for column in columns} for one in found]
        emit_data([{**row, "vector": row["vector"].tolist()} for row in rows], columns, form)
        return
    shown = [*(one for one in found if one.kind != "axis"), *[one for one in found if one.kind == "axis"][:AXES]]
    table([_line(one) for one in shown], ["direction", "accuracy", "of the variance", "at one end", "at the other"])
    if len(shown) < len(found):
        note(f"the {AXES} axes of most variance; --format json, jsonl or csv has {len(found) - len(shown)} more")


def _line(one: Direction) -> dict[str, Any]:
    return {
        "direction": one.label,
        "accuracy": "" if one.accuracy is None else f"{one.accuracy:.2f}",
        "of the variance": f"{one.share:.1%}",
        "at one end": ", ".join(map(str, map(named, one.low[:ENDS]))),
        "at the other": ", ".join(map(str, map(named, one.high[:ENDS]))),
    }
