"""Every system call by which a process changes files, held until another process lets it go on.

The kernel itself stops the call (a seccomp filter with a listener), so DuckDB's and FAISS's own writes are seen as well
as Python's, and nothing in the code under test knows. Linux only. The listener may let a call pass, or kill instead:
what the files hold then is what a crash at that instant leaves.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import select
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_X86 = {
    "write": 1, "pwrite64": 18, "writev": 20, "sendfile": 40, "fsync": 74, "fdatasync": 75, "truncate": 76,
    "ftruncate": 77, "rename": 82, "mkdir": 83, "rmdir": 84, "unlink": 87, "openat": 257, "mkdirat": 258,
    "unlinkat": 263, "renameat": 264, "fallocate": 285, "pwritev": 296, "renameat2": 316, "copy_file_range": 326,
}  # fmt: skip
_ARM = {
    "write": 64, "pwrite64": 68, "writev": 66, "sendfile": 71, "fsync": 82, "fdatasync": 83, "truncate": 45,
    "ftruncate": 46, "openat": 56, "mkdirat": 34, "unlinkat": 35, "renameat": 38, "fallocate": 47, "pwritev": 70,
    "renameat2": 276, "copy_file_range": 285,
}  # fmt: skip
_MACHINES = {"x86_64": (_X86, 317), "aarch64": (_ARM, 277)}

# Which argument is the file: a descriptor, a path, or a folder's descriptor and a path in it.
_BY_FD = {"write": 0, "pwrite64": 0, "writev": 0, "sendfile": 0, "fsync": 0, "fdatasync": 0, "ftruncate": 0}
_BY_FD |= {"fallocate": 0, "pwritev": 0, "copy_file_range": 2}
_BY_PATH = {"truncate", "rename", "mkdir", "rmdir", "unlink"}

_NOTICE = struct.Struct("<QIIiIQ6Q")
_ANSWER = struct.Struct("<QqiI")
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1
_NEW_LISTENER = 1 << 3
_SECTOR = 512
_HERE = -100 & 0xFFFFFFFF  # AT_FDCWD, as the low half of an argument


def watch() -> int:
    """Hold this process's file calls from now on, its threads' and children's too. Returns the listener's descriptor.

    Raises OSError where the system does not offer it.
    """
    calls, seccomp = _MACHINES.get(platform.machine(), ({}, 0))
    if platform.system() != "Linux" or not calls:
        raise OSError(errno.ENOSYS, "only known for Linux on x86_64 and aarch64")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)  # no new privileges, without which only root may filter
    program = _program(calls)
    buffer = ctypes.create_string_buffer(program)
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    found = libc.syscall(seccomp, 1, _NEW_LISTENER, header)
    if found < 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses a seccomp listener")
    return int(found)


def _program(calls: dict[str, int]) -> bytes:
    """Stop the calls named, `openat` only where it may make or empty a file."""

    def line(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("<HBBI", code, yes, no, value)

    others = [number for name, number in calls.items() if name != "openat"]
    lines = [line(0x20, 0)]
    lines += [line(0x15, number, len(others) - at + 3) for at, number in enumerate(others)]
    lines += [line(0x15, calls["openat"], 0, 2), line(0x20, 32), line(0x45, os.O_CREAT | os.O_TRUNC, 1, 0)]
    lines += [line(0x06, 0x7FFF0000), line(0x06, 0x7FC00000)]
    return b"".join(lines)


@dataclass(frozen=True)
class Call:
    """One call that is being held. `path`: the file it would change; for a rename, the name that goes."""

    name: str
    path: str
    task: int
    arguments: tuple[int, ...]
    notice: int

    @property
    def size(self) -> int:
        """The bytes that it would write; 0 where it does not write, or not from one buffer."""
        return self.arguments[2] if self.name in ("write", "pwrite64") else 0

    @property
    def idle(self) -> bool:
        """Whether the files are the same to every reader afterwards: a sync, or the making of what is there."""
        making = self.name.startswith("mkdir") or (self.name == "openat" and not self.arguments[2] & os.O_TRUNC)
        return self.name in ("fsync", "fdatasync") or (making and Path(self.path).exists())

    def torn(self, share: float) -> bool:
        """Write only the first part of what a write would, as a crash inside it does. False where that cannot be."""
        if self.size < 2:
            return False
        fd, address, size, offset = self.arguments[:4]
        place = offset if self.name == "pwrite64" else _position(self.task, fd)
        # Neither the kernel nor a disk stops inside a sector.
        unit = 1 if size % _SECTOR or place % _SECTOR else _SECTOR
        data = _memory(self.task, address, max(unit, int(size * share) // unit * unit))
        with open(f"/proc/{self.task}/fd/{fd & 0xFFFFFFFF}", "r+b", buffering=0) as file:
            os.pwrite(file.fileno(), data, place)
        return True


def held(listener: int) -> Iterator[Call]:
    """The calls as they come, until every watched process has ended. `release` each, or kill its process."""
    names = {number: name for name, number in _MACHINES[platform.machine()][0].items()}
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        [(_, event)] = poll.poll()
        if not event & select.POLLIN:
            return
        buffer = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(listener, _RECEIVE, buffer)
            notice, task, _, number, _, _, *arguments = _NOTICE.unpack(buffer)
            yield Call(names[number], _path(names[number], task, arguments), task, tuple(arguments), notice)
        except (FileNotFoundError, ProcessLookupError):
            continue  # killed meanwhile


def release(listener: int, call: Call) -> None:
    with contextlib.suppress(FileNotFoundError):  # killed meanwhile
        fcntl.ioctl(listener, _SEND, _ANSWER.pack(call.notice, 0, 0, _CONTINUE))


def _path(name: str, task: int, arguments: list[int]) -> str:
    if name in _BY_FD:
        return str(Path(f"/proc/{task}/fd/{arguments[_BY_FD[name]] & 0xFFFFFFFF}").readlink())
    if name in _BY_PATH:
        return _within(task, _HERE, _text(task, arguments[0]))
    return _within(task, arguments[0] & 0xFFFFFFFF, _text(task, arguments[1]))


def _within(task: int, folder: int, path: str) -> str:
    base = Path(f"/proc/{task}/cwd" if folder == _HERE else f"/proc/{task}/fd/{folder}").readlink()
    return str(base / path)


def _text(task: int, address: int) -> str:
    return _memory(task, address, 4096).split(b"\0", 1)[0].decode(errors="replace")


def _memory(task: int, address: int, size: int) -> bytes:
    """Up to `size` bytes; fewer where the mapping ends."""
    with open(f"/proc/{task}/mem", "rb", buffering=0) as memory:
        data = b""
        while len(data) < size:
            page = min(size - len(data), 4096 - (address + len(data)) % 4096)
            try:
                data += os.pread(memory.fileno(), page, address + len(data))
            except OSError:
                break
        return data


def _position(task: int, fd: int) -> int:
    with open(f"/proc/{task}/fdinfo/{fd}") as file:
        facts = dict(line.split(":", 1) for line in file.read().splitlines() if ":" in line)
    if int(facts["flags"], 8) & os.O_APPEND:
        return Path(f"/proc/{task}/fd/{fd}").stat().st_size
    return int(facts["pos"])
