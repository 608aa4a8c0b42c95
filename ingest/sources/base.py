"""Document: one thing to read, wherever its bytes are, and the kinds of things there are."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Kind(StrEnum):
    """How a document is read; chosen by the ending of its name."""

    TEXT = "text"
    MARKDOWN = "markdown"
    CSV = "csv"
    TSV = "tsv"
    JSONL = "jsonl"
    PARQUET = "parquet"


KINDS = {
    ".txt": Kind.TEXT,
    ".text": Kind.TEXT,
    ".md": Kind.MARKDOWN,
    ".markdown": Kind.MARKDOWN,
    ".csv": Kind.CSV,
    ".tsv": Kind.TSV,
    ".jsonl": Kind.JSONL,
    ".ndjson": Kind.JSONL,
    ".parquet": Kind.PARQUET,
}
TABLES = frozenset({Kind.CSV, Kind.TSV, Kind.JSONL, Kind.PARQUET})


@dataclass(frozen=True, slots=True)
class Document:
    """`uri` names it in the store: its absolute path or its address, as text that any encoding can carry."""

    uri: str
    name: str
    kind: Kind
    size: int | None  # bytes; None: not known before it is read
    modified: float | None  # unix seconds
    stamp: str | None  # differs whenever the bytes may differ; None: only reading tells
    named: bool  # as a source itself, not found in a folder
    local: Callable[[], AbstractContextManager[Path]]
    """A file on this disk with its bytes, for as long as the block lasts. Raises Unreadable or OSError."""


def on_disk(path: Path, kind: Kind, named: bool) -> Document:
    """A file that is on this disk already."""
    uri = uri_of(path)
    try:
        found = path.stat()
    except OSError:
        # Reading it says why it cannot be read.
        return Document(uri, path.name, kind, None, None, None, named, lambda: nullcontext(path))
    stamp = f"{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"
    return Document(uri, path.name, kind, found.st_size, found.st_mtime, stamp, named, lambda: nullcontext(path))


def kind_of(name: str) -> Kind | None:
    """By the ending; None for one that no reader takes."""
    return KINDS.get(os.path.splitext(name)[1].lower())  # noqa: PTH122 - names of archives' members are no paths


def uri_of(path: Path) -> str:
    """The path as text; bytes of a name that are no UTF-8 become backslash codes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
