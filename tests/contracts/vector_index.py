"""What every index must do, as tests to inherit: a new kind says how it is built and gets them all."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from latentstore.distance import exact
from latentstore.index import base
from latentstore.index.base import ArrayVectors, Spec, Stopped, Unusable, VectorIndex
from latentstore.types import Float32, Int64, Metric

METRICS = list(Metric)


def gaussian(n: int, dim: int, seed: int = 0) -> Float32:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def best(queries: Float32, vectors: Float32, metric: Metric, k: int) -> Int64:
    far = [exact(one, vectors, metric) for one in queries]
    return np.argsort(far, axis=1, kind="stable")[:, :k]


def reload(index: VectorIndex, path: Path) -> VectorIndex:
    index.save(path)
    settings: dict[str, Any] = json.loads(base.dump(index.settings()))
    return base.load(path, settings, size=path.stat().st_size, checksum=base.checksum(path))


class VectorIndexContract:
    """Inherit and define `spec`."""

    n, dim = 3000, 32

    @classmethod
    def spec(cls, n: int, dim: int) -> Spec:
        raise AssertionError("a contract test class defines spec(n, dim)")

    @pytest.fixture(scope="class")
    @classmethod
    def vectors(cls) -> Float32:
        return gaussian(cls.n, cls.dim)

    @pytest.fixture(scope="class", params=METRICS)
    @classmethod
    def index(cls, request: pytest.FixtureRequest, vectors: Float32) -> VectorIndex:
        return base.build(ArrayVectors(vectors), request.param, cls.spec(cls.n, cls.dim))

    def test_the_recall_it_promises_is_the_recall_it_has(self, index: VectorIndex, vectors: Float32) -> None:
        effort = index.effort(0.9, 10)
        assert effort is not None
        queries = gaussian(200, self.dim, seed=1)
        found, true = index.search(queries, effort), best(queries, vectors, index.metric, 10)
        assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, true, strict=True)]) > 0.87

    def test_a_scan_holds_the_true_nearest(self, index: VectorIndex, vectors: Float32) -> None:
        queries = gaussian(50, self.dim, seed=2)
        found, true = index.scan(queries, 40), best(queries, vectors, index.metric, 10)
        assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, true, strict=True)]) > 0.99

    @pytest.mark.parametrize("m", [1, 7, 500])
    def test_a_scan_of_a_selection_finds_all_of_it_and_nothing_else(self, index: VectorIndex, m: int) -> None:
        slots = np.sort(np.random.default_rng(m).choice(self.n, m, replace=False))
        selection = index.select(slots)
        for _ in range(3):
            found = index.scan(gaussian(2, self.dim), m + 3, selection)
            assert all(sorted(row[row >= 0]) == slots.tolist() for row in found)
            assert (found[:, m:] == -1).all()

    def test_a_search_of_a_selection_returns_only_what_was_selected(self, index: VectorIndex) -> None:
        effort = index.effort(0.9, 10)
        assert effort is not None
        found = index.search(gaussian(20, self.dim), effort, index.select(np.arange(0, self.n, 2)))
        assert (found[found >= 0] % 2 == 0).all() and (found >= 0).any()

    def test_saved_and_mapped_it_answers_alike(self, index: VectorIndex, tmp_path: Path) -> None:
        mapped = reload(index, tmp_path / "index")
        queries, effort = gaussian(10, self.dim, seed=3), index.effort(0.9, 10)
        assert effort == mapped.effort(0.9, 10) and effort is not None
        assert (mapped.search(queries, effort) == index.search(queries, effort)).all()
        assert (mapped.metric, mapped.dim, mapped.covered) == (index.metric, self.dim, self.n)

    def test_grown_from_a_mapped_file_it_finds_the_new_and_the_old_still_serves(
        self, index: VectorIndex, vectors: Float32, tmp_path: Path
    ) -> None:
        more = np.concatenate([vectors, gaussian(600, self.dim, seed=4)])
        mapped = reload(index, tmp_path / "index")
        grown = mapped.grown(ArrayVectors(more), len(more))
        asked = more[-200:]
        found, true = grown.scan(asked, 40), best(asked, more, index.metric, 1)
        assert np.mean([one in row for row, (one,) in zip(found, true, strict=True)]) > 0.99
        assert grown.covered == 3600 and mapped.covered == 3000
        assert mapped.scan(asked, 5).max() < 3000

    def test_grown_the_recall_it_promises_is_still_the_recall_it_has(
        self, index: VectorIndex, vectors: Float32
    ) -> None:
        more = np.concatenate([vectors, gaussian(1500, self.dim, seed=5)])
        grown = index.grown(ArrayVectors(more), len(more))
        effort, queries = grown.effort(0.9, 10), gaussian(200, self.dim, seed=6)
        assert effort is not None and grown.settings()["covered"] == 4500
        found, true = grown.search(queries, effort), best(queries, more, index.metric, 10)
        assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found, true, strict=True)]) > 0.87

    def test_a_slot_is_known_by_its_number_however_often_the_index_grew(self, index: VectorIndex) -> None:
        steps = [self.n, 3001, 3100, 4000]
        vectors = gaussian(4000, self.dim)
        for covered in steps[1:]:
            index = index.grown(ArrayVectors(vectors), covered)
            slots = np.array([0, self.n - 1, covered - 1])
            assert sorted(index.scan(vectors[:1], 3, index.select(slots))[0].tolist()) == slots.tolist()
            if index.metric is not Metric.IP:  # a vector is its own nearest
                assert [at in row for at, row in zip(slots, index.scan(vectors[slots], 5), strict=True)] == [True] * 3

    def test_any_number_of_threads_get_what_one_gets(self, index: VectorIndex) -> None:
        effort, queries = index.effort(0.9, 10), gaussian(64, self.dim, seed=7)
        selection = index.select(np.arange(0, self.n, 3))
        assert effort is not None

        def ask(at: int) -> tuple[list[int], list[int]]:
            one = queries[at : at + 1]
            return index.search(one, effort)[0].tolist(), index.scan(one, 20, selection)[0].tolist()

        alone = [ask(at) for at in range(64)]
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(ask, range(64))) == alone

    def test_told_to_stop_it_stops_and_leaves_nothing(self, vectors: Float32) -> None:
        stop = Event()
        stop.set()
        with pytest.raises(Stopped):
            base.build(ArrayVectors(vectors), Metric.L2, self.spec(self.n, self.dim), stop=stop)

    def test_progress_ends_at_all_of_it(self, vectors: Float32) -> None:
        seen: list[tuple[int, int]] = []
        spec = self.spec(self.n, self.dim)
        base.build(ArrayVectors(vectors), Metric.COSINE, spec, progress=lambda done, of: seen.append((done, of)))
        assert seen[-1] == (self.n, self.n) and seen == sorted(seen)

    @pytest.mark.parametrize("metric", METRICS)
    @pytest.mark.parametrize(("n", "dim"), [(1, 1), (3, 2), (40, 3), (300, 7), (20, 1536)])
    def test_any_size_is_scanned_whole(self, metric: Metric, n: int, dim: int) -> None:
        index = base.build(ArrayVectors(gaussian(n, dim)), metric, self.spec(n, dim))
        found = index.scan(gaussian(2, dim, seed=9), n + 2)
        assert all(sorted(row.tolist()) == [-1, -1, *range(n)] for row in found)

    @pytest.mark.parametrize("metric", METRICS)
    def test_equal_and_zero_vectors_are_taken(self, metric: Metric) -> None:
        vectors = np.zeros((400, 16), dtype=np.float32)
        vectors[:200] = 1.0
        index = base.build(ArrayVectors(vectors), metric, self.spec(400, 16))
        found = index.scan(np.ones((1, 16), dtype=np.float32), 200)
        assert sorted(found[0].tolist()) == list(range(200))

    @pytest.mark.parametrize("size", [1e30, 1e-30])
    @pytest.mark.parametrize("metric", METRICS)
    def test_very_large_and_very_small_values_keep_their_order(self, metric: Metric, size: float) -> None:
        vectors = gaussian(500, 16) * np.float32(size)
        index = base.build(ArrayVectors(vectors), metric, self.spec(500, 16))
        found, true = index.scan(vectors[:20], 30), best(vectors[:20], vectors, metric, 1)
        assert all(one in row for row, (one,) in zip(found, true, strict=True))

    @pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "missing", "format", "settings"])
    def test_a_damaged_file_is_refused_before_it_is_read(self, index: VectorIndex, tmp_path: Path, damage: str) -> None:
        path = tmp_path / "index"
        index.save(path)
        size, checksum, settings = path.stat().st_size, base.checksum(path), index.settings()
        _harm(path, damage, settings)
        with pytest.raises(Unusable):
            base.load(path, settings, size=size, checksum=checksum)


def _harm(path: Path, damage: str, settings: dict[str, Any]) -> None:
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "format":
        settings["format"] = 99
    elif damage == "settings":
        settings["covered"] -= 1
    else:
        middle = len(data) // 2
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        path.write_bytes({"cut": data[:middle], "flipped": flipped, "foreign": b"x" * len(data)}[damage])
