"""repair: whatever the damage, a store that opens and verifies, made from what is left; what is lost is named (invariant 10).

In this order, each step resting on the one before: the store's mark, then for each collection its catalog (rebuilt from the
records when it does not read to its end), its spaces (from checksums and texts), its indexes (dropped; they are built
again when the store is next open), its records (from the catalog).
"""

from __future__ import annotations

import os
from pathlib import Path

from latentstore.engine import lifecycle, outline
from latentstore.engine.core import CATALOG, Engine
from latentstore.engine.mend import knows, mend_space
from latentstore.engine.recovery import open_engine, own_records, rebuild_records, refuse_lost_commits, sweep
from latentstore.engine.salvage import rebuild_catalog
from latentstore.engine.shelf import mend_attachments
from latentstore.engine.verify import intact, ledger_uris, unfound, verify
from latentstore.errors import Corrupted, NotAStore, StorageFailure, StoreNotFound
from latentstore.fileio import StoreLock, storage_errors
from latentstore.storage import blobs, studies
from latentstore.storage.catalog import Catalog, State
from latentstore.storage.mark import MARK, mark_damaged
from latentstore.storage.records import RecordFiles, scan
from latentstore.types import Report


def repair(path: str | os.PathLike[str]) -> Report:
    """Mend the store at `path`, which nothing else may have open.

    Report: `mended`, what was done; `lost`, ids that are gone; `problems`, what stays doubtful.
    Raises StoreNotFound, NotAStore, StoreLocked, FormatTooNew (which it never touches), StorageFailure, Corrupted when
    nothing can be saved.
    """
    path = Path(path)
    with storage_errors(path, "read"):
        return _repair(path)


def _repair(path: Path) -> Report:
    if not path.is_dir():
        raise StoreNotFound(f"there is no store at {path}; check the path")
    damage = _damage_of_mark(path)
    names = _collections(path)
    if damage and not names and not _looks_like_a_store(path):
        raise NotAStore(f"{path} holds nothing that looks like a store; there is nothing to repair")
    lock = StoreLock(path / lifecycle.LOCK, exclusive=True)
    try:
        lifecycle.sweep_store(path)
        reports = {name: _collection(path / name) for name in names}
        whole = lifecycle.joined(reports)
        if damage:
            lifecycle.make_store(path)
            whole.mended.insert(0, f"{lifecycle.MARK}: written anew ({damage})")
        return whole
    finally:
        lock.release()


def _damage_of_mark(path: Path) -> str | None:
    """What is wrong with store.json; None when nothing is."""
    try:
        lifecycle.check_format(path)
    except (Corrupted, StoreNotFound) as error:
        return "it was missing" if isinstance(error, StoreNotFound) else "it was damaged"
    return None


def _collections(path: Path) -> list[str]:
    return sorted(
        entry.name
        for entry in path.iterdir()
        if entry.is_dir() and not entry.name.startswith(".") and _looks_like_a_collection(entry)
    )


def _looks_like_a_collection(folder: Path) -> bool:
    return any((folder / name).exists() for name in (CATALOG, outline.OUTLINE)) or any(folder.glob("records-*.bin"))


def _looks_like_a_store(path: Path) -> bool:
    return (path / lifecycle.MARK).exists() and {entry.name for entry in path.iterdir()} <= lifecycle.BEGINNINGS | {
        lifecycle.MARK
    }


def _collection(folder: Path) -> Report:
    report = Report([], [], [], {})
    damage = _damage_of_catalog(folder)
    if damage:
        report.mended.append(f"damage found: {damage}")
        rebuild_catalog(folder, report)
    else:
        _mend_spaces(folder, report)
    _verified(folder, report)
    return report


def _damage_of_catalog(folder: Path) -> str | None:
    """Why the catalog cannot be trusted; None when all of it reads. Raises FormatTooNew, StoreLocked, StorageFailure."""
    try:
        # Read-only: DuckDB folds what it can read of a damaged log into the file, and drops the rest.
        catalog = Catalog(folder / CATALOG, read_only=True)
    except Corrupted as error:
        return str(error)
    try:
        state = catalog.state()
        refuse_lost_commits(folder, state)
        ids = [record.id for record in catalog.records(state.columns)]
        if len(ids) != state.items or unfound(ids, lambda part: catalog.rows_of(part)[1]):
            return f"{catalog.path} does not hold the {state.items} items that it counts"
        if unfound(ledger_uris(catalog), catalog.sources_of):
            return f"{catalog.path} does not find its own sources"
        for _ in studies.whole(catalog):
            pass
        digests = [blob.digest for blob in blobs.listed(catalog)]
        if unfound(digests, lambda part: blobs.held(catalog, part)) or not _refs_read(catalog, set(digests)):
            return f"{catalog.path} does not find what it says is attached"
        for space in state.spaces:
            catalog.batches(space.name)
        if _is_foreign(folder, catalog, state):
            return f"{catalog.path} is another collection's: neither the records nor one vector are those that it names"
    except (Corrupted, StorageFailure, ValueError) as error:
        return str(error)
    finally:
        catalog.close()
    return None


def _refs_read(catalog: Catalog, digests: set[bytes]) -> bool:
    """Whether every attachment of an item has its content."""
    return all(ref.digest in digests for part in blobs.refs(catalog) for ref in part)


def _is_foreign(folder: Path, catalog: Catalog, state: State) -> bool:
    """Whether nothing here is this catalog's, though there are records to make one from."""
    files = RecordFiles(folder, state.records_generation)
    if files.hold(state.records_bytes, state.next_row) and own_records(catalog, files, state):
        return False
    logs = (entry for path in folder.glob("records-*.bin") for entry in scan(path))
    return any(entry.record is not None for entry in logs) and not any(knows(catalog, space) for space in state.spaces)


def _mend_spaces(folder: Path, report: Report) -> None:
    catalog = Catalog(folder / CATALOG, read_only=False)
    try:
        for space in catalog.state().spaces:
            mend_space(folder, catalog, space, report)
            _drop_bad_index(folder, catalog, space.name, report)
        mend_attachments(folder, catalog, report)
        if report.mended:
            # Deleted items would come back from the records, were the catalog lost later.
            rebuild_records(Engine(folder, catalog, memory_budget=0), catalog.state())
        state = catalog.state()
        told = [path.name for path in outline.damaged(folder, state.columns, state.spaces)]
        told += [MARK] if mark_damaged(folder) else []
        report.mended.extend(f"{name}: written anew" for name in told)  # opening does it
    finally:
        catalog.close()


def _drop_bad_index(folder: Path, catalog: Catalog, space: str, report: Report) -> None:
    stored = catalog.state().indexes.get(space)
    if stored is None:
        return
    if intact(folder / "spaces" / space / f"index-{stored.seq}.faiss", stored):
        return
    with catalog.transaction() as tx:
        tx.set_index(None, space)
    report.mended.append(f"space {space!r}: its index was damaged and is built again when the store is next open")


def _verified(folder: Path, report: Report) -> None:
    """Open it as anybody would, mend what hits show, and let verify have the last word."""
    engine = open_engine(folder, read_only=False, memory_budget=lifecycle.default_budget())
    try:
        if not verify(engine).ok:
            rebuild_records(engine, engine.catalog.state())
            report.mended.append("what hits show: written anew from the catalog")
            engine.close()
            engine = open_engine(folder, read_only=False, memory_budget=lifecycle.default_budget())
        last = verify(engine)
        report.problems.extend(last.problems)
        report.checked.update(last.checked)
        sweep(engine)
    finally:
        engine.close()
