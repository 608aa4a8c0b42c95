"""Keeping a store in step with folders: a job at once, and another whenever something in them has changed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ingest.options import Options
from ingest.pipeline import run
from ingest.results import Progress, Result
from latentstore import InvalidInput

QUIET = 1_000  # milliseconds without a change before a job begins
LONGEST = 10_000  # milliseconds after which it begins anyway


def watch(
    store: str | Path,
    sources: Sequence[str | Path],
    *,
    collection: str | None = None,
    encoders: Sequence[str] | None = None,
    options: Options | None = None,
    told: Callable[[Result], None] | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> None:
    """Run until `stop` is set: items appear, change and go with the files of the folders. told: called after each job.

    Between jobs the store is closed, so that others may search it. Otherwise as `run`; raises InvalidInput for a source
    that cannot be watched.
    """
    from watchfiles import watch as changes

    stop = stop or threading.Event()
    places = [_place(source) for source in sources]
    options = replace(options or Options(), sync=True)

    def job() -> None:
        result = run(
            store, sources, collection=collection, encoders=encoders, options=options, progress=progress, stop=stop
        )
        if told is not None:
            told(result)

    own = str(Path(store).expanduser().resolve())
    # Watching begins before the first job, or what changes during it would be missed.
    stream = changes(
        *places,
        watch_filter=lambda kind, path: not path.startswith(own),
        stop_event=stop,
        step=QUIET,
        debounce=LONGEST,
        yield_on_timeout=True,
        rust_timeout=100,
        raise_interrupt=False,
    )
    first = True
    for found in stream:
        if first or found:
            first = False
            job()


def _place(source: str | Path) -> Path:
    place = Path(source).expanduser().resolve()
    if not place.exists():
        raise InvalidInput(f"{source} cannot be watched: there is no such folder or file here")
    return place
