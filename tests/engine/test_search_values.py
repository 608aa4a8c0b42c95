"""Searching through the front door, for every metric and kind of index, against numpy: ordinary vectors and strange ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from latentstore import Collection, Hits, Store
from tests.truth import Array, agrees, distances, gaussian, nearest

N, DIM = 400, 16


@pytest.fixture(params=["cosine", "ip", "l2"])
def metric(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["exact", "hnsw", "ivf"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def filled(store: Store, metric: str, kind: str) -> Callable[[Array], Collection]:
    """A collection of these vectors, ids "0", "1", …, its index built and covering all of them."""

    def fill(vectors: Array) -> Collection:
        collection = store.create("filled", metric=metric, index=kind)
        collection.add(vectors=vectors, ids=[str(at) for at in range(len(vectors))])
        collection.optimize()
        index = collection.info()["spaces"][0]["index"]
        assert (index["kind"], index["covered"]) == (kind, len(vectors))
        return collection

    return fill


def named(vectors: Array) -> dict[str, Array]:
    return {str(at): vector for at, vector in enumerate(vectors)}


def are_true(hits: Hits, query: Array, vectors: Array, metric: str, k: int) -> None:
    """Assert as many distinct hits as there can be, sorted, each at its own distance to 1e-5 relative."""
    assert len(set(hits.ids)) == len(hits) == min(k, len(vectors))
    own = distances(query, vectors[[int(name) for name in hits.ids]], metric)
    np.testing.assert_allclose(hits.distances, own, rtol=1e-5, atol=1e-6)
    assert (np.diff(hits.distances) >= 0).all()


def test_distances_and_scores_are_those_of_numpy(filled: Any, metric: str) -> None:
    vectors = gaussian(N, DIM)
    collection = filled(vectors)
    for query in gaussian(5, DIM, seed=1):
        hits = collection.search(query, 10)
        are_true(hits, query, vectors, metric, 10)
        scores = 1 / (1 + hits.distances) if metric == "l2" else (metric == "cosine") - hits.distances
        np.testing.assert_allclose(hits.scores, scores, rtol=1e-12)
        agrees(collection.search(query, 10, exact=True), query, named(vectors), metric, 10)


def test_a_k_near_or_past_the_number_of_items_gives_all_there_are(filled: Any, metric: str) -> None:
    vectors, query = gaussian(N, DIM), gaussian(1, DIM, seed=1)[0]
    collection = filled(vectors)
    for k in (N - 1, N, N + 1, 10**9, 2**70):
        agrees(collection.search(query, k), query, named(vectors), metric, k)


def test_an_empty_collection_has_no_hits_before_and_after_it_held_something(store: Store, kind: str) -> None:
    collection = store.create("empty", index=kind)
    assert collection.search(np.ones(DIM)).ids == [] and len(collection.search(np.ones((2, DIM)))) == 2
    collection.add(vectors=gaussian(3, DIM), ids=["a", "b", "c"])
    collection.delete(["a", "b", "c"])
    collection.optimize()
    assert collection.search(np.ones(DIM)).ids == [] == collection.search(np.ones(DIM), where="id = 'a'").ids


@pytest.mark.parametrize("n", [1, 3])
def test_few_items_are_found(filled: Any, metric: str, n: int) -> None:
    vectors = gaussian(n, DIM)
    collection, query = filled(vectors), gaussian(1, DIM, seed=1)[0]
    for k in (1, 2, 10):
        agrees(collection.search(query, k), query, named(vectors), metric, k)
    assert len(collection.similar("0", 10)) == n - 1


def test_equal_vectors_are_all_found_in_the_order_added(filled: Any, metric: str) -> None:
    vectors = np.tile(gaussian(1, DIM), (N, 1))
    collection = filled(vectors)
    assert collection.search(vectors[0], 10, exact=True).ids == [str(at) for at in range(10)]
    for k in (1, 10, N):
        are_true(collection.search(vectors[0], k), vectors[0], vectors, metric, k)


def test_twins_stand_together_at_one_distance(filled: Any, metric: str) -> None:
    vectors = np.repeat(gaussian(N // 4, DIM), 4, axis=0)
    collection = filled(vectors)
    for at in (0, 100, N - 4):
        hits = collection.search(vectors[at], 4, exact=True)
        agrees(hits, vectors[at], named(vectors), metric, 4)
        assert metric == "ip" or sorted(map(int, hits.ids)) == list(range(at, at + 4))
        assert len(set(hits.distances.tolist())) == 1


def test_zero_vectors_are_items_like_any_other(filled: Any, metric: str) -> None:
    vectors = gaussian(N, DIM)
    vectors[::4] = 0
    collection = filled(vectors)
    for query in (vectors[1], vectors[0]):
        are_true(collection.search(query, 10), query, vectors, metric, 10)
        agrees(collection.search(query, N), query, named(vectors), metric, N)
    if metric == "cosine":
        assert collection.search(vectors[0], N).distances.tolist() == [1.0] * N
        far = collection.search(vectors[1], N)
        assert {far.distances[far.ids.index(str(at))] for at in range(0, N, 4)} == {1.0}


@pytest.mark.parametrize("size", [1e30, 1e-40])
def test_very_large_and_very_small_values_keep_order_and_distance(filled: Any, metric: str, size: float) -> None:
    vectors = gaussian(N, DIM) * np.float32(size)
    collection = filled(vectors)
    for query in (vectors[3] * np.float32(1.01), gaussian(1, DIM, seed=1)[0]):
        hits = collection.search(query, 10)
        np.testing.assert_allclose(
            hits.distances, distances(query, vectors[[int(name) for name in hits.ids]], metric), rtol=1e-5, atol=0
        )
        wanted = nearest(query, vectors, metric, 10)
        np.testing.assert_allclose(collection.search(query, 10, exact=True).distances, wanted, rtol=1e-5)


def test_vectors_of_every_size_beside_each_other_are_ranked(filled: Any, metric: str) -> None:
    vectors = gaussian(N, DIM) * np.geomspace(1e-30, 1e30, N, dtype=np.float32)[:, None]
    collection = filled(vectors)
    for at in (0, 17, 200, N - 1):
        wanted = nearest(vectors[at], vectors, metric, 10)
        np.testing.assert_allclose(
            collection.search(vectors[at], 10, exact=True).distances, wanted, rtol=1e-5, atol=1e-9
        )
        are_true(collection.search(vectors[at], 10), vectors[at], vectors, metric, 10)


@pytest.mark.parametrize("dim", [1, 1537])
def test_any_dimension_is_searched(filled: Any, metric: str, dim: int) -> None:
    vectors = gaussian(60, dim)
    collection, query = filled(vectors), gaussian(1, dim, seed=1)[0]
    are_true(collection.search(query, 7), query, vectors, metric, 7)
    agrees(collection.search(query, 60), query, named(vectors), metric, 60)


def test_many_queries_get_what_each_gets_alone(filled: Any) -> None:
    vectors, queries = gaussian(N, DIM), gaussian(30, DIM, seed=1)
    collection = filled(vectors)
    for query, hits in zip(queries, collection.search(queries, 5), strict=True):
        alone = collection.search(query, 5)
        assert (hits.ids, hits.distances.tolist()) == (alone.ids, alone.distances.tolist())


def test_what_no_index_covers_yet_is_found_at_once(filled: Any, metric: str) -> None:
    vectors, more = gaussian(N, DIM), gaussian(300, DIM, seed=2)
    collection = filled(vectors)
    for at, vector in enumerate(more[:20]):
        collection.add(vectors=vector[None], ids=[str(N + at)])
        both = np.concatenate([vectors, more[: at + 1]])
        hits = collection.search(vector, 5)
        are_true(hits, vector, both, metric, 5)
        assert metric == "ip" or hits.ids[0] == str(N + at)
