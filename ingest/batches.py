"""What travels from the reader to the encoder: a batch of items, and the documents that end in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ingest.readers.base import Passage
from ingest.results import Problem
from ingest.seen import Seen
from ingest.sources.base import Document
from latentstore import Source


@dataclass(frozen=True, slots=True)
class Started:
    """A document whose items follow. was: its line in the ledger before."""

    document: Document
    was: Source | None


@dataclass(frozen=True, slots=True)
class Finished:
    """A document that the job is done with. was: its line in the ledger before."""

    document: Document
    was: Source | None
    digest: str | None = None  # None: not read to its end
    ids: Seen = field(default_factory=Seen)
    items: int = 0
    error: str | None = None
    lost: tuple[str, ...] = ()  # members that an archive held at an earlier run and does not hold now


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that is as it was. digest: where it took reading to tell, and the ledger should know its new time."""

    document: Document
    was: Source
    digest: str | None = None


Event = Started | Passage | Problem | Finished | Skipped


@dataclass(slots=True)
class Batch:
    """Items in order, and the documents that end with them."""

    passages: list[Passage] = field(default_factory=list)
    finished: list[Finished] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    bytes: int = 0  # of decoded content
    done: int = 0  # bytes of all documents behind the batch

    def take(self, event: Event) -> None:
        if isinstance(event, Passage):
            self.passages.append(event)
            self.bytes += weight(event)
        elif isinstance(event, Finished):
            self.finished.append(event)
        elif isinstance(event, Skipped):
            self.skipped.append(event)
        elif isinstance(event, Problem):
            self.problems.append(event)

    def __len__(self) -> int:
        return len(self.passages) + len(self.finished) + len(self.skipped) + len(self.problems)


def weight(passage: Passage) -> int:
    """About how many bytes an item holds in memory until it is committed."""
    item = passage.item
    return (
        len(item.text or "") + _pixels(item.image) + (_samples(item.audio[0]) if isinstance(item.audio, tuple) else 0)
    )


def _pixels(image: Any) -> int:
    return int(image.width * image.height * 3) if hasattr(image, "width") else _samples(image)


def _samples(array: Any) -> int:
    return int(getattr(array, "nbytes", 0))
