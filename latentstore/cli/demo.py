"""demo: the documentation of the installed Python, searched by meaning; then handwritten digits, and a space learned from them.

Needs no network and no data of one's own.
"""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from latentstore.cli import digits
from latentstore.cli.output import counted, display, new_table, note, printable, say, short
from latentstore.cli.progress import Progress, duration
from latentstore.errors import AlreadyExists

if TYPE_CHECKING:
    from latentstore import Collection, Hit, Item, Store

COLLECTION = "python"
DIGITS = "digits.latent"  # beside the first store
BATCH = 512
ANSWERS = 3
SHOWN = 200  # characters of an answer
QUESTIONS = (
    "How do I pick a random element from a list?",
    "How do I cache the results of a slow function?",
    "a temporary folder that deletes itself",
    "How can I run another program and read its output?",
    "Why do default arguments keep their values between calls?",
    "What does yield do?",
)


def demo(
    store: Annotated[Path, typer.Argument(metavar="STORE", help="Where the demo's store shall stand.")] = Path(
        "python-docs.latent"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Make the demo's collection anew.")] = False,
    encoder: Annotated[str, typer.Option(metavar="NAME", help="See latentstore encoders.")] = "text",
) -> None:
    """Put the documentation of the installed Python into a store, and ask it questions. Then turn a 3 into an 8.

    The second part learns a space from 1,797 scans of handwritten digits, in a store of its own beside the first, and
    writes pictures of a morph and of digits that nobody wrote.

    Example:
      latentstore demo
    """
    import latentstore

    place = _writable(store)
    with latentstore.open(place) as open_store:
        docs = _collection(open_store, place, encoder, fresh)
        _fill(docs, place)
        for question in QUESTIONS:
            _answer(question, list(docs.search(question, k=ANSWERS)))
        _what_next(place, len(docs))
    digits.show(place.with_name(DIGITS), fresh)


def _writable(store: Path) -> Path:
    """The path itself, or one in the temporary folder when nothing can be written there."""
    if os.access(store if store.exists() else store.parent, os.W_OK):
        return store
    place = Path(tempfile.mkdtemp(prefix="latentstore-demo-"), store.name)
    note(f"{store.parent.resolve()} cannot be written to; the store goes to {place}")
    return place


def _collection(store: Store, place: Path, encoder: str, fresh: bool) -> Collection:
    names = store.collections()
    if names and names != [COLLECTION]:
        raise AlreadyExists(f"{place} is a store of something else; name another path: latentstore demo NEW.latent")
    if fresh and names:
        store.drop(COLLECTION)
    return store.get_or_create(COLLECTION, encoders=[encoder])


def _fill(docs: Collection, place: Path) -> None:
    """Add what is missing or has changed, drop what is gone: all of it, the rest of an interrupted run, or nothing."""
    from latentstore.cli.pydocs import collect

    note(f"collecting the documentation of Python {sys.version.split()[0]}")
    items = collect()
    held = {row["id"]: row["text"] for row in docs.sql("select id, text from items")}
    missing = [item for item in items if item.text != held.get(item.id or "")]
    gone = held.keys() - {item.id for item in items}
    if held:
        there = len(items) - len(missing)
        note(f"{place} has {there:,} of {len(items):,} passages from an earlier run (--fresh makes them anew)")
    if gone:
        docs.delete(ids=sorted(gone))
    if missing:
        _add(docs, missing, place)


def _add(docs: Collection, items: Sequence[Item], place: Path) -> None:
    note(f"encoding {len(items):,} passages into {place}")
    began = time.monotonic()
    with Progress("encoding") as progress:
        for at in range(0, len(items), BATCH):
            docs.add(items[at : at + BATCH], on_conflict="replace")
            done = min(at + BATCH, len(items))
            progress.update(done, len(items), f"{done / (time.monotonic() - began):,.0f} passages/s")
    docs.optimize()
    note(f"took {duration(time.monotonic() - began)}")


def _answer(question: str, hits: list[Hit]) -> None:
    from rich.text import Text

    grid = new_table()
    grid.add_column("score", justify="right", no_wrap=True)
    grid.add_column(Text(question), overflow="fold")
    for hit in hits:
        name, _, text = (hit.text or "").partition(": ")
        told = Text.assemble((printable(name), "bold"), "\n", short(text, SHOWN))
        grid.add_row(f"{hit.score:.2f}", told)
    sys.stdout.write("\n")
    display(grid)


def _what_next(place: Path, count: int) -> None:
    name = shlex.quote(str(place))
    told = (
        f"These answers came from {counted(count, 'passage')} in {place.resolve()}, by meaning, not by words. Now try:"
    )
    commands = (
        f"latentstore report {name}   # a page that explains the pile: open report.html in a browser",
        f'latentstore search {name} "how do I sort by two keys?" -k 3',
        f'latentstore search {name} "wait for a thread" --where "module = \'threading\'"',
        f"latentstore similar {name} functools.lru_cache",
        f'latentstore sql {name} "select kind, count(*) n from items group by kind order by n desc"',
        "latentstore ingest my.latent ~/notes   # your own texts; then: latentstore search my.latent …",
        f"rm -r {name}   # when you have seen enough",
    )
    for line in ("", told, *(f"  {command}" for command in commands)):
        say(line)
