"""The job: find → open, decode and split → encode → commit, a batch at a time.

Threads read ahead, this one encodes, another one commits; what lies between them is bounded, so memory does not grow with
the sources. Each batch is one commit, of items and of the ledger's lines alike: a job that is killed has lost at most the
batches in hand, and running it again takes up where it stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import latentstore
from ingest.ahead import Ahead
from ingest.commit import Committer
from ingest.documents import Opener
from ingest.encoding import Encoding, Ready
from ingest.flagging import Flagging
from ingest.ledger import Ledger, archive_of
from ingest.options import Options
from ingest.readers.columns import Columns, MissingColumn
from ingest.readers.tables import column_names
from ingest.results import Problem, Progress, Result, Unreadable
from ingest.reuse import Reuse
from ingest.seen import Seen
from ingest.sources import TABLES, Document, Kind, Survey, find, roots, scratch, survey
from latentstore import InvalidInput, Modality
from latentstore.encoders import registry

if TYPE_CHECKING:
    from latentstore import Collection, Store

DEFAULT_COLLECTION = "docs"
DEFAULT_ENCODERS = ("text", "image", "audio")


class Stopped(latentstore.LatentstoreError):
    """A strict job met a problem."""


def run(
    store: Store | str | Path,
    sources: Sequence[Any],
    *,
    collection: str | None = None,
    encoders: Sequence[str] | None = None,
    options: Options | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Take sources into a store and bring its indexes up to date. store: an open one, or a path, made when missing.

    sources: paths of folders, files and archives, addresses, tables in memory. collection: needed where the store has
    several. encoders: for a new collection; None: text, image and audio, or none where only vectors come. progress: called
    after each batch. stop: set it, from any thread, to end after the batch in hand. Bad files and rows are in the
    result; raises Stopped at the first of them where options.strict asks for it, NotFound for a source that is not there,
    InvalidInput, MissingColumn for a table named as a source, and whatever opening the store or loading an encoder raises.
    """
    options = options or Options()
    with scratch():
        counted = checked(sources, options)
        for name in encoders or ():
            registry.resolve(name)
        if isinstance(store, str | Path):
            with latentstore.open(store) as opened:
                return _Job(target(opened, collection, encoders, options), sources, options, counted).run(
                    progress, stop
                )
        return _Job(target(store, collection, encoders, options), sources, options, counted).run(progress, stop)


def checked(sources: Sequence[Any], options: Options) -> Survey:
    """What the sources hold. Raises for what is wrong before anything is stored."""
    if isinstance(sources, str | Path):
        raise InvalidInput(f"sources are a list, got one {type(sources).__name__}; write [{str(sources)!r}]")
    options.check()
    counted = survey(sources, options.patterns, options.limits, options.name)
    for document in find([one for one in sources if _is_file(one)], options.patterns):
        if isinstance(document, Document) and document.kind in TABLES and document.size:
            _check_columns(document, options.columns)
    return counted


def _is_file(source: Any) -> bool:
    return isinstance(source, str | Path) and Path(source).expanduser().is_file()


def _check_columns(document: Document, columns: Columns) -> None:
    try:
        with document.local() as path:
            names = column_names(document, path)
    except Unreadable:
        return  # the job itself records why
    try:
        columns.check(names)
    except MissingColumn as missing:
        raise MissingColumn(f"{document.uri} {missing}") from None


def target(store: Store, name: str | None, encoders: Sequence[str] | None, options: Options) -> Collection:
    """The collection to write into, made when missing. Raises InvalidInput where the choice is not clear."""
    names = store.collections()
    if name is None and len(names) > 1:
        raise InvalidInput(f"the store has {len(names)} collections: {', '.join(names)}; say which one is meant")
    name = name or (names[0] if names else DEFAULT_COLLECTION)
    if name not in names:
        return store.create(name, encoders=wanted(encoders, options))
    found = store.collection(name)
    if encoders is not None:
        _refuse_others(found, encoders)
    if options.columns.vector and all(
        found.space(space).fingerprint is not None for space in found.spaces(latent=False)
    ):
        raise InvalidInput(
            f"collection {name!r} takes no vectors from elsewhere, all its spaces have encoders; name a new collection"
        )
    return found


def wanted(encoders: Sequence[str] | None, options: Options) -> list[str] | None:
    """The encoders of a new collection; None: it is for vectors from elsewhere."""
    if encoders is None and options.columns.vector:
        return None
    return list(encoders or DEFAULT_ENCODERS)


def encoders_of(found: Collection) -> list[str] | None:
    """Those a collection was made with; None: it is for vectors from elsewhere."""
    spaces = [found.space(name) for name in found.spaces(latent=False)]
    return [space.encoder.name for space in spaces if space.fingerprint is not None] or None


def _refuse_others(found: Collection, encoders: Sequence[str]) -> None:
    held = encoders_of(found) or []
    if [registry.resolve(name) for name in encoders] != held:
        raise InvalidInput(
            f"collection {found.name!r} was made with the encoders {', '.join(held) or 'none'}, got {', '.join(encoders)}; "
            "leave the encoders out, or name a new collection for them"
        )


class _Job:
    """One run over the sources into one collection."""

    def __init__(self, target: Collection, sources: Sequence[Any], options: Options, counted: Survey) -> None:
        self._target, self._sources, self._options, self._counted = target, sources, options, counted
        self._result = Result(target.name, ignored=counted.ignored, bytes=counted.bytes)
        self._began = time.monotonic()
        self._met = Seen()
        self._unlisted: list[str] = []
        reading = options.reading(target)
        self._ledger = Ledger(target)
        self._shape = options.shape(reading)
        self._opener = Opener(
            reading, self._shape, self._ledger, options.patterns, options.keep_content, counted.ignored
        )
        reuse = Reuse(target)
        self._encoding = Encoding(target, reuse)
        self._flagging = Flagging(target) if options.flag_outliers else None
        self._committer = Committer(target, self._ledger, reuse, self._shape, self._result)

    def run(self, progress: Callable[[Progress], None] | None, stop: threading.Event | None) -> Result:
        with ThreadPoolExecutor(1, "ingest-committer") as committer:
            pending: Future[None] | None = None
            with Ahead(self._documents(), self._opener, self._ledger, self._options.batch) as ahead:
                for batch in ahead.batches():
                    ready = self._encoding.prepare(batch)
                    if self._flagging is not None:
                        ready.items = self._flagging.told(ready.items, ready.vectors)
                    if pending is not None:
                        pending.result()
                    pending = committer.submit(self._committer.commit, ready, self._encoding.fingerprints)
                    if self._ends(stop, ready):
                        break
                    self._tell(progress, batch.done)
            if pending is not None:
                pending.result()
        return self._finish(progress)

    def _documents(self) -> Iterator[Document | Problem]:
        for document in found_in(self._sources, self._options, self._encoding.takes, self._counted.ignored):
            if isinstance(document, Problem):
                self._unlisted.append(document.source)
            else:
                self._met.add(document.uri)
            yield document

    def _ends(self, stop: threading.Event | None, ready: Ready) -> bool:
        if self._options.strict and (ready.problems or self._result.bad):
            return True
        self._result.stopped = stop is not None and stop.is_set()
        return self._result.stopped

    def _tell(self, progress: Callable[[Progress], None] | None, done: int) -> None:
        if progress is not None:
            result = self._result
            seconds = time.monotonic() - self._began
            files = result.files + result.skipped
            progress(Progress(files, result.passages, result.bad, done, self._counted.bytes, seconds))

    def _finish(self, progress: Callable[[Progress], None] | None) -> Result:
        result = self._result
        if self._options.strict and result.bad:
            first = result.problems[0]
            raise Stopped(f"{first.source}: {first.reason}; what was read before it is in the store")
        if not result.stopped:
            if self._options.sync:
                self._remove_gone()
            self._tell(progress, self._counted.bytes)
            self._target.optimize()
        result.seconds = time.monotonic() - self._began
        return result

    def _remove_gone(self) -> None:
        """Items whose source is no longer there. What could not be listed is not taken for gone."""
        for uris in self._ledger.under(roots(self._sources)):
            gone = [uri for uri in uris if not self._is_met(uri)]
            if gone:
                self._committer.remove(gone)

    def _is_met(self, uri: str) -> bool:
        # A member of an archive that was skipped as a whole was not met itself.
        return uri in self._met or archive_of(uri) in self._met or any(map(uri.startswith, self._unlisted))


def found_in(
    sources: Sequence[Any], options: Options, takes: Mapping[str, frozenset[Modality]], ignored: dict[str, int]
) -> Iterator[Document | Problem]:
    """What is found and can be encoded; the rest is counted in `ignored` as passed over."""
    taken = frozenset().union(*takes.values())
    for document in find(sources, options.patterns, limits=options.limits, name=options.name):
        needed = None if isinstance(document, Problem) else _needs(document.kind)
        if needed is not None and needed not in taken:
            told = f"{needed} (no encoder here takes it)"
            ignored[told] = ignored.get(told, 0) + 1
        else:
            yield document


def _needs(kind: Kind) -> Modality | None:
    """What an encoder must take for documents of a kind to be read; None: that depends on their columns, or members."""
    if kind in TABLES or kind is Kind.ARCHIVE:
        return None
    return {Kind.IMAGE: Modality.IMAGE, Kind.AUDIO: Modality.AUDIO}.get(kind, Modality.TEXT)
