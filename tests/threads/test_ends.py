"""Threads that come and go, closing under load, and processes that fork: no crash, no leak, no wrong row."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from truth import gaussian

import latentstore
from latentstore import Collection, Store, StoreClosed

DOORS: dict[str, Callable[[Collection, int], object]] = {
    "search": lambda points, at: points.search(gaussian(1)[0], 5),
    "filter": lambda points, at: points.search(gaussian(1)[0], 5, where=f"n > {at % 90}"),
    "sql": lambda points, at: points.sql("select sum(a.n * b.n) from items a, items b"),
    "get": lambda points, at: points.get([str(at % 100)]),
    "similar": lambda points, at: points.similar(str(at % 100)),
    "count": lambda points, at: points.count(f"n % 7 = {at % 7}"),
    "vectors": lambda points, at: points.space().vectors(where=f"n < {at}"),
    "add": lambda points, at: points.add(vectors=gaussian(1)),
    "optimize": lambda points, at: points.optimize(),
    "verify": lambda points, at: points.verify(),
}


def _fill(points: Collection, n: int = 1000) -> None:
    points.add(vectors=gaussian(n), ids=[str(at) for at in range(n)], metadata=[{"n": at} for at in range(n)])


def test_closing_while_threads_ask_gives_each_an_answer_or_says_that_it_is_closed(store: Store) -> None:
    points = store.create("points")
    _fill(points)
    started, ends = threading.Barrier(len(DOORS) + 1), []

    def ask(door: Callable[[Collection, int], object]) -> None:
        started.wait()
        try:
            for at in range(1_000_000):
                door(points, at)
        except BaseException as error:
            ends.append(error)

    threads = [threading.Thread(target=ask, args=(door,)) for door in DOORS.values()]
    for thread in threads:
        thread.start()
    started.wait()
    time.sleep(0.5)
    store.close()
    for thread in threads:
        thread.join()
    assert [type(error) for error in ends] == [StoreClosed] * len(DOORS), ends
    with latentstore.open(store.path) as again:
        assert again.verify().ok


def test_a_query_without_end_does_not_keep_a_store_from_closing(store: Store) -> None:
    points = store.create("points")
    _fill(points)
    ends: list[BaseException] = []
    begun = threading.Event()

    def ask() -> None:
        begun.set()
        try:
            points.sql("select count(*) from items a, items b, items c, items d where a.n + b.n + c.n < d.n")
        except BaseException as error:
            ends.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    begun.wait()
    time.sleep(0.2)
    store.close()
    thread.join()
    assert [type(error) for error in ends] == [StoreClosed]


def test_sql_under_eight_threads_gives_each_its_own_rows(points: Collection) -> None:
    _fill(points)
    start = threading.Barrier(8)

    def ask(number: int) -> None:
        start.wait()
        for at in range(number, 400, 8):
            found = points.sql(f"select id, n, n * {at} as product from items where n % 400 = {at} order by n")
            assert found.values == [(str(n), n, n * at) for n in range(at, 1000, 400)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))


def _held() -> tuple[int, int]:
    """Open files, and DuckDB connections that somebody still refers to."""
    gc.collect()
    cursors = sum(type(one).__name__ == "DuckDBPyConnection" for one in gc.get_objects())
    return len(list(Path("/proc/self/fd").iterdir())), cursors


def test_threads_that_come_and_go_leave_nothing_behind(points: Collection) -> None:
    _fill(points)

    def once(at: int) -> None:
        thread = threading.Thread(target=lambda: results.append(points.count(f"n >= {at}")))
        thread.start()
        thread.join()

    results: list[int] = []
    once(0)
    before = _held()
    for at in range(150):
        once(at)
    assert results == [1000, *range(1000, 850, -1)]
    assert _held() == before


def test_threads_that_open_one_collection_at_once_get_the_same(store: Store, reopen: Callable[[], Store]) -> None:
    store.create("points")
    again = reopen()
    start = threading.Barrier(8)

    def take(at: int) -> Collection:
        start.wait()
        found = again.collection("points")
        found.add(vectors=gaussian(1, seed=at), ids=[str(at)])
        return found

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(take, range(8)))
    assert len({id(one) for one in found}) == 1 and len(found[0]) == 8
    for at in range(8):
        np.testing.assert_array_equal(found[0].space().vectors([str(at)])[1], gaussian(1, seed=at))


def test_a_collection_keeps_its_store_open(tmp_path: Path) -> None:
    points = latentstore.open(tmp_path / "pile").create("points")
    gc.collect()
    points.add(vectors=gaussian(1), ids=["a"])
    assert points.search(gaussian(1)[0]).ids == ["a"]


FORKED = """
import os, sys, warnings
import latentstore, numpy as np
warnings.simplefilter("ignore")
store = latentstore.open(sys.argv[1])
points = store.create("points")
points.add(vectors=np.eye(4, dtype=np.float32), ids=list("abcd"), metadata=[{"n": n} for n in range(4)])
tree = lambda: {p.name: p.stat().st_mtime_ns for p in store.path.rglob("*")}
before = tree()
child = os.fork()
if child == 0:
    said = []
    for ask in (lambda: points.count("n > 1"), lambda: points.search([1, 0, 0, 0]), lambda: points.add(vectors=np.eye(4)),
                lambda: store.create("other"), lambda: latentstore.open(sys.argv[1])):
        try:
            ask()
        except latentstore.LatentstoreError as error:
            said.append(type(error).__name__)
    store.close()
    points.close()
    print(*said, flush=True)
    if sys.argv[2] == "exit":
        sys.exit(0)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert tree() == before
points.add(vectors=np.eye(4, dtype=np.float32)[:1], ids=["e"])
assert len(points) == 5 and points.count("n > 1") == 2 and store.verify().ok
try:
    latentstore.open(sys.argv[1])
except latentstore.StoreLocked:
    print("still locked")
"""


@pytest.mark.parametrize("end", ["exit", "_exit"])
def test_a_forked_child_leaves_the_store_to_its_parent(tmp_path: Path, end: str) -> None:
    path = tmp_path / "pile"
    done = subprocess.run([sys.executable, "-c", FORKED, path, end], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["StoreClosed " * 4 + "StoreLocked", "still locked"]
    with latentstore.open(path) as store:
        assert store.collection("points").get("e")[0].id == "e"
