"""A disk that loses what was not synced: what the files of a folder would be after the power went out.

POSIX promises no more than this, and it is all that is modelled: the bytes of a file are those of its last fsync; the
names in a folder are those of the folder's last fsync. More than that may have reached the disk, in any order; `luck`
says for which files and folders it did.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from crash.tracing import Call

Luck = Callable[[], bool]


def unlucky() -> bool:
    return False


class Disk:
    """Follows the calls of one job under `root`; what is there at the beginning is durable."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._held: dict[int, int] = {}  # inode → a descriptor of ours: while it is open the number is not used again
        self._bytes: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        for folder, _, files in os.walk(root):
            self._sync(Path(folder))
            for name in files:
                self._sync(Path(folder) / name)

    def close(self) -> None:
        for fd in self._held.values():
            os.close(fd)

    def see(self, call: Call) -> None:
        """A sync that is about to happen makes durable what is there now."""
        if call.name in ("fsync", "fdatasync"):
            self._sync(Path(call.path))

    def _sync(self, path: Path) -> None:
        inode = self._hold(path)
        if path.is_dir():
            self._names[inode] = {entry.name: self._hold(entry) for entry in path.iterdir()}
        else:
            self._bytes[inode] = _read(self._held[inode])

    def _hold(self, path: Path) -> int:
        inode = path.stat().st_ino
        if inode not in self._held:
            self._held[inode] = os.open(path, os.O_RDONLY)
        return inode

    def image(self, target: Path, luck: Luck = unlucky) -> None:
        """Write to `target` what is on the disk now. luck: asked for each file and folder whether its last state is there."""
        current = {path.stat().st_ino: path for path in [self._root, *self._root.rglob("*")] if path.is_dir()}
        for path in current.values():
            for entry in path.iterdir():
                self._hold(entry)
        self._write(self._root.stat().st_ino, target, current, luck)

    def _write(self, inode: int, target: Path, current: dict[int, Path], luck: Luck) -> None:
        if not stat.S_ISDIR(os.fstat(self._held[inode]).st_mode):
            target.write_bytes(_read(self._held[inode]) if luck() else self._bytes.get(inode, b""))
            return
        target.mkdir()
        names = self._names.get(inode, {})
        if inode in current and luck():
            names = {entry.name: entry.stat().st_ino for entry in current[inode].iterdir()}
        for name, entry in names.items():
            self._write(entry, target / name, current, luck)


def _read(fd: int) -> bytes:
    return os.pread(fd, os.fstat(fd).st_size, 0)
