"""verify: every byte of a collection re-read and held against its checksums and its counterparts (invariant 10)."""

from __future__ import annotations

from collections.abc import Callable, Container
from pathlib import Path
from typing import TypeVar

import numpy as np

from latentstore.engine import outline
from latentstore.engine.core import Engine
from latentstore.engine.recovery import index_path
from latentstore.engine.shelf import examined
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.errors import Corrupted, LatentstoreError
from latentstore.index import base
from latentstore.storage import blobs, studies
from latentstore.storage.catalog import Catalog, IndexRow
from latentstore.storage.mark import MARK, mark_damaged
from latentstore.storage.records import encode, unreadable
from latentstore.storage.vectors import VectorView, batch_sum
from latentstore.types import Int64, Report

_STEP = 8192  # slots read at a time
_LOOKUPS = 2048  # ids looked up one by one: enough to touch each block of the index on ids
_TOGETHER = 16  # of them in one query; DuckDB answers longer ones without its index
_SHOWN = 5  # of each kind of problem, the first few are named
Name = TypeVar("Name", str, bytes)


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
        _check_attachments(engine, snapshot, report)
        _check_means_of_repair(engine, snapshot, report)
    return report


def _check_records(engine: Engine, snapshot: Snapshot, report: Report) -> Int64:
    """Every item of the catalog beside its derived record. Returns the live rows."""
    rows, ids, bad = [], [], 0
    for record in engine.catalog.records(snapshot.columns, f"row < {snapshot.next_row}"):
        rows.append(record.row)
        ids.append(record.id)
        bad += not _same_record(snapshot, record.row, encode(record))
    report.checked["items"] = len(rows)
    lost = unfound(ids, lambda part: engine.catalog.rows_of(part)[1]) if _is_latest(engine, snapshot) else []
    if lost:
        report.problems.append(f"the catalog does not find {len(lost)} of its ids again, the first is {lost[0]!r}")
    _check_ledger(engine, snapshot, report)
    if bad:
        report.problems.append(
            f"{bad} records of what hits show are damaged or differ from the catalog; repair rebuilds them"
        )
    if len(rows) != snapshot.items and _is_latest(engine, snapshot):
        report.problems.append(f"the catalog holds {len(rows)} items where its count says {snapshot.items}")
    return np.array(rows, dtype=np.int64)


def _is_latest(engine: Engine, snapshot: Snapshot) -> bool:
    return engine.catalog.state().seq == snapshot.seq


def _check_ledger(engine: Engine, snapshot: Snapshot, report: Report) -> None:
    uris = ledger_uris(engine.catalog)
    report.checked["sources"] = len(uris)
    lost = unfound(uris, engine.catalog.sources_of) if _is_latest(engine, snapshot) else []
    if lost:
        report.problems.append(f"the catalog does not find {len(lost)} of its sources again, the first is {lost[0]!r}")
    report.checked["studies"] = sum(1 for _ in studies.whole(engine.catalog))


def ledger_uris(catalog: Catalog) -> list[str]:
    """The ledger read to its end. Raises Corrupted."""
    return [line.uri for lines in catalog.sources() for line in lines]


def unfound(names: list[Name], look: Callable[[list[Name]], Container[Name]]) -> list[Name]:
    """Those of the names that the catalog's index does not find; of many, a few thousand are tried. Raises Corrupted."""
    step = max(1, len(names) // _LOOKUPS)
    asked = sorted(names)[::step] + names[-1:]
    parts = [asked[at : at + _TOGETHER] for at in range(0, len(asked), _TOGETHER)]
    return [name for part in parts for held in [look(part)] for name in part if name not in held]


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
    if view.row.latent:
        _check_model(engine, view, report)


def _check_model(engine: Engine, view: SpaceView, report: Report) -> None:
    from latentstore.engine.latents.models import held_against

    report.checked["models"] = report.checked.get("models", 0) + 1
    try:
        held_against(engine.space_folder(view.row.name), view.row)
    except Corrupted as reason:
        report.problems.append(f"space {view.row.name!r}: {reason}")
    if view.vectors.n and int(view.vectors.rows[-1]) > (view.row.upto or 0):
        report.problems.append(f"space {view.row.name!r}: it holds rows past the last that its model was offered")


def _check_attachments(engine: Engine, snapshot: Snapshot, report: Report) -> None:
    shelf = snapshot.shelf
    report.checked["attachments"] = blobs.totals(engine.catalog).attachments
    damage = examined(engine.catalog, shelf.files, shelf.size)
    if damage.contents:
        report.problems.append(
            f"{len(damage.contents)} attachments differ from their checksums; repair names the items that lose one"
        )
    if damage.gap:
        report.problems.append(f"{damage.gap} bytes of {shelf.files.path.name} are no entry; repair writes it anew")


def damaged_slots(vectors: VectorView) -> Int64:
    """(m,) int64: the slots whose bytes are not what was written."""
    parts = [vectors.damaged(at, min(at + _STEP, vectors.n)) for at in range(0, vectors.n, _STEP)]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _check_means_of_repair(engine: Engine, snapshot: Snapshot, report: Report) -> None:
    """What nobody reads until the catalog is lost: the records as a log, the mark, the outline."""
    records = snapshot.records
    gap = unreadable(records.files.bodies, records.size)
    if gap:
        report.problems.append(f"{gap} bytes of {records.files.bodies.name} are no record; repair writes it anew")
    spaces = [view.row for view in snapshot.spaces.values()]
    wrong = [path.name for path in outline.damaged(engine.folder, snapshot.columns, spaces)]
    if mark_damaged(engine.folder):
        wrong.append(MARK)
    if wrong:
        report.problems.append(
            f"{', '.join(wrong)}: not what was written; opening the store for writing, or repair, writes it anew"
        )


def intact(path: Path, stored: IndexRow) -> bool:
    """Whether an index file is the very one that was written."""
    try:
        return path.stat().st_size == stored.bytes and base.checksum(path) == stored.checksum
    except OSError:
        return False


def _check_index(engine: Engine, name: str, view: SpaceView, report: Report) -> None:
    stored = engine.catalog.state().indexes.get(name)
    if stored is None:
        return
    path = index_path(engine, name, stored.seq)
    report.checked["indexes"] = report.checked.get("indexes", 0) + 1
    if not intact(path, stored):
        report.problems.append(f"space {name!r}: {path.name} is not the index that was written; repair rebuilds it")
