"""What commands that analyse a space share: options, how far they are, and what was kept."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from latentstore.cli.output import counted, note, printable
from latentstore.cli.progress import Progress

if TYPE_CHECKING:
    from latentstore.analysis.progress import Progress as Tell
    from latentstore.collection import Collection
    from latentstore.findings.study import Study
    from latentstore.space import Space

SpaceOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Which space, where the collection has several. The fullest one when absent."),
]
WhereOption = Annotated[
    str | None, typer.Option(metavar="EXPR", help="Only items for which this SQL condition over metadata holds.")
]
SeedOption = Annotated[
    int, typer.Option(min=0, max=(1 << 31) - 1, help="Of what is drawn at random. The same seed gives the same result.")
]
KeepOption = Annotated[
    bool,
    typer.Option(
        "--keep/--no-keep",
        help="Keep the findings in the store, as a study and as metadata of its items; else open it for reading only.",
    ),
]


@contextmanager
def telling(job: str) -> Iterator[Tell]:
    """What an analysis calls to tell how far it is: a bar on a terminal, elsewhere a line now and then."""
    with Progress(job) as bar:
        # Steps differ in length: the share of one says nothing of the whole, nor of the time that is left.
        yield lambda step, share: bar.update(0, 0, f"{step} {share:.0%}")


def fullest(docs: Collection, name: str | None) -> Space:
    """The space of that name, or the one with most vectors."""
    return docs.space(name or max(docs.spaces(), key=lambda one: len(docs.space(one))))


def day(seconds: float) -> str:
    """Unix seconds as '2026-11-28 01:40', in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def say_kept(study: Study | None, example: str | None = None) -> None:
    """On standard error: where the findings are. example: a condition that finds items by them."""
    if study is None:
        note("nothing was kept")
        return
    if not study.columns:
        note(f"kept as study {study.id}")
        return
    columns = ", ".join(study.columns.values())
    shown = f'; try: --where "{printable(example)}"' if example else ""
    note(f"kept as study {study.id} and in {counted(len(study.columns), 'column')} ({columns}){shown}")
