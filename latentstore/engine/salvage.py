"""A catalog rebuilt from the records: they hold every item, each vouched for by its checksum, in the order of the commits.

1. The new catalog is made beside the damaged one: items from the records, spaces from the outline, vectors from their
   files, which go to new generations, attachments from theirs, the ledger from the damaged one where it
   can still be trusted.
   Crash: leftovers that the next repair or open removes.
2. The damaged catalog moves to `damaged-<n>/`. Crash: a collection without a catalog; it does not open, repair does.
3. The new one takes its name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latentstore.engine import outline
from latentstore.engine.core import CATALOG, Engine
from latentstore.engine.mend import mend_space
from latentstore.engine.outline import Outline
from latentstore.engine.recovery import rebuild_records, refuse_lost_commits
from latentstore.engine.shelf import from_log, mend_attachments
from latentstore.errors import Corrupted, StorageFailure
from latentstore.fileio import read_sealed, storage_errors, sync_folder
from latentstore.findings.study import Study
from latentstore.storage import studies
from latentstore.storage.catalog import Catalog
from latentstore.storage.columns import MODALITY, Column, normalise
from latentstore.storage.mark import Mark, read_mark
from latentstore.storage.records import Entry, Record, scan
from latentstore.storage.spaces import SpaceRow
from latentstore.types import Int64, Metric, Report, Source

_FRESH = CATALOG + ".new"
_MANY = 10_000  # items inserted at a time


def rebuild_catalog(folder: Path, report: Report) -> None:
    """Raises Corrupted when neither records nor outline are left."""
    drawn = outline.read(folder) or _from_spaces(folder, report)
    generation, entries = _log(folder)
    items, next_row = _replayed(folder, entries)
    _tell_gaps(entries, report)
    _clear(folder)
    catalog = Catalog(folder / _FRESH, read_only=False, fresh=True)
    try:
        _fill(catalog, drawn, items, next_row, _last_seq(folder, entries) + 1, generation)
        _keep_ledger(folder, catalog, generation, entries, report)
        for space in catalog.state().spaces:
            mend_space(folder, catalog, space, report, trusted=False)
        from_log(folder, catalog, report)
        mend_attachments(folder, catalog, report)
        rebuild_records(Engine(folder, catalog, memory_budget=0), catalog.state())
        catalog.checkpoint()
    finally:
        catalog.close()
    _swap(folder)
    report.mended.append(f"the catalog: rebuilt with {len(items)} items from the records")


def _log(folder: Path) -> tuple[int, list[Entry]]:
    """The records file that holds the last commit, and its committed entries."""
    mark = read_mark(folder)
    best: tuple[tuple[int, int], int, list[Entry]] | None = None
    for path in sorted(folder.glob("records-*.bin")):
        generation = int(path.stem.rpartition("-")[2])
        entries = _committed(list(scan(path)), mark if mark and mark.records_generation == generation else None)
        # After a compaction that was never switched to, the earlier generation has the same commits and perhaps more.
        rank = (_seq(entries), -generation)
        if best is None or rank > best[0]:
            best = (rank, generation, entries)
    if best is None:
        if (folder / outline.OUTLINE).exists():
            return 0, []
        raise Corrupted(f"{folder} has lost its catalog and its records: nothing is left to rebuild it from")
    return best[1], best[2]


def _committed(entries: list[Entry], mark: Mark | None) -> list[Entry]:
    """What stands before the last end mark, or before the length that the mark file vouches for."""
    end = max((entry.stop for entry in entries if entry.seq is not None), default=0)
    end = max(end, mark.records_bytes if mark else 0)
    return [entry for entry in entries if entry.stop <= end]


def _gap(entries: list[Entry]) -> int:
    """Bytes between entries that are none."""
    stops = [0, *(entry.stop for entry in entries)]
    return sum(entry.start - stop for entry, stop in zip(entries, stops, strict=False))


def _tell_gaps(entries: list[Entry], report: Report) -> None:
    gap = _gap(entries)
    if gap:
        report.problems.append(
            f"{gap} bytes of the records were damaged too: what was added there is lost, what was deleted there is back"
        )


def _keep_ledger(folder: Path, catalog: Catalog, generation: int, entries: list[Entry], report: Report) -> None:
    """Sources and studies. A line that came from elsewhere, or whose items are lost, would keep a file from being read again:
    all or none."""
    old = None if _gap(entries) else _old_ledger(folder, generation, entries[-1].stop if entries else 0)
    if old is None:
        report.mended.append(
            "the ledger of sources: lost with the catalog; the next ingest reads the files again and finds their items by id"
        )
        report.mended.append("studies: lost with the catalog; the columns that they filled stay, run them again")
        return
    for at in range(0, len(old.sources), _MANY):
        with catalog.transaction() as tx:
            tx.put_sources(old.sources[at : at + _MANY])
    with catalog.transaction() as tx:
        for study, arrays in old.studies:
            studies.insert(tx, study, arrays)
    report.mended.append(f"the ledger: all {len(old.sources)} sources kept")
    if old.studies:
        report.mended.append(f"all {len(old.studies)} studies kept")


class _Ledger(NamedTuple):
    sources: list[Source]
    studies: list[tuple[Study, dict[str, Any]]]


def _old_ledger(folder: Path, generation: int, size: int) -> _Ledger | None:
    """The ledger of the damaged catalog; None unless it reads to its end and is of the very commit that the records end with."""
    try:
        with contextlib.closing(Catalog(folder / CATALOG, read_only=True)) as old:
            state = old.state()
            refuse_lost_commits(folder, state)
            if (state.records_generation, state.records_bytes) != (generation, size):
                return None
            return _Ledger([line for lines in old.sources() for line in lines], list(studies.whole(old)))
    except (Corrupted, StorageFailure, ValueError):
        return None


def _seq(entries: list[Entry]) -> int:
    return max((entry.seq for entry in entries if entry.seq is not None), default=0)


def _last_seq(folder: Path, entries: list[Entry]) -> int:
    mark = read_mark(folder)
    return max(_seq(entries), mark.seq if mark else 0)


def _replayed(folder: Path, entries: list[Entry]) -> tuple[list[Record], int]:
    """The items after all commits, by row, and the next row to give: none is ever given twice."""
    held: dict[int, Record] = {}
    for entry in entries:
        if entry.record is not None:
            held[entry.row] = entry.record
        elif entry.seq is None:
            held.pop(entry.row, None)
    by_id = {record.id: record for _, record in sorted(held.items())}  # the later row wins
    items = sorted(by_id.values(), key=lambda record: record.row)
    highest = max((entry.row for entry in entries), default=-1)
    starts = [path.stat().st_size // 8 - 1 for path in folder.glob("records-*.at")]
    return items, max([highest, *starts, -1]) + 1


def _fill(catalog: Catalog, drawn: Outline, items: list[Record], next_row: int, seq: int, generation: int) -> None:
    with catalog.transaction() as tx:
        for space in _versioned(drawn.spaces):
            tx.add_space(space)
        tx.set_columns((), drawn.columns)
        tx.set_state(seq=seq, next_row=next_row, records_generation=generation)
    columns = drawn.columns
    for part in _parts(items):
        names = _names(columns, max(len(record.values) for record in part))
        known = [dict(zip(names, record.values, strict=False)) for record in part]
        kinds = [one.pop(MODALITY, None) for one in known] if MODALITY in names else None
        batch = normalise(known, len(part), columns, kinds)
        rows: Int64 = np.array([record.row for record in part], np.int64)
        texts, uris = [record.text for record in part], [record.uri for record in part]
        with catalog.transaction() as tx:
            tx.set_columns(columns, batch.columns)
            tx.insert(rows, [record.id for record in part], texts, uris, batch)
        columns = batch.columns


def _versioned(spaces: tuple[SpaceRow, ...]) -> list[SpaceRow]:
    """Those of the collection first; of a latent one, the newest version is the active one, since nothing else tells which was."""
    newest = {space.base: space.name for space in sorted(spaces, key=lambda one: one.version or 0) if space.latent}
    own = [space for space in spaces if not space.latent]
    fitted = [space for space in spaces if space.latent]
    return own + [space._replace(upto=-1, active=newest[space.base] == space.name) for space in fitted]


def _parts(items: list[Record]) -> Iterator[list[Record]]:
    left = iter(items)
    while part := list(islice(left, _MANY)):
        yield part


def _names(columns: tuple[Column, ...], width: int) -> list[str]:
    """Names by position; a made-up one where the outline knows too few."""
    known = [column.name for column in columns]
    return known + [f"column_{at + 1}" for at in range(len(known), width)]


def _from_spaces(folder: Path, report: Report) -> Outline:
    """What the spaces' own files tell, when the outline is lost too: everything but the names of the columns."""
    found = [_space(path, report) for path in sorted(folder.glob("spaces/*")) if path.is_dir()]
    spaces = [space for space in found if space is not None]
    if not spaces:
        raise Corrupted(
            f"{folder} has lost its catalog, its outline and its spaces: nothing is left to rebuild it from"
        )
    report.problems.append("the names of the metadata columns are lost; they are called column_1, column_2, …")
    return Outline((), tuple(spaces))


def _space(home: Path, report: Report) -> SpaceRow | None:
    try:
        found = read_sealed(home / outline.SPACE)
        known = (found["encoder"], found["fingerprint"], Metric(found["metric"]), found["dim"])
        return SpaceRow(home.name, *known, 0, 0, source=found.get("source"))
    except (OSError, ValueError, KeyError):
        if "@" in home.name:
            report.problems.append(
                f"space {home.name!r}: what it was fitted to is lost, and it is left out; fit it again"
            )
            return None
        report.problems.append(
            f"space {home.name!r}: its metric and encoder are lost; taken for cosine, without encoder"
        )
        return SpaceRow(home.name, None, None, Metric.COSINE, None, 0, 0)


def _clear(folder: Path) -> None:
    for path in (folder / _FRESH, folder / f"{_FRESH}.wal"):
        path.unlink(missing_ok=True)


def _swap(folder: Path) -> None:
    """Steps 2 and 3."""
    n = 1
    while (folder / f"damaged-{n}").exists():
        n += 1
    kept = folder / f"damaged-{n}"
    with storage_errors(folder):
        for name in (CATALOG, CATALOG + ".wal"):
            if (folder / name).exists():
                kept.mkdir(exist_ok=True)
                (folder / name).replace(kept / name)
        (folder / _FRESH).replace(folder / CATALOG)
        sync_folder(folder)
