"""EPUB: chapters in reading order. Metadata: `title`, the heading above or that of the chapter or book; `chapter`, as the table of
contents or its first heading calls it; `book`, `author`, `published`, `language` as far as the book says; `part`. No passage
holds the end of one chapter and the beginning of the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from ingest.readers import html
from ingest.readers.base import Passage, Reading
from ingest.readers.decoding import characters, encoding_of
from ingest.readers.package import Package, local_name, opened, resolved, texts
from ingest.readers.sections import Block, flowing, passages
from ingest.results import Problem, Unreadable
from ingest.sources.base import Document

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_HTML = frozenset({"application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document"})
_OBFUSCATED = (
    "http://www.idpf.org/2008/embedding",
    "http://ns.adobe.com/pdf/enc#RC",
)  # fonts; anyone may read the words


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage | Problem]:
    """Every chapter, in order; a Problem for one that cannot be read. Raises Unreadable or OSError, at the start or on the way."""
    return passages(document, flowing(_blocks(document, path, reading)), reading.texts)


def _blocks(document: Document, path: Path, reading: Reading) -> Iterator[Block | Problem]:
    with opened(document, path, reading.limits) as package:
        name = _book(package)
        root = package.tree(name)
        chapters = list(_spine(root, name))
        if not chapters:
            raise Unreadable("names no chapters")
        if len(chapters) > reading.limits.pages:
            raise Unreadable(
                f"has {len(chapters):,} chapters, more than {reading.limits.pages:,}; the limit can be raised"
            )
        _check_readable(package, chapters)
        facts, contents = _facts(root), _contents(package, root, name)
        for number, chapter in enumerate(chapters, 1):
            try:
                yield from _chapter(package, chapter, facts, contents.get(chapter), number / len(chapters))
            except Unreadable as cause:
                yield Problem(document.uri, f"chapter {chapter}: {cause}")


def _chapter(package: Package, name: str, facts: Mapping[str, str], called: str | None, done: float) -> Iterator[Block]:
    with package.part(name) as path:
        with path.open("rb") as file:
            declared = html.declared_in(file.read(4096))
        pieces = ((text, done) for text, _ in characters(path, encoding_of(path, declared)))
        known: Mapping[str, str] | None = None
        for block in html.blocks(pieces, choose=False):
            apart = known is None
            if known is None:
                called = called or (block.text if block.heading else None)
                known = {**facts, "title": called, "chapter": called} if called else facts
            yield replace(block, known=known, apart=apart)


def _book(package: Package) -> str:
    """The part that lists the others."""
    if _CONTAINER in package.parts:
        for file in package.tree(_CONTAINER).iter():
            if local_name(file.tag) == "rootfile" and file.get("full-path"):
                return resolved(file.get("full-path"), "")
    raise Unreadable("does not say where its book begins, as every EPUB does")


def _manifest(root: Any, base: str) -> Iterator[tuple[str, str, str, str]]:
    """(id, part, media type, properties) of each part that the book lists."""
    for item in root.iter():
        if local_name(item.tag) == "item" and item.get("href"):
            name = resolved(item.get("href"), base)
            yield item.get("id", ""), name, item.get("media-type", ""), item.get("properties", "")


def _spine(root: Any, base: str) -> Iterator[str]:
    """The parts that are read one after the other."""
    listed = {
        identity: name
        for identity, name, kind, properties in _manifest(root, base)
        if kind in _HTML and "nav" not in properties.split()
    }
    seen = set()
    for reference in root.iter():
        if (
            local_name(reference.tag) == "itemref"
            and (name := listed.get(reference.get("idref", "")))
            and name not in seen
        ):
            seen.add(name)
            yield name


def _check_readable(package: Package, chapters: list[str]) -> None:
    """Raises Unreadable for a book under digital rights management."""
    if _ENCRYPTION not in package.parts:
        return
    for entry in package.tree(_ENCRYPTION).iter():
        if local_name(entry.tag) != "EncryptedData":
            continue
        methods = [one.get("Algorithm", "") for one in entry.iter() if local_name(one.tag) == "EncryptionMethod"]
        parts = [resolved(one.get("URI", ""), "") for one in entry.iter() if local_name(one.tag) == "CipherReference"]
        if not all(method in _OBFUSCATED for method in methods) and not set(chapters).isdisjoint(parts):
            raise Unreadable("is encrypted by its seller (DRM); only their reader opens it")


def _facts(root: Any) -> dict[str, str]:
    told = {
        "title": next(texts(root, "title"), ""),
        "book": next(texts(root, "title"), ""),
        "author": ", ".join(dict.fromkeys(texts(root, "creator"))),
        "published": next(texts(root, "date"), "")[:10],
        "language": next(texts(root, "language"), ""),
    }
    return {key: value for key, value in told.items() if value}


def _contents(package: Package, root: Any, base: str) -> dict[str, str]:
    """What the table of contents calls each part, where it refers to the whole of it first."""
    found: dict[str, str] = {}
    for _, name, kind, properties in _manifest(root, base):
        if name not in package.parts or ("nav" not in properties.split() and kind != "application/x-dtbncx+xml"):
            continue
        try:
            entries = list(_entries(package.tree(name), name))
        except Unreadable:
            continue  # headings tell as well
        for chapter, label in entries:
            if label:
                found.setdefault(chapter, label)
    return found


def _entries(root: Element, name: str) -> Iterator[tuple[str, str]]:
    for element in root.iter():
        if local_name(element.tag) == "a" and element.get("href"):
            yield resolved(element.get("href", ""), name), " ".join("".join(element.itertext()).split())
        elif local_name(element.tag) == "navPoint":
            labels = list(texts(element, "navLabel"))
            content = next((one for one in element.iter() if local_name(one.tag) == "content"), None)
            if labels and content is not None:
                yield resolved(content.get("src", ""), name), labels[0]
