"""sample, reconstruct and decode: what a latent space holds, made visible or audible."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from latentstore.cli.latents import LatentOption, OutOption, item_id, latent, show
from latentstore.cli.output import Format, FormatOption
from latentstore.cli.stores import CollectionOption, StoreArgument
from latentstore.cli.studying import SeedOption
from latentstore.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from latentstore.space import Space
    from latentstore.types import Float32

SHOWN = 16  # items that reconstruct takes where none are named


class Draw(StrEnum):
    MIXTURE = "mixture"
    PRIOR = "prior"


def sample(
    store: StoreArgument,
    count: Annotated[int, typer.Option("-n", min=1, metavar="N", help="How many.")] = 48,
    source: Annotated[
        Draw,
        typer.Option(help="mixture: the density of the items. prior: N(0, I), for a vae or gan, or a whitened pca."),
    ] = Draw.MIXTURE,
    near: Annotated[
        str | None, typer.Option(metavar="ID", help="Draw around this item: its id, or the path of its file.")
    ] = None,
    spread: Annotated[
        float, typer.Option(min=0.001, help="With --near: how wide, 1 as wide as the items there lie.")
    ] = 0.5,
    seed: SeedOption = 0,
    space: LatentOption = None,
    out: OutOption = None,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Draw new items that are like those in the store, and show each beside the real one nearest to it.

    Points that lie far off what was learnt from are drawn anew.

    Examples:
      latentstore sample album.latent
      latentstore sample album.latent -n 9 --near photo.jpg -o more.png
    """
    with latent(store, collection_name, space) as (docs, one):
        around = None if near is None else item_id(docs, near)
        drawn = one.sample(count, source=source.value, near=around, spread=spread, seed=seed)
        show(drawn, out, "sample", form)


def reconstruct(
    store: StoreArgument,
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[ID]…",
            help="Ids of items, or the paths of their files. Some, spread over all, when absent.",
            show_default=False,
        ),
    ] = None,
    space: LatentOption = None,
    out: OutOption = None,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Show items beside what the model makes of them, those it explains least first.

    Examples:
      latentstore reconstruct album.latent
      latentstore reconstruct album.latent photo.jpg holiday.jpg -o seen.png
    """
    with latent(store, collection_name, space) as (docs, one):
        ids = [item_id(docs, given) for given in items] if items else _spread(one)
        show(one.reconstruct(ids, worst_first=True), out, "reconstruct", form)


def _spread(one: Space) -> list[str]:
    ids = one.vectors()[0]
    return [ids[at] for at in np.unique(np.linspace(0, len(ids) - 1, SHOWN).astype(int))]


def decode(
    store: StoreArgument,
    points: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Points of the space: an array in .npy, or what --format json, jsonl or csv of sample and the others "
            "prints; - for standard input.",
            show_default=False,
        ),
    ],
    space: LatentOption = None,
    out: OutOption = None,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Turn points of a latent space back into pictures, sounds or vectors.

    Example:
      latentstore decode album.latent points.jsonl -o decoded.png
    """
    latents = _points(points)
    with latent(store, collection_name, space) as (_, one):
        show(one.decode(latents), out, "decoded", form)


def _points(given: str) -> Float32:
    """(n, dim) float32. Raises NotFound, InvalidInput."""
    if given != "-" and not Path(given).is_file():
        raise NotFound(f"there is no file {given}")
    try:
        if given.endswith(".npy"):
            with Path(given).open("rb") as file:
                return np.atleast_2d(np.lib.format.read_array(file, allow_pickle=False)).astype(np.float32)
        text = sys.stdin.read() if given == "-" else Path(given).read_text(encoding="utf-8")
        return np.array(list(_latents(text)), np.float32)
    except (ValueError, KeyError, TypeError) as cause:
        raise InvalidInput(
            f"{given} holds no points ({cause}); expected rows with a list of numbers under 'latent', as latentstore sample "
            "--format jsonl prints, or an array (n, dim) in .npy"
        ) from cause


def _latents(text: str) -> Iterable[list[float]]:
    start = text.lstrip()[:1]
    if start == "[":
        return [row["latent"] for row in json.loads(text)]
    if start == "{":
        return [json.loads(line)["latent"] for line in text.splitlines() if line.strip()]
    import csv

    return [json.loads(row["latent"]) for row in csv.DictReader(text.splitlines())]
