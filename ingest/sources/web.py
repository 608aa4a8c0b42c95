"""Files on the web, by the standard library alone: looked at with HEAD, fetched when they are read.

A connection that drops is taken up again where it broke, if the server can; one that stalls is given up.
"""

from __future__ import annotations

import base64
import http.client
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from ingest.limits import Limits
from ingest.results import Unreadable
from ingest.sources import magic
from ingest.sources.addresses import WEB, cleaned, name_of, without_secrets
from ingest.sources.base import Document, Kind, kind_of
from ingest.sources.temporary import PIECE, temporary
from latentstore.errors import NotFound

PAUSES = (0.25, 1.0, 4.0)  # seconds before each further attempt
STALLED = 30.0  # seconds without a byte
SLOWEST = 64  # bytes a second, measured over at least STALLED
LOOK = 10.0  # seconds that looking at an address may take
REDIRECTS = 5
_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_GONE = frozenset({404, 410})
_TYPES = {
    "text/html": Kind.HTML,
    "application/xhtml+xml": Kind.HTML,
    "text/markdown": Kind.MARKDOWN,
    "text/csv": Kind.CSV,
    "text/tab-separated-values": Kind.TSV,
    "application/json": Kind.JSON,
    "application/x-ndjson": Kind.JSONL,
    "application/jsonl": Kind.JSONL,
    "application/pdf": Kind.PDF,
    "application/epub+zip": Kind.EPUB,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": Kind.DOCX,
    "application/vnd.apache.parquet": Kind.PARQUET,
    "application/vnd.apache.arrow.file": Kind.ARROW,
    "message/rfc822": Kind.EMAIL,
    "application/mbox": Kind.MBOX,
    "application/zip": Kind.ARCHIVE,
    "application/gzip": Kind.ARCHIVE,
    "application/x-tar": Kind.ARCHIVE,
    **dict.fromkeys(
        ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "image/tiff", "image/avif"), Kind.IMAGE
    ),
    **dict.fromkeys(("audio/wav", "audio/x-wav", "audio/flac", "audio/ogg", "audio/opus", "audio/mpeg"), Kind.AUDIO),
}


class _Dropped(Exception):
    """Worth another attempt."""


def document(address: str, limits: Limits, kind: Kind | None = None) -> Document:
    """What HEAD tells of an address, which nothing is fetched from before it is read. kind: for one found in a folder; else
    the name and the server's word decide. Raises NotFound where the server says that there is nothing."""
    uri, name = cleaned(address), name_of(address)
    size, modified, stamp, told, last = None, None, None, Message(), address
    try:
        with _open(_request(address, "HEAD"), LOOK) as answer:
            told, last = answer.headers, answer.url
            size, modified, stamp = _size(told), _modified(told), _stamp(told)
    except HTTPError as cause:
        cause.close()
        if cause.code in _GONE:
            raise NotFound(f"there is nothing at {uri}: the server answers {cause.code} {cause.reason}") from cause
    except (OSError, http.client.HTTPException, ValueError):
        pass  # fetching it says what is wrong; some servers know no HEAD

    @contextmanager
    def local() -> Iterator[Path]:
        with temporary(name) as path:
            _fetch(address, path, limits.bytes)
            yield path

    return Document(uri, name, kind or _kind(address, last, told), size, modified, stamp, kind is None, local)


def _kind(address: str, last: str, told: Message) -> Kind:
    """last: where redirects led to."""
    by_name, by_type = kind_of(name_of(address)), _TYPES.get(told.get_content_type() if "Content-Type" in told else "")
    if by_type is Kind.HTML and by_name in (None, Kind.CODE):  # what makes the page is not what it is
        return by_type
    return by_name or by_type or kind_of(name_of(last)) or _kind_inside(address) or Kind.TEXT


def _kind_inside(address: str) -> Kind | None:
    """By the first bytes; None where they do not tell, or do not come."""
    request = _request(address, "GET")
    request.add_header("Range", f"bytes=0-{magic.HEAD - 1}")
    try:
        with _open(request, LOOK) as answer:
            return magic.kind_of_bytes(answer.read(magic.HEAD))
    except (OSError, http.client.HTTPException, ValueError):
        return None


def _size(told: Message) -> int | None:
    length = told.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _modified(told: Message) -> float | None:
    try:
        return parsedate_to_datetime(told["Last-Modified"]).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _stamp(told: Message) -> str | None:
    if "ETag" in told:
        return f"etag:{told['ETag']}"
    return f"{told['Last-Modified']}:{told.get('Content-Length')}" if "Last-Modified" in told else None


@dataclass(slots=True)
class _Download:
    """How far it is. tag: of the bytes that are there, where the server names them strongly."""

    address: str
    path: Path
    most: int
    got: int = 0
    tag: str | None = None

    def attempt(self) -> None:
        """Raises _Dropped for what may go better another time, Unreadable for what will not."""
        request = _request(self.address, "GET")
        if self.got and self.tag:
            request.add_header("Range", f"bytes={self.got}-")
            request.add_header("If-Range", self.tag)
        try:
            with _open(request, STALLED) as answer:
                self._take(answer)
        except HTTPError as cause:
            cause.close()
            if cause.code in _BUSY:
                raise _Dropped(f"the server answers {cause.code} {cause.reason}") from cause
            raise Unreadable(f"the server answers {cause.code} {cause.reason}") from cause
        except URLError as cause:
            raise _Dropped(str(cause.reason)) from cause
        except (TimeoutError, ConnectionError, http.client.HTTPException) as cause:
            raise _Dropped(str(cause) or type(cause).__name__) from cause

    def _take(self, answer: Any) -> None:
        told: Message = answer.headers
        if told.get("Content-Encoding", "identity").lower() not in ("identity", "") and not self._is_compressed():
            raise Unreadable(f"was sent as {told['Content-Encoding']}, which was not asked for")
        if answer.status != http.client.PARTIAL_CONTENT:
            self.got = 0
        tag = told.get("ETag", "")
        self.tag = tag if tag.startswith('"') else None
        length = _size(told)
        awaited = None if length is None else self.got + length
        with self.path.open("r+b") as file:
            file.truncate(self.got)
            file.seek(self.got)
            self._copy(answer, file)
        if awaited is not None and self.got < awaited:
            raise _Dropped(f"the connection broke after {self.got:,} of {awaited:,} bytes")

    def _copy(self, answer: Any, file: IO[bytes]) -> None:
        began, before = time.monotonic(), self.got
        while piece := answer.read1(PIECE):
            self.got += len(piece)
            if self.got > self.most:
                raise Unreadable(f"is larger than {self.most:,} bytes; the limit can be raised")
            file.write(piece)
            taken = time.monotonic() - began
            if taken > STALLED and (self.got - before) / taken < SLOWEST:
                raise Unreadable(f"came at less than {SLOWEST} bytes a second, and was given up")

    def _is_compressed(self) -> bool:
        return kind_of(name_of(self.address)) is Kind.ARCHIVE


def _fetch(address: str, path: Path, most: int) -> None:
    """Raises Unreadable."""
    download = _Download(address, path, most)
    for pause in (*PAUSES, None):
        try:
            download.attempt()
            return
        except _Dropped as cause:
            if pause is None:
                said = without_secrets(str(cause), address)
                raise Unreadable(f"cannot be fetched, in {len(PAUSES) + 1} attempts: {said}") from cause
        except ValueError as cause:
            raise Unreadable(f"is no address that can be fetched: {without_secrets(str(cause), address)}") from cause
        time.sleep(pause)


class _Redirects(HTTPRedirectHandler):
    """To the web only, and with the password to nobody but the server it is for."""

    max_redirections = REDIRECTS

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme.lower() not in WEB:
            raise HTTPError(req.full_url, code, "a redirect that leaves the web", headers, fp)
        made = super().redirect_request(req, fp, code, msg, headers, newurl)
        if made is not None:
            made.method = req.get_method()
            if (made.type, made.host) == (req.type, req.host) and req.has_header("Authorization"):
                made.add_unredirected_header("Authorization", req.unredirected_hdrs["Authorization"])
        return made


_opener = build_opener(_Redirects)


def _open(request: Request, patience: float) -> Any:
    return _opener.open(request, timeout=patience)


def _request(address: str, method: str) -> Request:
    parts = urlsplit(address)
    user, _, host = parts.netloc.rpartition("@")
    host = host if host.isascii() else host.encode("idna").decode()
    path = quote(parts.path, safe="/%:@!$&'()*+,;=~")
    query = quote(parts.query, safe="/?%:@!$&'()*+,;=~")
    request = Request(urlunsplit((parts.scheme, host, path, query, "")), method=method)  # noqa: S310 - only WEB comes here
    request.add_header("User-Agent", "latentstore")
    if user:
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(unquote(user).encode()).decode()}")
    return request
