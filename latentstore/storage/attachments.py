"""What is kept with items byte for byte, each content once: an append-only file, addressed by the catalog.

    attachments-<g>.bin   one entry after another: a magic word, a header (crc32 of what follows it up to the content, row, lengths
                          of name and content, sha256 of the content), the name, the content

A content's own entry has row -1 and no name; an item's says that the content of that digest is its own under that name. The
catalog knows both; items' entries only matter to a repair that has lost it and reads this file as a log. Rows are never given
twice, so nothing has to say that an item was deleted. Losing the file costs attachments, never items.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from latentstore.errors import Corrupted
from latentstore.fileio import storage_errors, sync_folder, write_at

_MAGIC = b"\x93kept\r\n\x00"
_CRC = struct.Struct("<I")
_HEADER = struct.Struct("<qIQ32s")
_START = len(_MAGIC) + _CRC.size + _HEADER.size  # of the name, from the beginning of the entry
_CONTENT = -1  # the row of a content's own entry


class Blob(NamedTuple):
    """A content, and where it stands. digest: sha256, 32 bytes."""

    digest: bytes
    start: int
    length: int


class Ref(NamedTuple):
    """An item has that content under that name."""

    row: int
    name: str
    digest: bytes


@dataclass(frozen=True)
class AttachmentFile:
    folder: Path
    generation: int

    @property
    def path(self) -> Path:
        return self.folder / f"attachments-{self.generation}.bin"

    def cut(self, size: int) -> None:
        """Drop what a crash left past the committed length."""
        if self.path.exists() and self.path.stat().st_size > size:
            with storage_errors(self.path):
                os.truncate(self.path, size)

    def read(self, blobs: Sequence[Blob]) -> list[bytes]:
        """The contents, each held against its digest. Raises Corrupted, FileNotFoundError."""
        with self.path.open("rb") as file:
            return [self._one(file.fileno(), blob) for blob in blobs]

    def _one(self, fd: int, blob: Blob) -> bytes:
        content = os.pread(fd, blob.length, blob.start) if blob.length else b""
        if sha256(content).digest() != blob.digest:
            raise Corrupted(
                f"{self.path}: the attachment at byte {blob.start} is damaged; 'latentstore repair' names the items that lose one"
            )
        return content


def content_entry(digest: bytes, content: bytes) -> tuple[bytes, bytes]:
    """What to append for a content, in two parts, so that it need not be copied."""
    return _head(_CONTENT, b"", len(content), digest), content


def ref_entry(ref: Ref) -> bytes:
    return _head(ref.row, ref.name.encode(), 0, ref.digest)


def _head(row: int, name: bytes, length: int, digest: bytes) -> bytes:
    checked = _HEADER.pack(row, len(name), length, digest) + name
    return _MAGIC + _CRC.pack(zlib.crc32(checked)) + checked


class AttachmentWriter:
    """Appends contents and items' entries. Nothing it writes counts before the catalog says so."""

    def __init__(self, files: AttachmentFile) -> None:
        self.files = files
        with storage_errors(files.path):
            self._fd = os.open(files.path, os.O_RDWR | os.O_CREAT, 0o666)
            sync_folder(files.folder)

    def begin(self, size: int) -> None:
        """A write that failed must leave nothing behind the committed length: the file is also a log."""
        with storage_errors(self.files.path):
            if os.fstat(self._fd).st_size > size:
                os.ftruncate(self._fd, size)

    def append(self, at: int, contents: Sequence[tuple[bytes, bytes]], refs: Sequence[Ref]) -> tuple[list[Blob], int]:
        """Write at `at` contents, each with its digest, and items' entries. Returns where each stands, and the end. Not yet durable."""
        blobs = []
        with storage_errors(self.files.path):
            for digest, content in contents:
                head, _ = content_entry(digest, content)
                blobs.append(Blob(digest, at + len(head), len(content)))
                write_at(self._fd, head, at)
                write_at(self._fd, content, at + len(head))
                at += len(head) + len(content)
            written = b"".join(map(ref_entry, refs))
            write_at(self._fd, written, at)
        return blobs, at + len(written)

    @property
    def handles(self) -> list[tuple[Path, int]]:
        """The open file, for `sync_together`."""
        return [(self.files.path, self._fd)]

    def close(self) -> None:
        os.close(self._fd)


class Found(NamedTuple):
    """An entry that a scan found, and where it begins and ends; `ref` None for a content's own."""

    start: int
    stop: int
    blob: Blob
    ref: Ref | None


def scan(path: Path, size: int | None = None) -> Iterator[Found]:
    """Every entry with a readable head in the first `size` bytes, in file order; contents are not looked at."""
    with _mapped(path) as data:
        end = len(data) if size is None else min(size, len(data))
        at = 0
        while 0 <= at <= end - _START:
            found = _entry(data, at, end)
            if found is not None:
                yield found
            at = found.stop if found else data.find(_MAGIC, at + 1)


def damaged(path: Path, blobs: Sequence[Blob]) -> set[bytes]:
    """The digests of those whose bytes are not what was written."""
    with _mapped(path) as data:
        return {blob.digest for blob in blobs if _digest(data, blob) != blob.digest}


def _digest(data: mmap.mmap | bytes, blob: Blob) -> bytes:
    with memoryview(data) as view:
        return sha256(view[blob.start : blob.start + blob.length]).digest()


def _entry(data: mmap.mmap | bytes, at: int, end: int) -> Found | None:
    head = data[at : at + _START]
    if len(head) < _START or not head.startswith(_MAGIC):
        return None
    row, name, length, digest = _HEADER.unpack_from(head, len(_MAGIC) + _CRC.size)
    start = at + _START + name
    checked = data[at + len(_MAGIC) + _CRC.size : start]
    if start + length > end or zlib.crc32(checked) != _CRC.unpack_from(head, len(_MAGIC))[0]:
        return None
    ref = None if row == _CONTENT else Ref(row, checked[_HEADER.size :].decode(), digest)
    return Found(at, start + length, Blob(digest, start, length), ref)


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    """The file's bytes; none where it is missing or empty."""
    if not path.exists() or not path.stat().st_size:
        yield b""
        return
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data
