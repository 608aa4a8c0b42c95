"""What a job would do, without doing it: documents compared with the ledger, and a sample really taken in, elsewhere."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import latentstore
from ingest.ahead import DECODERS
from ingest.batches import Batch, Event
from ingest.commit import Committer
from ingest.documents import Opener
from ingest.encoding import Encoding
from ingest.ledger import Ledger, digest_of, same, unchanged
from ingest.options import Options
from ingest.pipeline import checked, encoders_of, found_in, target, wanted
from ingest.readers import Passage
from ingest.results import Problem, Result
from ingest.reuse import Reuse
from ingest.sources import Document, Kind, scratch
from latentstore import Collection, LatentstoreError, Source

SAMPLE = 16  # documents of each kind that are read to tell how long all will take
_ITEMS = 256  # read of one such document
_TAKEN = 384  # items of each kind that are encoded and stored


@dataclass(slots=True)
class Plan:
    """What a job would find. items, seconds and growth are estimates, from `sampled` items that were really taken in."""

    collection: str
    new: int = 0  # documents
    changed: int = 0
    unchanged: int = 0
    bytes: int = 0  # of new and changed documents
    items: int = 0
    seconds: float = 0.0
    growth: int = 0  # bytes that the store would grow by
    sampled: int = 0
    bad: int = 0  # documents of the sample that cannot be read
    problems: list[Problem] = field(default_factory=list)
    ignored: dict[str, int] = field(default_factory=dict)


def plan(
    store: str | Path,
    sources: Sequence[Any],
    *,
    collection: str | None = None,
    encoders: Sequence[str] | None = None,
    options: Options | None = None,
) -> Plan:
    """Say what `run` would do with the same arguments. Nothing is stored, no store is made. Raises what `run` raises."""
    options = options or Options()
    with scratch(), tempfile.TemporaryDirectory(prefix="latentstore-plan-") as folder, _there(store) as opened:
        counted = checked(sources, options)
        held = None
        if opened is not None and (opened.collections() if collection is None else collection in opened.collections()):
            held = target(opened, collection, encoders, options)
        specs = encoders_of(held) if held is not None else wanted(encoders, options)
        twin = _Twin(Path(folder), specs, options, counted.ignored)
        made = Plan(held.name if held is not None else collection or "docs", ignored=counted.ignored)
        sample = _Sample()
        for document in _new(found_in(sources, options, twin.takes, counted.ignored), held, twin, made):
            made.bytes += document.size or 0
            sample.offer(document)
        for kind in sample.seen:
            twin.measure(sample, kind, made)
    return made


@contextmanager
def _there(place: str | Path) -> Iterator[latentstore.Store | None]:
    if not Path(place).exists():
        yield None
        return
    with latentstore.open(place, read_only=True) as opened:
        yield opened


def _new(found: Iterator[Document | Problem], held: Collection | None, twin: _Twin, made: Plan) -> Iterator[Document]:
    """The documents that a job would read."""
    ledger = None if held is None else Ledger(held)
    for document in found:
        if isinstance(document, Problem):
            made.bad += 1
            made.problems.append(document)
            continue
        was = None if ledger is None else ledger.known([document.uri]).get(document.uri)
        if was is not None and _is_same(document, was, twin.shape):
            made.unchanged += 1
            continue
        if was is None:
            made.new += 1
        else:
            made.changed += 1
        yield document


def _is_same(document: Document, was: Source, shape: str) -> bool:
    if unchanged(was, document.stamp, shape):
        return True
    try:
        with document.local() as path:
            return same(was, digest_of(path), shape)
    except (LatentstoreError, OSError):
        return False


class _Sample:
    """Of each kind the number and size of its documents, and a few of them drawn at random."""

    def __init__(self) -> None:
        self._chance = random.Random(0)  # noqa: S311 - a sample, no secret
        self.seen: dict[Kind, int] = {}
        self.bytes: dict[Kind, int] = {}
        self.drawn: dict[Kind, list[Document]] = {}

    def offer(self, document: Document) -> None:
        """Reservoir sampling: each document has the same chance (Vitter 1985, algorithm R)."""
        kind = document.kind
        seen = self.seen[kind] = self.seen.get(kind, 0) + 1
        self.bytes[kind] = self.bytes.get(kind, 0) + (document.size or 0)
        drawn = self.drawn.setdefault(kind, [])
        if len(drawn) < SAMPLE:
            drawn.append(document)
        elif (at := self._chance.randrange(seen)) < SAMPLE:
            drawn[at] = document


class _Twin:
    """Stores of the same encoders, in a folder of their own, that samples are taken into."""

    def __init__(self, folder: Path, specs: list[str] | None, options: Options, ignored: dict[str, int]) -> None:
        self._folder, self._specs, self._options, self._ignored = folder, specs, options, ignored
        self._made = 0
        with self._collection() as collection:
            self.takes = Encoding(collection, Reuse(collection)).takes
            self.shape = options.shape(options.reading(collection))
        self._empty = self._size()

    def measure(self, sample: _Sample, kind: Kind, made: Plan) -> None:
        """Take documents of a kind in, and add to the plan what all of that kind would come to."""
        with self._collection() as collection:
            read = self._read(collection, sample.drawn[kind], made)
            taken = _thinned(read.passages)
            encoding = Encoding(collection, Reuse(collection))
            encoding.prepare(Batch(taken[:1]))  # loading a model is no part of the rate
            began = time.perf_counter()
            self._commit(collection, encoding, Batch(taken))
            written = (time.perf_counter() - began) / max(1, len(taken))
        grown = (self._size() - self._empty) / max(1, len(taken))
        made.sampled += len(taken)
        # Tables and texts hold items by their length, pictures one each.
        by_bytes = read.bytes > 0 and kind is not Kind.IMAGE
        scale = sample.bytes[kind] / read.bytes if by_bytes else sample.seen[kind] / len(sample.drawn[kind])
        items = read.items * scale
        made.items += round(items)
        made.seconds += items * (written + read.seconds / max(1, read.count) / DECODERS)
        made.growth += round(items * grown)

    def _read(self, collection: Collection, documents: Sequence[Document], made: Plan) -> _Read:
        reading = self._options.reading(collection)
        opener = Opener(
            reading, self.shape, Ledger(collection), self._options.patterns, self._options.keep_content, self._ignored
        )
        read = _Read()
        for document in documents:
            began = time.perf_counter()
            passages, problems, count, items = _some(opener.events(document, None))
            read.seconds += time.perf_counter() - began
            read.passages += passages
            read.count += count
            read.items += items
            read.bytes += document.size or 0
            made.problems += problems
            made.bad += len(problems)
        return read

    def _commit(self, collection: Collection, encoding: Encoding, batch: Batch) -> None:
        committer = Committer(collection, Ledger(collection), Reuse(collection), self.shape, Result(collection.name))
        committer.commit(encoding.prepare(batch), encoding.fingerprints)

    @contextmanager
    def _collection(self) -> Iterator[Collection]:
        self._made += 1
        with latentstore.open(self._folder / str(self._made)) as store:
            yield store.create("docs", encoders=self._specs)

    def _size(self) -> int:
        """Bytes of the latest store. The catalog grows by large blocks and holds what the records hold: those count twice."""
        files = [path for path in (self._folder / str(self._made)).rglob("*") if path.is_file()]
        counts = [(1 + path.name.startswith("records-")) * (not path.name.startswith("catalog.")) for path in files]
        return sum(count * path.stat().st_size for count, path in zip(counts, files, strict=True))


@dataclass(slots=True)
class _Read:
    passages: list[Passage] = field(default_factory=list)
    count: int = 0  # items read
    items: float = 0.0  # in these documents, read to their end or not
    bytes: int = 0
    seconds: float = 0.0


def _some(events: Iterator[Event]) -> tuple[list[Passage], list[Problem], int, float]:
    """The first items of a document, its problems so far, how many items were read, and about how many it holds.

    Items of one block are all as far into their document, so the count is taken where that figure steps on.
    """
    passages: list[Passage] = []
    problems: list[Problem] = []
    count, before, behind, share = 0, 0, 0.0, 0.0
    for event in events:
        if isinstance(event, Problem):
            problems.append(event)
        if not isinstance(event, Passage):
            continue
        if event.done != share:
            before, behind, share = count, share, event.done
            if before >= _ITEMS and behind > 0:
                return passages, problems, count, before / behind
        count += 1
        if len(passages) < _ITEMS:
            passages.append(event)
    return passages, problems, count, float(count)


def _thinned(passages: list[Passage]) -> list[Passage]:
    return passages[:: -(-len(passages) // _TAKEN)] if passages else []
