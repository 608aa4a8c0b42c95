"""Durable file writing and the store's lock. A function here has returned only when its bytes are on the disk.

Foreign errors: a refusal of the file system becomes StorageFailure, with the path and what to do.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from latentstore.errors import StorageFailure, StoreLocked

_ADVICE = {
    errno.ENOSPC: "the disk is full: free some space and try again",
    errno.EDQUOT: "the disk quota is used up: free some space and try again",
    errno.EFBIG: "a file may not grow past the limit set for this process (ulimit -f)",
    errno.EROFS: "the file system is read-only: open the store with read_only=True or copy it elsewhere",
    errno.EACCES: "no permission: check the owner of the folder, or open the store with read_only=True",
    errno.EPERM: "not permitted: check the owner of the folder, or open the store with read_only=True",
}


@contextlib.contextmanager
def storage_errors(path: Path, doing: str = "write") -> Iterator[None]:
    """Turn an OSError about `path`, or a file that it names itself, into a StorageFailure that says what to do."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "nothing that was committed before is affected")
        raise StorageFailure(f"cannot {doing} {error.filename or path}: {error.strerror or error}; {advice}") from error


def refused(path: Path, reason: str) -> StorageFailure | None:
    """What another library says of a file, as a StorageFailure where the system refused it; None where it is something else."""
    for number, advice in _ADVICE.items():
        if os.strerror(number) in reason:
            return StorageFailure(f"{path}: {os.strerror(number)}; {advice}")
    return None


def write_at(fd: int, data: bytes | memoryview, offset: int) -> None:
    """Write all of `data` at `offset`: the system may take less than it is given at a time."""
    view = memoryview(data).cast("B")
    while view:
        done = os.pwrite(fd, view, offset)
        view, offset = view[done:], offset + done


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable: fsync of a file does not cover its directory entry."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace a small JSON file whole: readers see the old one or the new one, never a part."""
    temporary = path.with_name(path.name + ".tmp")
    with storage_errors(path):
        with temporary.open("w", encoding="utf-8") as file:
            json.dump(value, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; when the block ends it takes its place, whole and durable. After an error nothing is left of it.

    Raises StorageFailure.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with storage_errors(path):
        try:
            yield temporary
            sync_file(temporary)
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_sealed(path: Path, value: dict[str, Any]) -> None:
    """write_json with a checksum over the value, so that a damaged file is known for one."""
    write_json(path, {**value, "check": _seal(value)})


def read_sealed(path: Path) -> dict[str, Any]:
    """What `write_sealed` was given. Raises ValueError where the file holds anything else, FileNotFoundError."""
    found = json.loads(path.read_bytes())
    if not isinstance(found, dict) or found.pop("check", None) != _seal(found):
        raise ValueError(f"{path.name} differs from its checksum")
    return found


def _seal(value: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(value, sort_keys=True).encode())


def sync_file(path: Path) -> None:
    with storage_errors(path):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def sync_together(files: Sequence[tuple[Path, int]]) -> None:
    """fdatasync of all the open files, at once: a disk makes five durable in little more time than one. Raises StorageFailure."""
    pending = [_syncers().submit(_sync, *one) for one in files[1:]]
    try:
        _sync(*files[0])
    finally:
        wait(pending)
    for one in pending:
        one.result()


def _sync(path: Path, fd: int) -> None:
    with storage_errors(path):
        os.fdatasync(fd)


@functools.cache
def _syncers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(8, thread_name_prefix="latentstore-sync")


# A forked child has the pool, but none of its threads.
os.register_at_fork(after_in_child=_syncers.cache_clear)


class StoreLock:
    """One writer or many readers over a store (invariant 7). The kernel drops it when the process dies, however it dies."""

    def __init__(self, path: Path, *, exclusive: bool) -> None:
        self._path = path
        self._exclusive = exclusive
        self._fd = self._open()
        try:
            fcntl.flock(self._fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            holder = self._holder()
            os.close(self._fd)
            raise StoreLocked(_who_holds(path.parent, holder)) from error
        if exclusive:
            self._sign()

    def _open(self) -> int:
        if self._exclusive:
            with storage_errors(self._path):
                return os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        # A store copied without its lock file onto read-only media: the folder itself can be locked.
        held = self._path if self._path.exists() else self._path.parent
        with storage_errors(held, "read"):
            return os.open(held, os.O_RDONLY)

    def _sign(self) -> None:
        note = json.dumps({"pid": os.getpid(), "since": datetime.now(UTC).isoformat(timespec="seconds")})
        # The lock itself holds without it, and a full disk must not keep anybody from opening a store to delete from it.
        with contextlib.suppress(OSError):
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, note.encode(), 0)

    def _holder(self) -> dict[str, Any] | None:
        """What the writer has left in the file; None where the holders only read, whatever an earlier writer left there."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return self._note()
        return None

    def _note(self) -> dict[str, Any]:
        try:
            found = json.loads(os.pread(self._fd, 4096, 0))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def release(self) -> None:
        if self._fd < 0:
            return
        if self._exclusive:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
        self.abandon()

    def abandon(self) -> None:
        """In a forked child: let go of the copy of the file, not of the lock, which is the parent's."""
        os.close(self._fd)
        self._fd = -1


def _who_holds(store: Path, holder: dict[str, Any] | None) -> str:
    if holder is None:
        return (
            f"{store} is open for reading in another process; "
            "wait until it has closed, or open with read_only=True to read beside it"
        )
    who = "this process" if holder.get("pid") == os.getpid() else f"process {holder.get('pid')}"
    signed = f"{who} (pid {holder.get('pid')}, since {holder.get('since')})"
    return (
        f"{store} is open for writing in {signed if holder else 'another process, or elsewhere in this one'}; "
        "one process writes at a time: close it there, or end that process, and try again"
    )
