"""Indexes come, grow and are chosen by themselves, and no search in between is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import latentstore
from latentstore import Collection, Store
from tests.truth import Array, distances, nearest

N, DIM = 25_000, 24


def clustered(n: int, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).standard_normal((200, DIM))
    return (centres[rng.integers(0, 200, n)] + rng.standard_normal((n, DIM)) * 0.4).astype(np.float32)


VECTORS, QUERIES = clustered(N, 1), clustered(40, 2)


def index_of(collection: Collection) -> dict[str, Any]:
    return dict(collection.info()["spaces"][0]["index"])


def covered(collection: Collection) -> int:
    """Slots in an index; none while everything is searched exactly."""
    index = index_of(collection)
    return 0 if index["kind"] == "exact" else int(index["covered"])


def recall(collection: Collection, n: int) -> float:
    """Of QUERIES among the first n vectors; asserts that each hit stands at its own distance, in order, once."""
    shares = []
    for query, hits in zip(QUERIES, collection.search(QUERIES), strict=True):
        rows = [int(name) for name in hits.ids]
        assert len(set(rows)) == 10 and max(rows) < n
        np.testing.assert_allclose(hits.distances, distances(query, VECTORS[rows], "cosine"), rtol=1e-5, atol=1e-7)
        assert (np.diff(hits.distances) >= 0).all()
        shares.append(np.mean(hits.distances <= nearest(query, VECTORS[:n], "cosine", 10)[-1] + 1e-9))
    return float(np.mean(shares))


def wait(until: Callable[[], bool], check: Callable[[], object]) -> None:
    deadline = time.monotonic() + 200
    while not until():
        check()
        time.sleep(0.3)
        assert time.monotonic() < deadline, "the background did not finish"


@pytest.mark.parametrize(
    ("budget", "given", "kind"),
    [
        (1 << 20, None, "ivf"),
        pytest.param(1 << 30, None, "hnsw", marks=pytest.mark.slow),
        pytest.param(1 << 20, "hnsw", "hnsw", marks=pytest.mark.slow),
    ],
)
def test_invariant_3_an_index_comes_by_itself_of_the_kind_that_memory_allows(
    tmp_path: Path, budget: int, given: str | None, kind: str
) -> None:
    with latentstore.open(tmp_path / "pile.latent", memory_budget=budget) as store:
        points = store.create("points", index=given)
        for at in range(0, N, 5000):
            points.add(vectors=VECTORS[at : at + 5000], ids=[str(row) for row in range(at, at + 5000)])
            assert recall(points, at + 5000) >= 0.97
        wait(
            lambda: index_of(points)["covered"] >= N - 4096 and index_of(points)["kind"] == kind,
            lambda: recall(points, N),
        )
        assert recall(points, N) >= 0.97
        assert index_of(points)["searched_exactly"] == N - index_of(points)["covered"]


def test_an_index_grows_by_itself_keeps_its_recall_and_is_there_when_opened_again(
    store: Store, reopen: Callable[[], Store]
) -> None:
    points = store.create("points", index="hnsw")
    points.add(vectors=VECTORS[:6000], ids=[str(row) for row in range(6000)])
    wait(lambda: covered(points) == 6000, lambda: recall(points, 6000))
    for at in range(6000, 12_000, 500):
        points.add(vectors=VECTORS[at : at + 500], ids=[str(row) for row in range(at, at + 500)])
        assert recall(points, at + 500) >= 0.97
    wait(lambda: covered(points) > 10_000, lambda: recall(points, 12_000))
    points = reopen().collection("points")
    index = index_of(points)
    assert index["kind"] == "hnsw" and index["covered"] > 6000 and index["recall"]["0.99"]["measured"] >= 0.99
    assert "index" in [step.step for step in points.search(QUERIES[0], explain=True).plan]
    assert recall(points, 12_000) >= 0.97


def test_what_is_small_is_searched_exactly_without_an_index(store: Store) -> None:
    points = store.create("points")
    points.add(vectors=VECTORS[:5000], ids=[str(row) for row in range(5000)])
    points.optimize()
    told = {"kind": "exact", "covered": 5000, "searched_exactly": 5000, "recall": {"1": 1.0}, "pending": False}
    assert index_of(points) == told

    assert recall(points, 5000) == 1.0


def test_info_says_that_an_index_is_due(store: Store) -> None:
    points = store.create("points", index="hnsw")
    points.add(vectors=VECTORS[:5000])
    points.optimize()
    assert index_of(points)["pending"] is False
    store.close()
    next(store.path.rglob("index-*.faiss")).unlink()
    with latentstore.open(store.path, read_only=True) as later:
        index = index_of(later.collection("points"))
        assert index["kind"] == "exact" and index["pending"] is True
