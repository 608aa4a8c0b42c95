"""Store: a directory that holds collections. Opening is recovery: whatever a crash left, the store is whole afterwards."""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from latentstore.collection import Collection
from latentstore.engine import backup, lifecycle, recovery
from latentstore.errors import (
    AlreadyExists,
    CollectionNotFound,
    InvalidInput,
    NotAStore,
    ReadOnlyStore,
    StoreClosed,
    StoreNotFound,
)
from latentstore.fileio import StoreLock
from latentstore.types import Metric, Report

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")


def open(
    path: str | os.PathLike[str], *, create: bool = True, read_only: bool = False, memory_budget: int | None = None
) -> Store:
    """Open the store at `path`, made when missing.

    memory_budget: bytes that each collection's indexes may take in memory; a quarter of the machine's when None.
    Raises StoreNotFound (missing, and create=False or read_only=True), NotAStore (something else is there), StoreLocked,
    FormatTooNew, Corrupted, StorageFailure, InvalidInput.
    """
    folder, budget = Path(path), _budget(memory_budget)
    if not lifecycle.is_store(folder):
        _refuse_foreign(folder)
        if read_only or not create:
            raise StoreNotFound(
                f"there is no store at {folder}; check the path, or open it with create=True to make one"
            )
        lifecycle.make_store(folder)
    return Store(folder, read_only=read_only, memory_budget=budget)


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or {entry.name for entry in folder.iterdir()} - lifecycle.BEGINNINGS):
        raise NotAStore(
            f"{folder} exists and is not a latentstore store (it has no store.json); choose another path, "
            "or run 'latentstore repair' if it was one"
        )


_alive: weakref.WeakSet[Store] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """Stores that nobody closed: their threads and files are let go while the interpreter is still whole."""
    for store in list(_alive):
        store.close()


def _abandon_all() -> None:
    """In a forked child: the files, the lock and the threads are the parent's."""
    for store in list(_alive):
        store.abandon()


os.register_at_fork(after_in_child=_abandon_all)


class Store:
    """Made by `latentstore.open`. One process writes; any number read while none does."""

    def __init__(self, folder: Path, *, read_only: bool, memory_budget: int) -> None:
        self.path = folder
        self.read_only = read_only
        self._budget = memory_budget
        self._lock: StoreLock | None = StoreLock(folder / lifecycle.LOCK, exclusive=not read_only)
        self._open: dict[str, Collection] = {}
        # Two threads that open one collection must get one and the same: two engines would write over each other.
        self._opening = threading.RLock()
        _alive.add(self)
        try:
            lifecycle.check_format(folder)
            if not read_only:
                lifecycle.sweep_store(folder)
        except BaseException:
            self.close()
            raise

    def collections(self) -> list[str]:
        """Names of the collections, sorted."""
        self._check_open()
        return lifecycle.collection_names(self.path)

    def create(
        self,
        name: str,
        *,
        encoders: Sequence[str] | None = None,
        metric: Metric | str = Metric.COSINE,
        dim: int | None = None,
        index: str | None = None,
    ) -> Collection:
        """A new collection: with a space for each encoder, or one for vectors from elsewhere (`metric`, `dim`).

        dim: None takes that of the first batch. index: "exact", "hnsw" or "ivf"; None lets size and memory decide.
        Raises AlreadyExists, EncoderMissing, InvalidInput.
        """
        self._check_writable()
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"a collection's name is letters, digits, '_' and '-', at most 63, got {name!r}")
        with self._opening:
            if name in self.collections():
                raise AlreadyExists(f"collection {name!r} exists; use store.collection({name!r}) or get_or_create")
            specs = lifecycle.space_specs(encoders, _metric(metric), _dim(dim), index)
            lifecycle.make_collection(self.path, name, specs)
            return self.collection(name)

    def collection(self, name: str) -> Collection:
        """An existing collection. Raises CollectionNotFound, Corrupted."""
        with self._opening:
            self._check_open()
            held = self._open.get(name)
            if held is not None and not held.closed:
                return held
            names = self.collections()
            if name not in names:
                there = f"there are {', '.join(names)}" if names else "the store has none yet"
                raise CollectionNotFound(f"there is no collection {name!r}; {there}")
            engine = recovery.open_engine(self.path / name, read_only=self.read_only, memory_budget=self._budget)
            self._open[name] = Collection(engine, self)
            return self._open[name]

    def get_or_create(self, name: str, **settings: Any) -> Collection:
        """The collection of that name, made with `create`'s settings when missing."""
        with self._opening:
            return self.collection(name) if name in self.collections() else self.create(name, **settings)

    def drop(self, name: str) -> None:
        """Delete a collection with all that is in it. Raises CollectionNotFound."""
        self._check_writable()
        with self._opening:
            self.collection(name).close()
            del self._open[name]
            lifecycle.drop_collection(self.path, name)

    def verify(self) -> Report:
        """Re-read every byte of every collection. `report.ok`, `report.problems`."""
        return lifecycle.joined({name: self.collection(name).verify() for name in self.collections()})

    def backup(self, target: str | os.PathLike[str]) -> Path:
        """A consistent copy at `target`, which must not exist, while searches and adds go on. `restore` turns it back."""
        self._check_open()
        return backup.copy_store(
            self.path, Path(target), {name: self.collection(name).engine for name in self.collections()}
        )

    def close(self) -> None:
        """Close every collection and let go of the lock. Safe to call twice."""
        with self._opening:
            for collection in self._open.values():
                collection.close()
            self._open.clear()
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def abandon(self) -> None:
        """In a forked child: be closed, without a write or a wait. A lock may be held by a thread that is not here."""
        for collection in self._open.values():
            collection.engine.abandon()
        self._open = {}
        self._opening = threading.RLock()
        if self._lock is not None:
            self._lock.abandon()
            self._lock = None

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def __repr__(self) -> str:
        return f"<Store {self.path}{' read-only' if self.read_only else ''}{'' if self._lock else ' closed'}>"

    def _check_open(self) -> None:
        if self._lock is None:
            raise StoreClosed(f"{self.path} is closed; open it again")

    def _check_writable(self) -> None:
        self._check_open()
        if self.read_only:
            raise ReadOnlyStore(f"{self.path} was opened with read_only=True; open it without to change it")


def _metric(metric: Metric | str) -> Metric:
    try:
        return Metric(metric)
    except ValueError:
        raise InvalidInput(f"metric is one of {', '.join(Metric)}, got {metric!r}") from None


def _dim(dim: int | None) -> int | None:
    if dim is not None and (isinstance(dim, bool) or not isinstance(dim, int) or dim < 1):
        raise InvalidInput(f"dim is a whole number of at least 1, got {dim!r}")
    return dim


def _budget(given: int | None) -> int:
    if given is None:
        return lifecycle.default_budget()
    if isinstance(given, bool) or not isinstance(given, int | float) or not given > 0:
        raise InvalidInput(f"memory_budget is a number of bytes above 0, got {given!r}")
    return int(given)
