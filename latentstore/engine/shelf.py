"""The file of attachments as a whole: written anew without what no item has any more, examined, mended, and read as a log.

Compaction, as of a space:

1. The contents that items have are copied to generation g + 1. Readers and writers go on.
   Crash: a file that no catalog names; the next open removes it.
2. Under the write lock what came meanwhile is copied too, and one transaction names the new generation. This is the switch.
3. The file of generation g is removed. Crash: the next open removes it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from latentstore.engine.compaction import dropped_unless_named
from latentstore.engine.core import Engine
from latentstore.engine.snapshot import Shelf
from latentstore.fileio import sync_together
from latentstore.storage import attachments, blobs
from latentstore.storage.attachments import AttachmentFile, AttachmentWriter, Blob, Ref
from latentstore.storage.catalog import Catalog
from latentstore.types import Report

_TOGETHER = 16 << 20  # bytes of contents copied at a time


def compact_attachments(engine: Engine) -> None:
    """Write the file anew without the contents that no item has any more."""
    with engine.upkeep:
        before = engine.snapshot
        if not before.shelf.size or not blobs.totals(engine.catalog).dead:
            return
        old = before.shelf.files
        files = AttachmentFile(engine.folder, old.generation + 1)
        with dropped_unless_named([files.path]), contextlib.closing(AttachmentWriter(files)) as writer:
            moved, size = _copy(old, writer, blobs.listed(engine.catalog, live=True), 0)
            size = _log(writer, blobs.refs(engine.catalog, 0, before.next_row), size)
            sync_together(writer.handles)
            with engine.writing() as snapshot:
                copied = {blob.digest for blob in moved}
                came = [blob for blob in blobs.listed(engine.catalog, live=True) if blob.digest not in copied]
                more, size = _copy(old, writer, came, size)
                size = _log(writer, blobs.refs(engine.catalog, before.next_row), size)
                sync_together(writer.handles)
                with engine.catalog.transaction() as tx:
                    blobs.move(tx, [*moved, *more])
                    tx.set_state(seq=snapshot.seq + 1, attachments_generation=files.generation, attachments_bytes=size)
                engine.publish(replace(snapshot, seq=snapshot.seq + 1, shelf=Shelf(files, size)))
        with contextlib.suppress(OSError):
            old.path.unlink()


def _copy(source: AttachmentFile, writer: AttachmentWriter, wanted: Sequence[Blob], at: int) -> tuple[list[Blob], int]:
    """Append contents to another generation. Returns where they stand now, and the end. Raises Corrupted."""
    moved = []
    for part in _parts(wanted):
        contents = zip((blob.digest for blob in part), source.read(part), strict=True)
        placed, at = writer.append(at, list(contents), [])
        moved += placed
    return moved, at


def _parts(wanted: Sequence[Blob]) -> Iterator[list[Blob]]:
    part: list[Blob] = []
    size = 0
    for blob in wanted:
        part.append(blob)
        size += blob.length
        if size > _TOGETHER:
            yield part
            part, size = [], 0
    if part:
        yield part


def _log(writer: AttachmentWriter, refs: Iterable[Sequence[Ref]], at: int) -> int:
    for part in refs:
        _, at = writer.append(at, [], part)
    return at


class Damage(NamedTuple):
    """contents: digests of those that are not what was written, of all that the catalog knows; gap: bytes that are no entry."""

    contents: set[bytes]
    gap: int

    def __bool__(self) -> bool:
        return bool(self.contents or self.gap)


def examined(catalog: Catalog, files: AttachmentFile, size: int) -> Damage:
    """Every content re-read and held against its digest, every entry against its checksum."""
    found = sum(entry.stop - entry.start for entry in attachments.scan(files.path, size))
    return Damage(attachments.damaged(files.path, blobs.listed(catalog)), size - found)


def mend_attachments(folder: Path, catalog: Catalog, report: Report) -> None:
    """Write anew what is whole; what is not is detached from its items, and told. A lost attachment is not a lost item."""
    state = catalog.state()
    files = AttachmentFile(folder, state.attachments_generation)
    damage = examined(catalog, files, state.attachments_bytes)
    if not damage:
        return
    kept = [blob for blob in blobs.listed(catalog, live=True) if blob.digest not in damage.contents]
    lost = [ref for part in blobs.refs(catalog) for ref in part if ref.digest in damage.contents]
    fresh = AttachmentFile(folder, max(_generations(folder), default=files.generation) + 1)
    with contextlib.closing(AttachmentWriter(fresh)) as writer:
        moved, size = _copy(files, writer, kept, 0)
        whole = ([ref for ref in part if ref.digest not in damage.contents] for part in blobs.refs(catalog))
        size = _log(writer, whole, size)
        sync_together(writer.handles)
    with catalog.transaction() as tx:
        blobs.move(tx, moved)
        tx.set_state(seq=state.seq + 1, attachments_generation=fresh.generation, attachments_bytes=size)
    report.mended.append(f"attachments: written anew, {len(moved)} contents kept")
    _tell_lost(catalog, lost, report)


def _tell_lost(catalog: Catalog, lost: Sequence[Ref], report: Report) -> None:
    """One line for each name, with all the items that lose it."""
    rows = {ref.row for ref in lost}
    ids = {record.row: record.id for record in catalog.records((), "true") if record.row in rows} if rows else {}
    for name in sorted({ref.name for ref in lost}):
        losers = [ids[ref.row] for ref in lost if ref.name == name and ref.row in ids]
        report.mended.append(f"attachments: {name!r} of {len(losers)} items is lost: {', '.join(losers)}")


def from_log(folder: Path, catalog: Catalog, report: Report) -> None:
    """For a catalog rebuilt from the records: take what the file says of the items that are there. Contents are not yet examined."""
    live = set(catalog.live_rows().tolist())
    logs = [_Log.read(AttachmentFile(folder, generation), live) for generation in sorted(_generations(folder))]
    best = max(logs, key=lambda log: len(log.whole), default=None)
    if best is None:
        return
    with catalog.transaction() as tx:
        blobs.insert(tx, list(best.blobs.values()), best.whole)
        tx.set_state(attachments_generation=best.generation, attachments_bytes=best.size)
    if best.gap:
        report.problems.append(f"{best.gap} bytes of the attachments were damaged too: what was attached there is lost")
    _tell_lost(catalog, [ref for ref in best.refs if ref.digest not in best.blobs], report)


class _Log(NamedTuple):
    """What one file says. `whole`: those of the refs whose content has an entry."""

    generation: int
    size: int
    gap: int
    blobs: dict[bytes, Blob]
    refs: list[Ref]
    whole: list[Ref]

    @classmethod
    def read(cls, files: AttachmentFile, live: set[int]) -> _Log:
        found = list(attachments.scan(files.path))
        size = max((entry.stop for entry in found), default=0)
        held = {entry.blob.digest: entry.blob for entry in found if entry.ref is None}
        refs = {(entry.ref.row, entry.ref.name): entry.ref for entry in found if entry.ref and entry.ref.row in live}
        gap = size - sum(entry.stop - entry.start for entry in found)
        whole = [ref for ref in refs.values() if ref.digest in held]
        return cls(files.generation, size, gap, held, list(refs.values()), whole)


def _generations(folder: Path) -> list[int]:
    return [int(path.stem.rpartition("-")[2]) for path in folder.glob("attachments-*.bin")]
