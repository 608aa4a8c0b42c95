"""`latentstore ingest`: joins the command line as a stranger's command would, through an entry point."""

from __future__ import annotations

import shlex
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from latentstore.cli.output import Format, FormatOption, counted, emit, note, one_line, say
from latentstore.cli.progress import Progress as Bar
from latentstore.cli.progress import duration
from latentstore.cli.stores import CollectionOption
from latentstore.cli.stores import collection as opened_collection

if TYPE_CHECKING:
    from ingest.options import Options
    from ingest.plan import Plan
    from ingest.results import Problem, Progress, Result

SHOWN_PROBLEMS = 10
INTERRUPTED = 130
_TABLES, _FILES, _JOB, _LIMITS = "Tables", "Folders and files", "The job", "Limits"


def ingest_command(
    store: Annotated[
        Path, typer.Argument(metavar="STORE", help="The store's directory, made when missing.", show_default=False)
    ],
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE", help="Folders, files, archives, addresses; - for standard input.", show_default=False
        ),
    ] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Read only such files, as '*.md'. Repeatable.", rich_help_panel=_FILES),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Pass over such files and folders. Repeatable.", rich_help_panel=_FILES),
    ] = None,
    chunk_tokens: Annotated[
        int | None,
        typer.Option(
            min=1, help="Tokens a passage, at most the encoder's window.", show_default="half", rich_help_panel=_FILES
        ),
    ] = None,
    window: Annotated[
        float, typer.Option(metavar="SECONDS", help="Long recordings are cut into these.", rich_help_panel=_FILES)
    ] = 10.0,
    text_column: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The column of texts.", show_default="text", rich_help_panel=_TABLES),
    ] = None,
    image_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Paths or bytes of pictures.", rich_help_panel=_TABLES)
    ] = None,
    audio_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Paths or bytes of recordings.", rich_help_panel=_TABLES)
    ] = None,
    vector_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Vectors from elsewhere.", rich_help_panel=_TABLES)
    ] = None,
    id_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ids. Rows are numbered when absent.", rich_help_panel=_TABLES)
    ] = None,
    encoder: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="For a new collection: see latentstore encoders. Repeatable.",
            show_default="text, image, audio",
            rich_help_panel=_JOB,
        ),
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Items encoded and committed together.", rich_help_panel=_JOB)
    ] = 512,
    sync: Annotated[
        bool, typer.Option("--sync", help="Remove items whose file has gone.", rich_help_panel=_JOB)
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first problem.", rich_help_panel=_JOB)] = False,
    keep_content: Annotated[
        bool, typer.Option("--keep-content", help="Keep the files' bytes in the store.", rich_help_panel=_JOB)
    ] = False,
    flag_outliers: Annotated[
        bool,
        typer.Option(
            "--flag-outliers",
            help="Judge new items by the outliers last kept, in their metadata.",
            rich_help_panel=_JOB,
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and keep the store in step with the sources.", rich_help_panel=_JOB)
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and store nothing.", rich_help_panel=_JOB)
    ] = False,
    errors: Annotated[
        bool, typer.Option("--errors", help="List what could not be read at earlier runs.", rich_help_panel=_JOB)
    ] = False,
    name: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="What standard input would be called: rows.csv.", rich_help_panel=_FILES),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE",
            help="What one source may cost: pixels, seconds, pages, bytes, members, expansion, row. Repeatable.",
            rich_help_panel=_LIMITS,
        ),
    ] = None,
    collection_name: CollectionOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Take texts, documents, tables, pictures and sound into a store: folders, files, archives, addresses.

    Run it again at any time: only what is new or changed is read.

    Examples:
      latentstore ingest pile.latent ~/notes --exclude drafts
      latentstore ingest pile.latent reviews.csv --text-column review
      latentstore ingest pile.latent ~/notes --dry-run
    """
    from ingest.limits import limits_from
    from ingest.options import Options
    from ingest.readers.columns import Columns
    from ingest.sources import Patterns

    if errors:
        _list_errors(store, collection_name, form)
        return
    if not sources:
        raise typer.BadParameter("name a folder, a file, an archive or an address", param_hint="SOURCE")
    options = Options(
        Columns(text_column, image_column, audio_column, vector_column, id_column),
        Patterns(tuple(include or ()), tuple(exclude or ())),
        limits_from(limit or ()),
        chunk_tokens,
        window,
        batch,
        keep_content,
        sync,
        strict,
        flag_outliers,
        name,
    )
    job = _Command(store, sources, collection_name, encoder, options, form)
    if dry_run:
        job.plan()
    elif watch:
        job.watch()
    else:
        job.run()


@dataclass(frozen=True, slots=True)
class _Command:
    store: Path
    sources: list[str]
    collection: str | None
    encoders: list[str] | None
    options: Options
    form: Format

    def run(self) -> None:
        from ingest.pipeline import run

        with Bar("ingesting") as bar, stopping() as stop:
            result = run(
                self.store,
                self.sources,
                collection=self.collection,
                encoders=self.encoders,
                options=self.options,
                progress=_telling(bar),
                stop=stop,
            )
        _report(result, self.form)
        if self.form is Format.TABLE and result.added and not result.stopped:
            note(f'now try: latentstore search {shlex.quote(str(self.store))} "what to look for, in your own words"')
        if result.stopped:
            note("stopped after a whole batch, which is safe; give the same command again to go on")
            raise typer.Exit(INTERRUPTED)
        if result.bad and not result.passages and not result.skipped:
            raise typer.Exit(1)

    def watch(self) -> None:
        from ingest.watch import watch

        with Bar("ingesting") as bar, stopping() as stop:
            note("watching; Ctrl-C ends it")
            watch(
                self.store,
                self.sources,
                collection=self.collection,
                encoders=self.encoders,
                options=self.options,
                told=lambda result: _report(result, self.form),
                progress=_telling(bar),
                stop=stop,
            )

    def plan(self) -> None:
        from ingest.plan import plan

        made = plan(self.store, self.sources, collection=self.collection, encoders=self.encoders, options=self.options)
        _tell_problems(made.problems, made.bad, made.ignored)
        if self.form is not Format.TABLE:
            row = asdict(made)
            emit([row], list(row), self.form)
            return
        _tell_plan(made)


def _telling(bar: Bar) -> Callable[[Progress], None]:
    return lambda progress: bar.update(progress.done, progress.total, _pace(progress))


def _list_errors(store: Path, name: str | None, form: Format) -> None:
    from ingest.ledger import Ledger

    with opened_collection(store, name) as collection:
        found = [{"source": one.uri, "items": one.items, "reason": one.error} for one in Ledger(collection).errors()]
    if found or form is not Format.TABLE:
        emit(found, ["source", "items", "reason"], form)
    else:
        say("every source could be read")


def _tell_plan(made: Plan) -> None:
    say(
        f"{counted(made.new, 'new file')}, {made.changed:,} changed, {made.unchanged:,} unchanged; {size(made.bytes)} to read"
    )
    if made.sampled:
        say(
            f"about {counted(made.items, 'item')}, {duration(made.seconds)}, and {size(made.growth)} more on disk, "
            f"judged by {counted(made.sampled, 'item')} taken in for trial"
        )
    say(f"collection {made.collection!r}; nothing was stored")


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
    told = [counted(progress.passages, "item")]
    if progress.files > 1:
        told.insert(0, counted(progress.files, "file"))
    if progress.problems:
        told.append(counted(progress.problems, "problem"))
    if progress.done >= progress.total:
        told.append("indexing")
    elif progress.seconds:
        told.append(f"{progress.passages / progress.seconds:,.0f}/s, {size(progress.done / progress.seconds)}/s")
    return ", ".join(told)


def _report(result: Result, form: Format) -> None:
    """Problems on standard error, the summary on standard output."""
    if not result.files and not result.skipped and not result.passages and not result.bad and not result.gone:
        note("nothing to read was found there")
    _tell_problems(result.problems, result.bad, result.ignored)
    if form is Format.TABLE:
        _summary(result)
    else:
        row = asdict(result)
        emit([row], list(row), form)


def _tell_problems(problems: Sequence[Problem], bad: int, ignored: Mapping[str, int]) -> None:
    for problem in problems[:SHOWN_PROBLEMS]:
        note(f"not read: {problem.source}: {one_line(problem.reason)}")
    if bad > SHOWN_PROBLEMS:
        note(f"and {bad - SHOWN_PROBLEMS:,} more; --errors or --format json lists them")
    if ignored:
        endings = sorted(ignored.items(), key=lambda pair: (-pair[1], pair[0]))
        note(f"passed over, of kinds not read: {', '.join(f'{count:,} {ending}' for ending, count in endings)}")


def _summary(result: Result) -> None:
    parts = {
        "new": result.added,
        "changed": result.replaced,
        "told anew": result.updated,
        "unchanged": result.unchanged,
        "removed": result.removed,
    }
    told = ", ".join(f"{count:,} {word}" for word, count in parts.items() if count) or "nothing new"
    files = [counted(result.files, "file")]
    for count, word in ((result.skipped, "unchanged"), (result.moved, "moved"), (result.gone, "gone")):
        if count:
            files.append(f"{count:,} {word}")
    reused = f", {counted(result.reused, 'vector')} taken from equal content" if result.reused else ""
    bad = f", {counted(result.bad, 'problem')}" if result.bad else ""
    line = f"{', '.join(files)}; {counted(result.passages, 'item')} ({told}){reused}{bad}"
    say(f"{line}; {duration(result.seconds)}, collection {result.collection!r}")


def size(count: float) -> str:
    """'340 B', '12 kB', '3.4 MB'."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} GB"
