"""The ledger: what the store knows of each source. Kept by the store, written in the commit that brings the items."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ingest.batches import Finished, Skipped
from latentstore import Collection, Source

FRESH = 2.0  # seconds: a file touched so lately may change again without its times showing it
_PAGE = 10_000
_COLUMNS = "uri, size, modified, stamp, digest, reading, items, error"


class Ledger:
    """Read-only; `Collection.add` writes it."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self.empty = len(collection.sql("select uri from sources limit 1")) == 0

    def known(self, uris: Sequence[str]) -> dict[str, Source]:
        """The line of each uri that has one."""
        if self.empty or not uris:
            return {}
        return {found.uri: found for found in self._where(f"uri in ({literals(uris)})")}

    def below(self, uri: str) -> dict[str, Source]:
        """The members of an archive."""
        if self.empty:
            return {}
        return {found.uri: found for found in self._where(f"starts_with(uri, {literals([uri + '!/'])})")}

    def of_digests(self, digests: Sequence[str]) -> list[Source]:
        """Sources with the same bytes."""
        return [] if self.empty or not digests else list(self._where(f"digest in ({literals(digests)})"))

    def errors(self) -> Iterator[Source]:
        return self._where("error is not null")

    def under(self, roots: Sequence[str]) -> Iterator[list[str]]:
        """The uris of all sources at these, or below those that end with a slash, a page at a time. They may be removed on
        the way."""
        for root in roots:
            at, below = literals([root]), literals([root if root.endswith("/") else f"{root}!/"])
            held, last = f"(uri = {at} or starts_with(uri, {below}))", ""
            while page := [found.uri for found in self._where(f"{held} and uri > {literals([last])}", _PAGE)]:
                yield page
                last = page[-1]

    def _where(self, condition: str, limit: int | None = None) -> Iterator[Source]:
        most = "" if limit is None else f" limit {limit}"
        rows = self._collection.sql(f"select {_COLUMNS} from sources where {condition} order by uri{most}")
        return (Source(**row) for row in rows)


def unchanged(was: Source | None, stamp: str | None, reading: str) -> bool:
    """Whether a source need not even be opened: read before in the same way, and nothing about it has moved."""
    return was is not None and was.digest is not None and was.reading == reading and stamp == was.stamp is not None


def same(was: Source | None, digest: str, reading: str) -> bool:
    """Whether the bytes are those that were read before, in the same way."""
    return was is not None and was.reading == reading and was.digest == digest


def line(done: Finished, reading: str) -> Source:
    """What the ledger keeps of a document that the job is done with."""
    document = done.document
    if done.digest is None:  # what is stored is still what was read before
        was = done.was or Source(document.uri, document.size, document.modified)
        return Source(was.uri, was.size, was.modified, items=was.items or done.items, error=done.error)
    return Source(
        document.uri,
        document.size,
        document.modified,
        _settled(document.modified, document.stamp),
        done.digest,
        reading,
        done.items,
        done.error,
    )


def touched(skipped: Skipped) -> Source:
    """The same bytes under another time."""
    document, was = skipped.document, skipped.was
    stamp = _settled(document.modified, document.stamp)
    return Source(was.uri, document.size, document.modified, stamp, was.digest, was.reading, was.items, was.error)


def _settled(modified: float | None, stamp: str | None) -> str | None:
    return None if modified is not None and time.time() - modified < FRESH else stamp


def archive_of(uri: str) -> str:
    """The archive that a member is in; the uri itself for what is no member."""
    return uri.partition("!/")[0]


def is_gone(uri: str) -> bool:
    """Whether a file of this disk is no longer there. What cannot be told, as of an address or a frame, is taken to be."""
    on_disk = uri.startswith("/") and "\\x" not in uri
    # A folder's name may end like an archive's uri.
    return on_disk and not os.path.lexists(uri) and not os.path.lexists(archive_of(uri))


def digest_of(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def literals(texts: Iterable[str]) -> str:
    """As SQL: 'a', 'b'."""
    return ", ".join("'" + text.replace("'", "''") + "'" for text in texts)
