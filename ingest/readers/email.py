"""E-mail, one a file or many in an mbox: subject and body, quoted replies included. Metadata: `subject`, `sender`, `to`, `sent`,
`attachments` (their names), `title` (the subject again), in an mbox `mail`, counted from 1; `part`.

The plain body is read, else the main text of the one in HTML. Attachments are named and not read. A mail is held whole, as far as
HELD bytes: what makes one longer is attachments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

from ingest.readers import html
from ingest.readers.base import Passage, Reading
from ingest.readers.decoding import decoded
from ingest.readers.sections import PARAGRAPH, Block, flowing, passages
from ingest.results import Problem, Unreadable
from ingest.sources.base import Document, Kind
from latentstore import LatentstoreError

HELD = 64 << 20  # bytes of a mail
_LINE = 1 << 20  # bytes of a line read at once
_PARTS = 1000  # of a mail that are looked at
_BORDERS = 50_000  # lines that may part a mail: each is an object in memory
_FACT = 1000  # characters
_LONGEST = 10_000  # characters of a header that are looked at
_BEGINS = re.compile(rb"From \S+.*\d\d:\d\d")  # a line that parts mails in an mbox
_QUOTED = re.compile(rb">+From ")  # a line of a mail's own that would have parted it
# What comes behind so many characters of a header with parameters: the standard library takes the square of them.
_BLOATED = re.compile(
    rb"^(content-(?:type|disposition):(?:[^\n]|\n[ \t]){5000}+)(?:[^\n]|\n[ \t])+", re.MULTILINE | re.IGNORECASE
)
_BOUNDARY = re.compile(rb"boundary\s*=\s*\"?([^\"\s;]+)", re.IGNORECASE)
_NESTING = 20_000_000  # lines, each for every part that it stands in: what the standard library compares
_HEADER = re.compile(rb"(?:From |>From |[!-9;-~]+[ \t]*:)")


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage | Problem]:
    """Every mail, in order; a Problem for one that cannot be read whole. Raises Unreadable or OSError, at the start or on the way."""
    most = min(HELD, reading.limits.bytes)
    blocks = _mbox(document, path, most) if document.kind is Kind.MBOX else _single(document, path, most)
    return passages(document, flowing(blocks), reading.texts)


def _single(document: Document, path: Path, most: int) -> Iterator[Block | Problem]:
    with path.open("rb") as file:
        data = file.read(most + 1)
    if not _HEADER.match(data.lstrip()):
        raise Unreadable("is no e-mail: it does not begin with a header")
    if len(data) > most:
        yield _too_long(document, most, "")
    yield from _mail(data[:most], 1.0, {})


def _mbox(document: Document, path: Path, most: int) -> Iterator[Block | Problem]:
    size = max(1, path.stat().st_size)
    with path.open("rb") as file:
        for number, (data, end) in enumerate(_mails(file, most), 1):
            where = f"mail {number:,}: "
            if len(data) > most:
                yield _too_long(document, most, where)
            try:
                yield from _mail(data[:most], min(1.0, end / size), {"mail": number})
            except LatentstoreError as cause:
                yield Problem(document.uri, f"{where}{cause}")


def _too_long(document: Document, most: int, where: str) -> Problem:
    return Problem(document.uri, f"{where}is longer than {most:,} bytes; what follows those was not read")


def _mails(file: BinaryIO, most: int) -> Iterator[tuple[bytes, int]]:
    """(bytes of a mail, position behind it); one byte more than `most` where there are more. Raises Unreadable."""
    held: list[bytes] | None = None
    size, begins = 0, True  # whether a mail may begin at the line that comes
    while line := file.readline(_LINE):
        if begins and _BEGINS.match(line):
            if held is not None:
                yield b"".join(held), file.tell() - len(line)
            held, size = [], 0
        elif held is None:
            if line.strip():
                raise Unreadable("is no mbox: it does not begin with a line 'From …'")
        elif size <= most:
            piece = line[1:] if _QUOTED.match(line) else line
            piece = piece[: most + 1 - size]
            held.append(piece)
            size += len(piece)
        begins = line in (b"\n", b"\r\n")
    if held is not None:
        yield b"".join(held), file.tell()


def _mail(data: bytes, done: float, known: dict[str, Any]) -> Iterator[Block]:
    """The subject as a heading, then the body."""
    _check_parts(data)
    try:
        message = BytesParser().parsebytes(_BLOATED.sub(rb"\1", data))
    except (ValueError, RecursionError, LookupError) as cause:
        raise Unreadable(f"cannot be read as an e-mail: {cause}") from cause
    facts = {**_facts(message), **known}
    subject, apart = facts.get("subject"), True
    if subject:
        yield Block(subject, done, {**facts, "title": subject}, heading=True, apart=True)
        apart = False
    for block in _body(message, done):
        yield Block(block.text, done, facts, before=block.before, apart=apart)
        apart = False


def _check_parts(data: bytes) -> None:
    """Raises Unreadable for a mail whose parts would take hours to tell apart."""
    if not (bounds := [(found.end(), found[1]) for found in _BOUNDARY.finditer(data)]):
        return
    if data.count(b"\n--") > _BORDERS or len(bounds) > _PARTS:
        raise Unreadable(f"has more than {_BORDERS:,} parts, or {_PARTS:,} that have parts")
    ends = [data.find(b"--" + bound + b"--", at) for at, bound in bounds]
    edges = sorted([(at, 1) for at, _ in bounds] + [(end, -1) for end in ends if end >= 0])
    deepest = max(accumulate(step for _, step in edges))
    if deepest * data.count(b"\n") > _NESTING:
        raise Unreadable(f"has parts within parts, {deepest:,} deep, more than its length allows")


def _body(message: Message, done: float) -> Iterator[Block]:
    """Paragraphs of each text that is no attachment; of the same text in two forms, the plain one."""
    for part in _texts(message):
        text = _decoded(part)
        if part.get_content_subtype() == "html":
            yield from html.blocks([(text, done)], choose=False)
        elif text.strip():
            yield Block(text.strip(), done, {}, before=PARAGRAPH)


def _texts(message: Message) -> Iterator[Message]:
    waiting, seen = [message], 0
    while waiting and seen < _PARTS:
        part, seen = waiting.pop(), seen + 1
        if part.get_content_disposition() == "attachment":
            continue
        children = _children(part)
        if part.get_content_type() == "multipart/alternative":
            children = _preferred(children)
        waiting += reversed(children)
        if not children and part.get_content_type() in ("text/plain", "text/html"):
            yield part


def _children(part: Message) -> list[Message]:
    held = part.get_payload()
    return [one for one in held if isinstance(one, Message)] if isinstance(held, list) else []


def _preferred(forms: list[Message]) -> list[Message]:
    plain = [form for form in forms if form.get_content_type() == "text/plain" and _decoded(form).strip()]
    return plain[:1] or forms[-1:]


def _decoded(part: Message) -> str:
    data = part.get_payload(decode=True)
    return decoded(data.replace(b"\0", b""), part.get_content_charset()) if isinstance(data, bytes) else ""


def _facts(message: Message) -> dict[str, Any]:
    """What the headers say, as far as they can be read."""
    facts: dict[str, Any] = {
        "subject": _header(message, "subject"),
        "sender": _header(message, "from"),
        "to": _header(message, "to"),
        "sent": _sent(message),
        "attachments": ", ".join(_attachments(message))[:_FACT],
    }
    return {key: value for key, value in facts.items() if value}


def _header(message: Message, name: str) -> str:
    raw = next((str(value) for key, value in message.raw_items() if key.lower() == name), "")[:_LONGEST]
    if not raw.isascii():  # bytes as they came
        raw = decoded(raw.encode("ascii", "surrogateescape").replace(b"\0", b""))
    with suppress(ValueError, LookupError):  # else as it stands: coded in a way that nobody knows
        raw = str(make_header(decode_header(raw)))
    return " ".join(raw.encode("utf-8", "replace").decode().split())[:_FACT]


def _sent(message: Message) -> datetime | None:
    with suppress(ValueError, TypeError, OverflowError, IndexError):
        sent = parsedate_to_datetime(_header(message, "date"))
        return sent if sent.tzinfo else sent.replace(tzinfo=UTC)  # -0000: in UTC, sent from who knows where
    return None


def _attachments(message: Message) -> Iterator[str]:
    waiting, seen = [message], 0
    while waiting and seen < _PARTS:
        part, seen = waiting.pop(), seen + 1
        waiting += reversed(_children(part))
        with suppress(ValueError, LookupError):
            if name := part.get_filename():
                yield " ".join(str(make_header(decode_header(name))).encode("utf-8", "replace").decode().split())
