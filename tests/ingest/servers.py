"""Servers on loopback that really speak HTTP and S3, with the faults that a test asks for."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

MODIFIED = 1_700_000_000


@dataclass
class Site:
    """files: path → bytes. Faults are by path: `drops` closes the connection after so many bytes, for as many times."""

    files: dict[str, bytes]
    types: dict[str, str] = field(default_factory=dict)
    redirects: dict[str, str] = field(default_factory=dict)
    drops: dict[str, list[int]] = field(default_factory=dict)
    changes: dict[str, bytes] = field(default_factory=dict)  # what a file becomes when its connection drops
    answers: dict[str, list[int]] = field(default_factory=dict)  # status codes given before the file is
    stalls: set[str] = field(default_factory=set)
    no_head: bool = False
    no_tags: bool = False
    password: str | None = None  # `user:password` in base64
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # (method, path, range)
    released: threading.Event = field(default_factory=threading.Event)
    address: str = ""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        if self.site.no_head:
            self._refuse(405)
        else:
            self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        site, path = self.site, unquote(urlsplit(self.path).path)
        site.asked.append((self.command, path, self.headers.get("Range")))
        if site.password is not None and self.headers.get("Authorization") != f"Basic {site.password}":
            self._refuse(401)
        elif path in site.redirects:
            self._refuse(302, Location=site.redirects[path])
        elif self.command == "GET" and site.answers.get(path):
            self._refuse(site.answers[path].pop(0))
        elif path.endswith("/"):
            self._list(path)
        elif path in site.files:
            self._send(path, site.files[path])
        else:
            self._refuse(404)

    def _refuse(self, code: int, **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _list(self, folder: str) -> None:
        below = {name[len(folder) :] for name in self.site.files if name.startswith(folder)}
        names = sorted({name.partition("/")[0] + "/" * ("/" in name) for name in below})
        links = "".join(f'<a href="{name}">{name}</a><br>' for name in ["../", "?C=N;O=D", *names])
        self._send(folder, f"<html><body>{links}</body></html>".encode(), "text/html")

    def _send(self, path: str, content: bytes, type_: str | None = None) -> None:
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        if (asked := self.headers.get("Range")) and self.headers.get("If-Range", tag) == tag and not self.site.no_tags:
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.send_header("Content-Type", type_ or self.site.types.get(path, "application/octet-stream"))
        if not self.site.no_tags:
            self.send_header("ETag", tag)
            self.send_header("Last-Modified", formatdate(MODIFIED, usegmt=True))
        self.end_headers()
        if self.command == "GET":
            self._body(path, content[start:])

    def _body(self, path: str, content: bytes) -> None:
        if self.site.drops.get(path):
            self.wfile.write(content[: self.site.drops[path].pop(0)])
            self.site.files[path] = self.site.changes.get(path, self.site.files[path])
            self.close_connection = True
        elif path in self.site.stalls:
            self.wfile.write(content[:10])
            self.site.released.wait(20)
            self.close_connection = True
        else:
            self.wfile.write(content)


@contextmanager
def serving(site: Site, handler: type[BaseHTTPRequestHandler] = Handler) -> Iterator[Site]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (handler,), {"site": site}))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield site
    finally:
        site.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


class S3(BaseHTTPRequestHandler):
    """ListObjectsV2, HeadObject, HeadBucket and GetObject over Site.files, whose paths are /bucket/key. Signatures are not checked."""

    protocol_version = "HTTP/1.1"
    site: Site
    PAGE = 3

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        path, asked = unquote(parts.path), parse_qs(parts.query, keep_blank_values=True)
        self.site.asked.append((self.command, path, self.headers.get("Range")))
        bucket, _, key = path.strip("/").partition("/")
        if self.command == "GET" and self.site.answers.get(path):
            self._reply(self.site.answers[path].pop(0), b"")
        elif path in self.site.files:
            self._object(self.site.files[path])
        elif not key and "list-type" in asked:
            self._reply(200, self._listing(bucket, asked), "application/xml")
        elif not key and any(name.startswith(f"/{bucket}/") for name in self.site.files):
            self._reply(200, b"")
        else:
            self._reply(404, b"<Error><Code>NoSuchKey</Code></Error>", "application/xml")

    def _object(self, content: bytes) -> None:
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        headers = {"ETag": tag, "Last-Modified": formatdate(MODIFIED, usegmt=True), "Accept-Ranges": "bytes"}
        if asked := self.headers.get("Range"):
            first, _, last = asked.removeprefix("bytes=").partition("-")
            part = content[int(first) : int(last or len(content)) + 1]
            headers["Content-Range"] = f"bytes {first}-{int(first) + len(part) - 1}/{len(content)}"
            self._reply(206, part, **headers)
        else:
            self._reply(200, content, **headers)

    def _reply(self, code: int, body: bytes, type_: str = "application/octet-stream", **headers: str) -> None:
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": type_, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def _listing(self, bucket: str, asked: dict[str, list[str]]) -> bytes:
        prefix, delimiter = asked.get("prefix", [""])[0], asked.get("delimiter", [""])[0]
        after = asked.get("continuation-token", [""])[0]
        entries: dict[str, str] = {}
        for path, content in sorted(self.site.files.items()):
            key = path.removeprefix(f"/{bucket}/")
            if key == path or not key.startswith(prefix):
                continue
            inner = key[len(prefix) :]
            if delimiter and delimiter in inner:
                shared = prefix + inner.partition(delimiter)[0] + delimiter
                entries[shared] = f"<CommonPrefixes><Prefix>{escape(shared)}</Prefix></CommonPrefixes>"
            else:
                entries[key] = (
                    f"<Contents><Key>{escape(key)}</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified>"
                    f"<ETag>&quot;{hashlib.md5(content).hexdigest()}&quot;</ETag><Size>{len(content)}</Size></Contents>"
                )
        waiting = [name for name in sorted(entries) if name > after]
        most = min(self.PAGE, int(asked.get("max-keys", ["1000"])[0]))
        page, more = waiting[:most], len(waiting) > most
        token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
        return (
            '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(page)}</KeyCount>"
            f"<MaxKeys>{most}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>{token}"
            f"{''.join(entries[name] for name in page)}</ListBucketResult>"
        ).encode()
