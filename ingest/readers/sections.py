"""From sections of text to passages: the part that readers of texts share. Ids: `<uri>#<part>`, counted over the document.

A reader gives Blocks, its paragraphs and headings in order, and says what is known where each begins; a passage has what is
known where it begins. Or it gives Sections, stretches of a text with places of its own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ingest.chunking import Span, Splitter
from ingest.readers.base import Passage
from ingest.results import Problem
from ingest.sources.base import Document
from latentstore import Item

BLOCK = 1 << 18  # characters split at a time
PARAGRAPH = "\n\n"
LINE = "\n"

Known = Mapping[str, Any]
Headings = Sequence[tuple[int, str]]  # position and words of each, in order


@dataclass(frozen=True, slots=True)
class Section:
    """A text that is split by itself. place: what is known of a passage, asked in order; title: the heading above it all."""

    text: str
    done: float
    place: Callable[[Span], Known]
    headings: Headings = ()
    title: str | None = None
    levels: Sequence[Sequence[int]] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph. before: what parts it from the one in front of it. apart: no passage holds it and what is in front of it.
    known: without None."""

    text: str
    done: float
    known: Known
    heading: bool = False
    before: str = PARAGRAPH
    apart: bool = False


def passages(
    document: Document, sections: Iterable[Section | Problem], splitter: Splitter
) -> Iterator[Passage | Problem]:
    """Problems come through. `title` is the heading above a passage, else what is known under that name."""
    part = 0
    for section in sections:
        if isinstance(section, Problem):
            yield section
            continue
        for span in splitter.split(section.text, section.headings, section.title, section.levels):
            part += 1
            heading = {} if span.title is None else {"title": span.title}
            metadata = {**section.place(span), **heading, "part": part}
            text = section.text[span.start : span.end]
            yield Passage(Item(f"{document.uri}#{part}", text, document.uri, metadata), section.done)


def flowing(blocks: Iterable[Block | Problem]) -> Iterator[Section | Problem]:
    """Blocks as sections of about BLOCK characters at most. Problems come through."""
    held: list[Block] = []
    size, title = 0, None
    for block in blocks:
        if isinstance(block, Problem):
            yield block
            continue
        if held and (block.apart or size + len(block.text) > BLOCK):
            yield _joined(held, title)
            title = None if block.apart else _last_heading(held, title)
            held, size = [], 0
        for piece in _short(block):
            held.append(piece)
            size += len(piece.text)
            if size > BLOCK:
                yield _joined(held, title)
                title = _last_heading(held, title)
                held, size = [], 0
    if held:
        yield _joined(held, title)


def stretches(pieces: Iterable[tuple[str, float]]) -> Iterator[tuple[int, str, float]]:
    """(characters before it, text, share read) of pieces of text with the share read of each, cut anew where a paragraph ends."""
    base, held, done = 0, "", 0.0
    for piece, done in pieces:
        held += piece
        while len(held) >= BLOCK:
            cut = _pause(held)
            yield base, held[:cut], done
            base, held = base + cut, held[cut:]
    if held:
        yield base, held, done


def _pause(text: str) -> int:
    """Where to cut a text of at least BLOCK characters: behind a paragraph, else a line, else a space."""
    for border in (PARAGRAPH, LINE, " "):
        cut = text.rfind(border, BLOCK // 2, BLOCK)
        if cut >= 0:
            return cut + len(border)
    return BLOCK


def _short(block: Block) -> Iterator[Block]:
    if len(block.text) < BLOCK:
        yield block
        return
    before = block.before
    for _, text, _ in stretches([(block.text, 0.0)]):
        yield Block(text, block.done, block.known, False, before)
        before = ""


def _joined(blocks: Sequence[Block], title: str | None) -> Section:
    parts: list[str] = []
    starts: list[int] = []
    at = 0
    for block in blocks:
        parts.append(block.before if parts else "")
        starts.append(at + len(parts[-1]))
        parts.append(block.text)
        at = starts[-1] + len(block.text)
    headings = [(start, block.text) for start, block in zip(starts, blocks, strict=True) if block.heading]

    def place(span: Span) -> Known:
        return blocks[max(0, bisect_right(starts, span.start) - 1)].known

    return Section("".join(parts), blocks[-1].done, place, headings, title)


def _last_heading(blocks: Sequence[Block], before: str | None) -> str | None:
    return next((block.text for block in reversed(blocks) if block.heading), before)
