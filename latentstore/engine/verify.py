"""verify: every byte of a collection re-read and held against its checksums and its counterparts (invariant 10)."""

from __future__ import annotations

import numpy as np

from latentstore.engine.core import Engine
from latentstore.engine.recovery import index_path
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.errors import Corrupted, LatentstoreError
from latentstore.index import base
from latentstore.storage.records import encode
from latentstore.storage.vectors import VectorView, batch_sum
from latentstore.types import Int64, Report

_STEP = 8192  # slots read at a time
_SHOWN = 5  # of each kind of problem, the first few are named


def verify(engine: Engine) -> Report:
    """A report; raises nothing for damage, only names it. Adds wait meanwhile, searches do not."""
    report = Report([], [], [], {})
    with engine.upkeep:
        snapshot = engine.snapshot
        try:
            live = _check_records(engine, snapshot, report)
        except LatentstoreError as error:
            report.problems.append(f"the catalog does not read to its end: {error}")
            return report
        for name, view in snapshot.spaces.items():
            _check_space(engine, name, view, live, report)
    return report


def _check_records(engine: Engine, snapshot: Snapshot, report: Report) -> Int64:
    """Every item of the catalog beside its derived record. Returns the live rows."""
    rows, bad = [], 0
    for record in engine.catalog.records(snapshot.columns, f"row < {snapshot.next_row}"):
        rows.append(record.row)
        bad += not _same_record(snapshot, record.row, encode(record))
    report.checked["items"] = len(rows)
    if bad:
        report.problems.append(
            f"{bad} records of what hits show are damaged or differ from the catalog; repair rebuilds them"
        )
    if len(rows) != snapshot.items and engine.catalog.state().seq == snapshot.seq:
        report.problems.append(f"the catalog holds {len(rows)} items where its count says {snapshot.items}")
    return np.array(rows, dtype=np.int64)


def _same_record(snapshot: Snapshot, row: int, expected: bytes) -> bool:
    try:
        raw = snapshot.records.read(np.array([row]))[0]
    except Corrupted:
        return False
    return raw == expected or snapshot.details(raw) == snapshot.details(expected)


def _check_space(engine: Engine, name: str, view: SpaceView, live: Int64, report: Report) -> None:
    problems = report.problems
    bad = damaged_slots(view.vectors)
    report.checked["vectors"] = report.checked.get("vectors", 0) + view.vectors.n
    if bad.size:
        named = ", ".join(map(str, view.vectors.rows[bad[:_SHOWN]].tolist()))
        problems.append(f"space {name!r}: {bad.size} vectors differ from their checksums, first rows {named}")
    covered = 0
    for batch in engine.catalog.batches(name):
        if batch.first != covered:
            problems.append(f"space {name!r}: no batch accounts for slots {covered} to {batch.first}")
        covered = batch.first + batch.slots
        if covered <= view.vectors.n and batch_sum(view.vectors.sums[batch.first : covered]) != batch.checksum:
            problems.append(
                f"space {name!r}: the checksums of slots {batch.first} to {covered} are not those committed"
            )
    if covered < view.vectors.n:
        problems.append(f"space {name!r}: no batch accounts for slots {covered} to {view.vectors.n}")
    if view.vectors.n > 1 and not bool((np.diff(view.vectors.rows) > 0).all()):
        problems.append(f"space {name!r}: rows do not ascend with slots")
    _check_index(engine, name, view, report)


def damaged_slots(vectors: VectorView) -> Int64:
    """(m,) int64: the slots whose bytes are not what was written."""
    parts = [vectors.damaged(at, min(at + _STEP, vectors.n)) for at in range(0, vectors.n, _STEP)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _check_index(engine: Engine, name: str, view: SpaceView, report: Report) -> None:
    stored = engine.catalog.state().indexes.get(name)
    if stored is None:
        return
    path = index_path(engine, name, stored.seq)
    report.checked["indexes"] = report.checked.get("indexes", 0) + 1
    if not path.exists() or path.stat().st_size != stored.bytes or base.checksum(path) != stored.checksum:
        report.problems.append(f"space {name!r}: {path.name} is not the index that was written; repair rebuilds it")
