"""What a file is by its first bytes, for those whose names do not tell."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ingest.sources.base import Kind

HEAD = 512
_MARKS = {
    b"%PDF-": Kind.PDF,
    b"\x89PNG\r\n\x1a\n": Kind.IMAGE,
    b"\xff\xd8\xff": Kind.IMAGE,
    b"GIF87a": Kind.IMAGE,
    b"GIF89a": Kind.IMAGE,
    b"II*\0": Kind.IMAGE,
    b"MM\0*": Kind.IMAGE,
    b"fLaC": Kind.AUDIO,
    b"OggS": Kind.AUDIO,
    b"ID3": Kind.AUDIO,
    b"PAR1": Kind.PARQUET,
    b"ARROW1\0\0": Kind.ARROW,
    b"PK\5\6": Kind.ARCHIVE,
    b"\x1f\x8b": Kind.ARCHIVE,
    b"BZh": Kind.ARCHIVE,
    b"\xfd7zXZ\0": Kind.ARCHIVE,
    b"\x28\xb5\x2f\xfd": Kind.ARCHIVE,
}
_LATER = {  # (position, mark)
    (8, b"WAVE"): Kind.AUDIO,
    (8, b"WEBP"): Kind.IMAGE,
    (4, b"ftypavif"): Kind.IMAGE,
    (4, b"ftypavis"): Kind.IMAGE,
    (257, b"ustar"): Kind.ARCHIVE,
}
_PAGES = (b"<!doctype html", b"<html")


def kind_of_file(path: Path) -> Kind | None:
    """None where the bytes do not tell, or cannot be read."""
    head = _head(path)
    if head.startswith(b"PK\3\4"):
        return _kind_of_zip(path)
    return kind_of_bytes(head)


def kind_of_bytes(head: bytes) -> Kind | None:
    """head: the first HEAD bytes. None where they do not tell."""
    for mark, kind in _MARKS.items():
        if head.startswith(mark):
            return kind
    for (at, mark), kind in _LATER.items():
        if head.startswith(mark, at):
            return kind
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return Kind.IMAGE
    if head[:1] == b"\xff" and len(head) > 2 and head[1] & 0xE6 in (0xE2, 0xE4, 0xE6):  # a frame of MPEG audio
        return Kind.AUDIO
    if head.startswith(b"PK\3\4"):
        return Kind.ARCHIVE
    return Kind.HTML if head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGES) else None


def is_duckdb(path: Path) -> bool:
    return _head(path)[8:12] == b"DUCK"


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD)
    except OSError:
        return b""  # reading it in earnest says why it cannot be read


def _kind_of_zip(path: Path) -> Kind:
    """Documents of several formats are zip archives."""
    if b"mimetypeapplication/epub+zip" in _head(path):
        return Kind.EPUB
    try:
        with zipfile.ZipFile(path) as archive:
            return Kind.DOCX if "word/document.xml" in archive.NameToInfo else Kind.ARCHIVE
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return Kind.ARCHIVE
