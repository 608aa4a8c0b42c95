"""map: a place in the plane for every item. How far it can be believed for people, coordinates for machines."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from latentstore.cli.output import Format, FormatOption, counted, emit, note, say, short, table
from latentstore.cli.stores import CollectionOption, StoreArgument, collection
from latentstore.cli.studying import KeepOption, SeedOption, SpaceOption, WhereOption, fullest, say_kept, telling
from latentstore.findings.maps import ItemMap

if TYPE_CHECKING:
    from latentstore.collection import Collection

CLUSTERS = 20  # that a table shows
NAME = 44  # characters of a name
_CLUSTER = "cluster"  # the column in which a study of clusters leaves their names


class Layout(StrEnum):
    AUTO = "auto"
    TSNE = "tsne"
    PCA = "pca"


def map_(
    store: StoreArgument,
    method: Annotated[
        Layout, typer.Option(help="auto, tsne: by neighbours, so that like items are near each other. pca: two axes.")
    ] = Layout.AUTO,
    space: SpaceOption = None,
    where: WhereOption = None,
    seed: SeedOption = 0,
    keep: KeepOption = True,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Lay items out in the plane, like ones near each other, and say how far that can be believed.

    Trustworthiness falls where items lie together that are not alike, continuity where like ones lie apart; 1 is best,
    places at random give .5. Distances across the map mean little; what is near means much. To wander in it, write a
    report.

    Examples:
      latentstore map pile.latent
      latentstore map pile.latent --format csv
      latentstore map pile.latent --no-keep --format json
    """
    with collection(store, collection_name, read_only=not keep) as docs:
        with telling("map") as tell:
            found = fullest(docs, space).map(method.value, seed, where=where, keep=keep, progress=tell)
        if form is Format.TABLE:
            _sheet(docs, found, store)
        else:
            rows = found.rows()
            emit(rows, rows.columns, form)
            note(_trust(found))
    columns = found.study.columns if found.study else {}
    say_kept(found.study, f"{columns['map_x']} > 0 AND {columns['map_y']} > 0" if columns else None)


def _trust(found: ItemMap) -> str:
    return (
        f"trustworthiness {found.trustworthiness:.3f}, continuity {found.continuity:.3f} "
        f"(over {counted(found.neighbors, 'neighbour')}, of {counted(found.asked, 'item')})"
    )


def _sheet(docs: Collection, found: ItemMap, store: Path) -> None:
    low, high = found.coordinates.min(axis=0), found.coordinates.max(axis=0)
    say(
        f"{counted(len(found), 'item')} of space {found.space}, laid out by {found.method}\n{_trust(found)}\n"
        f"from {low[0]:.1f} to {high[0]:.1f} across, from {low[1]:.1f} to {high[1]:.1f} up"
    )
    if rows := _extents(docs, found):
        say("")
        table(rows[:CLUSTERS], ["cluster", "items", "x", "y", "radius"])
        if len(rows) > CLUSTERS:
            note(f"the {CLUSTERS} largest of {counted(len(rows), 'cluster')}")
    say(f"\nto wander in it: latentstore report {store} -o report.html")


def _extents(docs: Collection, found: ItemMap) -> list[dict[str, Any]]:
    """A row a cluster, largest first: where its middle is, and the radius that holds half of its items."""
    column = _column(docs, found)
    if column is None:
        return []
    places: dict[str, list[Sequence[float]]] = {}
    for item, place in zip(docs.get(found.ids), found.coordinates.tolist(), strict=True):
        name = item.metadata.get(column)
        if name is not None:
            places.setdefault(str(name), []).append(place)
    return [
        _extent(name, np.array(own)) for name, own in sorted(places.items(), key=lambda one: (-len(one[1]), one[0]))
    ]


def _extent(name: str, own: Any) -> dict[str, Any]:
    middle = np.median(own, axis=0)
    radius = float(np.median(np.linalg.norm(own - middle, axis=1)))
    x, y = middle.tolist()
    return {
        "cluster": short(name, NAME),
        "items": len(own),
        "x": round(x, 1),
        "y": round(y, 1),
        "radius": round(radius, 1),
    }


def _column(docs: Collection, found: ItemMap) -> str | None:
    """The column of the clusters last kept of this space."""
    studies = [one for one in docs.studies() if one.kind == "clusters" and one.space == found.space]
    return studies[-1].columns[_CLUSTER] if studies else None
