"""A disk that is full: by a limit on how long a file may grow (EFBIG), or by a small file system without room (ENOSPC).

Runs in a fork of the probe, which the limit dies with; the file system is mounted where only that fork sees it.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stores import Kept

from latentstore import Store

_NEW_MOUNTS, _PRIVATE = 0x00020000, 0x00040000 | 0x4000
_ROOM = "16m"


def mount(folder: Path) -> None:
    """An empty file system of 16 MB at `folder`, for this process only. Raises PermissionError where that is not allowed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_MOUNTS) or libc.mount(b"none", b"/", None, _PRIVATE, None):
        raise OSError(ctypes.get_errno(), "cannot have mounts of its own")
    if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", 0, f"size={_ROOM}".encode()):
        raise OSError(ctypes.get_errno(), "cannot mount")


@contextmanager
def limited(longest: int) -> Iterator[None]:
    """No file grows past that many bytes."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (longest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def filled(folder: Path, left: int) -> Iterator[None]:
    """Only that many bytes are free in the file system of `folder`."""
    there = os.statvfs(folder)
    ballast = folder / "ballast"
    ballast.write_bytes(b"\0" * max(there.f_bavail * there.f_frsize - left, 0))
    try:
        yield
    finally:
        ballast.unlink()


def _add(store: Store, kept: Kept) -> None:
    dim = kept.collection.space().dim or 1
    kept.add(1000, 1500, dim, seed=5)


def _replace(store: Store, kept: Kept) -> None:
    kept.add(0, 10, kept.collection.space().dim or 1, seed=6, replace=True)


def _widen(store: Store, kept: Kept) -> None:
    kept.update(list(kept.model)[:20], "new_column")


def _delete(store: Store, kept: Kept) -> None:
    kept.delete(list(kept.model)[:30])


def _optimize(store: Store, kept: Kept) -> None:
    kept.collection.optimize()


def _backup(store: Store, kept: Kept) -> None:
    store.backup(store.path.with_name("backup"))


def _export(store: Store, kept: Kept) -> None:
    kept.collection.export_parquet(store.path.with_name("export.parquet"))


def _create(store: Store, kept: Kept) -> None:
    store.create("another", dim=4)
    store.drop("another")


OPERATIONS: dict[str, Callable[[Store, Kept], None]] = {
    "add": _add,
    "replace": _replace,
    "update": _widen,
    "delete": _delete,
    "optimize": _optimize,
    "backup": _backup,
    "export": _export,
    "create": _create,
}


def leftovers(store: Path) -> list[str]:
    """What an operation that failed should have removed."""
    beside = [path.name for path in store.parent.iterdir() if path.name.startswith(("backup", "export"))]
    return beside + [path.name for path in store.rglob("*.tmp") if path.name.startswith("index")]
