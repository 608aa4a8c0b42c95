"""Bytes to characters, in pieces: encodings are found out and files of any size read in bounded memory.

What comes out is what `open(path, encoding=...).read()` gives: no byte order mark, every line end a newline.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ingest.results import Unreadable

PIECE = 1 << 18  # bytes or characters read at a time

_MARKS = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HOLES = frozenset(b"\x81\x8d\x8f\x90\x9d")  # bytes that Windows-1252 gives no character


def encoding_of(path: Path) -> str:
    """The encoding of a text file: by its mark, else UTF-8 if all of it is, else Windows-1252 or Latin-1.

    Raises Unreadable for what is no text: a NUL byte, or a mark whose encoding the bytes then break.
    """
    with path.open("rb") as file:
        start = file.read(4)
        marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
        file.seek(0)
        if marked is not None:
            return _marked(file, marked)
        return _unmarked(file)


def _marked(file: BinaryIO, encoding: str) -> str:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        while piece := file.read(PIECE):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as cause:
        raise Unreadable(f"begins like {encoding} and is not: {cause.reason}") from cause
    return encoding


def _unmarked(file: BinaryIO) -> str:
    utf8, holes, at = codecs.getincrementaldecoder("utf-8")(), False, 0
    valid = True
    while piece := file.read(PIECE):
        if (nul := piece.find(0)) >= 0:
            raise Unreadable(f"is not text: a NUL byte at position {at + nul}")
        at += len(piece)
        valid = valid and _decodes(utf8, piece, final=False)
        holes = holes or (not valid and not _HOLES.isdisjoint(piece))
    if valid and _decodes(utf8, b"", final=True):
        return "utf-8"
    return "latin-1" if holes else "cp1252"


def _decodes(decoder: codecs.IncrementalDecoder, piece: bytes, final: bool) -> bool:
    try:
        decoder.decode(piece, final)
    except UnicodeDecodeError:
        return False
    return True


def characters(path: Path, encoding: str) -> Iterator[tuple[str, int]]:
    """The text in pieces of PIECE, each with the bytes read so far. Raises Unreadable."""
    try:
        with path.open("rb") as raw, io.TextIOWrapper(raw, encoding) as file:
            while piece := file.read(PIECE):
                yield piece, raw.tell()
    except UnicodeDecodeError as cause:
        raise Unreadable(f"changed while it was read: {cause}") from cause
