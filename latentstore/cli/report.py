"""report: a collection explained on one page, and as files for other tools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentstore.cli.look import size
from latentstore.cli.output import Format, counted, emit_data, note, say, short
from latentstore.cli.progress import Progress, duration
from latentstore.cli.stores import CollectionOption, StoreArgument, collection
from latentstore.cli.studying import KeepOption, SeedOption, WhereOption

if TYPE_CHECKING:
    from latentstore.collection import Collection
    from latentstore.reports.collect import Report
    from latentstore.reports.studied import Options

TOLD = 3  # findings that the command says itself
SENTENCE = 300  # characters of one

SpacesOption = Annotated[
    list[str] | None,
    typer.Option("--space", metavar="NAME", help="Only this space; repeatable. All that have items when absent."),
]
FormatOption = Annotated[Format, typer.Option("--format", help="How the summary is printed.")]


def report(
    store: StoreArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE.html", help="The page, made anew each time.")
    ] = Path("report.html"),
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the findings there as well, as Parquet and JSON.")
    ] = None,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="What stands above the page.")] = None,
    space: SpacesOption = None,
    where: WhereOption = None,
    seed: SeedOption = 0,
    keep: KeepOption = True,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file, or write into a folder, that is no earlier report.")
    ] = False,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Explain a collection on one page: what it is about, what does not belong, what is there twice, and a map.

    The page is one HTML file that needs nothing else: it opens from disk, offline, in any browser. What it says is kept
    in the store as well, as columns to filter by, and the next report tells what has changed since.

    Examples:
      latentstore report pile.latent
      latentstore report pile.latent -o rent.html --where "year >= 2004"
      latentstore report pile.latent --data findings --no-keep
    """
    from latentstore.reports import write
    from latentstore.reports.studied import Options

    with collection(store, collection_name, read_only=not keep) as docs:
        write.check_html(out, force=force)
        if data is not None:
            write.check_folder(data, force=force)
        made = _collected(docs, Options(tuple(space or ()), where, seed, keep, title))
        if data is not None:
            _write_data(data, made)
        length = write.html(made.page, out)
    _tell(made, form)
    items = counted(made.page.items, "item")
    (say if form is Format.TABLE else note)(
        f"{out}: {items}, {size(length)}, {duration(made.seconds)}; open it in a browser"
    )


def _collected(docs: Collection, options: Options) -> Report:
    from latentstore.reports.collect import collect

    with Progress("report") as progress:
        # Steps differ in length: a share of them tells no time that is left.
        return collect(docs, options, lambda step, share: progress.update(0, 0, f"{share:.0%}, {step}"))


def _write_data(folder: Path, made: Report) -> None:
    from latentstore.reports import data

    files = data.write_all(folder, made.page, made.studied)
    note(f"{folder}: {', '.join(sorted(file.name for file in files))}")


def _tell(made: Report, form: Format) -> None:
    """The most telling sentences for people, all of them for machines."""
    told = made.page.summary
    if form is Format.TABLE:
        for one in told[:TOLD]:
            say(f"- {short(one.text, SENTENCE)} ({one.sureness})")
        return
    rows: list[dict[str, Any]] = [
        {"text": one.text, "sureness": one.sureness, "because": one.because, "space": one.space, "part": one.part}
        for one in told
    ]
    emit_data(rows, ["text", "sureness", "because", "space", "part"], form)
