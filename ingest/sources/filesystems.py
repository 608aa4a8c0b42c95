"""Filesystems behind addresses: what pyarrow and fsspec speak, and web servers that list their folders, in one shape."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Protocol
from urllib.parse import parse_qsl, unquote, urlsplit

from ingest.limits import Limits
from ingest.results import Unreadable
from ingest.sources import web
from ingest.sources.addresses import WEB, cleaned, scheme_of, without_secrets
from ingest.sources.base import Document, Kind
from ingest.sources.temporary import pieces_of, pour, temporary
from latentstore.errors import InvalidInput, NotFound

INSTALL = 'pip install "latentstore[remote]"'
_ARROW = frozenset({"s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs"})
_FINAL = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "modify", "created")
_TAGS = ("ETag", "etag", "e_tag", "version_id", "VersionId", "generation", "md5Hash", "content_md5", "checksum")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or a folder below the address. below: its place, with slashes; path: what the filesystem calls it."""

    below: str
    path: str
    is_folder: bool
    size: int | None = None
    modified: float | None = None
    stamp: str | None = None


class Files(Protocol):
    """Each raises OSError or Unreadable, with no secret in the message."""

    def root(self) -> Entry:
        """What the address itself is. Raises NotFound."""

    def listing(self, folder: Entry) -> list[Entry]:
        """What is directly in it, and perhaps what is further down."""

    def document(self, entry: Entry, uri: str, kind: Kind, named: bool, limits: Limits) -> Document: ...


def opened(address: str) -> Files:
    """Raises InvalidInput for an address that nothing speaks, with the line that installs what is missing."""
    scheme = scheme_of(address)
    if scheme in WEB:
        return Web(address)
    if scheme in _ARROW and (urlsplit(address).query or (scheme == "s3" and "@" in urlsplit(address).netloc)):
        return Arrow(address)  # with options for its connection, or keys
    try:
        return Fsspec(address)
    except ImportError as missing:
        if scheme in _ARROW:
            return Arrow(address)
        raise InvalidInput(
            f"{scheme}:// needs a package that is not installed ({missing}); try: {INSTALL}"
        ) from missing


class Fsspec:
    """Whatever fsspec has a filesystem for."""

    def __init__(self, address: str) -> None:
        """Raises ImportError, InvalidInput."""
        self._address = address
        core = import_module("fsspec.core")
        try:
            self._files, self._root = core.url_to_fs(address)
        except ImportError:
            raise
        except Exception as cause:
            raise InvalidInput(
                f"{cleaned(address)} cannot be opened: {without_secrets(str(cause), address)}; expected an address of "
                "the web, of s3, gs, abfs, ftp, sftp or another filesystem that fsspec knows"
            ) from cause

    def root(self) -> Entry:
        with _told(self._address):
            try:
                return self._entry(self._files.info(self._root))
            except FileNotFoundError as cause:
                raise NotFound(f"there is no {cleaned(self._address)}") from cause

    def listing(self, folder: Entry) -> list[Entry]:
        with _told(self._address):
            self._files.invalidate_cache()  # it would grow with the tree, and be old at the next run
            listed = self._files.ls(folder.path, detail=True)
        found = [self._entry(told) for told in listed if told["type"] in ("file", "directory")]
        return [entry for entry in found if entry.below not in ("", folder.below)]

    def document(self, entry: Entry, uri: str, kind: Kind, named: bool, limits: Limits) -> Document:
        return _document(self._address, entry, uri, kind, named, limits, lambda: self._files.open(entry.path, "rb"))

    def _entry(self, told: dict[str, Any]) -> Entry:
        path = str(told["name"])
        below = path.strip("/")[len(str(self._root).strip("/")) :].strip("/")
        modified = next((seen for name in _TIMES if (seen := _seconds(told.get(name))) is not None), None)
        tag = next((str(told[name]) for name in _TAGS if told.get(name)), None)
        size = told.get("size")
        stamp = None if tag is None and modified is None else f"{tag}:{modified}:{size}"
        return Entry(below, path, told["type"] == "directory", size, modified, stamp)


class Arrow:
    """pyarrow's own filesystems; options of the connection stand in the address, as `?endpoint_override=…&scheme=http`."""

    def __init__(self, address: str) -> None:
        self._address = address
        fs = import_module("pyarrow.fs")
        self._fs = fs
        try:
            opened: tuple[Any, str] = _anonymous(fs, address) or fs.FileSystem.from_uri(address)
            self._files, self._root = opened
        except (ValueError, OSError) as cause:
            said = without_secrets(str(cause), address)
            raise InvalidInput(f"{cleaned(address)} cannot be opened: {said}; or try: {INSTALL}") from cause

    def root(self) -> Entry:
        with _told(self._address):
            (found,) = self._files.get_file_info([self._root])
        if found.type == self._fs.FileType.NotFound:
            raise NotFound(f"there is no {cleaned(self._address)}")
        return self._entry(found)

    def listing(self, folder: Entry) -> list[Entry]:
        with _told(self._address):
            return [self._entry(told) for told in self._files.get_file_info(self._fs.FileSelector(folder.path))]

    def document(self, entry: Entry, uri: str, kind: Kind, named: bool, limits: Limits) -> Document:
        return _document(
            self._address, entry, uri, kind, named, limits, lambda: self._files.open_input_stream(entry.path)
        )

    def _entry(self, told: Any) -> Entry:
        below = told.path.strip("/")[len(self._root.strip("/")) :].strip("/")
        if told.type == self._fs.FileType.Directory:
            return Entry(below, told.path, True)
        stamp = None if told.mtime_ns is None else f"{told.mtime_ns}:{told.size}"
        return Entry(below, told.path, False, told.size, None if told.mtime_ns is None else told.mtime_ns / 1e9, stamp)


def _anonymous(fs: Any, address: str) -> tuple[Any, str] | None:
    """A public bucket, by `?anonymous=true`, which pyarrow itself does not know; None for any other address."""
    parts = urlsplit(address)
    options = dict(parse_qsl(parts.query))
    if parts.scheme.lower() != "s3" or options.pop("anonymous", "") != "true":
        return None
    try:
        return fs.S3FileSystem(anonymous=True, **options), f"{parts.netloc}{unquote(parts.path)}".rstrip("/")
    except TypeError as cause:
        raise ValueError(f"an option that is not known: {cause}") from cause


class Web:
    """Folders of a web server that lists them; the links below one are what is in it."""

    def __init__(self, address: str) -> None:
        self._address = address
        try:
            http = import_module("fsspec.implementations.http")
        except ImportError as missing:
            raise InvalidInput(
                f"{cleaned(address)} ends with a slash, so it is a folder, and listing one needs a package that is not "
                f"installed ({missing}); try: {INSTALL}; a single page is read without, by an address that ends otherwise"
            ) from missing
        self._files = http.HTTPFileSystem(use_listings_cache=False)

    def root(self) -> Entry:
        return Entry("", self._address, True)

    def listing(self, folder: Entry) -> list[Entry]:
        with _told(self._address):
            links = self._files.ls(folder.path, detail=False)
        below = [
            link
            for link in dict.fromkeys(links)
            if link.startswith(folder.path) and "?" not in link and "#" not in link
        ]
        return [
            Entry(unquote(link[len(self._address) :]).strip("/"), link, link.endswith("/"))
            for link in below
            if link != folder.path
        ]

    def document(self, entry: Entry, uri: str, kind: Kind, named: bool, limits: Limits) -> Document:
        return web.document(entry.path, limits, kind)


def _document(
    address: str, entry: Entry, uri: str, kind: Kind, named: bool, limits: Limits, opens: Callable[[], IO[bytes]]
) -> Document:
    name = entry.path.rstrip("/").rpartition("/")[2]

    @contextmanager
    def local() -> Iterator[Path]:
        with temporary(name) as path:
            for pause in (*web.PAUSES, None):
                try:
                    with _told(address), opens() as file:
                        pour(pieces_of(file), path, limits.bytes)
                    break
                except _Failed as cause:
                    if pause is None:
                        raise Unreadable(f"cannot be fetched, in {len(web.PAUSES) + 1} attempts: {cause}") from cause
                time.sleep(pause)
            yield path

    return Document(uri, name, kind, entry.size, entry.modified, entry.stamp, named, local)


class _Failed(Unreadable):
    """What a filesystem's library raised; it may go better another time."""


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Each library behind a filesystem has errors of its own."""
    try:
        yield
    except (NotFound, Unreadable):
        raise
    except Exception as cause:
        if isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT):
            raise  # of this disk
        said = without_secrets(f"{type(cause).__name__}: {cause}", address)
        raise (Unreadable if isinstance(cause, _FINAL) else _Failed)(said) from cause


def _seconds(moment: Any) -> float | None:
    """Unix seconds of what a filesystem tells as a time."""
    if isinstance(moment, datetime):
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if isinstance(moment, int | float):
        return float(moment)
    try:
        return _seconds(datetime.fromisoformat(moment))
    except (TypeError, ValueError):
        return None
