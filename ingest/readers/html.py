"""Web pages: their main text, without navigation, scripts, styles and footers. Metadata: `title`, the heading above or that of
the page, `author`, `published`, `language` as far as the page says, `part`.

Pages are parsed as a stream of events, no tree is built: neither their length nor their nesting costs memory, only their words
do. What is chosen: what stands in `main` or `article` where that is a good part of the words, else what is neither known by
its element, role or name as something else nor made of links; everything where nothing would be left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from ingest.readers.base import Passage, Reading
from ingest.readers.decoding import characters, encoding_of
from ingest.readers.sections import LINE, PARAGRAPH, Block, flowing, passages
from ingest.results import Problem, Unreadable
from ingest.sources.base import Document

Facts = dict[str, str]

_HELD = 1 << 26  # characters gathered before the main text is chosen
_MAIN_SHARE = 0.25  # of the words: as much as that in `main` or `article` is the main text
_LINKED = 0.6  # of a paragraph: more than that in links leads elsewhere
_FACT = 300  # characters
_SILENT = frozenset(
    {
        *("script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas"),
        *("select", "button", "input", "textarea", "datalist"),
    }
)
_ASIDE = frozenset({"nav", "footer", "aside", "menu", "dialog"})
_MAIN = frozenset({"main", "article"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_LINES = frozenset({"li", "tr", "dt", "dd"})
_BREAKING = frozenset(
    {
        *_HEADINGS,
        *("address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details"),
        *("dialog", "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer"),
        *("form", "header", "hr", "html", "legend", "li", "main", "menu", "nav"),
        *("ol", "option", "p", "pre", "section", "summary", "table", "tbody", "tfoot"),
        *("thead", "tr", "ul"),
    }
)
_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar", "dialog"})
# Elements whose names tell what they are for.
_NAMED = frozenset({"div", "section", "ul", "ol", "table", "p", "span", "a", "form", "td", "header", "dl"})
_PLACE = r"(?:(?:site|page|main|global|top|left|right|primary|secondary|local|sub|side|sphinx|skip)[-_]?)?"
_BOILERPLATE = re.compile(
    rf"(?:^|\s){_PLACE}(?:nav|navbar|navigation|menu|sidebar|breadcrumbs?|footer|cookies?|cookie[-_]?(?:banner|consent|notice)|"
    r"advert(?:isement)?s?|ads?|social|share|sharing|pagination|pager|skip[-_]?link|headerlink|anchor|noprint|(?:rel|toc)(?:bar|box)?)"
    r"(?:[-_]?(?:wrapper|container|box|bar|links?|list|area|wrap))?(?:\s|$)",
    re.IGNORECASE,
)
_HIDING = re.compile(r"display\s*:\s*none", re.IGNORECASE)
_DECLARED = re.compile(rb"""(?:charset\s*=|<\?xml[^>]*encoding\s*=)\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_SIGNS = re.compile(r"\s*[¶§#🔗]+\s*$|^\s*[§¶]\s*")  # links that headings are given
_SPACE = re.compile(r"\s+")
_META = {
    "author": "author",
    "dc.creator": "author",
    "article:published_time": "published",
    "dc.date": "published",
    "date": "published",
    "content-language": "language",
}


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage | Problem]:
    """The main text, in order. Raises Unreadable or OSError, at the start or on the way."""
    size = max(1, path.stat().st_size)
    with path.open("rb") as file:
        declared = declared_in(file.read(4096))
    pieces = ((text, min(1.0, read / size)) for text, read in characters(path, encoding_of(path, declared)))
    return passages(document, flowing(blocks(pieces)), reading.texts)


def declared_in(head: bytes) -> str | None:
    """The encoding that a page says it is in."""
    found = _DECLARED.search(head)
    return found[1].decode("ascii", "replace") if found else None


def blocks(pieces: Iterable[tuple[str, float]], choose: bool = True) -> Iterator[Block]:
    """Paragraphs and headings of a page in pieces, each with the share read. choose: False keeps all that a reader would see.
    Raises Unreadable."""
    page = _Page()
    # A file of another's making, in a parser that knows no entities but the named ones, with no network.
    parser = etree.HTMLParser(target=page, encoding="utf-8", no_network=True)
    try:
        for text, done in pieces:
            page.done = done
            parser.feed(text.encode())
            if page.size > _HELD:
                yield from page.taken(choose)
        page.done = 1.0
        parser.close()
    except etree.LxmlError as cause:
        if page.seen:
            raise Unreadable(f"cannot be read as HTML: {cause}") from cause
    page.flush()
    yield from page.taken(choose)


@dataclass(frozen=True, slots=True)
class _Words:
    """A paragraph, and what tells whether it belongs to the main text. linked: share of it that is in links."""

    text: str
    done: float
    before: str
    heading: bool
    main: bool
    aside: bool  # in what is navigation or the like
    head: bool  # in a `header` outside the main text
    linked: float


@dataclass(slots=True)
class _Open:
    """An element that is open, and what holds in it."""

    tag: str = ""
    silent: bool = False
    main: bool = False
    aside: bool = False
    head: bool = False
    heading: bool = False
    link: bool = False
    pre: bool = False


@dataclass(slots=True)
class _Page:
    """The parser's target: gathers paragraphs."""

    done: float = 0.0
    size: int = 0  # characters gathered
    seen: bool = False  # an element
    facts: Facts = field(default_factory=dict)
    _words: list[_Words] = field(default_factory=list)
    _stack: list[_Open] = field(default_factory=lambda: [_Open()])
    _held: list[str] = field(default_factory=list)  # of the paragraph in hand
    _linked: int = 0
    _where: _Open | None = None  # the element that the paragraph in hand begins in
    _before: str = PARAGRAPH
    _keep: Callable[[_Words], bool] | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        self.seen = True
        if tag in _BREAKING:
            self.flush(LINE if tag in _LINES else PARAGRAPH)
        elif tag == "br":
            self._held.append("\n")
        elif tag in ("td", "th") and self._where is not None:
            self._held.append(" | ")
        elif tag == "meta":
            self._note_meta(attributes)
        if tag == "html" and (language := attributes.get("lang") or attributes.get("xml:lang")):
            self.facts["language"] = language.strip()[:_FACT]
        self._stack.append(_within(self._stack[-1], tag, attributes))

    def end(self, tag: str) -> None:
        if tag in _BREAKING:
            self.flush()
        if len(self._stack) > 1:
            self._stack.pop()

    def data(self, text: str) -> None:
        here = self._stack[-1]
        if here.silent or here.tag == "head":
            return
        if here.tag == "title":
            self.facts["title"] = " ".join((self.facts.get("title", "") + text).split())[:_FACT]
            return
        if self._where is None and text.strip():
            self._where = here
        self._held.append(text if here.pre else _SPACE.sub(" ", text))
        self._linked += len(text) if here.link else 0

    def comment(self, text: str) -> None:
        pass

    def pi(self, target: str, data: str | None = None) -> None:
        pass

    def close(self) -> None:
        pass

    def flush(self, before: str = PARAGRAPH) -> None:
        """End the paragraph. before: what parts the next one from it."""
        if (here := self._where) is not None:
            raw = "".join(self._held)
            text = raw.strip("\n").rstrip() if here.pre else "\n".join(_lines(raw))
            if here.heading:
                text = _SIGNS.sub("", " ".join(text.split()))
            if text:
                linked = self._linked / len(raw)
                words = _Words(text, self.done, self._before, here.heading, here.main, here.aside, here.head, linked)
                self._words.append(words)
                self.size += len(text)
        if here is not None or before == LINE:  # a paragraph that begins an item of a list stands where the item does
            self._before = before
        self._held, self._linked, self._where = [], 0, None

    def taken(self, choose: bool) -> Iterator[Block]:
        """What was gathered and is of the main text."""
        self._keep = self._keep or (_main_text(self._words) if choose else _anything)
        facts: dict[str, Any] = {key: value for key, value in self.facts.items() if value}
        for words in self._words:
            if self._keep(words):
                yield Block(words.text, words.done, facts, words.heading, words.before)
        self._words, self.size = [], 0

    def _note_meta(self, attributes: Mapping[str, str]) -> None:
        name = attributes.get("name") or attributes.get("property") or attributes.get("http-equiv") or ""
        key, value = _META.get(name.lower()), " ".join((attributes.get("content") or "").split())
        if key and value:
            self.facts.setdefault(key, value[:_FACT])


def _within(outer: _Open, tag: str, attributes: Mapping[str, str]) -> _Open:
    """What holds in an element."""
    role = attributes.get("role", "").lower()
    hidden = (
        "hidden" in attributes or attributes.get("aria-hidden") == "true" or _HIDING.search(attributes.get("style", ""))
    )
    main = outer.main or tag in _MAIN or role == "main" or attributes.get("itemprop") == "articleBody"
    named = tag in _NAMED and _BOILERPLATE.search(f"{attributes.get('class', '')} {attributes.get('id', '')}")
    return _Open(
        tag,
        outer.silent or tag in _SILENT or bool(hidden),
        main,
        outer.aside or tag in _ASIDE or role in _ROLES or bool(named),
        not main and (outer.head or tag == "header"),
        outer.heading or tag in _HEADINGS,
        outer.link or tag == "a",
        outer.pre or tag in ("pre", "listing", "xmp"),
    )


def _main_text(words: Sequence[_Words]) -> Callable[[_Words], bool]:
    """Which paragraphs to keep, told from all of them."""
    body = [one for one in words if not one.aside]
    total = sum(len(one.text) for one in body)
    if sum(len(one.text) for one in body if one.main) >= max(1, total * _MAIN_SHARE):
        return _in_main
    return next(
        (keep for keep in (_in_body, _not_aside) if any(keep(one) for one in words if not one.heading)), _anything
    )


def _in_main(words: _Words) -> bool:
    return words.main and not words.aside


def _in_body(words: _Words) -> bool:
    return not words.aside and (words.heading or (words.linked <= _LINKED and not words.head))


def _not_aside(words: _Words) -> bool:
    return not words.aside


def _anything(words: _Words) -> bool:
    return True


def _lines(text: str) -> Iterator[str]:
    """Those that are not blank, white space as a browser shows it."""
    return filter(None, (" ".join(line.split()) for line in text.split("\n")))
