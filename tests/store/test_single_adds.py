"""Adding one item at a time: nothing on disk or in memory grows with the number of adds but what was added."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from truth import gaussian

import latentstore
from latentstore import Collection, Store

DIM = 16


def _add(points: Collection, first: int, last: int) -> None:
    for at, vector in enumerate(gaussian(last - first, DIM, seed=first)):
        points.add(
            [f"text {first + at}"], vectors=vector[None], ids=[str(first + at)], metadata=[{"n": first + at, "s": "x"}]
        )


def _files(store: Store) -> list[str]:
    return sorted(str(path.relative_to(store.path)) for path in store.path.rglob("*") if path.is_file())


def _held() -> tuple[int, int]:
    """Open files, and maps of a store's files, of this process."""
    gc.collect()
    maps = Path("/proc/self/maps").read_text().splitlines()
    return len(list(Path("/proc/self/fd").iterdir())), sum("pile.latent" in line for line in maps)


def _written() -> int:
    """Bytes that this process has handed to write so far."""
    return int(Path("/proc/self/io").read_text().split("wchar: ")[1].split()[0])


@dataclass
class Thousand:
    """A store that took a thousand single adds, and what was seen after the first and after each hundred."""

    store: Store
    points: Collection
    files: list[list[str]] = field(default_factory=list)
    held: list[tuple[int, int]] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    objects: list[int] = field(default_factory=list)

    def look(self) -> None:
        self.files.append(_files(self.store))
        self.held.append(_held())
        self.written.append(_written())
        self.objects.append(len(gc.get_objects()))


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Thousand]:
    with latentstore.open(tmp_path_factory.mktemp("single") / "pile.latent") as store:
        seen = Thousand(store, store.create("points"))
        _add(seen.points, 0, 1)
        seen.look()
        for first in range(1, 1000, 111):
            _add(seen.points, first, first + 111)
            seen.look()
        yield seen


def test_a_thousand_single_adds_leave_as_many_files_and_rows_of_bookkeeping_as_one(thousand: Thousand) -> None:
    assert all(files == thousand.files[0] for files in thousand.files)
    assert len(thousand.points.engine.catalog.batches("vectors")) == 1
    state = thousand.points.engine.catalog.state()
    assert (len(state.moves), len(state.indexes), state.next_row) == (0, 0, 1000)
    assert thousand.points.verify().ok and len(thousand.points) == 1000


def test_a_thousand_single_adds_hold_no_more_open_files_and_maps_than_one(thousand: Thousand) -> None:
    assert all(held == thousand.held[0] for held in thousand.held)


def test_a_late_single_add_writes_no_more_than_an_early_one(thousand: Thousand) -> None:
    spent = [later - earlier for earlier, later in pairwise(thousand.written)]
    assert max(spent) < 1.5 * min(spent)


def test_single_adds_leave_no_objects_behind(thousand: Thousand) -> None:
    assert thousand.objects[-1] - thousand.objects[2] < 100


def test_single_adds_after_a_large_batch_begin_one_batch_and_fill_it(points: Collection) -> None:
    points.add(vectors=gaussian(5000, DIM))
    for vector in gaussian(20, DIM):
        points.add(vectors=vector[None])
    batches = points.engine.catalog.batches("vectors")
    assert [(batch.first, batch.slots) for batch in batches] == [(0, 5000), (5000, 20)]
    assert points.verify().ok


def test_single_updates_and_deletes_leave_no_more_files_either(store: Store) -> None:
    points = store.create("points")
    points.add(vectors=gaussian(300, DIM), ids=[str(at) for at in range(300)], metadata=[{"n": 0}] * 300)
    files = _files(store)
    for at in range(60):
        points.update([str(at)], [{"n": at}])
        points.delete([str(299 - at)])
    points.engine.upkeep.acquire()  # a compaction under way would have two generations
    points.engine.upkeep.release()
    assert len(_files(store)) <= len(files) and len(points) == 240
    assert [item.metadata["n"] for item in points.get([str(at) for at in range(60)])] == list(range(60))  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand_single_adds_fill_batches_of_four_thousand(points: Collection) -> None:
    for vector in gaussian(10_000, DIM):
        points.add(vectors=vector[None])
    assert len(points.engine.catalog.batches("vectors")) == 3
    assert points.verify().ok
