"""A document's events: it is as it was, or here is what is in it and how it ended. Whatever is wrong with it ends here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.batches import Event, Finished, Skipped, Started
from ingest.ledger import Ledger, digest_of, same, unchanged
from ingest.readers import Passage, Reading, read
from ingest.results import Problem, Unreadable
from ingest.reuse import CONTENT, KEPT
from ingest.seen import Seen
from ingest.sources import Document, Kind, Patterns, members, stamp_of
from latentstore import LatentstoreError, Source

LONGEST_KEPT = 256 << 20  # bytes of a file that are kept as content


@dataclass(frozen=True, slots=True)
class Opener:
    """shape: the options that the items follow from; ignored: filled with endings that no reader takes."""

    reading: Reading
    shape: str
    ledger: Ledger
    patterns: Patterns
    keep_content: bool
    ignored: dict[str, int]

    def events(self, document: Document, was: Source | None) -> Iterator[Event]:
        """Raises nothing but what no single document can be blamed for."""
        if was is not None and unchanged(was, document.stamp, self.shape):
            yield Skipped(document, was)
        elif document.kind is Kind.ARCHIVE:
            yield from self._archive(document, was)
        else:
            yield from self._document(document, was)

    def _document(self, document: Document, was: Source | None) -> Iterator[Event]:
        ids, items, reasons = Seen(), 0, _Reasons()
        try:
            with document.local() as path:
                digest = digest_of(path)
                if was is not None and same(was, digest, self.shape):
                    yield Skipped(document, was, digest)
                    return
                yield Started(document, was)
                for event in self._passages(document, path):
                    if isinstance(event, Passage):
                        ids.add(event.item.id or "")
                        items += 1
                    elif isinstance(event, Problem):
                        reasons.add(event.reason)
                    yield event
                _refuse_moving(document, path)
        except (LatentstoreError, OSError) as cause:
            yield from _failed(document, was, str(cause), ids, items)
        # Decoders of foreign formats fail in ways of their own, and one file must not end a job over thousands.
        except Exception as cause:
            yield from _failed(document, was, f"{type(cause).__name__}: {cause}", ids, items)
        else:
            yield Finished(document, was, digest, ids, items, reasons.told())

    def _passages(self, document: Document, path: Path) -> Iterator[Event]:
        content = self._content(path)
        if self.keep_content and content is None:
            yield Problem(
                document.uri, f"is longer than {LONGEST_KEPT >> 20} MB: its items are here, its bytes are not kept"
            )
        for passage in read(document, path, self.reading):
            yield _with(passage, content) if isinstance(passage, Passage) else passage

    def _archive(self, document: Document, was: Source | None) -> Iterator[Event]:
        """Each member as a document of its own, then the archive itself, so that an unchanged one need not be opened."""
        known, met, bad = self.ledger.below(document.uri), set(), 0
        try:
            with document.local() as path:
                digest = digest_of(path)
                if was is not None and same(was, digest, self.shape):
                    yield Skipped(document, was, digest)
                    return
                for member in members(document, path, self.patterns, self.reading.limits, self.ignored):
                    if isinstance(member, Problem):
                        bad += 1
                        yield member
                        continue
                    met.add(member.uri)
                    for event in self.events(member, known.get(member.uri)):
                        bad += isinstance(event, Finished) and event.digest is None
                        yield event
                _refuse_moving(document, path)
        except (LatentstoreError, OSError) as cause:
            yield from _failed(document, was, str(cause))
        except Exception as cause:
            yield from _failed(document, was, f"{type(cause).__name__}: {cause}")
        else:
            if bad:  # tried again next time, when what was read is found unchanged
                yield Finished(document, was, error=f"{bad:,} of its members could not be read")
            else:
                yield Finished(document, was, digest, lost=tuple(known.keys() - met))

    def _content(self, path: Path) -> bytes | None:
        if not self.keep_content or path.stat().st_size > LONGEST_KEPT:
            return None
        return path.read_bytes()


def _with(passage: Passage, content: bytes | None) -> Passage:
    item = passage.item
    if passage.key is not None:
        item = replace(item, metadata={**item.metadata, CONTENT: passage.key})
    if content is not None:
        item = replace(item, attachments={**item.attachments, KEPT: content})
    return replace(passage, item=item)


class _Reasons:
    """What was wrong with parts of a document: the first is told, the others counted."""

    def __init__(self) -> None:
        self._first, self._count = "", 0

    def add(self, reason: str) -> None:
        self._first, self._count = self._first or reason, self._count + 1

    def told(self) -> str | None:
        more = f" (and {self._count - 1:,} more)" if self._count > 1 else ""
        return f"{self._first}{more}" if self._count else None


def _failed(
    document: Document, was: Source | None, reason: str, ids: Seen | None = None, items: int = 0
) -> Iterator[Event]:
    yield Problem(document.uri, reason)
    yield Finished(document, was, None, ids or Seen(), items, reason)


def _refuse_moving(document: Document, path: Path) -> None:
    """Raises Unreadable for a file that was written to while it was read."""
    if document.on_disk and document.stamp is not None and stamp_of(path) != document.stamp:
        raise Unreadable("changed while it was read; the next run reads it again")
