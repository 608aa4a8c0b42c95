"""Plain texts and Markdown, cut into passages that say where they stand. Ids: `<uri>#<part>`.

What stands between lines of `---` at the head of a Markdown file tells of the text and is none of it; its title counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ingest.chunking import Span, markdown_headings
from ingest.readers.base import Passage, Reading
from ingest.readers.decoding import characters, encoding_of
from ingest.readers.sections import Headings, Known, Section, passages, stretches
from ingest.results import Problem
from ingest.sources.base import Document, Kind

_FRONT = re.compile(r"---[ \t]*\n(.*?\n)?(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_LONGEST_FRONT = 1 << 16  # characters
_TITLE = re.compile(r"^title:[ \t]*(['\"]?)(\S.*?)\1[ \t]*$", re.MULTILINE | re.IGNORECASE)


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage | Problem]:
    """Everything in a text, in order. Raises Unreadable or OSError, at the start or on the way."""
    return passages(document, _sections(path, document.kind is Kind.MARKDOWN), reading.texts)


def shares(path: Path) -> Iterator[tuple[str, float]]:
    """The text of a file in pieces, and the share of the file that is read with each."""
    size = max(1, path.stat().st_size)
    for piece, read in characters(path, encoding_of(path)):
        yield piece, min(1.0, read / size)


class Places:
    """Where passages stand in a text that comes in stretches: `line`, counted from 1, `start` and `end` in characters."""

    def __init__(self) -> None:
        self._line, self._text, self._base, self._at = 1, "", 0, 0

    def enter(self, base: int, text: str) -> None:
        self._line += self._text.count("\n", self._at)
        self._text, self._base, self._at = text, base, 0

    def skip(self, text: str) -> None:
        self._line += text.count("\n")

    def __call__(self, span: Span) -> Known:
        self._line += self._text.count("\n", self._at, span.start)
        self._at = span.start
        return {"line": self._line, "start": self._base + span.start, "end": self._base + span.end}


def _sections(path: Path, markdown: bool) -> Iterator[Section]:
    places, title, first = Places(), None, True
    for base, text, done in stretches(shares(path)):
        if markdown and first and (front := _front(text)):
            places.skip(front)
            title = _front_title(front)
            base, text = base + len(front), text[len(front) :]
        first = False
        places.enter(base, text)
        headings: Headings = markdown_headings(text) if markdown else ()
        yield Section(text, done, places, headings, title)
        title = headings[-1][1] if headings else title


def _front(text: str) -> str:
    """The front matter, with its lines; empty where there is none."""
    found = _FRONT.match(text[:_LONGEST_FRONT])
    return found[0] if found and ":" in (found[1] or ":") else ""


def _front_title(front: str) -> str | None:
    found = _TITLE.search(front)
    return found[2] if found else None
