"""PDF: the text of its pages, lines joined into paragraphs. Metadata: `page`, counted from 1, where a passage begins; `title`,
`author` and `created` as far as the file says; `part`.

A page is opened, read and closed under a lock, for PDFium stands no second thread, and nothing of it is kept.
"""

from __future__ import annotations

import os
import re
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pypdfium2

from ingest.limits import Limits
from ingest.readers.base import Passage, Reading
from ingest.readers.sections import LINE, PARAGRAPH, Block, flowing, passages
from ingest.results import Problem, Unreadable
from ingest.sources.base import Document

# Reentrant: a collection of garbage while a page is read may close what an abandoned reader left open.
_PDFIUM = threading.RLock()
_FULL = 0.75  # of a page's long lines: a line as long as that goes on in the next
_HYPHEN = "\x02"  # as PDFium gives one that parts a word at the end of a line
_PARTED = re.compile(r"(?<=\w)[-\u00ad\u2010]\n(?=[^\W\d_A-Z])")
_STARTS = re.compile(r"[•◦▪‣·–—*-]\s|\(?(?:\d{1,3}|[a-zA-Z])(?:\.\d+)*[.)]\s|\d+(?:\.\d+)+\s")  # noqa: RUF001
_ENDS = (".", "!", "?", ":", ";", "。", "！", "？", "”", '"')  # noqa: RUF001
_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_PACKED = re.compile(rb"/Fl(?:ateDecode)?\b")
_PICTURE = re.compile(rb"/Subtype\s*/Image\b")  # not unpacked for its page's text
_DESCRIBED = 1000  # bytes in front of a stream that say what it is
_HARMLESS = 16 << 20  # bytes that may come out of any stream
_PIECE = 1 << 18
_DATE = re.compile(r"(?:D:)?(\d{4})(\d\d)?(\d\d)?")
_BROKEN = (pypdfium2.PdfiumError, ValueError, OverflowError, AssertionError)  # what pypdfium2 raises of a broken file


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage | Problem]:
    """Every page, in order; a Problem for one that cannot be read. Raises Unreadable or OSError, at the start or on the way."""
    return passages(document, flowing(_blocks(document.uri, path, reading.limits)), reading.texts)


def _blocks(uri: str, path: Path, limits: Limits) -> Iterator[Block | Problem]:
    with path.open("rb") as file:
        _check_streams(file, limits.expansion)
        with _PDFIUM:
            opened = _opened(file)
        try:
            yield from _pages(uri, opened, limits.pages)
        finally:
            with _PDFIUM:
                opened.close()


def _pages(uri: str, opened: Any, most: int) -> Iterator[Block | Problem]:
    with _PDFIUM:
        count, facts = len(opened), _facts(opened)
    if count > most:
        raise Unreadable(f"has {count:,} pages, more than {most:,}; the limit can be raised")
    found = False
    for number in range(1, count + 1):
        try:
            printed = _text(opened, number)
        except _BROKEN as cause:
            found = True
            yield Problem(uri, f"page {number:,} cannot be read: {cause}")
            continue
        if text := paragraphs(printed):
            found = True
            before = " " if text[0].islower() else PARAGRAPH
            yield Block(text, number / count, {**facts, "page": number}, before=before)
    if not found:
        raise Unreadable(
            f"has no text on its {count:,} pages: perhaps they are scanned pictures" if count else "has no pages"
        )


def _check_streams(file: BinaryIO, expansion: int) -> None:
    """Raises Unreadable for a stream that becomes far more than it is: PDFium takes twenty times that to lay out a page."""
    at, held = 0, b""
    while piece := os.pread(file.fileno(), _PIECE, at):  # not mapped: a file may shrink while it is read
        seen, held = len(held), held + piece
        for found in _STREAM.finditer(held):
            described = held[max(0, found.start() - _DESCRIBED) : found.start()].rpartition(b"obj")[2]
            packed = found.end() > seen and _PACKED.search(described) and not _PICTURE.search(described)
            if packed and _expands(file, at - seen + found.end(), expansion):
                raise Unreadable(
                    f"expands to more than {expansion:,} times its size, as bombs do; the limit can be raised"
                )
        at += len(piece)
        held = held[-2 * _DESCRIBED :]


def _expands(file: BinaryIO, at: int, expansion: int) -> bool:
    unpacking, taken, given = zlib.decompressobj(), 0, 0
    try:
        while not unpacking.eof:
            piece = unpacking.unconsumed_tail
            if not piece:
                piece = os.pread(file.fileno(), _PIECE, at + taken)
                taken += len(piece)
            if not piece:
                break
            given += len(unpacking.decompress(piece, _PIECE))
            if given > max(_HARMLESS, expansion * taken):
                return True
    except zlib.error:
        pass  # encrypted or broken: for PDFium to tell
    return False


def _opened(file: Any) -> Any:
    try:
        return pypdfium2.PdfDocument(file)
    except _BROKEN as cause:
        if "password" in str(cause).lower():
            raise Unreadable("is encrypted; save it without its password") from cause
        raise Unreadable(f"cannot be read as PDF: {cause}") from cause


def _text(opened: Any, number: int) -> str:
    with _PDFIUM:
        page = opened[number - 1]
        try:
            words = page.get_textpage()
            try:
                return str(words.get_text_bounded(errors="replace"))
            finally:
                words.close()
        finally:
            page.close()


def _facts(opened: Any) -> dict[str, str]:
    try:
        told = opened.get_metadata_dict()
    except _BROKEN:
        return {}  # of no weight beside the pages
    date = _DATE.match(told.get("CreationDate", ""))
    facts = {
        "title": " ".join(told.get("Title", "").split()),
        "author": " ".join(told.get("Author", "").split()),
        "created": "-".join(part for part in date.groups() if part) if date else "",
    }
    return {key: value for key, value in facts.items() if value}


def paragraphs(text: str) -> str:
    """The text of a page, which comes in lines as they are printed, in paragraphs; words parted at line ends are joined."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufffe", _HYPHEN).replace("\0", "")
    text = _PARTED.sub(_HYPHEN, text).replace(_HYPHEN, f"{_HYPHEN}\n")
    lines = [line for line in (" ".join(line.split()) for line in text.split("\n")) if line]
    full = sorted(map(len, lines))[len(lines) * 9 // 10] * _FULL if lines else 0
    parts: list[str] = []
    for number, line in enumerate(lines, 1):
        following = lines[number] if number < len(lines) else ""
        parts += [line.removesuffix(_HYPHEN), _between(line, following, full)]
    return "".join(parts[:-1])


def _between(line: str, following: str, full: float) -> str:
    """What parts a printed line from the next."""
    if line.endswith(_HYPHEN):
        return ""
    if len(line) < full:
        return PARAGRAPH if line.endswith(_ENDS) else LINE
    if _STARTS.match(following):
        return LINE
    return "" if _joins(line[-1]) and _joins(following[:1]) else " "


def _joins(sign: str) -> bool:
    """Whether it is of a script that has no spaces between words."""
    return "\u2e80" <= sign < "\uac00" or sign >= "\uf900"
