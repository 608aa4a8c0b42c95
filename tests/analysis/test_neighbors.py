"""Graphs and look-ups against every distance, calculated in float64: values, ties, twins, zero rows, and recall where it is asked."""

import numpy as np
import pytest

from latentstore.analysis.neighbors import RECALL, knn, nearest
from latentstore.errors import DimensionMismatch, InvalidInput, NotFinite
from latentstore.types import Metric

METRICS = pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])


def made(seed=0):
    """Rows of every kind that tells a shortcut from the truth."""
    rng = np.random.default_rng(seed)
    kinds = {
        "spread evenly": rng.standard_normal((700, 20)),
        "whole numbers with many ties": rng.integers(0, 3, (600, 4)),
        "ten of each": np.repeat(rng.standard_normal((60, 8)), 10, axis=0),
        "hundreds equal": np.concatenate([np.ones((400, 5)), rng.standard_normal((200, 5))]),
        "zeros among them": np.concatenate([np.zeros((40, 3)), rng.standard_normal((200, 3))]),
        "far from the origin": rng.standard_normal((500, 5)) + 1000,
        "several blocks": rng.standard_normal((1500, 12)),
        "all equal": np.ones((50, 3)),
    }
    return {name: rng.permutation(rows).astype(np.float32) for name, rows in kinds.items()}


KINDS = pytest.mark.parametrize("kind", list(made()))


def truth(queries, vectors, metric, own=False):
    """(q, n) float64: every distance, that of a row to itself at infinity."""
    queries, vectors = queries.astype(np.float64), vectors.astype(np.float64)
    if metric is Metric.COSINE:
        lengths = np.outer(*(np.linalg.norm(rows, axis=1) for rows in (queries, vectors)))
        far = 1 - queries @ vectors.T / np.where(lengths == 0, 1, lengths)
    else:
        far = np.sqrt(((queries[:, None] - vectors[None]) ** 2).sum(axis=2))
    if own:
        np.fill_diagonal(far, np.inf)
    return far


def assert_nearest(positions, distances, far, k):
    """Distances are the k smallest, in order; positions are those at these distances, each once."""
    k = min(k, np.isfinite(far).sum(axis=1).min())
    best = np.sort(far, axis=1)[:, :k]
    assert np.allclose(distances[:, :k], best, rtol=1e-4, atol=2e-6)
    assert np.allclose(np.take_along_axis(far, positions[:, :k].astype(np.int64), axis=1), best, rtol=1e-4, atol=2e-6)
    assert all(len(set(row)) == k for row in positions[:, :k].tolist())
    assert (positions[:, k:] == -1).all() and np.isinf(distances[:, k:]).all()


@KINDS
@METRICS
@pytest.mark.parametrize("k", [1, 7, 60])
def test_a_graph_holds_the_nearest_of_all(kind, metric, k):
    vectors = made()[kind]
    graph = knn(vectors, k, metric)
    assert graph.neighbors.dtype == np.int32 and graph.neighbors.shape == graph.distances.shape == (len(vectors), k)
    assert_nearest(graph.neighbors, graph.distances, truth(vectors, vectors, metric, own=True), k)
    assert graph.recall == 1.0


@KINDS
@METRICS
@pytest.mark.parametrize("k", [1, 60])
def test_a_look_up_finds_the_nearest_of_all(kind, metric, k):
    vectors = made()[kind]
    queries = np.concatenate([vectors[:30], made(1)[kind][:30], np.zeros((1, vectors.shape[1]), np.float32)])
    positions, distances = nearest(queries, vectors, k, metric)
    assert_nearest(positions, distances, truth(queries, vectors, metric), k)


@METRICS
def test_ties_go_to_the_first_row(metric):
    vectors = made()["ten of each"]
    graph = knn(vectors, 9, metric)
    for row in range(len(vectors)):
        twins = np.flatnonzero((vectors == vectors[row]).all(axis=1))
        assert graph.neighbors[row].tolist() == [twin for twin in twins if twin != row]
        assert (graph.distances[row] == 0).all()


def test_whole_numbers_at_the_same_distance_come_by_position():
    vectors = made()["whole numbers with many ties"]
    graph = knn(vectors, 40, Metric.L2)
    order = np.argsort(truth(vectors, vectors, Metric.L2, own=True), axis=1, kind="stable")[:, :40]
    assert np.array_equal(graph.neighbors, order)


def test_a_zero_row_is_at_cosine_distance_one_from_everything():
    vectors = made()["zeros among them"]
    zero = int(np.flatnonzero(~vectors.any(axis=1))[0])
    graph = knn(vectors, 5, Metric.COSINE)
    assert graph.neighbors[zero].tolist() == [row for row in range(6) if row != zero][:5]
    assert (graph.distances[zero] == 1).all()
    assert (nearest(vectors[[zero]], vectors, 5, Metric.COSINE)[1] == 1).all()


def crowd(n=17_000, dim=24, seed=0):
    """Rows enough for sketches and cells, in 300 clusters, a tenth of them there twice."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((300, dim))[rng.integers(0, 300, n)] + rng.standard_normal((n, dim)) * 0.3
    rows[rng.permutation(n)[: n // 10]] = rows[rng.permutation(n)[: n // 10]]
    return rows.astype(np.float32)


@METRICS
def test_many_rows_give_the_nearest_of_all_too(metric):
    vectors, some = crowd(), np.arange(0, 17_000, 170)
    graph = knn(vectors, 10, metric)
    far = np.concatenate([truth(vectors[[row]], vectors, metric) for row in some])
    far[np.arange(len(some)), some] = np.inf
    assert_nearest(graph.neighbors[some], graph.distances[some], far, 10)


def test_an_approximate_graph_reaches_its_recall_and_states_it():
    vectors = crowd()
    exact, near = (knn(vectors, 10, Metric.COSINE, exact=exact) for exact in (True, False))
    there = float(np.mean(near.distances <= exact.distances[:, -1:] * (1 + 1e-5) + 1e-7))
    assert RECALL - 0.01 <= near.recall < 1
    assert there == pytest.approx(near.recall, abs=0.01)
    assert np.array_equal(near.neighbors, knn(vectors, 10, Metric.COSINE, exact=False).neighbors)


@pytest.mark.parametrize("exact", [True, False])
def test_rows_in_another_order_have_the_same_distances(exact):
    vectors, order = crowd(6000), np.random.default_rng(1).permutation(6000)
    one, other = (knn(rows, 8, Metric.COSINE, exact=exact) for rows in (vectors, vectors[order]))
    assert np.array_equal(one.distances[order], other.distances)


def test_equal_rows_by_the_thousand_take_no_longer_than_others():
    vectors = np.concatenate([np.ones((30_000, 16)), np.random.default_rng(0).standard_normal((500, 16))])
    graph = knn(vectors.astype(np.float32), 15, Metric.L2)
    assert graph.neighbors[29_999].tolist() == list(range(15))
    assert (graph.distances[:30_000] == 0).all() and (graph.distances[30_000:] > 0).all()


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_hardly_any_rows_leave_places_empty(rows):
    graph = knn(np.ones((rows, 3), dtype=np.float32), 4, Metric.COSINE)
    assert graph.neighbors.shape == (rows, 4)
    assert np.count_nonzero(graph.neighbors >= 0) == rows * (rows - 1)
    assert (nearest(np.ones((2, 3)), np.ones((rows, 3)), 4, Metric.L2)[0] >= 0).sum() == 2 * rows


def test_the_head_of_a_graph_is_the_graph_of_fewer_neighbours():
    vectors = made()["several blocks"]
    wide, narrow = knn(vectors, 20, Metric.L2), knn(vectors, 5, Metric.L2)
    assert np.array_equal(wide.head(5).neighbors, narrow.neighbors)
    assert (len(wide), wide.k, wide.head(5).k) == (1500, 20, 5)


def test_bad_input_is_refused_in_a_word():
    vectors = np.ones((4, 3), dtype=np.float32)
    with pytest.raises(InvalidInput, match="k=0"):
        knn(vectors, 0, Metric.L2)
    with pytest.raises(InvalidInput, match="k=0"):
        nearest(vectors, vectors, 0, Metric.L2)
    with pytest.raises(DimensionMismatch, match="3 dimensions"):
        nearest(vectors, np.ones((4, 5)), 1, Metric.L2)
    vectors[2, 1] = np.nan
    with pytest.raises(NotFinite, match=r"row\(s\) 2"):
        knn(vectors, 1, Metric.COSINE)


def test_progress_ends_at_the_whole():
    told = []
    knn(made()["several blocks"], 5, Metric.COSINE, progress=lambda step, share: told.append((step, share)))
    assert [share for step, share in told if step == "neighbours"][-1] == 1.0
    assert all(0 <= share <= 1 for _, share in told)
