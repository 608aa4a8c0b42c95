"""The job: find → read and split → compare with what is there → encode and commit, a batch at a time.

One thread reads and splits while another encodes; a bounded queue lies between them, so memory does not grow with the
sources. Each batch is one commit: a job that is killed has lost at most the batch in hand, and running it again takes
up where it stopped, because ids are the same and passages that are there already are not encoded again.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import latentstore
from ingest.chunking import Splitter, WordTokens
from ingest.commit import Committer
from ingest.readers import Passage, Reading, read
from ingest.readers.columns import Columns, MissingColumn
from ingest.readers.tables import column_names
from ingest.results import Problem, Progress, Result, Unreadable
from ingest.seen import Seen
from ingest.sources import TABLES, Document, Patterns, Survey, find, survey
from latentstore import InvalidInput, Item
from latentstore.encoders import registry
from latentstore.encoders.base import windowed

if TYPE_CHECKING:
    from latentstore import Collection, Store

DEFAULT_COLLECTION = "docs"
DEFAULT_ENCODER = "text"
QUEUED = 4  # batches read ahead of the encoder
_TICK = 0.1  # seconds between looks at the stop sign


@dataclass(frozen=True, slots=True)
class Options:
    """How a job reads. text_column and id_column are for tables; patterns for folders."""

    text_column: str = "text"
    id_column: str | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    chunk_tokens: int | None = None  # None: half the encoder's window for texts, all of it for rows
    batch: int = 512  # passages encoded and committed together

    @property
    def columns(self) -> Columns:
        return Columns(self.text_column, self.id_column)

    @property
    def patterns(self) -> Patterns:
        return Patterns(self.include, self.exclude)


@dataclass(frozen=True, slots=True)
class Finished:
    """A document read to its end, and the ids it has now."""

    uri: str
    ids: Seen


@dataclass(slots=True)
class Batch:
    """What travels from the reader to the writer."""

    items: list[Item] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    done: int = 0  # bytes of all documents behind the batch


def run(
    store: Store | str | Path,
    sources: Sequence[str | Path],
    *,
    collection: str | None = None,
    encoder: str | None = None,
    options: Options | None = None,
    progress: Callable[[Progress], None] | None = None,
    stop: threading.Event | None = None,
) -> Result:
    """Take sources into a store and bring its index up to date. store: an open one, or a path, made when missing.

    collection: needed where the store has several. encoder: for a new collection, `text` when None. progress: called
    after each batch. stop: set it, from any thread, to end after the batch in hand. Bad files and rows are in the
    result; raises NotFound for a source that is not there, InvalidInput, MissingColumn for a table named as a source,
    and whatever opening the store or loading the encoder raises.
    """
    options = options or Options()
    counted = _checked(sources, options)
    if encoder is not None:
        registry.resolve(encoder)
    if isinstance(store, str | Path):
        with latentstore.open(store) as opened:
            return _run(_target(opened, collection, encoder), sources, options, counted, progress, stop)
    return _run(_target(store, collection, encoder), sources, options, counted, progress, stop)


def _checked(sources: Sequence[str | Path], options: Options) -> Survey:
    """What the sources hold. Raises for what is wrong before anything is stored."""
    if isinstance(sources, str | Path):
        raise InvalidInput(f"sources are a list, got one {type(sources).__name__}; write [{str(sources)!r}]")
    if options.batch < 1 or (options.chunk_tokens is not None and options.chunk_tokens < 1):
        raise InvalidInput(f"batch and chunk_tokens are at least 1, got {options.batch} and {options.chunk_tokens}")
    counted = survey(sources, options.patterns)
    for document in find([s for s in sources if Path(s).expanduser().is_file()], options.patterns):
        if isinstance(document, Document) and document.kind in TABLES and document.size:
            _check_columns(document, options.columns)
    return counted


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


def _target(store: Store, name: str | None, encoder: str | None) -> Collection:
    """The collection to write into, made when missing. Raises InvalidInput where the choice is not clear."""
    names = store.collections()
    if name is None and len(names) > 1:
        raise InvalidInput(f"the store has {len(names)} collections: {', '.join(names)}; say which one is meant")
    name = name or (names[0] if names else DEFAULT_COLLECTION)
    if name not in names:
        return store.create(name, encoders=[encoder or DEFAULT_ENCODER])
    found = store.collection(name)
    if encoder is not None and (held := found.space().encoder.name) != registry.resolve(encoder):
        raise InvalidInput(
            f"collection {name!r} was made with encoder {held!r}, got {encoder!r}; leave the encoder out, or name "
            "a new collection for it"
        )
    return found


def _run(
    target: Collection,
    sources: Sequence[str | Path],
    options: Options,
    counted: Survey,
    progress: Callable[[Progress], None] | None,
    stop: threading.Event | None,
) -> Result:
    began = time.monotonic()
    result = Result(target.name, ignored=counted.ignored)
    reader = _Reader(find(sources, options.patterns), _reading(target, options), options.batch)
    committer = Committer(target, result)
    with reader:
        for batch in reader.batches():
            _take(batch, committer, result)
            if progress is not None:
                seconds = time.monotonic() - began
                progress(Progress(result.files, result.passages, result.bad, batch.done, counted.bytes, seconds))
            if stop is not None and stop.is_set():
                result.stopped = True
                break
    if not result.stopped:
        target.optimize()
    result.seconds = time.monotonic() - began
    return result


def _take(batch: Batch, committer: Committer, result: Result) -> None:
    for problem in batch.problems:
        result.note(problem)
    committer.store(batch.items)
    committer.forget({done.uri: done.ids for done in batch.finished})
    result.files += len(batch.finished)


def _reading(target: Collection, options: Options) -> Reading:
    tokens = windowed(target.space().encoder) or WordTokens()
    wanted = options.chunk_tokens
    return Reading(options.columns, Splitter.fitting(tokens, wanted), Splitter.fitting(tokens, wanted or tokens.window))


class _Reader:
    """Reads and splits in a thread of its own; a context manager that ends it."""

    def __init__(self, documents: Iterator[Document | Problem], reading: Reading, batch: int) -> None:
        self._documents, self._reading, self._size = documents, reading, batch
        self._queue: queue.Queue[Batch | BaseException | None] = queue.Queue(QUEUED)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ingest-reader", daemon=True)

    def __enter__(self) -> _Reader:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        self._thread.join()

    def batches(self) -> Iterator[Batch]:
        """Batches in order. Raises what the thread died of."""
        while (came := self._queue.get()) is not None:
            if isinstance(came, BaseException):
                raise came
            yield came

    def _work(self) -> None:
        try:
            for batch in self._read():
                if not self._put(batch):
                    return
            self._put(None)
        except BaseException as cause:  # carried to the thread that waits for batches
            self._put(cause)

    def _put(self, batch: Batch | BaseException | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(batch, timeout=_TICK)
            except queue.Full:
                continue
            return True
        return False

    def _read(self) -> Iterator[Batch]:
        batch = Batch()
        before = 0
        for document in self._documents:
            if isinstance(document, Problem):
                batch.problems.append(document)
                continue
            ids, size = Seen(), document.size or 0
            try:
                with document.local() as path:
                    for passage in read(document, path, self._reading):
                        done = before
                        if isinstance(passage, Passage):
                            ids.add(passage.item.id or "")
                            batch.items.append(passage.item)
                            done += round(passage.done * size)
                        else:
                            batch.problems.append(passage)
                        batch.done = min(done, before + size)
                        if len(batch.items) + len(batch.problems) >= self._size:
                            yield batch
                            batch = Batch()
                batch.finished.append(Finished(document.uri, ids))
            except (Unreadable, OSError) as cause:
                batch.problems.append(Problem(document.uri, str(cause)))
            before += size
            batch.done = before
            if len(batch.finished) + len(batch.problems) >= self._size:
                yield batch
                batch = Batch()
        yield batch
