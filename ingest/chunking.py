"""Passages: stretches of a text that an encoder reads whole, cut where a reader would pause.

Borders from strong to weak: a heading, a blank line, a line, a sentence, a space, a token. A passage is a slice of the
text: `text[start:end]`, white space at its ends left off. Lengths are counted in the encoder's own tokens.
What is nested, as source code is, brings its own borders, level by level.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

LARGEST = 256  # tokens of a passage unless asked otherwise: longer ones blur what they are about
_SHORT = 0.25  # of the limit: a passage shorter than that takes in what follows, whatever the border
_ROOM = 0.75  # of the longest line of a paragraph: nearly all of them are as long as that where lines are wrapped

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n\s*")
_LINE = re.compile(r"\n+")
_SENTENCE = re.compile(r"(?<=[.!?…])[\"'”’»)\]]*\s+(?=[^a-z\s])|(?<=[。！？])(?=\S)")  # noqa: RUF001
_SPACE = re.compile(r"\s+")
_HEADING = re.compile(r"#{1,6}[ \t]+(\S.*?)[ \t]*#*[ \t]*$", re.MULTILINE)
_WORD = re.compile(r"\w+|[^\w\s]")


class Tokens(Protocol):
    """The part of an encoder that splitting needs."""

    @property
    def window(self) -> int: ...

    def token_spans(self, text: str) -> list[tuple[int, int]]: ...


class WordTokens:
    """Stands in for the tokenizer of an encoder that has none: words and signs."""

    window = 256

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets [start, end) of each word and sign."""
        return [match.span() for match in _WORD.finditer(text)]


@dataclass(frozen=True, slots=True)
class Span:
    """A passage's place in its text, in characters, and the heading above it."""

    start: int
    end: int
    title: str | None = None


@dataclass(frozen=True, slots=True)
class Splitter:
    """Cuts texts into passages of at most `limit` tokens."""

    tokens: Tokens
    limit: int

    @classmethod
    def fitting(cls, tokens: Tokens, wanted: int | None) -> Splitter:
        """wanted: tokens a passage, never more than the window; None: half the window, at most LARGEST."""
        return cls(tokens, max(1, min(wanted or min(tokens.window // 2, LARGEST), tokens.window)))

    def split(
        self,
        text: str,
        headings: Sequence[tuple[int, str]] = (),
        title: str | None = None,
        levels: Sequence[Sequence[int]] = (),
    ) -> Iterator[Span]:
        """Passages in order, not overlapping, every visible character in one. headings: position and words of each, in
        order. title: the heading above the text. levels: positions of borders, in order, the strongest level first, each
        holding those of the levels before it; what stands between two borders of a level stays whole where it fits.
        """
        if not headings and not levels and _surely_fits(text, self.limit):
            yield from _stripped(text, 0, len(text), title)
            return
        measure = _Measure(text, [start for start, _ in self.tokens.token_spans(text)])
        if not headings and not levels and len(measure.starts) <= self.limit and text == text.strip():
            yield Span(0, len(text), title)  # what `_fitted` would find, counting the same text again
            return
        if levels:
            parts = _nested(measure, 0, len(text), self.limit, levels)
        else:
            parts = _packed(measure, {at for at, _ in headings}, 0, len(text), self.limit)
        for start, end in parts:
            for span in _stripped(text, start, end, None):
                # The words of a border that is a line stand behind white space that is left off.
                titled = replace(span, title=_title(headings, span.start, title))
                yield from self._fitted(text, titled)

    def _fitted(self, text: str, span: Span) -> Iterator[Span]:
        # A tokenizer may count a slice otherwise than the same stretch inside its text.
        inner = text[span.start : span.end]
        if _surely_fits(inner, self.limit):
            yield span
            return
        starts = [start for start, _ in self.tokens.token_spans(inner)]
        if len(starts) <= self.limit:
            yield span
            return
        middle = _cut(_Measure(inner, starts), 0, len(inner), len(starts) // 2)
        if not 0 < middle < len(inner):
            yield span  # one character of many tokens
            return
        for start, end in ((0, middle), (middle, len(inner))):
            for half in _stripped(text, span.start + start, span.start + end, span.title):
                yield from self._fitted(text, half)


@dataclass(frozen=True, slots=True)
class _Measure:
    """A text and where its tokens begin."""

    text: str
    starts: list[int]

    def between(self, start: int, end: int) -> int:
        return bisect_left(self.starts, end) - bisect_left(self.starts, start)


def _packed(measure: _Measure, breaks: set[int], first: int, last: int, limit: int) -> Iterator[tuple[int, int]]:
    """Paragraphs joined while they fit; one that does not fit is taken apart."""
    begin = end = first
    for start, stop in _pieces(measure.text, _PARAGRAPH, first, last, breaks):
        held = measure.between(begin, end)
        fits = measure.between(begin, stop) <= limit
        stands = held >= limit * _SHORT and not _lone(measure.text, begin, end, breaks)
        if stands and (not fits or start in breaks):
            yield begin, end
            begin = start
        if measure.between(begin, stop) > limit:
            borders = (_SENTENCE, _LINE) if _wrapped(measure.text[begin:stop]) else (_LINE, _SENTENCE)
            yield from _apart(measure, begin, stop, limit, borders)
            begin = stop
        end = stop
    if end > begin:
        yield begin, end


def _nested(
    measure: _Measure, first: int, last: int, limit: int, levels: Sequence[Sequence[int]]
) -> Iterator[tuple[int, int]]:
    """What stands between two borders of a level stays whole where it fits, and is taken apart at the next level where not.
    Short neighbours are joined."""
    if not levels:
        yield from _packed(measure, set(), first, last, limit)
        return
    inside = levels[0][bisect_right(levels[0], first) : bisect_left(levels[0], last)]
    begin = first
    for start, stop in pairwise([first, *inside, last]):
        stands = measure.between(begin, start) >= limit * _SHORT
        if start > begin and (stands or measure.between(begin, stop) > limit):
            yield begin, start
            begin = start
        if measure.between(begin, stop) > limit:
            yield from _nested(measure, begin, stop, limit, levels[1:])
            begin = stop
    if last > begin:
        yield begin, last


def _apart(
    measure: _Measure, start: int, end: int, limit: int, borders: tuple[re.Pattern[str], ...]
) -> Iterator[tuple[int, int]]:
    """A stretch too long for one passage, in parts of about equal length, cut at the strongest border that serves."""
    if not borders:
        yield from _hard(measure, start, end, limit)
        return
    total = measure.between(start, end)
    aim = total / -(-total // limit)
    begin = begin_next = start
    for _, stop in _pieces(measure.text, borders[0], start, end, set()):
        if begin_next > begin and _full(measure, begin, begin_next, stop, aim, limit):
            yield begin, begin_next
            begin = begin_next
        if measure.between(begin, stop) > limit:
            yield from _apart(measure, begin, stop, limit, borders[1:])
            begin = stop
        begin_next = stop
    if begin_next > begin:
        yield begin, begin_next


def _wrapped(text: str) -> bool:
    """Whether lines end where there was no more room for a word, not where something ends."""
    lines = [line.rstrip() for line in text.strip().splitlines()]
    full = _ROOM * max(map(len, lines), default=0)
    inner = lines[:-1]
    filled = sum(len(line) >= full for line in inner)
    ended = sum(line.endswith((".", "!", "?", ":", ";", ",", "}", ")")) for line in inner)
    return len(inner) >= 3 and filled >= 0.9 * len(inner) and ended <= len(inner) / 2


def _full(measure: _Measure, begin: int, held: int, stop: int, aim: float, limit: int) -> bool:
    has = measure.between(begin, held)
    return has >= aim or (has >= limit * _SHORT and measure.between(begin, stop) > limit)


def _lone(text: str, begin: int, end: int, breaks: set[int]) -> bool:
    """Whether a heading stands here without a word below it."""
    return begin in breaks and "\n" not in text[begin:end].strip()


def _surely_fits(text: str, limit: int) -> bool:
    # No tokenizer cuts finer than bytes, so short texts need not be tokenized.
    return len(text) <= limit and len(text.encode("utf-8", "surrogatepass")) <= limit


def _hard(measure: _Measure, start: int, end: int, limit: int) -> Iterator[tuple[int, int]]:
    """No pause anywhere: cut at spaces, or between tokens where there is none."""
    while measure.between(start, end) > limit:
        cut = _cut(measure, start, end, limit)
        yield start, cut
        start = cut
    yield start, end


def _cut(measure: _Measure, start: int, end: int, tokens: int) -> int:
    """The best place to cut so that at most `tokens` stay before it, and at least one character does."""
    first = bisect_left(measure.starts, start)
    last = first + max(1, tokens)
    for at in range(last, first + max(1, tokens) // 2, -1):
        border = measure.starts[at]
        if start < border < end and measure.text[border - 1].isspace():
            return border
    # Several tokens may begin at one character: step over them all, or the cut would stand still.
    return next((border for border in measure.starts[last:] if border > start), end)


def _pieces(text: str, border: re.Pattern[str], start: int, end: int, breaks: set[int]) -> Iterator[tuple[int, int]]:
    """[start, end) cut behind each border, and before each of `breaks`."""
    cuts = {match.end() for match in border.finditer(text, start, end)} | {at for at in breaks if start < at < end}
    yield from pairwise(sorted({start, end, *cuts}))


def markdown_headings(text: str) -> list[tuple[int, str]]:
    """Position and words of each heading line of a Markdown text, those inside code fences left out."""
    found, fenced, at = [], False, 0
    for line in text.splitlines(keepends=True):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and (heading := _HEADING.match(line.rstrip("\r\n"))):
            found.append((at, heading[1]))
        at += len(line)
    return found


def _title(headings: Sequence[tuple[int, str]], start: int, before: str | None) -> str | None:
    above = bisect_left(headings, start + 1, key=lambda heading: heading[0])
    return headings[above - 1][1] if above else before


def _stripped(text: str, start: int, end: int, title: str | None) -> Iterator[Span]:
    """The slice without white space at its ends; nothing when nothing is left."""
    inner = text[start:end]
    left = len(inner) - len(inner.lstrip())
    right = len(inner.rstrip())
    if left < right:
        yield Span(start + left, start + right, title)
