"""Every way of a query, for every metric, filter and share of dead rows, against the exact answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from latentstore.distance import exact
from latentstore.engine.planner import Allowed, SearchView, search
from latentstore.index import base
from latentstore.index.base import ArrayVectors, Kind, Spec, VectorIndex
from latentstore.types import Bool, Float32, Metric, PlanStep

N, COVERED, DIM, GROUPS = 9000, 8000, 24, 6


@pytest.fixture(scope="module")
def vectors() -> Float32:
    """Six groups far from each other; slot i is of group i % 6; the last thousand are in no index."""
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((GROUPS, DIM)) * 4
    return (centers[np.arange(N) % GROUPS] + rng.standard_normal((N, DIM))).astype(np.float32)


@pytest.fixture(scope="module", params=[(m, k) for m in Metric for k in (Kind.HNSW, Kind.IVF)], ids=str)
def index(request: pytest.FixtureRequest, vectors: Float32, tmp_path_factory: pytest.TempPathFactory) -> VectorIndex:
    metric, kind = request.param
    built = base.build(ArrayVectors(vectors[:COVERED]), metric, Spec(kind, lists=60))
    path: Path = tmp_path_factory.mktemp("index") / "index"
    built.save(path)
    settings = json.loads(base.dump(built.settings()))
    return base.load(path, settings, size=path.stat().st_size, checksum=base.checksum(path))


def _view(vectors: Float32, index: VectorIndex, live: Bool | None = None) -> SearchView:
    bits = None if live is None else np.packbits(live, bitorder="little")
    return SearchView(index.metric, ArrayVectors(vectors), bits, N if live is None else int(live.sum()), index)


def _passing(name: str) -> Bool:
    slots, rng = np.arange(N), np.random.default_rng(7)
    if name.startswith("share"):
        return rng.random(N) < float(name.split()[1])
    return {
        "none": slots < 0,
        "one": slots == 4321,
        "all": slots >= 0,
        "tail only": slots >= COVERED + 100,
        "another group": slots % GROUPS == 3,
        "all but its group": slots % GROUPS != 0,
    }[name]


FILTERS = [
    "none",
    "one",
    "all",
    "tail only",
    "another group",
    "all but its group",
    "share .001",
    "share .1",
    "share .5",
]


@pytest.mark.parametrize("dead", [0.0, 0.3, 0.97])
@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_keeps_its_recall_and_never_returns_too_few(
    vectors: Float32, index: VectorIndex, name: str, dead: float
) -> None:
    live = np.random.default_rng(3).random(N) >= dead
    view = _view(vectors, index, live if dead else None)
    passing = _passing(name) & live if dead else _passing(name)
    queries = vectors[0:300:GROUPS] + np.float32(0.1)  # all of group 0
    far = np.where(passing, [exact(one, vectors, index.metric) for one in queries], np.inf)
    true = np.sort(far, axis=1)[:, :10]
    slots, distances = search(view, queries, 10, allowed=Allowed(view, np.flatnonzero(passing)))
    assert ((slots >= 0).sum(axis=1) == min(10, passing.sum())).all()
    assert passing[slots[slots >= 0]].all()
    found = np.take_along_axis(far, slots, 1)
    np.testing.assert_allclose(distances[slots >= 0], found[slots >= 0], rtol=1e-9)
    assert not passing.any() or (distances <= true + 1e-12)[np.isfinite(true)].mean() >= 0.97


@pytest.mark.parametrize("k", [1, 10, 300, N + 5])
def test_without_a_filter_all_k_come_sorted_and_once(vectors: Float32, index: VectorIndex, k: int) -> None:
    slots, distances = search(_view(vectors, index), vectors[:5], k)
    assert ((slots >= 0).sum(axis=1) == min(k, N)).all()
    assert all(len(set(row[row >= 0])) == min(k, N) for row in slots)
    assert (np.diff(distances[:, : min(k, N)], axis=1) >= 0).all()


def test_exact_search_is_the_truth(vectors: Float32, index: VectorIndex) -> None:
    far = [exact(one, vectors, index.metric) for one in vectors[:5]]
    slots, distances = search(_view(vectors, index), vectors[:5], 10, exact=True)
    np.testing.assert_allclose(distances, np.sort(far, axis=1)[:, :10], rtol=1e-9, atol=1e-12)
    assert (slots == np.argsort(far, axis=1, kind="stable")[:, :10]).all()


def test_a_recall_that_was_never_reached_is_answered_exactly(vectors: Float32, index: VectorIndex) -> None:
    trace: list[PlanStep] = []
    search(_view(vectors, index), vectors[:1], 10, recall=1.0, trace=trace)
    assert [step.step for step in trace] == ["exact"]


def test_one_query_and_many_get_the_same(vectors: Float32, index: VectorIndex) -> None:
    view = _view(vectors, index)
    slots, distances = search(view, vectors[:20], 10)
    for at in range(20):
        one = search(view, vectors[at : at + 1], 10)
        assert (one[0][0] == slots[at]).all() and (one[1][0] == distances[at]).all()


def test_an_empty_space_has_no_hits() -> None:
    view = SearchView(Metric.COSINE, ArrayVectors(np.empty((0, 4), np.float32)), None, 0, None)
    slots, distances = search(view, np.ones((2, 4), np.float32), 3)
    assert (slots == -1).all() and np.isinf(distances).all() and slots.shape == (2, 3)


def test_the_plan_names_its_steps(vectors: Float32, index: VectorIndex) -> None:
    trace: list[PlanStep] = []
    search(_view(vectors, index), vectors[:1], 10, recall=0.9, trace=trace)
    assert [step.step for step in trace] == ["index", "tail", "measure"]
    assert all(step.ms >= 0 and step.detail for step in trace)
