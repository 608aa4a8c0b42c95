"""fit and backfill: a latent space is learned from items, and catches up with those that came since."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from latentstore.cli.curve import plot
from latentstore.cli.latents import NOT_FITTED, fitted
from latentstore.cli.output import Format, FormatOption, counted, display, emit_data, new_table, note, say
from latentstore.cli.progress import Progress, duration
from latentstore.cli.stores import CollectionOption, StoreArgument, collection
from latentstore.cli.studying import SeedOption, WhereOption, fullest
from latentstore.errors import InvalidInput

if TYPE_CHECKING:
    from latentstore.analysis.progress import Progress as Tell
    from latentstore.collection import Collection
    from latentstore.space import Space

LEARNT, HELD = ".", "o"  # marks of the loss curve
COLUMNS = (
    "space",
    "version",
    "active",
    "kind",
    "dim",
    "form",
    "items",
    "held_out",
    "error",
    "pca",
    "seconds",
    "device",
)


class Kind(StrEnum):
    PCA = "pca"
    AUTOENCODER = "autoencoder"
    VAE = "vae"
    GAN = "gan"


class Sees(StrEnum):
    IMAGE = "image"
    AUDIO = "audio"
    VECTORS = "vectors"


class Device(StrEnum):
    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
    MPS = "mps"


def fit(
    store: StoreArgument,
    model: Annotated[
        Kind,
        typer.Option(
            help="pca: the main directions, in moments. autoencoder: quick and close to its items. vae: made to be walked and "
            "sampled in. gan: slower, made for sharp samples."
        ),
    ] = Kind.VAE,
    dim: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Dimensions of the new space. After how much tells items apart when absent: 32, 64 or 128, fewer of few items.",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Of the new space; a name that is there gets another version.", show_default="vae32"
        ),
    ] = None,
    source: Annotated[
        Sees | None,
        typer.Option(help="What the model sees of an item. Its picture or sound where they are at hand, when absent."),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(min=4, metavar="PIXELS", help="Side of the pictures. Their own up to 64 when absent."),
    ] = None,
    space: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose items to learn from. The fullest space when absent.")
    ] = None,
    where: WhereOption = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Passes over the items, at most. Chosen when absent.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, metavar="S", help="Stop training after so long, and keep the best.")
    ] = None,
    beta: Annotated[
        float, typer.Option(min=1e-6, help="vae: higher makes samples smoother and reconstructions coarser.")
    ] = 1.0,
    whiten: Annotated[bool, typer.Option("--whiten", help="pca: every dimension of variance 1.")] = False,
    device: Annotated[
        Device, typer.Option(help="What computes. auto: a graphics card where there is one.")
    ] = Device.AUTO,
    seed: SeedOption = 0,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Learn a space from your own pictures, sounds or vectors, with a way back from every point.

    It is a space like any other, to search, cluster and map. Besides, its points decode: morph, sample, traverse,
    reconstruct. Items that come later are placed in it too. A fit that was killed goes on where it was when it is asked
    again.

    Examples:
      latentstore fit album.latent --model vae
      latentstore fit album.latent --model vae --epochs 50
    """
    with collection(store, collection_name, read_only=False) as docs:
        with _telling("fit") as tell:
            made = fullest(docs, space).fit(
                model.value,
                dim,
                name,
                source=None if source is None else source.value,
                seed=seed,
                where=where,
                size=size,
                device=device.value,
                epochs=epochs,
                seconds=seconds,
                beta=beta,
                whiten=whiten,
                progress=tell,
            )
        if form is Format.TABLE:
            _sheet(made)
            _go_on(store, docs, made)
        else:
            emit_data([_row(made)], COLUMNS, form)
        for warning in made.record["warnings"]:
            note(f"note: {warning}")
        if made.record["error"]["mean"] > made.record["error"]["pca"]:
            note("note: try --model pca or autoencoder, more items, smaller pictures (--size), or more time to train")


@contextmanager
def _telling(job: str) -> Iterator[Tell]:
    """What a fit calls to tell how far it is, with the time that is left of the step: training takes most of it."""
    with Progress(job) as bar:
        steps: dict[str, float] = {}

        def tell(step: str, share: float) -> None:
            passed = time.monotonic() - steps.setdefault(step, time.monotonic())
            left = f", {duration(passed * (1 - share) / share)} left" if passed > 2 and 0 < share < 1 else ""
            bar.update(0, 0, f"{step} {share:.0%}{left}")

        yield tell


def _row(made: Space) -> dict[str, Any]:
    """For machines: the whole record, and first what a line of csv has room for."""
    record = made.record
    training = record["training"] or {}
    short = {
        "space": made.name,
        "version": made.version,
        "active": _active(made),
        "error": record["error"]["mean"],
        "pca": record["error"]["pca"],
        "device": training.get("device"),
    }
    return {**short, **{key: record[key] for key in COLUMNS if key not in short}, "record": record}


def _sheet(made: Space) -> None:
    from rich.text import Text

    record = made.record
    grid = new_table()
    grid.show_header = False
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold")
    for fact, value in _facts(made, record):
        grid.add_row(Text(fact), Text(value))
    display(grid)
    training = record["training"]
    if training and training["losses"]["held"]:
        say(f"\nloss by epoch; {LEARNT} items learnt from, {HELD} items held out")
        losses = training["losses"]
        for line in plot({LEARNT: losses["train"], HELD: losses["held"]}):
            say(line)


def _facts(made: Space, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    training = record["training"]
    yield "space", f"{made.name}, version {made.version}: {record['kind']} of {counted(record['dim'], 'dimension')}"
    held = f"; {record['held_out']:,} of them held out to measure with"
    left = f"; {record['left_out']:,} show nothing and were left out" if record["left_out"] else ""
    yield "learnt from", f"{counted(record['items'], 'item')} of space {record['of']}, as {record['form']}{held}{left}"
    if training:
        went_on = ", gone on from an earlier run" if training["resumed"] else ""
        yield "trained", f"on {training['device']}, {training['epochs']} epochs ({training['stopped']}){went_on}"
    yield "took", duration(record["seconds"])
    yield "error", _error(record["error"], record["kind"])
    if record["explained"]:
        yield "explained", f"{sum(record['explained']):.1%} of the variance"
    yield "dimensions", f"{record['active']} of {record['dim']} tell items apart"


def _error(error: Mapping[str, Any], kind: str) -> str:
    """How much of a held-out item is lost, beside PCA of the same size and beside showing the mean item always."""
    beside = f"; PCA of the same size {error['pca']:.4g}" if kind != Kind.PCA else ""
    explained = 1 - error["mean"] / error["nothing"] if error["nothing"] > 0 else 1.0
    return f"{error['mean']:.4g} of a held-out item ({error['unit']}){beside}; {explained:.0%} of what differs is kept"


def _go_on(store: Path, docs: Collection, made: Space) -> None:
    path = shlex.quote(str(store))
    space = "" if len(fitted(docs)) == 1 else f" --space {made.name}"
    say("")
    if not _active(made):
        now = docs.space(made.name).version
        say(f"{made.name} still stands for version {now}; to change over: latentstore switch {path} {made.name}")
        return
    one, other = _pair(made)
    say("go on with:")
    for command in (
        f"latentstore interpolate {path} {shlex.quote(one)} {shlex.quote(other)}{space}",
        f"latentstore sample {path}{space}",
        f"latentstore reconstruct {path}{space}",
        f"latentstore traverse {path}{space}",
        f"latentstore report {path} --space {made.name}",
    ):
        say(f"  {command}")


def _active(made: Space) -> bool:
    return any(one.active for one in made.versions() if one.version == made.version)


def _pair(made: Space) -> tuple[str, str]:
    """Two items that are worth a morph: the first, and one that is unlike it without being the strangest of all."""
    ids, latents = made.vectors()
    apart = np.linalg.norm(latents - latents[0], axis=1)
    return ids[0], ids[int(np.argsort(apart)[len(ids) * 3 // 4])]


def backfill(
    store: StoreArgument,
    space: Annotated[
        str | None, typer.Argument(metavar="SPACE", help="All fitted spaces when absent.", show_default=False)
    ] = None,
    collection_name: CollectionOption = None,
) -> None:
    """Give the items that a latent space lags behind their places in it; goes on where it stopped.

    Example:
      latentstore backfill album.latent
    """
    with collection(store, collection_name, read_only=False) as docs:
        names = [space] if space is not None else fitted(docs)
        if not names:
            raise InvalidInput(NOT_FITTED)
        for one in (
            docs.space(f"{name}@{version.version}") for name in names for version in docs.space(name).versions()
        ):
            with _telling("backfill") as tell:
                count = one.backfill(progress=tell)
            say(f"{one.name}, version {one.version}: {counted(count, 'item')} got a place; {len(one):,} are in it")
