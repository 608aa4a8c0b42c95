"""Package: a document that is a zip of parts, as DOCX and EPUB are. What archives may cost holds for it, and no XML of it can
expand, fetch or nest without end."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lxml import etree

from ingest.limits import Limits
from ingest.results import Unreadable
from ingest.sources import zips
from ingest.sources.base import Document
from ingest.sources.budget import Budget
from ingest.sources.member import Member

_TREE = 32 << 20  # bytes of a part that is held whole; no real one comes near
_PIECE = 1 << 18


@dataclass(frozen=True, slots=True)
class Package:
    """parts: by name, the first of each."""

    parts: Mapping[str, Member]

    @contextmanager
    def part(self, name: str) -> Iterator[Path]:
        """A file on this disk with what a part holds. Raises Unreadable."""
        if name not in self.parts:
            raise Unreadable(f"lacks its part {name}")
        try:
            with self.parts[name].local() as path:
                yield path
        except Unreadable as cause:
            raise Unreadable(f"its part {name} {cause}" if name not in str(cause) else str(cause)) from cause

    def tree(self, name: str) -> Any:
        """The root element of a short part. Raises Unreadable."""
        with self.part(name) as path:
            if path.stat().st_size > _TREE:
                raise Unreadable(f"is larger than {_TREE:,} bytes")
            try:
                return etree.fromstring(path.read_bytes(), safe_parser())
            except etree.XMLSyntaxError as cause:
                raise Unreadable(f"is no XML: {cause}") from cause


@contextmanager
def opened(document: Document, path: Path, limits: Limits) -> Iterator[Package]:
    """Raises Unreadable."""
    # Budgets are spent; that of an archive around it was spent when it was unpacked.
    budget = Budget.of_archive(path.stat().st_size, limits)
    with zips.opened(path, budget) as members:
        parts: dict[str, Member] = {}
        for member in members:
            parts.setdefault(member.name, member)
        yield Package(parts)


def safe_parser(target: Any = None) -> Any:
    """huge_tree off: nesting, names and entities stay within libxml2's bounds."""
    return etree.XMLParser(
        target=target, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=True
    )


def feed(parser: Any, path: Path) -> Iterator[float]:
    """Parse a file in pieces: the share that is parsed, after each. Raises Unreadable."""
    size, read = max(1, path.stat().st_size), 0
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                parser.feed(piece)
                read += len(piece)
                yield min(1.0, read / size)
        parser.close()
    except etree.XMLSyntaxError as cause:
        raise Unreadable(f"is no XML: {cause}") from cause


def resolved(reference: str, base: str) -> str:
    """The name of the part that is meant by a reference in part `base`."""
    path = unquote(reference.partition("#")[0])
    joined = path.lstrip("/") if path.startswith("/") else posixpath.join(posixpath.dirname(base), path)
    return posixpath.normpath(joined)


def local_name(tag: Any) -> str:
    """The name of an element or attribute without its namespace; empty for what is no element."""
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def texts(root: Any, name: str) -> Iterator[str]:
    """What every element of a local name holds, without those that hold nothing."""
    for element in root.iter():
        if local_name(element.tag) == name and (text := " ".join("".join(element.itertext()).split())):
            yield text
