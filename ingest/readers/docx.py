"""DOCX: paragraphs, headings, tables, text boxes and notes, as the document ends up when its tracked changes are accepted.
Metadata: `title`, the heading above or that of the document, `author`, `created`, `language` as far as it says, `part`.

The text is parsed as a stream of events, so a document of any length costs little memory. A row of a table is a line, its cells
parted by ` | `; a note stands below the paragraph that refers to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest.readers.base import Passage, Reading
from ingest.readers.package import Package, feed, local_name, opened, resolved, safe_parser, texts
from ingest.readers.sections import LINE, PARAGRAPH, Block, flowing, passages
from ingest.results import Problem, Unreadable
from ingest.sources.base import Document

_MAIN = "word/document.xml"
_SILENT = frozenset(
    {
        *("Fallback", "del", "moveFrom", "instrText", "delText", "delInstrText"),
        *("rPrChange", "pPrChange", "sectPrChange", "tblPrChange"),
    }
)
_SIGNS = {"tab": "\t", "ptab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_NOTES = {"footnoteReference": "footnotes", "endnoteReference": "endnotes"}
_OLD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # of a compound file
_DEEP = 32  # styles that are based on one another


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage | Problem]:
    """The text, in order. Raises Unreadable or OSError, at the start or on the way."""
    return passages(document, flowing(_blocks(document, path, reading)), reading.texts)


def _blocks(document: Document, path: Path, reading: Reading) -> Iterator[Block]:
    with path.open("rb") as file:
        if file.read(len(_OLD)) == _OLD:
            raise Unreadable("is encrypted, or of Word before 2007; save it without its password as .docx")
    with opened(document, path, reading.limits) as package:
        main = _related(package, "", "officeDocument") or _MAIN
        styles = _related(package, main, "styles")
        notes = {kind: _notes(package, _related(package, main, kind)) for kind in _NOTES.values()}
        body = _Body(_facts(package), _headings(package, styles) if styles else frozenset(), notes)
        yield from _events(package, main, body)


def _events(package: Package, name: str, body: _Body) -> Iterator[Block]:
    with package.part(name) as path:
        for done in feed(safe_parser(body), path):
            body.done = done
            yield from body.taken()
        yield from body.taken()


def _related(package: Package, name: str, kind: str) -> str | None:
    """The part of a kind that a part refers to; of the package itself where name is empty."""
    folder, _, file = name.rpartition("/")
    relations = f"{folder}/_rels/{file}.rels".lstrip("/")
    if relations not in package.parts:
        return None
    for relation in package.tree(relations):
        if str(relation.get("Type", "")).endswith(f"/{kind}") and relation.get("TargetMode") != "External":
            target = resolved(relation.get("Target", ""), name)
            return target if target in package.parts else None
    return None


def _facts(package: Package) -> dict[str, str]:
    name = _related(package, "", "core-properties")
    if name is None:
        return {}
    root = package.tree(name)
    told = {key: next(texts(root, key), "") for key in ("title", "creator", "created", "language")}
    facts = {
        "title": told["title"],
        "author": told["creator"],
        "created": told["created"][:10],
        "language": told["language"],
    }
    return {key: value for key, value in facts.items() if value}


def _headings(package: Package, name: str) -> frozenset[str]:
    """The ids of the styles that make a paragraph a heading; their names are English in every language."""
    based: dict[str, str | None] = {}
    found: set[str] = set()
    for style in package.tree(name):
        if local_name(style.tag) != "style":
            continue
        parts = {local_name(one.tag): one for one in style.iter()}
        identity = _value(style, "styleId")
        based[identity] = _value(parts["basedOn"]) if "basedOn" in parts else None
        called = _value(parts["name"]).lower() if "name" in parts else ""
        level = _value(parts["outlineLvl"]) if "outlineLvl" in parts else "9"
        if called.startswith("heading") or called == "title" or level in "012345678":
            found.add(identity)
    return frozenset(identity for identity in based if not found.isdisjoint(_bases(identity, based)))


def _bases(identity: str, based: Mapping[str, str | None]) -> Iterator[str]:
    at: str | None = identity
    for _ in range(_DEEP):
        if at is None:
            return
        yield at
        at = based.get(at)


def _notes(package: Package, name: str | None) -> dict[str, str]:
    """The text of each note by its id."""
    if name is None:
        return {}
    body = _Body({}, frozenset(), {})
    found: dict[str, list[str]] = {}
    for block in _events(package, name, body):
        found.setdefault(block.known.get("note", ""), []).append(block.text)
    return {identity: "\n".join(parts) for identity, parts in found.items()}


def _value(element: Any, name: str = "val") -> str:
    return _attribute(element.attrib, name)


def _attribute(attributes: Mapping[str, str], name: str) -> str:
    return next((value for key, value in attributes.items() if local_name(key) == name), "")


@dataclass(slots=True)
class _Paragraph:
    words: list[str] = field(default_factory=list)
    heading: bool = False
    item: bool = False  # of a list
    notes: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Body:
    """The parser's target: paragraphs as they end."""

    facts: Mapping[str, str]
    headings: frozenset[str]
    notes: Mapping[str, Mapping[str, str]]
    done: float = 0.0
    _found: list[Block] = field(default_factory=list)
    _open: list[_Paragraph] = field(default_factory=list)  # one within another, in text boxes
    _path: list[str] = field(default_factory=list)  # names of the elements that are open
    _silent: int = 0
    _tables: int = 0
    _cells: list[list[str]] = field(default_factory=list)  # of the row in hand, of the outermost table
    _note: str | None = None
    _rows: bool = False  # of the table in hand, were there before

    def doctype(self, *declared: Any) -> None:
        raise Unreadable("declares a document type, as no DOCX does")

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        name = local_name(tag)
        parent = self._path[-1] if self._path else ""
        self._path.append(name)
        if name in _SILENT:
            self._silent += 1
        if self._silent:
            return
        if name == "p":
            self._open.append(_Paragraph())
        elif name == "tbl":
            self._tables += 1
        elif name == "tr" and self._tables == 1:
            self._cells = []
        elif name == "tc" and self._tables == 1:
            self._cells.append([])
        elif name in ("footnote", "endnote"):
            self._note = _attribute(attributes, "id")
        elif self._open:
            self._within(self._open[-1], name, parent, attributes)

    def _within(self, paragraph: _Paragraph, name: str, parent: str, attributes: Mapping[str, str]) -> None:
        if name in _SIGNS and parent == "r":
            paragraph.words.append(_SIGNS[name])
        elif name == "pStyle":
            paragraph.heading = _attribute(attributes, "val") in self.headings
        elif name == "outlineLvl":
            paragraph.heading = _attribute(attributes, "val") in "012345678"
        elif name == "numPr":
            paragraph.item = True
        elif name in _NOTES and (note := self.notes.get(_NOTES[name], {}).get(_attribute(attributes, "id"))):
            paragraph.notes.append(note)

    def data(self, text: str) -> None:
        if self._open and not self._silent and self._path[-1] == "t":
            self._open[-1].words.append(text)

    def end(self, tag: str) -> None:
        name = self._path.pop()
        if name in _SILENT:
            self._silent -= 1
        elif self._silent:
            return
        elif name == "p" and self._open:
            self._take(self._open.pop())
        elif name == "tr" and self._tables == 1:
            self._row()
        elif name == "tbl":
            self._tables -= 1
            self._rows = self._tables > 0

    def close(self) -> None:
        pass

    def taken(self) -> Iterator[Block]:
        found, self._found = self._found, []
        yield from found

    def _take(self, paragraph: _Paragraph) -> None:
        text = "".join(paragraph.words).strip()
        if self._tables and self._cells:
            self._cells[-1] += [part for part in (text, *paragraph.notes) if part]
            return
        if text:
            before = LINE if paragraph.item and not paragraph.heading else PARAGRAPH
            heading = " ".join(text.split()) if paragraph.heading else text
            self._add(heading, before, paragraph.heading)
        for note in paragraph.notes:
            self._add(note, PARAGRAPH)

    def _row(self) -> None:
        cells = [" ".join(" ".join(cell).split()) for cell in self._cells]
        if any(cells):
            self._add(" | ".join(cell for cell in cells if cell), LINE if self._rows else PARAGRAPH)
            self._rows = True
        self._cells = []

    def _add(self, text: str, before: str, heading: bool = False) -> None:
        known: Mapping[str, Any] = self.facts if self._note is None else {"note": self._note}
        self._found.append(Block(text, self.done, known, heading, before))
