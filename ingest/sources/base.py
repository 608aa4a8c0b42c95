"""Document: one thing to read, wherever its bytes are, and the kinds of things there are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from stat import S_ISREG

from ingest.results import Unreadable
from ingest.sources.budget import Budget


class Kind(StrEnum):
    """How a document is read; chosen by the ending of its name."""

    TEXT = "text"
    MARKDOWN = "markdown"
    HTML = "html"
    PDF = "pdf"
    DOCX = "docx"
    EPUB = "epub"
    CODE = "code"
    EMAIL = "email"
    MBOX = "mbox"
    CSV = "csv"
    TSV = "tsv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"
    ARROW = "arrow"
    IMAGE = "image"
    AUDIO = "audio"
    ARCHIVE = "archive"


_ENDINGS = {
    Kind.TEXT: ".txt .text .log .rst .org .tex .adoc .asc .srt .vtt",
    Kind.MARKDOWN: ".md .markdown .mdown .mkd",
    Kind.HTML: ".html .htm .xhtml",
    Kind.PDF: ".pdf",
    Kind.DOCX: ".docx",
    Kind.EPUB: ".epub",
    Kind.CODE: (
        ".py .pyi .js .mjs .cjs .jsx .ts .tsx .java .kt .scala .c .h .cc .cpp .cxx .hh .hpp .cs .rs .go .rb .php .pl .pm "
        ".swift .m .mm .lua .r .jl .hs .ml .ex .exs .erl .clj .dart .zig .sh .bash .zsh .fish .ps1 .bat .sql .css .scss "
        ".vue .proto .cmake .mk .toml .yaml .yml .ini .cfg"
    ),
    Kind.EMAIL: ".eml",
    Kind.MBOX: ".mbox",
    Kind.CSV: ".csv",
    Kind.TSV: ".tsv .tab",
    Kind.JSON: ".json",
    Kind.JSONL: ".jsonl .ndjson",
    Kind.PARQUET: ".parquet .pq",
    Kind.ARROW: ".arrow .feather .ipc .arrows",
    Kind.IMAGE: ".jpg .jpeg .jpe .png .webp .gif .bmp .tif .tiff .avif",
    Kind.AUDIO: ".wav .flac .ogg .oga .opus .mp3",
    Kind.ARCHIVE: ".zip .tar .tgz .tbz .tbz2 .txz .tzst .gz .bz2 .xz .zst",
}
KINDS = {ending: kind for kind, endings in _ENDINGS.items() for ending in endings.split()}
_WHOLE_NAMES = {  # files whose names have no ending
    Kind.TEXT: (
        "readme license licence copying copyright notice authors contributors changelog changes news history install todo"
    ),
    Kind.CODE: "makefile dockerfile gemfile rakefile procfile vagrantfile jenkinsfile",
}
_NAMES = {name: kind for kind, names in _WHOLE_NAMES.items() for name in names.split()}
TABLES = frozenset({Kind.CSV, Kind.TSV, Kind.JSON, Kind.JSONL, Kind.PARQUET, Kind.ARROW})


COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst"})  # of one file, whose name is what stands before


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
    on_disk: bool = False  # `local` is the file itself, and `stamp` its `stamp_of`
    within: int = 0  # archives around it
    budget: Budget | None = None  # of a member: what the outermost archive may still cost


def on_disk(path: Path, kind: Kind, named: bool) -> Document:
    """A file that is on this disk already."""

    @contextmanager
    def local() -> Iterator[Path]:
        # A pipe that has taken the file's place would be waited for without end.
        if not S_ISREG(path.stat().st_mode):
            raise Unreadable("is no longer a file")
        yield path

    uri = uri_of(path)
    try:
        found = path.stat()
    except OSError:
        # Reading it says why it cannot be read.
        return Document(uri, path.name, kind, None, None, None, named, local, on_disk=True)
    return Document(uri, path.name, kind, found.st_size, found.st_mtime, _stamp(found), named, local, on_disk=True)


def stamp_of(path: Path) -> str:
    """Differs whenever the bytes of the file may differ. Raises OSError."""
    return _stamp(path.stat())


def _stamp(found: os.stat_result) -> str:
    return f"{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"


def kind_of(name: str) -> Kind | None:
    """By the ending, else by the whole name; None for one that no reader takes."""
    ending = ending_of(name)
    if ending in COMPRESSED and kind_of(name[: -len(ending)]) is None:
        return None  # `model.bin.gz` holds what is not read
    return KINDS.get(ending) if ending else _NAMES.get(name.lower())


def ending_of(name: str) -> str:
    """With its dot, in lower case; empty where there is none."""
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 - names of archives' members are no paths


def expanded(path: str | Path) -> Path:
    """`~` and `~name` become the home of a user that there is; other names may begin so too."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def uri_of(path: Path) -> str:
    """The path as text; bytes of a name that are no UTF-8 become backslash codes."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
