"""Attachments of items: written in step 1 of a write, named in its commit, read back by id."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from latentstore.engine.core import Engine
from latentstore.engine.snapshot import Shelf, Snapshot
from latentstore.errors import Corrupted
from latentstore.storage import blobs
from latentstore.storage.attachments import AttachmentFile, Blob, Ref
from latentstore.storage.transaction import Transaction
from latentstore.types import Int64


@dataclass(frozen=True)
class Attached:
    """What the items of a batch bring. contents: by digest; names: an item's position, the name, the digest."""

    contents: Mapping[bytes, bytes]
    names: Sequence[tuple[int, str, bytes]]


NOTHING = Attached({}, ())


def of_items(given: Sequence[Mapping[str, bytes]]) -> Attached:
    contents, names = {}, []
    for at, attachments in enumerate(given):
        for name, content in attachments.items():
            digest = sha256(content).digest()
            contents[digest] = content
            names.append((at, name, digest))
    return Attached(contents, names)


@dataclass(frozen=True)
class Shelved:
    """What step 1 wrote. `shelf`: as it is after the commit."""

    shelf: Shelf
    blobs: Sequence[Blob] = ()
    refs: Sequence[Ref] = ()

    def commit(self, tx: Transaction) -> None:
        if self.refs:
            blobs.insert(tx, self.blobs, self.refs)
            tx.set_state(attachments_bytes=self.shelf.size)


def append(engine: Engine, snapshot: Snapshot, attached: Attached, row_of: Int64) -> Shelved:
    """Step 1. row_of: the row of each item, -1 where it is skipped. A content that is there already is not written again."""
    shelf = snapshot.shelf
    rows = row_of.tolist()
    refs = [Ref(rows[at], name, digest) for at, name, digest in attached.names if rows[at] >= 0]
    if not refs and not engine.writes_attachments:
        return Shelved(shelf)
    writer = engine.attachment_writer(shelf.files)
    writer.begin(shelf.size)
    if not refs:
        return Shelved(shelf)
    digests = list(dict.fromkeys(ref.digest for ref in refs))
    known = blobs.held(engine.catalog, digests)
    contents = [(digest, attached.contents[digest]) for digest in digests if digest not in known]
    written, size = writer.append(shelf.size, contents, refs)
    return Shelved(replace(shelf, size=size), written, refs)


def contents(engine: Engine, ids: Sequence[str], name: str) -> list[bytes | None]:
    """What each item has under that name. Raises ItemNotFound, Corrupted."""
    return _read(engine, lambda: blobs.find(engine.catalog, ids, name))


def of_rows(engine: Engine, rows: Int64, name: str) -> list[bytes | None]:
    """What the item of each row has under that name; None also where the item is gone, or its bytes are damaged."""
    listed = rows.tolist()
    try:
        return _read(engine, lambda: blobs.of_rows(engine.catalog, listed, name))
    except Corrupted:
        if len(listed) == 1:
            return [None]
        return [one for row in listed for one in of_rows(engine, np.array([row]), name)]


def _read(engine: Engine, find: Callable[[], tuple[int, list[Blob | None]]]) -> list[bytes | None]:
    while True:
        generation, found = find()
        files = AttachmentFile(engine.folder, generation)
        wanted = {blob.digest: blob for blob in found if blob is not None}
        try:
            read = dict(zip(wanted, files.read(list(wanted.values())) if wanted else [], strict=True))
            return [None if blob is None else read[blob.digest] for blob in found]
        except FileNotFoundError as error:
            # Compaction may have removed the file since the catalog was asked.
            if engine.catalog.state().attachments_generation == generation:
                raise Corrupted(
                    f"{files.path} is missing; 'latentstore repair' names the items that lose one"
                ) from error
