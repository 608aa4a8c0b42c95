"""Indexes follow their spaces: built, grown and saved in the background, while searches and adds go on.

An index is derived. What it does not cover yet is searched exactly (invariant 3), so being late costs speed, never a hit.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator

from latentstore.engine.core import Engine
from latentstore.engine.recovery import index_path
from latentstore.engine.snapshot import SpaceView
from latentstore.errors import StorageFailure, StoreClosed
from latentstore.fileio import refused, storage_errors, sync_file, sync_folder
from latentstore.index import base
from latentstore.index.base import Stopped, VectorIndex
from latentstore.storage import blobs
from latentstore.storage.catalog import IndexRow
from latentstore.storage.transaction import Transaction

log = logging.getLogger("latentstore")

# An uncovered tail this long takes about as long to search as the index itself.
_TAIL = 4096
_COMPACT_AT = 0.5  # share of dead slots that makes a rewrite worth its cost
_LOOK_OVER_AT = 64  # one item in so many deleted makes it worth while to count what attachments are left
_SAVE_AT = 1.25  # growth since the last save; saving each small growth would rewrite the file again and again


class Indexer:
    """The upkeep thread of one collection."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"latentstore-upkeep-{engine.folder.name}", daemon=True)
        if any(lags(engine, view) for view in engine.snapshot.spaces.values()):
            engine.on_commit.set()
        self._thread.start()

    def _run(self) -> None:
        _be_nice()
        while True:
            self._engine.on_commit.wait()
            if self._stop.is_set():
                return
            self._engine.on_commit.clear()
            try:
                self._follow_all()
            except (Stopped, StoreClosed):
                return
            except Exception:
                # The index is derived: a failed build must not take the store down, and the next commit tries again.
                log.exception("building an index in the background failed; searches stay exact meanwhile")

    def _follow_all(self) -> None:
        from latentstore.engine.compaction import compact

        for name in list(self._engine.snapshot.spaces):
            with self._there(name) as view:
                if view is not None and dead_share(view) > _COMPACT_AT:
                    compact(self._engine, name, self._stop)
            while self._followed(name):
                pass
        self._look_over_attachments()

    def _followed(self, name: str) -> bool:
        """Take one step towards an index that covers a space; False where there is none to take."""
        with self._there(name) as view:
            if view is None or not lags(self._engine, view):
                return False
            follow(self._engine, name, self._stop, save=False)
            save_if_due(self._engine, name)
            return True

    @contextlib.contextmanager
    def _there(self, name: str) -> Iterator[SpaceView | None]:
        """A space that stays while it is looked after; None where it has been dropped."""
        with self._engine.upkeep:
            yield self._engine.snapshot.spaces.get(name)

    def _look_over_attachments(self) -> None:
        from latentstore.engine.shelf import compact_attachments

        engine = self._engine
        if engine.detached * _LOOK_OVER_AT <= engine.snapshot.items:
            return
        engine.detached = 0
        found = blobs.totals(engine.catalog)
        if found.dead > _COMPACT_AT * (found.bytes + found.dead):
            compact_attachments(engine)

    def stop(self) -> None:
        """Leave unfinished work; it is derived, and begins again when the store is next opened."""
        self._stop.set()
        self._engine.on_commit.set()
        # A store that nobody holds is closed by whichever thread finds that out.
        if self._thread is not threading.current_thread():
            self._thread.join()


def lags(engine: Engine, view: SpaceView) -> bool:
    """Whether the space deserves an index that it does not have, or one that covers more."""
    if (
        view.row.dim is None
        or base.choose(view.vectors.n, view.row.dim, engine.memory_budget, view.row.index_kind).is_exact
    ):
        return False
    return view.uncovered > (min(_TAIL * 4, max(_TAIL, view.index.covered // 16)) if view.index else 0)


def save_if_due(engine: Engine, name: str) -> None:
    """Save a space's index when it has grown enough since it was last saved, or will not grow for now."""
    # Looked at under the lock: while another saves, what was the newest index may become an old one.
    with engine.upkeep:
        view, stored = engine.snapshot.spaces[name], engine.saved.get(name, 0)
        if view.index is None or view.index.covered == stored:
            return
        if view.index.covered >= stored * _SAVE_AT or not lags(engine, view):
            store_index(engine, name, view.index)


def follow(
    engine: Engine,
    name: str,
    stop: threading.Event | None = None,
    *,
    save: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Bring one space's index up to its last slot, and publish it."""
    with engine.upkeep:
        view = engine.snapshot.spaces[name]
        assert view.row.dim is not None
        spec = base.choose(view.vectors.n, view.row.dim, engine.memory_budget, view.row.index_kind)
        if spec.is_exact or not view.uncovered:
            return
        if view.index is None or view.index.outgrown(spec):
            index = base.build(view.vectors, view.row.metric, spec, stop=stop, progress=progress)
        else:
            index = view.index.grown(view.vectors, view.vectors.n, stop=stop, progress=progress)
        engine.set_index(name, index)
        if save:
            store_index(engine, name, index)


def store_index(engine: Engine, name: str, index: VectorIndex) -> None:
    """Write an index under a new number, name it in the catalog, remove the one before, and map the new one."""
    with engine.upkeep:
        generation = engine.snapshot.spaces[name].row.generation
        row = write_index(engine, name, index, generation)
        with engine.writing(), engine.catalog.transaction() as tx:
            record_index(tx, name, row)
        settle_index(engine, name, row, index)


def write_index(engine: Engine, name: str, index: VectorIndex, generation: int) -> IndexRow:
    """The file, durable under its final name. It counts only once the catalog names it."""
    seq = engine.catalog.state().index_seq + 1
    path = index_path(engine, name, seq)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with storage_errors(path):
            index.save(temporary)
            sync_file(temporary)
            size, checksum = temporary.stat().st_size, base.checksum(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
    except RuntimeError as error:  # how FAISS reports a failed write
        raise refused(path, str(error)) or StorageFailure(
            f"cannot write {path}: {str(error).splitlines()[0]}"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    return IndexRow(name, seq, generation, size, checksum, base.dump(index.settings()))


def record_index(tx: Transaction, name: str, row: IndexRow) -> None:
    tx.set_index(row, name)
    tx.set_state(index_seq=row.seq)


def settle_index(engine: Engine, name: str, row: IndexRow, index: VectorIndex) -> None:
    """Serve from the mapped file, whose memory the system can reclaim, and remove earlier files."""
    path = index_path(engine, name, row.seq)
    mapped = base.load(path, index.settings(), size=row.bytes, checksum=row.checksum)
    if engine.snapshot.spaces[name].index is index:
        engine.set_index(name, mapped)
    engine.saved[name] = index.covered
    for other in path.parent.glob("index-*.faiss"):
        if other != path:
            with contextlib.suppress(OSError):
                other.unlink()


def dead_share(view: SpaceView) -> float:
    return 1 - view.live_count / view.vectors.n if view.vectors.n else 0.0


def _be_nice() -> None:
    """Let searches go first: on Linux a thread has a priority of its own."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
