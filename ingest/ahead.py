"""Reading ahead: documents are opened, decoded and split beside the encoding, and come out as batches in the order found.

Small documents are read by a few threads at once, each whole; large ones a piece at a time by one, so that memory is
bounded by the number of threads and not by what the sources hold.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

from ingest.batches import Batch, Event, Finished, Skipped, Started
from ingest.documents import Opener
from ingest.ledger import Ledger, archive_of
from ingest.readers import Passage
from ingest.results import Problem
from ingest.sources import TABLES, Document, Kind
from latentstore import Source

DECODERS = min(4, os.cpu_count() or 1)
QUEUED = 2  # batches read ahead of the encoder
HELD = 64 << 20  # bytes of decoded content in one batch
WHOLE = 16_384  # items of a changed document that are held for one commit
LOOKED_UP = 256  # documents asked of the ledger at once
LATEST = 10.0  # seconds after which a batch goes on its way, full or not
_SMALL = 1 << 20  # bytes of a document that is read whole
_STREAMED = TABLES | {Kind.ARCHIVE}
_TICK = 0.1  # seconds between looks at the stop sign

_Known = tuple[Document, Source | None]


class Ahead:
    """A context manager; leaving it ends its threads, whatever they are at."""

    def __init__(self, found: Iterable[Document | Problem], opener: Opener, ledger: Ledger, batch: int) -> None:
        self._found, self._opener, self._ledger, self._size = found, opener, ledger, batch
        self._queue: queue.Queue[Batch | BaseException | None] = queue.Queue(QUEUED)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="ingest-reader", daemon=True)

    def __enter__(self) -> Ahead:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._stop.set()
        self._thread.join()

    def batches(self) -> Iterator[Batch]:
        """Batches in order. Raises what a thread died of."""
        while (came := self._queue.get()) is not None:
            if isinstance(came, BaseException):
                raise came
            yield came

    def _work(self) -> None:
        try:
            with ThreadPoolExecutor(DECODERS, "ingest-decoder") as pool:
                for batch in self._batches(self._events(pool)):
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

    def _events(self, pool: ThreadPoolExecutor) -> Iterator[Event]:
        """Every event of every document, in the order found."""
        waiting: deque[tuple[_Known, Future[list[Event]] | None] | Problem] = deque()
        for one in self._known():
            if isinstance(one, Problem):
                waiting.append(one)
            else:
                waiting.append((one, pool.submit(_whole, self._opener, one) if _small(one[0]) else None))
            while len(waiting) > 2 * DECODERS:
                yield from self._next(waiting.popleft())
        while waiting:
            yield from self._next(waiting.popleft())

    def _next(self, waiting: tuple[_Known, Future[list[Event]] | None] | Problem) -> Iterator[Event]:
        if isinstance(waiting, Problem):
            yield waiting
        elif (future := waiting[1]) is not None:
            yield from future.result()
        else:
            yield from self._opener.events(*waiting[0])

    def _known(self) -> Iterator[_Known | Problem]:
        """What was found, each document with its line in the ledger."""
        found = iter(self._found)
        while some := list(islice(found, LOOKED_UP)):
            lines = self._ledger.known([one.uri for one in some if isinstance(one, Document)])
            for one in some:
                yield one if isinstance(one, Problem) else (one, lines.get(one.uri))

    def _batches(self, events: Iterable[Event]) -> Iterator[Batch]:
        batch, began, behind = Batch(), time.monotonic(), 0
        inside: Started | None = None
        for event in events:
            batch.take(event)
            if isinstance(event, Started):
                inside = event
            elif isinstance(event, Finished | Skipped):
                inside, behind = None, behind + _counted(event.document)
            share = event.done if isinstance(event, Passage) else 0.0
            batch.done = behind + (round(share * _counted(inside.document)) if inside else 0)
            if self._full(batch, began) and (not _replaces(inside) or len(batch) >= WHOLE):
                yield batch
                batch, began = Batch(done=behind), time.monotonic()
        yield batch

    def _full(self, batch: Batch, began: float) -> bool:
        return (
            batch.bytes >= HELD or len(batch) >= self._size or (time.monotonic() - began >= LATEST and len(batch) > 0)
        )


def _replaces(inside: Started | None) -> bool:
    """Whether this is the midst of a document that takes the place of what it was: that is to be one commit."""
    return inside is not None and inside.was is not None and inside.was.items > 0


def _whole(opener: Opener, known: _Known) -> list[Event]:
    return list(opener.events(*known))


def _small(document: Document) -> bool:
    if document.kind is Kind.IMAGE:
        return True
    return document.kind not in _STREAMED and document.size is not None and document.size <= _SMALL


def _counted(document: Document) -> int:
    """Bytes that the survey counted: an archive's, not its members'."""
    return 0 if archive_of(document.uri) != document.uri else document.size or 0
