"""duplicates: what a collection holds twice. A table of groups for people, a row a duplicate for machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentstore.cli.output import Format, FormatOption, counted, emit, emit_data, note, say, short, table
from latentstore.cli.stores import CollectionOption, StoreArgument, collection
from latentstore.cli.studying import KeepOption, SpaceOption, WhereOption, fullest, say_kept, telling
from latentstore.findings.duplicates import CurvePoint, DuplicateGroup, Duplicates, Leak

if TYPE_CHECKING:
    from latentstore.collection import Collection

GROUPS = 20  # that a table shows; the other formats have them all
LEAKS = 20
SHOWN = 56  # characters of an item
_BASES = {
    "given": "as asked",
    "valley": "where few pairs lie, between copies and the rest",
    "tenth": "a tenth of the squared distance at which a typical item has its nearest",
}


def duplicates(
    store: StoreArgument,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, metavar="DISTANCE", help="Up to which distance items are near copies. Found when absent."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Say which items of one value of this column have a duplicate in another."),
    ] = None,
    curve: Annotated[bool, typer.Option("--curve", help="Print what other thresholds would find.")] = False,
    space: SpaceOption = None,
    where: WhereOption = None,
    keep: KeepOption = True,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Find items that are there twice: of the same content, or nearly.

    In each group the item added first is kept; the others name it in the metadata column duplicate_of, and can be
    left out of a search with --where "duplicate_of IS NULL".

    Examples:
      latentstore duplicates pile.latent
      latentstore duplicates pile.latent --threshold 0.05 --format jsonl
      latentstore duplicates pile.latent --no-keep --curve
    """
    with collection(store, collection_name, read_only=not keep) as docs:
        with telling("duplicates") as tell:
            found = fullest(docs, space).duplicates(threshold, split=split, where=where, keep=keep, progress=tell)
        if form is Format.TABLE:
            _sheet(docs, found, curve)
        elif curve:
            emit_data([asdict(point) for point in found.curve], _names(CurvePoint), form)
        elif split is not None:
            emit_data([asdict(leak) for leak in found.leaks], _names(Leak), form)
        else:
            rows = found.rows()
            emit(rows, rows.columns, form)
    column = found.study.columns["duplicate_of"] if found.study else ""
    say_kept(found.study, f"{column} IS NOT NULL")


def _names(kind: Any) -> list[str]:
    return [field.name for field in fields(kind)]


def _sheet(docs: Collection, found: Duplicates, curve: bool) -> None:
    say(
        f"{found.dropped:,} of {counted(len(found.ids), 'item')} of space {found.space} are there more than once, in "
        f"{counted(len(found.groups), 'group')}: {len(found.exact):,} of the same content, {len(found.near):,} of near copies\n"
        f"near: up to a distance of {found.threshold:.3g}, {_BASES[found.basis]}"
    )
    if found.groups:
        say("")
        shown = found.groups[:GROUPS]
        texts = _texts(docs, [one for group in shown for one in (group.kept, group.ids[0])])
        table([_group(group, texts) for group in shown], ["items", "kind", "widest", "kept", "text", "for example"])
        if len(found.groups) > GROUPS:
            note(
                f"the first {GROUPS} of {counted(len(found.groups), 'group')}; --format json, jsonl or csv has them all"
            )
    if curve:
        say("")
        table([_point(point) for point in found.curve], ["distance", *_names(CurvePoint)[1:]])
    if found.split is not None:
        _leaks(docs, found)


def _group(group: DuplicateGroup, texts: dict[str, str]) -> dict[str, Any]:
    return {
        "items": len(group),
        "kind": group.kind,
        "widest": group.widest if group.kind == "near" else None,
        "kept": group.kept,
        "text": texts[group.kept],
        "for example": "" if group.kind == "exact" else texts[group.ids[0]],
    }


def _point(point: CurvePoint) -> dict[str, Any]:
    return {"distance": point.threshold, **asdict(point), "expected": round(point.expected)}


def _leaks(docs: Collection, found: Duplicates) -> None:
    if not found.leaks:
        say(f"\nno item of one {found.split} has a duplicate in another")
        return
    for (one, other), count in found.leaked.items():
        say(
            f"\n{counted(count, 'item')} of {found.split} {one} {'has' if count == 1 else 'have'} a duplicate in {other}"
        )
    say("")
    shown = found.leaks[:LEAKS]
    texts = _texts(docs, [one for leak in shown for one in (leak.id, leak.other)])
    names = ["id", found.split or "", "in", "duplicate", "distance", "text", "its"]
    rows = [
        (leak.id, leak.split, leak.other_split, leak.other, leak.distance, texts[leak.id], _its(leak, texts))
        for leak in shown
    ]
    table([dict(zip(names, row, strict=True)) for row in rows], names)
    if len(found.leaks) > LEAKS:
        note(f"the first {LEAKS} of {len(found.leaks):,}; --format json, jsonl or csv has them all")


def _its(leak: Leak, texts: dict[str, str]) -> str:
    return "" if leak.kind == "exact" else texts[leak.other]


def _texts(docs: Collection, ids: Iterable[str]) -> dict[str, str]:
    unique = list(dict.fromkeys(ids))
    return {item.id or "": short(item.text or item.uri or "", SHOWN) for item in docs.get(unique)}
