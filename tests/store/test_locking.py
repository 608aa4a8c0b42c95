"""Invariant 7: one process writes, and a second one is told who does, since when, and what to do; and what read_only means."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from truth import gaussian

import latentstore
from latentstore import Collection, ReadOnlyStore, Store, StoreLocked

HOLDER = """
import sys
import latentstore
store = latentstore.open(sys.argv[1], read_only=sys.argv[2] == "read")
print(len(store.collection("points")), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def closed(store: Store) -> Path:
    """A store of one collection of ten points that nobody holds."""
    store.create("points").add(vectors=gaussian(10), ids=[str(at) for at in range(10)], metadata=[{"n": 1}] * 10)
    store.close()
    return store.path


@contextmanager
def _held(path: Path, how: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the store open."""
    command = [sys.executable, "-c", HOLDER, str(path), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "10\n"
        try:
            yield process
        finally:
            process.kill()


def _refused(path: Path, read_only: bool) -> str:
    with pytest.raises(StoreLocked) as refused:
        latentstore.open(path, read_only=read_only)
    return str(refused.value)


@pytest.mark.parametrize("read_only", [False, True])
def test_invariant_7_whoever_comes_beside_a_writer_is_told_who_it_is(closed: Path, read_only: bool) -> None:
    with _held(closed, "write") as holder:
        said = _refused(closed, read_only)
    assert f"pid {holder.pid}," in said and str(closed) in said
    assert re.search(r"since 20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", said)
    assert "close it there, or end that process, and try again" in said


def test_invariant_7_a_writer_beside_readers_is_told_that_they_read(closed: Path) -> None:
    with _held(closed, "read"), _held(closed, "read"):
        said = _refused(closed, read_only=False)
        with latentstore.open(closed, read_only=True) as beside:
            assert len(beside.collection("points")) == 10
    assert "open for reading in another process" in said and "read_only=True" in said


def test_invariant_7_the_lock_goes_when_its_holder_is_killed(closed: Path) -> None:
    with _held(closed, "write") as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        with latentstore.open(closed) as store:
            assert store.collection("points").add(vectors=gaussian(1)).inserted == 1


def test_invariant_7_a_killed_writer_is_not_named_for_the_readers_that_came_after(closed: Path) -> None:
    with _held(closed, "write") as dead:
        dead.kill()
        dead.wait()
    with _held(closed, "read"):
        said = _refused(closed, read_only=False)
    assert "open for reading" in said and str(dead.pid) not in said


@pytest.mark.parametrize("read_only", [False, True])
def test_invariant_7_holds_within_one_process_too(store: Store, read_only: bool) -> None:
    said = _refused(store.path, read_only)
    assert f"this process (pid {os.getpid()}," in said
    assert store.create("points").add(vectors=gaussian(1)).inserted == 1


def test_invariant_7_a_refused_open_changes_nothing_and_leaves_nothing_open(store: Store) -> None:
    store.create("points").add(vectors=gaussian(3))
    before, files = _tree(store.path), len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        _refused(store.path, read_only=False)
    assert _tree(store.path) == before
    assert len(list(Path("/proc/self/fd").iterdir())) == files


def test_a_closed_store_may_be_opened_again_at_once(closed: Path) -> None:
    for _ in range(3):
        with latentstore.open(closed) as store:
            assert len(store.collection("points")) == 10
        with latentstore.open(closed, read_only=True) as one, latentstore.open(closed, read_only=True) as other:
            assert len(one.collection("points")) == len(other.collection("points")) == 10


def _tree(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file: when it was written, which it is, and what is in it."""
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.stat().st_ino, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


WRITES: dict[str, Callable[[Store, Collection, Path], object]] = {
    "create": lambda store, points, tmp: store.create("more"),
    "drop": lambda store, points, tmp: store.drop("points"),
    "add": lambda store, points, tmp: points.add(vectors=gaussian(1)),
    "add nothing": lambda store, points, tmp: points.add(vectors=gaussian(1), ids=["0"], on_conflict="skip"),
    "update": lambda store, points, tmp: points.update(["1"], [{"n": 2}]),
    "delete": lambda store, points, tmp: points.delete(["1"]),
    "delete nothing": lambda store, points, tmp: points.delete(["unknown"]),
    "delete where": lambda store, points, tmp: points.delete(where="n = 1"),
    "optimize": lambda store, points, tmp: points.optimize(),
    "import": lambda store, points, tmp: points.import_parquet(tmp / "points.parquet", on_conflict="skip"),
}


def _read_all(store: Store, points: Collection, tmp_path: Path) -> None:
    assert points.search(gaussian(1)[0], 3, where="n = 1").ids[0] == "0"
    assert points.similar("0", 9).ids and points.get("3")[0].id == "3" and "4" in points
    assert points.sql("select sum(n) from items").values == [(10,)]
    assert len(points.space().vectors()[0]) == points.count("n = 1") == 10
    assert points.export_parquet(tmp_path / "points.parquet") == 10
    assert points.info()["items"] == 10 and points.verify().ok and store.verify().ok
    store.backup(tmp_path / "copy")


def test_read_only_reads_everything_refuses_every_write_and_writes_no_byte(closed: Path, tmp_path: Path) -> None:
    before = _tree(closed)
    with latentstore.open(closed, read_only=True) as store:
        points = store.collection("points")
        _read_all(store, points, tmp_path)
        for what, write in WRITES.items():
            with pytest.raises(ReadOnlyStore, match="read_only=True"):
                write(store, points, tmp_path)
                pytest.fail(f"{what} was not refused")
        assert len(points) == 10
    assert _tree(closed) == before
    with latentstore.open(tmp_path / "copy") as copy:
        assert copy.verify().ok and len(copy.collection("points")) == 10


def test_read_only_writes_no_byte_where_a_crash_left_much_to_clear_up(closed: Path, tmp_path: Path) -> None:
    script = (
        "import os, sys, latentstore, numpy as np\n"
        "points = latentstore.open(sys.argv[1]).collection('points')\n"
        "points.add(vectors=np.ones((5, 16)), metadata=[{'m': 'x'}] * 5)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", script, closed], check=False)
    with (closed / "points" / "spaces" / "vectors" / "vectors-0.f32").open("ab") as file:
        file.write(b"left by a crash")
    (closed / ".new-half").mkdir()
    before = _tree(closed)
    with latentstore.open(closed, read_only=True) as store:
        points = store.collection("points")
        assert len(points) == points.count("m = 'x' or n = 1") == 15 and points.verify().ok
    assert _tree(closed) == before and (closed / ".new-half").exists()


def test_a_store_on_a_read_only_folder_without_a_lock_file_can_be_read(closed: Path) -> None:
    (closed / "lock").unlink()
    with latentstore.open(closed, read_only=True) as store:
        assert len(store.collection("points")) == 10
    assert not (closed / "lock").exists()
