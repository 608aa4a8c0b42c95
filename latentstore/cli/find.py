"""search and similar: hits as rows. A query is words, a picture or a sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentstore.cli import hits as shows
from latentstore.cli.output import Format, FormatOption
from latentstore.cli.stores import CollectionOption, StoreArgument, collection

if TYPE_CHECKING:
    from latentstore.collection import Collection
    from latentstore.types import Hits, Item

CountOption = Annotated[int, typer.Option("-k", min=1, help="How many hits.")]
WhereOption = Annotated[
    str | None, typer.Option(metavar="EXPR", help="Only where this SQL condition over metadata holds.")
]
ColumnsOption = Annotated[
    str | None, typer.Option(metavar="A,B", help="Which metadata to show, by name. All when absent.")
]


def search(
    store: StoreArgument,
    query: Annotated[
        str | None, typer.Argument(metavar="QUERY", help="What to look for, in words.", show_default=False)
    ] = None,
    image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A picture to look for, instead of words."),
    ] = None,
    audio: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A sound to look for, instead of words."),
    ] = None,
    space: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only in this space. Every space that takes such a query when absent."),
    ] = None,
    k: CountOption = 10,
    where: WhereOption = None,
    columns: ColumnsOption = None,
    exact: Annotated[bool, typer.Option("--exact", help="Compare with every item, use no index.")] = False,
    recall: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="The share of true neighbours to aim for, as 0.99.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say on standard error how the search went, step by step.")
    ] = False,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Find what is closest to a text, a picture or a sound.

    Where several spaces or kinds of items answer, the score says by how many standard deviations a hit is closer than
    random items of its kind.

    Examples:
      latentstore search pile.latent "how do plants eat light?"
      latentstore search pile.latent "rent" -k 5 --where "line > 10"
      latentstore search pile.latent --image photo.jpg
      latentstore search pile.latent "rent" --format jsonl
    """
    asked = _asked(query, image, audio)
    chosen = _split(columns)
    with collection(store, collection_name) as docs:
        found = docs.search(
            asked, k=k, where=where, space=space, exact=exact, recall=recall, columns=chosen, explain=explain
        )
        _show(docs, found, chosen, form)


def similar(
    store: StoreArgument,
    item: Annotated[str, typer.Argument(metavar="ID", help="The id of an item in the store.", show_default=False)],
    k: CountOption = 10,
    where: WhereOption = None,
    columns: ColumnsOption = None,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Find the neighbours of an item, itself left out.

    Example:
      latentstore similar pile.latent "/home/me/notes/rent.md#1" -k 5
    """
    with collection(store, collection_name) as docs:
        chosen = _split(columns)
        _show(docs, docs.similar(item, k=k, where=where, columns=chosen), chosen, form)


def _asked(query: str | None, image: Path | None, audio: Path | None) -> str | Item:
    """What to look for, given in exactly one way."""
    from latentstore.types import Item

    if sum(given is not None for given in (query, image, audio)) != 1:
        raise typer.BadParameter("takes one of QUERY, --image and --audio.", param_hint="search")
    if query is None:
        return Item(image=image, audio=audio)
    if not query.strip():
        raise typer.BadParameter("is empty; say in words what to look for.", param_hint="QUERY")
    return query


def _split(columns: str | None) -> list[str] | None:
    return None if columns is None else [name.strip() for name in columns.split(",") if name.strip()]


def _show(docs: Collection, found: Hits, columns: list[str] | None, form: Format) -> None:
    hits = list(found)
    uris = list(dict.fromkeys(hit.uri for hit in hits if hit.uri is not None))
    shows.show(hits, dict(zip(uris, docs.origins(uris), strict=True)), columns, form)
    if found.plan is not None:
        shows.show_plan(found.plan)
