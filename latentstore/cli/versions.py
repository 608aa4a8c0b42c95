"""versions, switch and rollback: several fits of a space under one name, and which of them answers."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from latentstore.cli.latents import NOT_FITTED, chosen, fitted
from latentstore.cli.output import Format, FormatOption, emit, say
from latentstore.cli.stores import CollectionOption, StoreArgument, collection
from latentstore.cli.studying import day
from latentstore.errors import InvalidInput

NameArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="SPACE", help="Needed only where the collection has several fitted spaces.", show_default=False
    ),
]
COLUMNS = ("space", "version", "active", "kind", "dim", "items", "lag", "error", "made")


def versions(
    store: StoreArgument,
    space: NameArgument = None,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """List the fits of each latent space: which answers, how much it loses, how far it lags.

    Examples:
      latentstore versions album.latent
      latentstore versions album.latent --format json
    """
    with collection(store, collection_name) as docs:
        names = fitted(docs) if space is None else [space]
        if not names:
            raise InvalidInput(NOT_FITTED)
        rows = [_row(one, form) for name in names for one in docs.space(name).versions()]
    emit(rows, COLUMNS, form)


def _row(one: Any, form: Format) -> dict[str, Any]:
    row = {name: getattr(one, name) for name in COLUMNS}
    if form is Format.TABLE:
        row["active"] = "yes" if one.active else ""
        row["made"] = None if one.made is None else day(one.made)
    return row


def switch(
    store: StoreArgument,
    space: NameArgument = None,
    version: Annotated[
        int | None, typer.Option("--version", min=1, metavar="N", help="Which one. The newest when absent.")
    ] = None,
    collection_name: CollectionOption = None,
) -> None:
    """Let another version of a latent space answer under its name, at once and as a whole.

    Examples:
      latentstore switch album.latent
      latentstore switch album.latent vae32 --version 2
    """
    with collection(store, collection_name, read_only=False) as docs:
        meant = chosen(docs, space)
        before = meant.version
        meant.switch(version)
        now = docs.space(meant.name)
        say(_changed(meant.name, before, now.version))


def rollback(
    store: StoreArgument,
    space: NameArgument = None,
    collection_name: CollectionOption = None,
) -> None:
    """Let the version before answer again.

    Example:
      latentstore rollback album.latent
    """
    with collection(store, collection_name, read_only=False) as docs:
        meant = chosen(docs, space)
        before = meant.version
        meant.rollback()
        say(_changed(meant.name, before, docs.space(meant.name).version))


def _changed(name: str, before: int | None, now: int | None) -> str:
    if before == now:
        return f"{name} stands for version {now}, as before"
    return f"{name} stands for version {now}, no longer for version {before}"
