"""`latentstore ingest`: joins the command line as a stranger's command would, through an entry point."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentstore.cli.output import Format, FormatOption, counted, emit, note, one_line, say
from latentstore.cli.progress import Progress as Bar
from latentstore.cli.progress import duration
from latentstore.cli.stores import CollectionOption

if TYPE_CHECKING:
    from ingest.results import Progress, Result

SHOWN_PROBLEMS = 10
INTERRUPTED = 130


def ingest_command(
    store: Annotated[
        Path, typer.Argument(metavar="STORE", help="The store's directory, made when missing.", show_default=False)
    ],
    sources: Annotated[
        list[str], typer.Argument(metavar="SOURCE", help="Folders and files to read.", show_default=False)
    ],
    text_column: Annotated[str, typer.Option(metavar="NAME", help="Tables: the column to encode.")] = "text",
    id_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Tables: the column of ids. Rows are numbered when absent.")
    ] = None,
    include: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Folders: read only such files, as '*.md'. Repeatable.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Folders: pass over such files and folders. Repeatable.")
    ] = None,
    encoder: Annotated[
        str | None, typer.Option(metavar="NAME", help="For a new collection: see latentstore encoders. [default: text]")
    ] = None,
    chunk_tokens: Annotated[
        int | None, typer.Option(min=1, help="Tokens a passage, at most the encoder's window.", show_default="half")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Passages encoded and committed together.")] = 512,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Take folders, texts and tables (.txt .md .csv .tsv .jsonl .parquet) into a store.

    Run it again at any time: only what is new or changed is encoded.

    Examples:
      latentstore ingest pile.latent ~/notes --exclude drafts
      latentstore ingest pile.latent reviews.csv --text-column review
    """
    from ingest.pipeline import Options, run

    options = Options(text_column, id_column, tuple(include or ()), tuple(exclude or ()), chunk_tokens, batch)
    with Bar("ingesting") as bar, stopping() as stop:

        def tell(progress: Progress) -> None:
            bar.update(progress.done, progress.total, _pace(progress))

        result = run(
            store, sources, collection=collection_name, encoder=encoder, options=options, progress=tell, stop=stop
        )
    _report(result, form)
    if form is Format.TABLE and result.added and not result.stopped:
        note(f'now try: latentstore search {shlex.quote(str(store))} "what to look for, in your own words"')
    if result.stopped:
        note("stopped after a whole batch, which is safe; give the same command again to go on")
        raise typer.Exit(INTERRUPTED)
    if result.bad and not result.passages:
        raise typer.Exit(1)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; the second one interrupts at once, as usual."""
    stop = threading.Event()

    def first(number: int, frame: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        note("finishing the batch in hand; Ctrl-C again to stop at once")

    before = signal.signal(signal.SIGINT, first)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


def _pace(progress: Progress) -> str:
    """Short enough to leave room for a bar."""
    told = [counted(progress.passages, "passage")]
    if progress.files > 1:
        told.insert(0, counted(progress.files, "file"))
    if progress.problems:
        told.append(counted(progress.problems, "problem"))
    rate = progress.passages / progress.seconds if progress.seconds else 0
    told.append("indexing" if progress.done >= progress.total else f"{rate:,.0f}/s")
    return ", ".join(told)


def _report(result: Result, form: Format) -> None:
    """Problems on standard error, the summary on standard output."""
    for problem in result.problems[:SHOWN_PROBLEMS]:
        note(f"not read: {problem.source}: {one_line(problem.reason)}")
    if result.bad > SHOWN_PROBLEMS:
        note(f"and {result.bad - SHOWN_PROBLEMS:,} more; --format json lists them")
    if not result.files and not result.passages and not result.bad:
        note("nothing to read was found there")
    if result.ignored:
        endings = sorted(result.ignored.items(), key=lambda pair: (-pair[1], pair[0]))
        note(f"passed over, of kinds not read: {', '.join(f'{count:,} {ending}' for ending, count in endings)}")
    if form is Format.TABLE:
        _summary(result)
    else:
        row = asdict(result)
        emit([row], list(row), form)


def _summary(result: Result) -> None:
    parts = {
        "new": result.added,
        "changed": result.replaced,
        "moved": result.updated,
        "unchanged": result.unchanged,
        "removed": result.removed,
    }
    told = ", ".join(f"{count:,} {word}" for word, count in parts.items() if count) or "nothing new"
    bad = f", {counted(result.bad, 'problem')}" if result.bad else ""
    line = f"{counted(result.files, 'file')}, {counted(result.passages, 'passage')} ({told}){bad}"
    say(f"{line}, {duration(result.seconds)}, collection {result.collection!r}")
