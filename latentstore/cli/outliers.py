"""outliers: what does not belong in a collection, and why. A table of the strangest for people, a row an item for machines."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentstore.cli.output import Format, FormatOption, counted, emit, note, say, short, table
from latentstore.cli.stores import CollectionOption, StoreArgument, collection
from latentstore.cli.studying import KeepOption, SeedOption, SpaceOption, WhereOption, fullest, say_kept, telling
from latentstore.findings.outliers import Outlier, Outliers

if TYPE_CHECKING:
    from latentstore.collection import Collection

ITEM = 60  # characters of an item
NEAR = 44  # and of the usual one that is nearest to it


class Method(StrEnum):
    AUTO = "auto"
    KNN = "knn"
    LOF = "lof"
    MAHALANOBIS = "mahalanobis"
    IFOREST = "iforest"
    RECONSTRUCTION = "reconstruction"


def outliers(
    store: StoreArgument,
    number: Annotated[
        int, typer.Option("-n", min=1, max=50, metavar="N", help="How many of the strangest a table shows.")
    ] = 20,
    fdr: Annotated[
        float, typer.Option(metavar="SHARE", help="Of what is flagged, the share that may be flagged wrongly.")
    ] = 0.05,
    method: Annotated[
        Method, typer.Option(help="auto: distance to the nearest, and rare directions or values; or one by name.")
    ] = Method.AUTO,
    space: SpaceOption = None,
    where: WhereOption = None,
    seed: SeedOption = 0,
    keep: KeepOption = True,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Find items that do not belong, the strangest first, and say why.

    "p" is the chance that an item like the rest is as strange. "times" says how many times as far an item is from its
    nearest as is usual. Flagged items (!) are outliers with at most --fdr of them flagged wrongly, on average.

    Examples:
      latentstore outliers pile.latent
      latentstore outliers pile.latent --fdr 0.2 --where "year > 2000"
      latentstore outliers pile.latent --no-keep --format csv
    """
    with collection(store, collection_name, read_only=not keep) as docs:
        with telling("outliers") as tell:
            found = fullest(docs, space).outliers(method.value, fdr, seed, where=where, keep=keep, progress=tell)
        if form is Format.TABLE:
            _sheet(docs, found, number)
        else:
            rows = found.rows()
            emit(rows, rows.columns, form)
    say_kept(found.study, found.study.columns["outlier"] if found.study else None)


def _sheet(docs: Collection, found: Outliers, number: int) -> None:
    flagged = int(found.flags.sum())
    say(
        f"{flagged:,} of {counted(len(found), 'item')} of space {found.space} {'is' if flagged == 1 else 'are'} flagged as "
        f"outliers, at most {found.fdr:.0%} of them wrongly\n"
    )
    shown = found.strangest[:number]
    texts = _texts(docs, [one for item in shown for one in (item.id, *item.nearest[:1])])
    rows = [_row(one, texts) for one in shown]
    columns = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)] if rows else []
    table(rows, columns)
    if not flagged:
        note("none stands out so far that it can be called an outlier; these are the least usual")
    elif flagged > len(shown):
        note(f"the first {len(shown)}; --format json, jsonl or csv has every item")


def _row(one: Outlier, texts: dict[str, str]) -> dict[str, Any]:
    return {
        "": "!" if one.flagged else "",
        "item": short(texts[one.id], ITEM),
        "p": f"{one.p_value:.2g}",
        "times": None if one.times is None else f"{one.times:.1f}",
        "nearest usual item": short(texts[one.nearest[0]], NEAR) if one.nearest else "",
        "cluster": one.cluster,
        "only it says": ", ".join(one.words),
    }


def _texts(docs: Collection, ids: Iterable[str]) -> dict[str, str]:
    """What a person would know each item by: its text, the end of its path, or its id."""
    unique = list(dict.fromkeys(ids))
    return {name: item.text or _file(item.uri) or name for name, item in zip(unique, docs.get(unique), strict=True)}


def _file(uri: str | None) -> str | None:
    return None if uri is None else "/".join(PurePath(uri).parts[-2:])
