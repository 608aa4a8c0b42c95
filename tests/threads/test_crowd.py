"""Any number of threads read while one adds, replaces, updates, deletes, compacts and backs up (invariants 5 and 6)."""

from __future__ import annotations

import threading
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from crowd import DOORS, SIZE, Crowd, by_search, by_sql, check, ids_of, vectors_of
from truth import gaussian

import latentstore
from latentstore import Collection, Store


def _compact(crowd: Crowd) -> None:
    crowd.points.optimize()


def test_invariant_6_every_answer_belongs_to_one_commit(points: Collection) -> None:
    crowd = Crowd(points)
    crowd.run(10, DOORS)
    check(by_search(crowd), crowd.kept, crowd.gone)
    assert points.verify().ok


def test_invariant_6_holds_while_the_files_are_rewritten(points: Collection) -> None:
    crowd = Crowd(points)
    crowd.run(7, DOORS, _compact)
    assert points.engine.snapshot.records.files.generation > 0
    check(by_sql(crowd), crowd.kept, crowd.gone)
    assert points.verify().ok


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_invariant_6_holds_for_long(points: Collection) -> None:
    crowd = Crowd(points)
    crowd.run(80, [*DOORS, *DOORS], _compact)
    assert points.verify().ok


def test_invariant_6_a_backup_taken_meanwhile_is_one_commit(store: Store, points: Collection, tmp_path: Path) -> None:
    crowd, numbers = Crowd(points), count()

    def back_up(crowd: Crowd) -> None:
        store.backup(tmp_path / f"copy-{next(numbers)}")

    crowd.run(12, [], back_up, _compact)
    copies = sorted(tmp_path.glob("copy-*"))
    for path in copies:
        with latentstore.open(path, read_only=True) as copy:
            assert copy.verify().ok
            copied = Crowd(copy.collection("points"))
            check(by_search(copied))
            assert by_sql(copied) == by_search(copied)
    assert len(copies) > 1 and not list(tmp_path.glob("*.part"))


def test_invariant_6_holds_while_an_index_is_built_and_grown(store: Store) -> None:
    points = store.create("points", index="hnsw")
    grown = threading.Event()
    crowd = Crowd(points, enough=grown.is_set)

    def first(crowd: Crowd) -> None:
        hits = crowd.points.search(vectors_of(3, 0)[0], 5)
        assert len(hits) == min(5, len(hits) or 5) and list(hits.distances) == sorted(hits.distances)
        if crowd.points.engine.snapshot.spaces["vectors"].index is not None:
            grown.set()

    points.add(vectors=gaussian(3000, seed=9) + 50, ids=[f"far {at}" for at in range(3000)])
    crowd.run(6, [first, by_sql], _compact)
    for batch in sorted(crowd.kept):
        held = points.space().vectors(ids_of(batch))[1]
        assert points.search(held[0], 1).ids == ids_of(batch)[:1]
    assert points.verify().ok


def test_many_threads_that_add_at_once_take_turns(points: Collection) -> None:
    start = threading.Barrier(6)

    def add(batch: int) -> None:
        start.wait()
        for part in range(5):
            names = [f"{batch}-{part}-{at}" for at in range(SIZE)]
            points.add(names, vectors=vectors_of(batch, part % 3), ids=names, metadata=[{f"by{batch}": part}] * SIZE)

    threads = [threading.Thread(target=add, args=(batch,)) for batch in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(points) == 6 * 5 * SIZE
    rows = [row for (row,) in points.sql("select row from items order by row").values]
    assert rows == list(range(6 * 5 * SIZE))
    for batch in range(6):
        names = [f"{batch}-4-{at}" for at in range(SIZE)]
        assert [item.text for item in points.get(names)] == names
        np.testing.assert_array_equal(points.space().vectors(names)[1], vectors_of(batch, 1))
        assert points.count(f"by{batch} = 4") == SIZE
    assert points.verify().ok
