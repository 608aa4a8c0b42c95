"""info, sql, encoders: what is there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from latentstore.cli.output import Format, FormatOption, Row, console, emit, emit_data, new_table, note, shown
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
    for fact, value in _facts(row, ""):
        grid.add_row(Text(fact), Text(value))
    console().print(grid)


def _facts(value: Row, prefix: str) -> Iterator[tuple[str, str]]:
    for key, inner in value.items():
        name = f"{prefix}{key}"
        if isinstance(inner, dict) and inner:
            yield from _facts(inner, f"{name} · ")
        elif isinstance(inner, list) and inner and all(isinstance(one, dict) for one in inner):
            for one in inner:
                yield from _facts(one, f"{prefix}{next(iter(one.values()))} · ")
        else:
            yield name, f"{inner:,}" if type(inner) is int else shown(inner)


def sql(
    store: StoreArgument,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One SELECT over the table items.", show_default=False)],
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Ask a collection with SQL; it is the table items, and nothing else can be read or written.

    Examples:
      latentstore sql pile.latent "select count(*) from items"
      latentstore sql pile.latent "select year, count(*) n from items group by year order by n desc" --format csv
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
