"""Compaction: a space, or the records, written anew without what is dead, as generation g + 1, and switched to in one commit.

    1. The live slots are copied to the files of generation g + 1, and an index is built over them. Readers and writers go on.
       Crash: files that no catalog names; the next open removes them.
    2. Under the write lock what came meanwhile is copied too, and one transaction names the new generation. This is the switch.
    3. The files of generation g are removed. Crash: the next open removes them. A reader that has them mapped keeps them.
`row` never changes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from latentstore.engine import bits
from latentstore.engine.core import Engine
from latentstore.engine.indexing import record_index, settle_index, write_index
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.fileio import sync_together
from latentstore.index import base
from latentstore.index.base import VectorIndex
from latentstore.storage.catalog import IndexRow
from latentstore.storage.records import RecordFiles, RecordView, RecordWriter, end_mark
from latentstore.storage.vectors import SlotFiles, SlotWriter, VectorView, batch_sum, copy_slots
from latentstore.types import Int64

_BATCH = 65_536  # slots under one checksum after a rewrite
_ROWS = 10_000  # records copied at a time


def compact(
    engine: Engine, name: str, stop: threading.Event | None = None, progress: Callable[[int, int], None] | None = None
) -> None:
    """Rewrite a space without its dead slots."""
    with engine.upkeep:
        before = engine.snapshot.spaces[name]
        if before.live is None or before.row.dim is None:
            return
        files = SlotFiles(engine.space_folder(name), before.row.generation + 1, before.row.dim)
        with (
            dropped_unless_named([path for path, _ in files.widths()]),
            contextlib.closing(SlotWriter(files)) as writer,
        ):
            slots = before.all_live()
            copy_slots(before.vectors, slots, writer, 0)
            index = _indexed(engine, before, VectorView(files, len(slots)), stop, progress)
            row = write_index(engine, name, index, files.generation) if index else None
            with engine.writing() as snapshot:
                _switch(engine, snapshot, before, files, writer, slots, index, row)
        if row is not None and index is not None:
            settle_index(engine, name, row, index)
        for path, _ in before.vectors.files.widths():
            with contextlib.suppress(OSError):
                path.unlink()


def _indexed(
    engine: Engine,
    before: SpaceView,
    vectors: VectorView,
    stop: threading.Event | None,
    progress: Callable[[int, int], None] | None,
) -> VectorIndex | None:
    spec = base.choose(vectors.n, vectors.dim, engine.memory_budget, before.row.index_kind)
    return None if spec.is_exact else base.build(vectors, before.row.metric, spec, stop=stop, progress=progress)


def _switch(
    engine: Engine,
    snapshot: Snapshot,
    before: SpaceView,
    files: SlotFiles,
    writer: SlotWriter,
    copied: Int64,
    index: VectorIndex | None,
    row: IndexRow | None,
) -> None:
    """Step 2, under the write lock."""
    name = before.row.name
    now = snapshot.spaces[name]
    came = np.arange(before.vectors.n, now.vectors.n)
    copy_slots(now.vectors, came, writer, len(copied))
    slots = np.concatenate([copied, came])
    vectors = VectorView(files, len(slots))
    flags = np.ones(len(slots), dtype=np.bool_) if now.live is None else bits.test(now.live, slots)
    with engine.catalog.transaction() as tx:
        tx.drop_batches(name)
        for first in range(0, len(slots), _BATCH):
            sums = vectors.sums[first : first + _BATCH]
            tx.add_batch(name, first, len(sums), batch_sum(sums))
        tx.set_space(name, dim=files.dim, generation=files.generation, slots=len(slots))
        tx.set_index(None, name)
        if row is not None:
            record_index(tx, name, row)
        tx.set_state(seq=snapshot.seq + 1)
    engine.last_batch[name] = (0, 0)
    live = None if flags.all() else bits.pack(flags)
    space = now.row._replace(generation=files.generation, slots=len(slots))
    view = SpaceView(space, vectors, live, int(flags.sum()), index)
    engine.publish(replace(snapshot, seq=snapshot.seq + 1, spaces={**snapshot.spaces, name: view}))


def compact_records(engine: Engine) -> None:
    """Rewrite what hits show without deleted items and superseded records."""
    with engine.upkeep, engine.writing() as snapshot:
        old = snapshot.records
        files = RecordFiles(engine.folder, old.files.generation + 1)
        with dropped_unless_named([files.bodies, files.starts]):
            size, starts = _copy_records(snapshot, engine.catalog.live_rows(), files)
            with engine.catalog.transaction() as tx:
                tx.drop_moves()
                tx.set_state(seq=snapshot.seq + 1, records_generation=files.generation, records_bytes=size)
        records = RecordView(files, size, len(starts), {})
        engine.publish(replace(snapshot, seq=snapshot.seq + 1, records=records))
        for path in (old.files.bodies, old.files.starts):
            with contextlib.suppress(OSError):
                path.unlink()


@contextlib.contextmanager
def dropped_unless_named(paths: list[Path]) -> Iterator[None]:
    """Begin without the files of an earlier attempt, and leave none of an attempt that failed: a repair would trust them."""
    for path in paths:
        path.unlink(missing_ok=True)
    try:
        yield
    except BaseException:
        for path in paths:
            path.unlink(missing_ok=True)
        raise


def _copy_records(snapshot: Snapshot, rows: Int64, files: RecordFiles) -> tuple[int, Int64]:
    writer = RecordWriter(files)
    starts = np.full(snapshot.next_row, -1, dtype=np.int64)
    size = 0
    for at in range(0, len(rows), _ROWS):
        part = rows[at : at + _ROWS]
        raw = snapshot.records.read(part)
        starts[part] = writer.append(size, raw)
        size += sum(map(len, raw))
    ended = end_mark(snapshot.seq + 1)
    writer.append(size, [ended])
    writer.index(0, starts)
    sync_together(writer.handles)
    writer.close()
    return size + len(ended), starts
