"""backup and restore: a consistent copy of a store while it is searched and written.

1. Under the write lock: the write-ahead log is folded in and the catalog's file copied. This is the moment that is kept.
2. Without it: the append-only files are copied up to the lengths that this catalog names. Adds go on behind them;
   compaction waits.
3. All of the copy is synced, then it gets its final name. A crash before leaves only `<target>.part`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from latentstore.engine import lifecycle, outline
from latentstore.engine.core import CATALOG, FITS, Engine, model_folder
from latentstore.engine.recovery import index_path, open_engine
from latentstore.engine.snapshot import Snapshot
from latentstore.engine.verify import verify
from latentstore.errors import AlreadyExists, Corrupted, InvalidInput, NotAStore, StorageFailure
from latentstore.fileio import StoreLock, refused, storage_errors, sync_file, sync_folder
from latentstore.types import Report

_CHUNK = 16 << 20


def copy_store(store: Path, target: Path, engines: Mapping[str, Engine]) -> Path:
    """Raises AlreadyExists, InvalidInput, StorageFailure."""
    _refuse_inside(target, store)
    with _whole(target) as fresh:
        shutil.copyfile(store / lifecycle.MARK, fresh / lifecycle.MARK)
        for name, engine in engines.items():
            (fresh / name).mkdir()
            _copy_collection(engine, fresh / name)
    return target


def restore(backup: str | os.PathLike[str], target: str | os.PathLike[str]) -> Report:
    """A copy of a backup at `target`, which must not exist, verified before it gets that name.

    Raises NotAStore, AlreadyExists, InvalidInput, StoreLocked, StorageFailure, and Corrupted when the backup is damaged.
    """
    backup, target = Path(backup), Path(target)
    if not lifecycle.is_store(backup):
        raise NotAStore(f"{backup} is not a backup of a store (it has no {lifecycle.MARK}); name what backup wrote")
    _refuse_inside(target, backup)
    lifecycle.check_format(backup)
    lock = StoreLock(backup / lifecycle.LOCK, exclusive=False)
    try:
        with _whole(target) as fresh:
            shutil.copytree(
                backup,
                fresh,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns(lifecycle.LOCK, FITS, ".new-*", ".old-*"),
            )
            report = lifecycle.joined({name: _verified(fresh / name) for name in lifecycle.collection_names(fresh)})
            if not report.ok:
                raise Corrupted(
                    f"the backup {backup} is damaged and was not restored: {report.problems[0]}; see 'latentstore verify'"
                )
    finally:
        lock.release()
    return report


def _refuse_inside(target: Path, source: Path) -> None:
    if source.resolve() in target.resolve().parents:
        raise InvalidInput(
            f"{target} lies inside {source}, which would become a part of its own copy; choose a path outside"
        )


def _verified(folder: Path) -> Report:
    engine = open_engine(folder, read_only=True, memory_budget=lifecycle.default_budget())
    try:
        return verify(engine)
    finally:
        engine.close()


@contextlib.contextmanager
def _whole(target: Path) -> Iterator[Path]:
    """A folder that gets its final name only when the block has filled it."""
    if target.exists():
        raise AlreadyExists(f"{target} exists; choose a path that does not")
    fresh = target.with_name(target.name + ".part")
    with storage_errors(target):
        shutil.rmtree(fresh, ignore_errors=True)
        made = [path for path in target.parents if not path.exists()]
        fresh.mkdir(parents=True)
        try:
            yield fresh
            for path in (fresh, *fresh.rglob("*")):
                sync_folder(path) if path.is_dir() else sync_file(path)
            fresh.rename(target)
            for path in (target, *made):
                sync_folder(path.parent)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise


def _copy_collection(engine: Engine, target: Path) -> None:
    with engine.upkeep:
        with engine.unchanging() as snapshot:
            if not engine.read_only:
                engine.catalog.checkpoint()
            for name in (CATALOG, CATALOG + ".wal"):
                if (engine.folder / name).exists():
                    _copy_elsewhere(engine.folder / name, target / name)
        _copy_files(engine, snapshot, target)


def _copy_elsewhere(source: Path, target: Path) -> None:
    """Copy in a child process: closing a second handle here would drop the lock that DuckDB holds on its file."""
    script = "import shutil, sys; shutil.copyfile(sys.argv[1], sys.argv[2])"
    done = subprocess.run(  # noqa: S603 - our own interpreter, our own paths
        [sys.executable, "-I", "-S", "-c", script, source, target], check=False, capture_output=True, text=True
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise refused(target, reason) or StorageFailure(f"cannot copy {source} to {target}: {reason}")
    sync_file(target)


def _copy_files(engine: Engine, snapshot: Snapshot, target: Path) -> None:
    outline.write(target, snapshot.columns, [view.row for view in snapshot.spaces.values()])
    records = snapshot.records
    _copy_start(records.files.bodies, target, records.size)
    _copy_start(records.files.starts, target, records.rows * 8)
    _copy_start(snapshot.shelf.files.path, target, snapshot.shelf.size)
    stored = engine.catalog.state().indexes
    for name, view in snapshot.spaces.items():
        folder = target / "spaces" / name
        for path, width in view.vectors.files.widths():
            _copy_start(path, folder, view.vectors.n * width)
        if view.row.latent:
            shutil.copytree(model_folder(view.vectors.files.folder), model_folder(folder))
        if name in stored and index_path(engine, name, stored[name].seq).exists():
            path = index_path(engine, name, stored[name].seq)
            _copy_start(path, folder, path.stat().st_size)


def _copy_start(source: Path, folder: Path, length: int) -> None:
    """The first `length` bytes of a file; nothing when it was never made."""
    if not length and not source.exists():
        return
    with source.open("rb") as read, (folder / source.name).open("wb") as write:
        while length:
            chunk = read.read(min(_CHUNK, length))
            if not chunk:
                raise Corrupted(f"{source} is {length} bytes shorter than committed; run 'latentstore repair'")
            write.write(chunk)
            length -= len(chunk)
