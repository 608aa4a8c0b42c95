"""Plain texts and Markdown, cut into passages that say where they stand. Ids: `<uri>#<part>`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ingest.readers.base import Passage, Reading
from ingest.readers.decoding import characters, encoding_of
from ingest.sources.base import Document, Kind
from latentstore import Item

BLOCK = 1 << 18  # characters split at a time


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage]:
    """Everything in a text, in order. Raises Unreadable or OSError, at the start or on the way."""
    part, line, title = 0, 1, None
    for base, block, done in _blocks(path):
        counted = 0
        for span in reading.texts.split(block, document.kind is Kind.MARKDOWN, title):
            part, title = part + 1, span.title
            line += block.count("\n", counted, span.start)
            counted = span.start
            place = {"line": line, "part": part, "start": base + span.start, "end": base + span.end}
            metadata = place if title is None else {"title": title, **place}
            item = Item(f"{document.uri}#{part}", block[span.start : span.end], document.uri, metadata)
            yield Passage(item, done)
        line += block.count("\n", counted)


def _blocks(path: Path) -> Iterator[tuple[int, str, float]]:
    """(characters before it, text, share read) of stretches that end where a paragraph does."""
    base, held, done, size = 0, "", 0.0, max(1, path.stat().st_size)
    for piece, read in characters(path, encoding_of(path)):
        held, done = held + piece, read / size
        while len(held) >= BLOCK:
            cut = _pause(held)
            yield base, held[:cut], done
            base, held = base + cut, held[cut:]
    if held:
        yield base, held, done


def _pause(text: str) -> int:
    """Where to cut a text of at least BLOCK characters: behind a paragraph, else a line, else a space."""
    for border in ("\n\n", "\n", " "):
        cut = text.rfind(border, BLOCK // 2, BLOCK)
        if cut >= 0:
            return cut + len(border)
    return BLOCK
