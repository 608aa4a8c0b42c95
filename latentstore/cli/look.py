"""info, sql, encoders: what is there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from latentstore.cli.output import (
    Format,
    FormatOption,
    Row,
    counted,
    display,
    emit,
    emit_data,
    new_table,
    note,
    one_line,
)
from latentstore.cli.stores import CollectionOption, StoreArgument, choose, collection, opened


def info(store: StoreArgument, collection_name: CollectionOption = None, form: FormatOption = Format.TABLE) -> None:
    """Tell what a store holds: items, columns, spaces, indexes with their measured recall, bytes.

    Examples:
      latentstore info pile.latent
      latentstore info pile.latent --collection docs --format json
    """
    with opened(store) as open_store:
        names = open_store.collections() if collection_name is None else [collection_name]
        rows = [{"collection": name, **choose(open_store, name).info()} for name in names]
    if not rows:
        note("the store is whole and holds no collection yet; put something in with: latentstore ingest STORE FOLDER")
    if form is Format.TABLE:
        for row in rows:
            _sheet(row)
    else:
        emit_data(rows, list(dict.fromkeys(key for row in rows for key in row)), form)


def _sheet(row: Row) -> None:
    """One collection as two columns, fact and value."""
    from rich.text import Text

    grid = new_table()
    grid.show_header = False
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for fact, value in _facts(row):
        grid.add_row(Text(fact), Text(value))
    display(grid)


def _facts(row: Row) -> Iterator[tuple[str, str]]:
    yield "collection", row["collection"]
    yield "items", f"{row['items']:,}"
    yield "on disk", size(row["bytes"])
    if row["sources"]:
        yield "sources", f"{row['sources']:,} in the ledger"
    if row["attachments"]["count"]:
        yield "attached", _attached(row["attachments"])
    yield "metadata", ", ".join(f"{name} {kind}" for name, kind in row["columns"].items()) or "none"
    for space in row["spaces"]:
        yield f"space {space['space']}", _space(space)
        if space["latent"]:
            yield "  fitted", _fitted(space["latent"])
            for warning in space["latent"]["warnings"]:
                yield "  but", one_line(str(warning))
        yield "  index", _index(space["index"])
    for study in _newest(row["studies"]):
        yield study["kind"], _study(study)
    for told in row["notes"]:
        yield "note", one_line(str(told))


def _newest(studies: Iterable[Row]) -> Iterable[Row]:
    """The last study of each kind in each space."""
    return {(study["kind"], study["space"]): study for study in studies}.values()


def _study(study: Row) -> str:
    made = datetime.fromtimestamp(study["made"]).astimezone().strftime("%Y-%m-%d %H:%M")
    columns = f", in columns {', '.join(study['columns'])}" if study["columns"] else ""
    return f"of {counted(study['rows'], 'item')} in space {study['space']}, {made}{columns}"


def _attached(attachments: Row) -> str:
    dead = f", and {size(attachments['dead'])} deleted, which optimize clears away" if attachments["dead"] else ""
    return f"{counted(attachments['count'], 'attachment')} of {size(attachments['bytes'])}{dead}"


def _space(space: Row) -> str:
    dead = f" and {space['dead']:,} deleted, which optimize clears away" if space["dead"] else ""
    kind = f"of {space['dim']} dimensions, {space['metric']}" if space["dim"] else f"{space['metric']}"
    encoder = f"encoder {space['encoder']}" if space["encoder"] else "from elsewhere"
    if space["latent"]:
        encoder = f"made by its {space['latent']['kind']}"
    return f"{counted(space['vectors'], 'vector')}{dead}, {kind}, {encoder}"


def _fitted(latent: Row) -> str:
    made = datetime.fromtimestamp(latent["made"]).astimezone().strftime(", %Y-%m-%d %H:%M") if latent["made"] else ""
    seen = f"{latent['form']} " if latent["form"] else ""
    told = [f"{latent['kind']} of {seen}in space {latent['of']}{made}"]
    if latent["error"] is not None:
        beside = "" if latent["kind"] == "pca" else f", PCA {latent['error_of_pca']:.3g}"
        told.append(f"round trip {latent['error']:.3g} ({latent['unit']}{beside})")
    told.append(
        f"{latent['name']!r} stands for it" if latent["active"] else f"beside the active version of {latent['name']!r}"
    )
    if latent["lag"]:
        told.append(f"lags by {counted(latent['lag'], 'item')}, which backfill brings in")
    return "; ".join(told)


def _index(index: Row) -> str:
    if index["kind"] == "exact":
        why = (
            "due, and built while the store is open for writing; until then" if index["pending"] else "none needed yet:"
        )
        return f"{why} each query is compared with every vector"
    reached = ", ".join(
        f"{target} → {found['measured'] if found else 'exact search'}" for target, found in index["recall"].items()
    )
    rest = f", {index['searched_exactly']:,} newer ones are searched exactly" if index["searched_exactly"] else ""
    return (
        f"{index['kind']}, {index['compression']}, covers {index['covered']:,}{rest}, {size(index['bytes'])}; "
        f"recall asked → measured: {reached}"
    )


def size(count: int) -> str:
    """'812 bytes', '1.6 MB'."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:,.1f} {unit}"
    return counted(count, "byte")


def sql(
    store: StoreArgument,
    query: Annotated[
        str, typer.Argument(metavar="QUERY", help="One SELECT over the tables items and sources.", show_default=False)
    ],
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Ask a collection with SQL: its items, and the sources that were read. Nothing else can be read, nothing written.

    Examples:
      latentstore sql pile.latent "select count(*) from items"
      latentstore sql pile.latent "select uri, count(*) n from items group by uri"
      latentstore sql pile.latent "from sources where error is not null"
      latentstore sql pile.latent "select id, text from items" --format csv
    """
    with collection(store, collection_name) as docs:
        rows = docs.sql(query)
        emit(rows, rows.columns, form)


def encoders(form: FormatOption = Format.TABLE) -> None:
    """List the encoders that can be named, and what would install those that are missing.

    Example:
      latentstore encoders
    """
    from latentstore.encoders import registry

    rows: list[dict[str, Any]] = [
        {
            "name": one.name,
            "takes": ", ".join(one.modalities),
            "dim": one.dim,
            "usable": "yes" if one.installed else "no",
            "source": one.source if one.installed else one.install,
        }
        for one in registry.describe()
    ]
    emit(rows, ["name", "takes", "dim", "usable", "source"], form)
