"""Metadata of items that are there: keys of some of them, or whole columns. Written as `write` says: records first, then one commit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from latentstore.engine.core import Engine
from latentstore.engine.snapshot import Snapshot
from latentstore.engine.write import chosen, committed, outlined, publish, refuse_twice, synced
from latentstore.errors import ItemNotFound
from latentstore.storage.columns import Batch, fold, normalise, quoted
from latentstore.storage.records import Record, encode, end_mark
from latentstore.storage.transaction import Transaction
from latentstore.types import Int64


def update(engine: Engine, ids: Sequence[str], metadata: Any) -> int:
    """Set the metadata keys that are given, leave the others and the vectors alone. Returns how many items changed."""
    refuse_twice(ids)
    with engine.writing() as snapshot:
        changed = normalise(metadata, len(ids), snapshot.columns)
        _, held = engine.catalog.rows_of(ids)
        missing = [name for name in ids if name not in held]
        if missing:
            raise ItemNotFound(
                f"{len(missing)} of {len(ids)} ids are not there, the first is {missing[0]!r}; nothing was updated"
            )
        if ids:
            rows = np.array([held[name] for name in ids], dtype=np.int64)
            _rewrite(engine, snapshot, rows, changed, _given_keys(metadata, changed, len(ids)))
        return len(ids)


def annotate(
    engine: Engine, rows: Int64, columns: Mapping[str, list[Any]], also: Callable[[Transaction], None]
) -> None:
    """Set whole metadata columns of the given live rows and empty them in all others, in one commit with what `also` does."""
    with engine.writing() as snapshot:
        held = {fold(name) for name in snapshot.names}
        filled = [f"{quoted(name)} is not null" for name in columns if fold(name) in held]
        others = np.empty(0, dtype=np.int64)
        if filled:
            others = np.setdiff1d(engine.catalog.rows_where(" or ".join(filled), snapshot.columns)[1], rows)
        padded = {name: [*values, *[None] * len(others)] for name, values in columns.items()}
        every = np.concatenate([rows, others])
        metadata = [dict(zip(padded, values, strict=True)) for values in zip(*padded.values(), strict=True)]
        changed = normalise(metadata or [{}] * len(every), len(every), snapshot.columns)
        keys = frozenset(fold(name) for name in columns)
        _rewrite(engine, snapshot, every, changed, [keys] * len(every), also)


def _rewrite(
    engine: Engine,
    snapshot: Snapshot,
    rows: Int64,
    changed: Batch,
    given: list[frozenset[str]],
    also: Callable[[Transaction], None] | None = None,
) -> None:
    """Set some metadata of live rows. given: for each row the folded names that are set."""
    records = _updated_records(snapshot, rows, changed, given)
    writer = engine.record_writer(snapshot.records.files)
    written = [*records, end_mark(snapshot.seq + 1)]
    starts = writer.append(snapshot.records.size, written)[:-1]
    synced(engine, snapshot)
    size = snapshot.records.size + sum(map(len, written))
    moves = dict(zip(rows.tolist(), starts.tolist(), strict=True))
    outlined(engine, snapshot, changed.columns)

    def commit(tx: Transaction) -> None:
        tx.set_columns(snapshot.columns, changed.columns)
        for keys in set(given):
            mask = np.array([one == keys for one in given])
            names = [column.name for column in changed.columns if fold(column.name) in keys]
            if names:
                part = Batch(int(mask.sum()), changed.columns, [chosen(values, mask) for values in changed.values])
                tx.update(rows[mask], names, part)
        tx.add_moves(moves)
        if also is not None:
            also(tx)
        tx.set_state(seq=snapshot.seq + 1, records_bytes=size)

    committed(engine, commit)
    publish(engine, snapshot, changed.columns, snapshot.items, size, moves={**snapshot.records.moves, **moves})


def _updated_records(snapshot: Snapshot, rows: Int64, changed: Batch, given: list[frozenset[str]]) -> list[bytes]:
    records = []
    for row, raw, values, keys in zip(rows.tolist(), snapshot.records.read(rows), changed.rows(), given, strict=True):
        name, text, uri, before = snapshot.details(raw)
        after = [
            value if fold(column.name) in keys else before.get(column.name)
            for column, value in zip(changed.columns, values, strict=True)
        ]
        records.append(encode(Record(row, name, text, uri, after)))
    return records


def _given_keys(metadata: Any, changed: Batch, n: int) -> list[frozenset[str]]:
    """For each item the keys that its caller named: a key that only another item has must not be set to null."""
    if isinstance(metadata, Sequence):
        return [frozenset(fold(key) for key in one or ()) for one in metadata]
    names = metadata.column_names if hasattr(metadata, "column_names") else list(metadata.columns)
    return [frozenset(fold(name) for name in names)] * n
