"""Opening: from the catalog and the files to a snapshot, whatever a crash left (invariants 2, 3 and 4)."""

from __future__ import annotations

import contextlib
import json
import logging
import re
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from latentstore.engine import bits, outline
from latentstore.engine.core import CATALOG, FITS, INPUTS, Engine
from latentstore.engine.snapshot import Shelf, Snapshot, SpaceView
from latentstore.errors import Corrupted, StorageFailure
from latentstore.fileio import storage_errors, sync_together
from latentstore.index.base import Unusable, VectorIndex
from latentstore.index.base import load as load_index
from latentstore.storage.attachments import AttachmentFile
from latentstore.storage.catalog import Catalog, State
from latentstore.storage.mark import read_mark
from latentstore.storage.records import Record, RecordFiles, RecordView, RecordWriter, decode, encode, end_mark
from latentstore.storage.spaces import SpaceRow
from latentstore.storage.vectors import SlotFiles, VectorView
from latentstore.types import Bool

log = logging.getLogger("latentstore")

_SAMPLE = 100  # items looked for in doubtful records


def open_engine(folder: Path, *, read_only: bool, memory_budget: int) -> Engine:
    """An engine over an existing collection.

    Raises Corrupted when committed bytes are missing, FormatTooNew, StoreLocked, StorageFailure.
    """
    with storage_errors(folder, "read"):
        engine = Engine(folder, Catalog(folder / CATALOG, read_only=read_only), memory_budget=memory_budget)
    try:
        with storage_errors(folder, "read"):
            refuse_lost_commits(folder, engine.catalog.state())
            engine.publish(load_snapshot(engine, None))
        if not read_only:
            sweep(engine)
            refresh_outline(engine.folder, engine.snapshot)
    except BaseException:
        engine.catalog.close()
        raise
    return engine


def refuse_lost_commits(folder: Path, state: State) -> None:
    """Before anything past the committed lengths is cut: a catalog that forgot commits would cut them off too."""
    mark = read_mark(folder)
    if mark is not None and mark.seq > state.seq:
        raise Corrupted(
            f"{folder / CATALOG} knows {state.seq} commits of {mark.seq}: its end was damaged or removed; "
            "'latentstore repair' rebuilds it from the records"
        )


def refresh_outline(folder: Path, snapshot: Snapshot) -> None:
    # It is derived, and a full disk must not keep anybody from opening a store to delete from it.
    with contextlib.suppress(StorageFailure):
        outline.write(folder, snapshot.columns, [view.row for view in snapshot.spaces.values()])


def load_snapshot(engine: Engine, before: Snapshot | None) -> Snapshot:
    """The snapshot that the catalog describes. `before`: one of this process, whose indexes still serve."""
    state = engine.catalog.state()
    live_rows = _live_rows(engine, state)
    spaces = {space.name: _open_space(engine, state, space, live_rows, before) for space in state.spaces}
    for space in state.spaces:
        batches = engine.catalog.batches(space.name) if not engine.read_only else []
        engine.last_batch[space.name] = (batches[-1].first, batches[-1].slots) if batches else (0, 0)
    records = _open_records(engine, state)
    return Snapshot(state.seq, state.next_row, state.items, state.columns, records, spaces, _open_shelf(engine, state))


def _open_shelf(engine: Engine, state: State) -> Shelf:
    """A file that lost attachments keeps nobody from the items: it is told when one is asked for, and by verify."""
    files = AttachmentFile(engine.folder, state.attachments_generation)
    if not engine.read_only:
        files.cut(state.attachments_bytes)
    return Shelf(files, state.attachments_bytes)


def _live_rows(engine: Engine, state: State) -> Bool | None:
    """(next_row,) bool, or None when no row was ever deleted."""
    if state.items == state.next_row:
        return None
    live = np.zeros(state.next_row, dtype=np.bool_)
    live[engine.catalog.live_rows()] = True
    return live


def _open_space(
    engine: Engine, state: State, space: SpaceRow, live_rows: Bool | None, before: Snapshot | None
) -> SpaceView:
    files = SlotFiles(engine.space_folder(space.name), space.generation, space.dim or 1)
    if space.slots and files.intact_slots() < space.slots:
        raise Corrupted(
            f"{files.vectors} holds {files.intact_slots()} vectors, {space.slots} were committed: the file was cut short "
            "from outside; 'latentstore repair' keeps what is left and names what is lost"
        )
    if not engine.read_only and space.dim:
        files.cut(space.slots)
    vectors = VectorView(files, space.slots)
    _check_rows(vectors, state.next_row)
    live = None if live_rows is None else _live_slots(vectors, live_rows)
    count = vectors.n if live is None else bits.count(live)
    if count < state.items:
        _check_neighbours(vectors, np.ones(state.next_row, np.bool_) if live_rows is None else live_rows)
    index = before.spaces[space.name].index if before and space.name in before.spaces else _index(engine, state, space)
    return SpaceView(space, vectors, live, count, index)


def _check_rows(vectors: VectorView, next_row: int) -> None:
    rows = vectors.rows
    if rows.size and (rows[0] < 0 or rows[-1] >= next_row or not bool((rows[1:] > rows[:-1]).all())):
        raise Corrupted(
            f"{vectors.files.rows} does not hold the rows that were written: they no longer ascend, or never were; "
            "'latentstore repair' finds them again"
        )


def _check_neighbours(vectors: VectorView, live_rows: Bool) -> None:
    """A live item without a vector here was given none, or its row is damaged: then a slot beside its place is.

    Rows ascend, so where the slots on both sides of that place hold their checksums, no slot ever was between them.
    """
    absent = live_rows.copy()
    absent[vectors.rows] = False
    places = np.searchsorted(vectors.rows, np.flatnonzero(absent))
    vectors.gather(
        np.unique(np.clip(np.concatenate([places - 1, places]), 0, vectors.n - 1)) if vectors.n else places[:0]
    )


def _live_slots(vectors: VectorView, live_rows: Bool) -> np.ndarray[tuple[int], np.dtype[np.uint8]] | None:
    flags = live_rows[vectors.rows]
    return None if flags.all() else bits.pack(flags)


def _index(engine: Engine, state: State, space: SpaceRow) -> VectorIndex | None:
    """The stored index, or None with a note: without it every search is exact, only slower (invariant 4)."""
    stored = state.indexes.get(space.name)
    if stored is None or stored.generation != space.generation:
        return None
    path = index_path(engine, space.name, stored.seq)
    try:
        index = load_index(path, json.loads(stored.settings), size=stored.bytes, checksum=stored.checksum)
        if (index.dim, index.metric) != (space.dim, space.metric):
            raise Unusable(f"it is of {index.dim} dimensions under {index.metric}, another space's")
        if index.covered > space.slots:
            raise Unusable(f"it covers {index.covered} vectors of {space.slots}")
    except Unusable as reason:
        note = f"index {path.name} of space {space.name!r} was passed over ({reason}); searches are exact until it is rebuilt"
        engine.notes.append(note)
        log.warning("%s", note)
        return None
    engine.saved[space.name] = index.covered
    return index


def index_path(engine: Engine, space: str, seq: int) -> Path:
    return engine.space_folder(space) / f"index-{seq}.faiss"


def _open_records(engine: Engine, state: State) -> RecordView:
    files = RecordFiles(engine.folder, state.records_generation)
    if not files.hold(state.records_bytes, state.next_row) or not own_records(engine.catalog, files, state):
        if engine.read_only:
            raise Corrupted(
                f"{files.bodies} is missing, cut short or of another collection; "
                "open the store once for writing to rebuild it"
            )
        return rebuild_records(engine, state)
    if not engine.read_only:
        files.cut(state.records_bytes, state.next_row)
    return RecordView(files, state.records_bytes, state.next_row, state.moves)


def own_records(catalog: Catalog, files: RecordFiles, state: State) -> bool:
    """Whether the records are this collection's: they end as they should, or else show an item as the catalog does."""
    if files.ended(state.records_bytes):
        return True
    view = RecordView(files, state.records_bytes, state.next_row, state.moves)
    with contextlib.closing(catalog.records(state.columns)) as records:
        for record in islice(records, _SAMPLE):
            with contextlib.suppress(Corrupted):
                shown = decode(view.read(np.array([record.row]))[0])
                return (shown.id, shown.text, shown.uri) == (record.id, record.text, record.uri)
    return not state.items


def rebuild_records(engine: Engine, state: State) -> RecordView:
    """Write the records anew from the catalog, as the next generation."""
    files = RecordFiles(engine.folder, state.records_generation + 1)
    writer = RecordWriter(files)
    starts = np.full(state.next_row, -1, dtype=np.int64)
    size = 0
    for records in _many(engine.catalog.records(state.columns)):
        written = [encode(record) for record in records]
        starts[[record.row for record in records]] = writer.append(size, written)
        size += sum(map(len, written))
    ended = end_mark(state.seq)
    writer.append(size, [ended])
    size += len(ended)
    writer.index(0, starts)
    sync_together(writer.handles)
    writer.close()
    with engine.catalog.transaction() as tx:
        tx.drop_moves()
        tx.set_state(records_generation=files.generation, records_bytes=size)
    engine.notes.append("what hits show was rebuilt from the catalog")
    return RecordView(files, size, state.next_row, {})


def _many(records: Iterator[Record]) -> Iterator[list[Record]]:
    while found := list(islice(records, 10_000)):
        yield found


def sweep(engine: Engine) -> None:
    """Remove what a crash or an earlier generation left: files that the catalog does not name."""
    state = engine.catalog.state()
    named = {
        RecordFiles(engine.folder, state.records_generation).bodies,
        RecordFiles(engine.folder, state.records_generation).starts,
        AttachmentFile(engine.folder, state.attachments_generation).path,
    }
    for space in state.spaces:
        files = SlotFiles(engine.space_folder(space.name), space.generation, space.dim or 1)
        named |= {path for path, _ in files.widths()}
        if space.name in state.indexes:
            named.add(index_path(engine, space.name, state.indexes[space.name].seq))
    pattern = re.compile(r"(vectors|rows|sums|records|attachments|index)-\d+\.(f32|i64|u64|bin|at|faiss)(\.tmp)?")
    for path in [*engine.folder.glob("*"), *engine.folder.glob("spaces/*/*")]:
        if pattern.fullmatch(path.name) and path not in named:
            with contextlib.suppress(OSError):
                path.unlink()
    _sweep_latents(engine, {space.name for space in state.spaces})


def _sweep_latents(engine: Engine, named: set[str]) -> None:
    """What a killed fit, or a killed drop, left. Checkpoints stay: the fit may be asked for again."""
    for folder in engine.folder.glob("spaces/*@*"):
        if folder.name not in named:
            shutil.rmtree(folder, ignore_errors=True)
    for leftover in engine.folder.glob("spaces/*@*/.*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
    for read in engine.folder.glob(f"{FITS}/*{INPUTS}"):
        with contextlib.suppress(OSError):
            read.unlink()
