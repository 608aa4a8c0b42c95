"""Bytes to characters, in pieces: encodings are found out and files of any size read in bounded memory.

What comes out is what `open(path, encoding=...).read()` gives: no byte order mark, every line end a newline.
"""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
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
_SAMPLE = 1 << 16  # bytes that an encoding is guessed from
_SEARCHED = 1 << 20  # bytes in which the sample is looked for
_FEW = 6  # bytes that each encoding gives another meaning tell nothing when there are fewer of them
_WESTERN = ("cp1252", "latin-1")
# Those that files of before Unicode are in: charset-normalizer chooses well among a few. Letters that are not ASCII stand
# alone among those that are in Latin script, and in runs in any other.
_LATIN = ["cp1252", "cp1250", "cp1254"]
_OTHERS = [
    *("cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5", "cp1253", "cp1255", "cp1256"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949", "cp1252", "cp1250"),
]
_CLEARLY = 0.02  # cleaner than Windows-1252, or the guess is that: most files in Latin script are
_SUPERSETS = {  # what files hold that say so: the first is what browsers read, too
    **dict.fromkeys(("ascii", "iso8859-1", "iso-8859-1", "latin-1"), "cp1252"),
    **dict.fromkeys(("gb2312", "gbk", "hz"), "gb18030"),
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "iso8859-9": "cp1254",
}
_SHIFTING = frozenset({"iso2022_jp", "iso2022_jp_1", "iso2022_jp_2", "iso2022_jp_ext", "iso2022_kr", "hz"})  # all ASCII
_ASCII = re.compile(rb"[\t\n\r\x20-\x7e]")
_HIGH = re.compile(rb"[\x80-\xff]")
_RUN = re.compile(rb"[\x80-\xff]{2,}")


def encoding_of(path: Path, declared: str | None = None) -> str:
    """The encoding of a text file; see `encoding_in`. Raises Unreadable or OSError."""
    with path.open("rb") as file:
        return encoding_in(file, declared)


def encoding_in(file: BinaryIO, declared: str | None = None) -> str:
    """By the mark, else UTF-8 if all of it is, else the declared one if it serves, else UTF-16 or UTF-32 without a mark, else
    what it most looks like, Windows-1252 or Latin-1 where it looks like nothing. Every byte decodes in what is returned.

    Raises Unreadable for what is no text: a NUL byte, or a mark whose encoding the bytes then break.
    """
    start = file.read(4)
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), None)
    if marked is not None:
        if (reason := _broken(file, marked)) is not None:
            raise Unreadable(f"begins like {marked} and is not: {reason}")
        return marked
    named = _known(declared)
    if named in _SHIFTING and _broken(file, named) is None:
        return named
    valid, nul = _utf8(file)
    if valid:
        return "utf-8"
    candidates = [named] if named else []
    candidates += _wide(file) if nul is not None else [*_likely(file), *_WESTERN]
    for encoding in candidates:
        if _broken(file, encoding) is None:
            return encoding
    raise Unreadable("is not text" if nul is None else f"is not text: a NUL byte at position {nul}")


def characters(path: Path, encoding: str) -> Iterator[tuple[str, int]]:
    """The text in pieces of PIECE, each with the bytes read so far. Raises Unreadable."""
    try:
        with path.open("rb") as raw, io.TextIOWrapper(raw, encoding) as file:
            while piece := file.read(PIECE):
                yield piece, raw.tell()
    except UnicodeDecodeError as cause:
        raise Unreadable(f"changed while it was read: {cause}") from cause


def decoded(data: bytes, declared: str | None = None) -> str:
    """All of a short text. Raises Unreadable."""
    encoding = encoding_in(io.BytesIO(data), declared)
    return io.TextIOWrapper(io.BytesIO(data), encoding).read()


def _known(declared: str | None) -> str | None:
    """The Python codec of a declared name, or of what is meant by it; None for one that is no encoding of text."""
    try:
        name = codecs.lookup((declared or "").strip()).name
        "".encode(name)
    except (LookupError, ValueError):
        return None
    name = name.replace("-", "_") if name.startswith(("iso2022", "euc", "shift")) else name
    # Who reads "UTF-16" in a text of single bytes has read no UTF-16.
    return None if name.startswith(("utf-16", "utf-32", "utf-7")) else _SUPERSETS.get(name, name)


def _utf8(file: BinaryIO) -> tuple[bool, int | None]:
    """Whether all is UTF-8 without a NUL, and where the first NUL of the stretch is that decides it."""
    decoder, at = codecs.getincrementaldecoder("utf-8")(), 0
    file.seek(0)
    try:
        while piece := file.read(PIECE):
            if (nul := piece.find(0)) >= 0:
                return False, at + nul
            at += len(piece)
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False, None
    return True, None


def _broken(file: BinaryIO, encoding: str) -> str | None:
    """Why the file is no text of this encoding; None when it is."""
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while piece := file.read(PIECE):
            if "\0" in decoder.decode(piece):
                return "a NUL character"
        decoder.decode(b"", final=True)
    except UnicodeError as cause:
        return getattr(cause, "reason", str(cause))
    return None


def _wide(file: BinaryIO) -> list[str]:
    """Encodings of two or four bytes a character that a file with NUL bytes and no mark looks like."""
    file.seek(0)
    sample = file.read(_SAMPLE)
    sample = sample[: len(sample) // 4 * 4] or sample
    if sample.count(0) < len(sample) / 5 and len(_ASCII.findall(sample)) > (len(sample) - sample.count(0)) * 0.9:
        return []  # text of single bytes with something else in it
    texts = {name: sample.decode(name, "replace") for name in ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")}
    likely = {name: _likeness(text) for name, text in texts.items()}
    return sorted((name for name in likely if likely[name][0] >= 0.97), key=likely.__getitem__, reverse=True)


def _likeness(text: str) -> tuple[float, float]:
    """How much of it are characters that texts are made of, and how few alphabets there are for its length."""
    made = sum(unicodedata.category(sign)[0] in "LMNPSZ" or sign in "\t\n\r\f" for sign in text if sign != "\ufffd")
    alphabets = len({ord(sign) >> 8 for sign in text})
    signs = sum(sign in " \n,.、。，" for sign in text)  # noqa: RUF001
    return round(made / max(1, len(text)), 2), signs - alphabets


def _likely(file: BinaryIO) -> list[str]:
    """Encodings of before Unicode, the likeliest first."""
    import charset_normalizer  # of use for few files

    sample = _sample(file)
    high = len(_HIGH.findall(sample))
    if high < _FEW:
        return []
    latin = sum(map(len, _RUN.findall(sample))) < high / 2
    found = charset_normalizer.from_bytes(sample, cp_isolation=_LATIN if latin else _OTHERS)
    names = [match.encoding for match in found]
    western = next((match for match in found if "cp1252" in match.could_be_from_charset), None)
    if western is not None and western.chaos < found[0].chaos + _CLEARLY:
        names.insert(0, "cp1252")
    return names


def _sample(file: BinaryIO) -> bytes:
    """Lines with bytes that are not ASCII, from the first one on."""
    at = 0
    file.seek(0)
    while (piece := file.read(PIECE)) and piece.isascii():
        at += len(piece)
    high = _HIGH.search(piece)
    begin = piece.rfind(b"\n", 0, high.start()) + 1 if high else 0
    file.seek(at + begin)
    lines = file.read(_SEARCHED).splitlines(keepends=True)
    return b"".join(line for line in lines if not line.isascii())[:_SAMPLE]
