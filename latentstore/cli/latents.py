"""What commands of latent spaces share: which space is meant, ids as people type them, and how decoded points are shown."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentstore.cli.output import Format, emit_data, note, say, short, table
from latentstore.cli.stores import collection
from latentstore.errors import InvalidInput, ItemNotFound

if TYPE_CHECKING:
    from latentstore.collection import Collection
    from latentstore.findings.latent import Decoded
    from latentstore.space import Space

PICTURE, ANIMATION, SOUND = ".png", ".gif", ".wav"
NOT_FITTED = "no space of this collection was fitted yet; make one: latentstore fit STORE --model vae"
NAME = 48  # characters of an id
TEXT = 80


def _ending(out: Path | None) -> Path | None:
    if out is not None and out.suffix.lower() not in (PICTURE, ANIMATION, SOUND):
        raise typer.BadParameter(f"ends in {PICTURE}, {ANIMATION} or {SOUND}, got {out.name!r}.")
    return out


LatentOption = Annotated[
    str | None,
    typer.Option("--space", metavar="NAME", help="Which fitted space; needed only where the collection has several."),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        callback=_ending,
        help="A picture (.png), an animation (.gif) or a sound (.wav), made anew each time. Named after the command when "
        "absent; not written when absent and rows go to a machine.",
        show_default=False,
    ),
]


@contextmanager
def latent(store: Path, collection_name: str | None, name: str | None) -> Iterator[tuple[Collection, Space]]:
    """The collection, and the space that a command walks in; both opened for reading."""
    with collection(store, collection_name) as docs:
        yield docs, chosen(docs, name)


def chosen(docs: Collection, name: str | None) -> Space:
    """The space of that name, or the only fitted one. Raises InvalidInput, SpaceNotFound: what there is."""
    if name is not None:
        return docs.space(name)
    names = fitted(docs)
    if not names:
        raise InvalidInput(NOT_FITTED)
    if len(names) > 1:
        raise InvalidInput(f"{len(names)} spaces were fitted: {', '.join(names)}; name one with --space")
    return docs.space(names[0])


def fitted(docs: Collection) -> list[str]:
    """The names of the latent spaces, oldest first."""
    own = docs.spaces(latent=False)
    return [name for name in docs.spaces() if name not in own]


def item_id(docs: Collection, given: str) -> str:
    """The id meant: what was typed, or the whole path of that file, which is the id that `ingest` gives it. Raises ItemNotFound."""
    whole = str(Path(given).resolve())
    if given in docs or whole in docs:
        return given if given in docs else whole
    example = next(iter(docs.sql("select id from items limit 1").values), ("",))[0]
    raise ItemNotFound(f"there is no item {given!r}; name one by its id, as {example!r}, or by the path of its file")


def show(found: Decoded, out: Path | None, name: str, form: Format) -> None:
    """Points as a table and a file for people, as rows for machines. name: of the file, without ending, where none is given."""
    written = [found.save(path) for path in _files(found, out, name, form)]
    if form is Format.TABLE:
        _sheet(found)
    else:
        emit_data(_rows(found), [*found.rows().columns, "latent"], form)
    if found.note is not None:
        note(f"note: {found.note}")
    for path in written:
        (say if form is Format.TABLE else note)(f"wrote {path}")


def _files(found: Decoded, out: Path | None, name: str, form: Format) -> list[Path]:
    if out is not None:
        return [out]
    if form is not Format.TABLE:
        return []
    endings = {"picture": (PICTURE,), "sound": (SOUND, PICTURE)}.get(found.kind or "", ())
    return [Path(f"{name}{ending}") for ending in endings]


def _rows(found: Decoded) -> list[dict[str, Any]]:
    """For machines, each with its point, and with what that decodes to where it is numbers."""
    rows = [{**row, "latent": latent} for row, latent in zip(found.rows(), found.latents.tolist(), strict=True)]
    if found.kind == "vector":
        for row, decoded in zip(rows, found.content.tolist(), strict=True):
            row["decoded"] = decoded
    return rows


def _sheet(found: Decoded) -> None:
    """A row a point. Of reconstructions without what is nearest: that is the item itself."""
    told = found.rows()
    names = {"caption": "point", "id": "item", "off_data": "off data"}
    left_out = ("caption", "nearest", "distance") if "id" in told.columns else ()
    columns = [column for column in told.columns if column not in left_out]
    rows = [{names.get(column, column): _cell(column, row[column]) for column in columns} for row in told]
    table(rows, [names.get(column, column) for column in columns])


def _cell(column: str, value: Any) -> Any:
    if column in ("caption", "id", "nearest"):
        return named(value)
    if column == "off_data":
        return f"{value:.0%}"
    return short(value, TEXT) if column == "text" and value else value


def named(item: str | None) -> str | None:
    """An id as a table shows it: the last two parts of a path, cut in the middle where that is long."""
    if item is None:
        return None
    name = "/".join(PurePath(item).parts[-2:]) if item.startswith("/") else item
    return name if len(name) <= NAME else f"{name[: NAME // 2 - 1]}…{name[-NAME // 2 :]}"
