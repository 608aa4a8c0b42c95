"""The way of a write, and what a crash after each step leaves.

1. Vectors, records and attachments are appended past the committed lengths and made durable.
   Crash: bytes past the committed lengths; the next open cuts them off.
2. One catalog transaction inserts the items, their metadata, the ledger's lines, the new lengths and the batch's checksum.
   This is the commit.
   Crash: all of the batch is there, or none of it.
3. The new snapshot is published. Crash: nothing is lost; the next open builds it from the catalog.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from latentstore.engine import attach, bits, outline
from latentstore.engine.attach import NOTHING as NOTHING_ATTACHED
from latentstore.engine.attach import Attached, Shelved
from latentstore.engine.core import Engine
from latentstore.engine.latents.lag import live_after
from latentstore.engine.recovery import load_snapshot
from latentstore.engine.snapshot import Shelf, Snapshot, SpaceView
from latentstore.errors import DimensionMismatch, DuplicateId, StorageFailure
from latentstore.fileio import sync_together
from latentstore.storage.columns import MODALITY, Batch, Column, normalise
from latentstore.storage.records import RecordView, encode_all, end_mark, tombstone
from latentstore.storage.transaction import MERGE_BELOW, Transaction
from latentstore.storage.vectors import SlotFiles, VectorView, batch_sum
from latentstore.types import Bool, Float32, Int64, Modality, OnConflict, Source, UInt64, Written


@dataclass(frozen=True)
class Incoming:
    """A checked batch of n items. `vectors`: for each space, which of the items (positions, ascending) and their vectors; those of
    latent spaces are made by the write. `kinds`: the modality of each item; None where no item is a picture or a sound. `images`,
    `audios`: what each item is or shows; None where no item does."""

    ids: list[str]
    texts: list[str | None]
    uris: list[str | None]
    metadata: Any
    vectors: Mapping[str, tuple[Int64, Float32]]
    attached: Attached = NOTHING_ATTACHED
    kinds: Sequence[str | None] | None = None
    images: Sequence[Any] | None = None
    audios: Sequence[Any] | None = None


@dataclass(frozen=True)
class Beside:
    """What a commit does beside storing its items: lines of the ledger put and removed, items deleted."""

    sources: Sequence[Source] = ()
    stale: Sequence[str] = ()
    forget: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.sources or self.stale or self.forget)

    def note(self, tx: Transaction) -> None:
        """A uri that is both forgotten and put is put."""
        put = {source.uri for source in self.sources}
        gone = [uri for uri in self.forget if uri not in put]
        if gone:
            tx.forget_sources(gone)
        if self.sources:
            tx.put_sources(self.sources)


_NOTHING = Beside()
Points = tuple[Int64, Float32]  # positions in a batch, ascending, and their vectors


@dataclass(frozen=True)
class _Appended:
    """What step 1 wrote to one space."""

    files: SlotFiles
    first: int
    rows: Int64
    sums: UInt64


def add(engine: Engine, batch: Incoming, on_conflict: OnConflict, beside: Beside = _NOTHING) -> Written:
    """Store a batch, whole or not at all. Raises DuplicateId, ColumnTypeClash, DimensionMismatch, StorageFailure."""
    refuse_twice(batch.ids)
    made: dict[str, Points | None] = {}
    _latents(engine, engine.snapshot, batch, made)  # before the lock, which others wait for
    with engine.writing() as snapshot:
        metadata = normalise(batch.metadata, len(batch.ids), snapshot.columns, _kinds(batch, snapshot))
        _check_dims(snapshot, batch)
        _, held = engine.catalog.rows_of(list(dict.fromkeys([*batch.ids, *beside.stale])))
        dying = held.keys() if on_conflict is OnConflict.REPLACE else held.keys() & set(beside.stale)
        staying = held.keys() - dying
        if staying and on_conflict is OnConflict.ERROR:
            raise DuplicateId(_already_there(sorted(staying)))
        keep = np.array([name not in staying for name in batch.ids], dtype=np.bool_)
        dead = np.array(sorted(held[name] for name in dying), dtype=np.int64)
        kept = int(keep.sum())
        if kept:
            _store(engine, snapshot, batch, metadata, keep, dead, beside, _latents(engine, snapshot, batch, made))
        else:
            _delete(engine, dead, beside)
        replaced = len(dying & set(batch.ids))
        return Written(batch.ids, kept - replaced, replaced, len(batch.ids) - kept, len(dead) - replaced)


def _kinds(batch: Incoming, snapshot: Snapshot) -> Sequence[str | None] | None:
    """A collection of texts alone has no column that says so."""
    if batch.kinds is None and MODALITY in snapshot.names:
        return [None if text is None else Modality.TEXT.value for text in batch.texts]
    return batch.kinds


def _latents(
    engine: Engine, snapshot: Snapshot, batch: Incoming, made: dict[str, Points | None]
) -> Mapping[str, Points]:
    """What the latent spaces get of the batch. made: what was found before; a fit may have added a space since."""
    if not snapshot.latent:
        return {}
    from latentstore.engine.latents.follow import offer  # a collection without latent spaces needs no models

    return offer(engine, snapshot, batch, made)


def _store(
    engine: Engine,
    snapshot: Snapshot,
    batch: Incoming,
    metadata: Batch,
    keep: Bool,
    dead: Int64,
    beside: Beside,
    latents: Mapping[str, Points],
) -> None:
    ids, texts, uris = (chosen(values, keep) for values in (batch.ids, batch.texts, batch.uris))
    metadata = Batch(len(ids), metadata.columns, [chosen(values, keep) for values in metadata.values])
    rows = np.arange(snapshot.next_row, snapshot.next_row + len(ids))
    row_of = np.full(len(keep), -1, dtype=np.int64)
    row_of[keep] = rows
    records = encode_all(rows, ids, texts, uris, metadata.rows())
    placed = {**batch.vectors, **{name: points for name, points in latents.items() if keep[points[0]].any()}}
    appended = {name: _append(engine, snapshot, name, row_of[at], vectors) for name, (at, vectors) in placed.items()}
    upto = dict.fromkeys(latents, int(rows[-1]))
    size = _append_records(engine, snapshot, int(rows[0]), records, dead)
    shelved = attach.append(engine, snapshot, batch.attached, row_of)
    synced(engine, snapshot, appended.values(), shelved)
    outlined(engine, snapshot, metadata.columns, appended)

    def commit(tx: Transaction) -> None:
        tx.set_columns(snapshot.columns, metadata.columns)
        if dead.size:
            tx.delete(dead, attached=snapshot.shelf.size > 0)
        tx.insert(rows, ids, texts, uris, metadata)
        shelved.commit(tx)
        for name, part in appended.items():
            _commit_slots(engine, tx, snapshot.spaces[name], name, part, upto.get(name))
        tx.follow({name: row for name, row in upto.items() if name not in appended})
        beside.note(tx)
        tx.set_state(seq=snapshot.seq + 1, next_row=snapshot.next_row + len(ids), records_bytes=size)

    committed(engine, commit)
    items = snapshot.items + len(ids) - len(dead)
    publish(
        engine,
        snapshot,
        metadata.columns,
        items,
        size,
        appended=appended,
        dead=dead,
        next_row=int(rows[-1]) + 1,
        shelf=shelved.shelf,
        upto=upto,
    )


def extend(engine: Engine, snapshot: Snapshot, space: str, rows: Int64, vectors: Float32, upto: int) -> None:
    """Under the write lock: vectors (m, dim) of rows that are there already, past all that a latent space has, in a commit of
    their own. upto: the last row that its model was offered, with a vector or without. A row that was deleted meanwhile is dead."""
    appended = {space: _append(engine, snapshot, space, rows, vectors)} if rows.size else {}
    if appended:
        sync_together(engine.slot_writer(appended[space].files).handles)

    def commit(tx: Transaction) -> None:
        for name, part in appended.items():
            _commit_slots(engine, tx, snapshot.spaces[name], name, part, upto)
        if not appended:
            tx.follow({space: upto})
        tx.set_state(seq=snapshot.seq + 1)

    committed(engine, commit)
    gone = rows[:0]
    if rows.size:
        follows = snapshot.spaces[space].row.follows
        gone = np.setdiff1d(rows, live_after(snapshot, follows, int(rows[0]) - 1))
    publish(
        engine,
        snapshot,
        snapshot.columns,
        snapshot.items,
        snapshot.records.size,
        appended=appended,
        dead=gone if gone.size else None,
        upto={space: upto},
    )


def delete_ids(engine: Engine, ids: Sequence[str]) -> int:
    """Delete the items of the given ids; unknown ones are passed over. Returns how many there were."""
    with engine.writing():
        _, held = engine.catalog.rows_of(ids)
        return _delete(engine, np.array(sorted(held.values()), dtype=np.int64))


def delete_where(engine: Engine, where: str) -> int:
    """Delete the items that pass a filter. Returns how many there were."""
    with engine.writing() as snapshot:
        return _delete(engine, engine.catalog.rows_where(where, snapshot.columns)[1])


def _delete(engine: Engine, rows: Int64, beside: Beside = _NOTHING) -> int:
    snapshot = engine.snapshot
    if not rows.size and not beside.sources and not beside.forget:
        return 0
    size = snapshot.records.size
    if rows.size:
        size = _append_records(engine, snapshot, snapshot.next_row, [], rows)
        synced(engine, snapshot)

    def commit(tx: Transaction) -> None:
        if rows.size:
            tx.delete(rows, attached=snapshot.shelf.size > 0)
        beside.note(tx)
        tx.set_state(seq=snapshot.seq + 1, records_bytes=size)

    committed(engine, commit)
    publish(engine, snapshot, snapshot.columns, snapshot.items - len(rows), size, dead=rows)
    return len(rows)


def _append(engine: Engine, snapshot: Snapshot, name: str, rows: Int64, vectors: Float32) -> _Appended:
    """Step 1 for one space. rows: (m,), -1 where the item is skipped; vectors: (m, dim)."""
    view = snapshot.spaces[name]
    kept = rows >= 0
    files = SlotFiles(engine.space_folder(name), view.row.generation, vectors.shape[1])
    first = view.vectors.n
    return _Appended(files, first, rows[kept], engine.slot_writer(files).append(first, vectors[kept], rows[kept]))


def _append_records(engine: Engine, snapshot: Snapshot, first_row: int, records: list[bytes], dead: Int64) -> int:
    """Step 1 for what hits show. Returns the new length of the file."""
    writer = engine.record_writer(snapshot.records.files)
    written = [*records, *(tombstone(row) for row in dead.tolist()), end_mark(snapshot.seq + 1)]
    starts = writer.append(snapshot.records.size, written)
    writer.index(first_row, starts[: len(records)])
    return snapshot.records.size + sum(map(len, written))


def synced(
    engine: Engine, snapshot: Snapshot, appended: Iterable[_Appended] = (), shelved: Shelved | None = None
) -> None:
    """The end of step 1: what was written to all files is made durable together."""
    others = [handle for part in appended for handle in engine.slot_writer(part.files).handles]
    if shelved is not None and shelved.refs:
        others += engine.attachment_writer(shelved.shelf.files).handles
    sync_together(engine.record_writer(snapshot.records.files).handles + others)


def outlined(
    engine: Engine, snapshot: Snapshot, columns: Sequence[Column], appended: Mapping[str, _Appended] | None = None
) -> None:
    """Step 1 for a repair: the columns and dimensions that this commit brings."""
    dims = {name: part.files.dim for name, part in (appended or {}).items()}
    before = [view.row for view in snapshot.spaces.values()]
    after = [row._replace(dim=dims.get(row.name, row.dim)) for row in before]
    if tuple(columns) != snapshot.columns or after != before:
        outline.write(engine.folder, columns, after)


def _commit_slots(
    engine: Engine, tx: Transaction, view: SpaceView, name: str, part: _Appended, upto: int | None = None
) -> None:
    first, sums = part.first, part.sums
    start, length = engine.last_batch.get(name, (0, 0))
    if length and start + length == first and length + len(sums) <= MERGE_BELOW:
        first, sums = start, np.concatenate([view.vectors.sums[start:], sums])
        tx.drop_batches(name, first)
    tx.add_batch(name, first, len(sums), batch_sum(sums))
    n = part.first + len(part.sums)
    tx.set_space(name, dim=part.files.dim, generation=part.files.generation, slots=n, upto=upto)


def committed(engine: Engine, work: Any) -> None:
    """Step 2. When the catalog cannot tell whether the commit held, it is read again rather than guessed."""
    try:
        with engine.catalog.transaction() as tx:
            work(tx)
    except StorageFailure:
        engine.publish(load_snapshot(engine, engine.snapshot))
        raise


def publish(
    engine: Engine,
    before: Snapshot,
    columns: Any,
    items: int,
    size: int,
    *,
    appended: Mapping[str, _Appended] | None = None,
    dead: Int64 | None = None,
    next_row: int | None = None,
    moves: dict[int, int] | None = None,
    shelf: Shelf | None = None,
    upto: Mapping[str, int] | None = None,
) -> None:
    """Step 3: the same snapshot with what this commit changed."""
    next_row = before.next_row if next_row is None else next_row
    spaces = {name: _followed(view, (appended or {}).get(name), dead) for name, view in before.spaces.items()}
    for name, row in (upto or {}).items():
        spaces[name] = replace(spaces[name], row=spaces[name].row._replace(upto=row))
    for name, part in (appended or {}).items():
        start, length = engine.last_batch.get(name, (0, 0))
        merged = length and start + length == part.first and length + len(part.sums) <= MERGE_BELOW
        engine.last_batch[name] = (start, length + len(part.sums)) if merged else (part.first, len(part.sums))
    records = RecordView(before.records.files, size, next_row, before.records.moves if moves is None else moves)
    shelf = shelf or before.shelf
    if dead is not None and shelf.size:
        engine.detached += len(dead)
    engine.publish(Snapshot(before.seq + 1, next_row, items, columns, records, spaces, shelf))
    engine.on_commit.set()


def _followed(view: SpaceView, part: _Appended | None, dead: Int64 | None) -> SpaceView:
    vectors, live, row = view.vectors, view.live, view.row
    if part is not None:
        n = part.first + len(part.sums)
        row = row._replace(dim=part.files.dim, slots=n)
        vectors = VectorView(part.files, n, earlier=view.vectors)
        live = None if live is None else bits.grown(live, part.first, n)
    if dead is not None and dead.size:
        slots = vectors.slots_of(dead)
        slots = slots[slots >= 0]
        if slots.size:
            live = bits.cleared(bits.pack(np.ones(vectors.n, dtype=np.bool_)) if live is None else live, slots)
    count = vectors.n if live is None else bits.count(live)
    return replace(view, row=row, vectors=vectors, live=live, live_count=count)


def refuse_twice(ids: Sequence[str]) -> None:
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    twice = next(name for name in ids if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    raise DuplicateId(f"id {twice!r} comes twice in one batch; each id may come once")


def _already_there(held: list[str]) -> str:
    more = f" and {len(held) - 1} more" if len(held) > 1 else ""
    return (
        f"id {held[0]!r}{more} is in the collection already and nothing of the batch was stored; "
        "on_conflict='replace' replaces such items, 'skip' leaves them"
    )


def _check_dims(snapshot: Snapshot, batch: Incoming) -> None:
    for name, (_, vectors) in batch.vectors.items():
        dim = snapshot.spaces[name].row.dim
        if dim is not None and vectors.shape[1] != dim:
            raise DimensionMismatch(
                f"space {name!r} holds {dim}-dim vectors, got {vectors.shape[1]}; were they made by another encoder?"
            )


def chosen(values: Sequence[Any], keep: Bool) -> list[Any]:
    return list(values) if keep.all() else [value for value, kept in zip(values, keep.tolist(), strict=True) if kept]
