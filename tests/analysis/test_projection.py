import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness

from latentstore.analysis.neighbors import knn
from latentstore.analysis.projection import METHODS, place, project
from latentstore.distance import unit
from latentstore.errors import DimensionMismatch, InvalidInput
from latentstore.types import Float32, Metric


def _groups(n: int, groups: int = 12, dim: int = 24, seed: int = 0) -> tuple[Float32, np.ndarray]:
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(groups, dim))
    labels = rng.integers(groups, size=n)
    return (centers[labels] + 0.3 * rng.normal(size=(n, dim))).astype(np.float32), labels


def _map(vectors: Float32, metric: Metric = Metric.L2, method: str = "auto") -> Float32:
    return project(vectors, knn(vectors, 20, metric), metric, method=method)


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
def test_a_map_keeps_neighbours_better_than_the_two_main_axes(metric: Metric) -> None:
    vectors, _ = _groups(400)
    ready = unit(vectors) if metric is Metric.COSINE else vectors
    drawn = trustworthiness(ready, _map(vectors, metric), n_neighbors=10)
    axes = trustworthiness(ready, PCA(2).fit_transform(ready), n_neighbors=10)
    assert drawn > 0.9
    assert 1 - drawn < (1 - axes) / 2


def test_rows_of_a_group_lie_together() -> None:
    vectors, labels = _groups(400)
    near = knn(_map(vectors), 5, Metric.L2).neighbors
    assert (labels[near] == labels[:, None]).mean() > 0.97


def test_the_same_rows_give_the_same_map_in_any_order() -> None:
    vectors, _ = _groups(150)
    order = np.random.default_rng(1).permutation(150)
    np.testing.assert_array_equal(_map(vectors[order]), _map(vectors)[order])


def test_the_main_axes_are_those_of_pca() -> None:
    vectors, _ = _groups(200)
    ours, oracle = _map(vectors, method="pca"), PCA(2).fit_transform(vectors.astype(np.float64))
    np.testing.assert_allclose(np.abs(ours), np.abs(oracle), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 9, 20])
@pytest.mark.parametrize("method", METHODS)
def test_few_rows_have_places_too(n: int, method: str) -> None:
    vectors, _ = _groups(n)
    places = _map(vectors, method=method)
    assert places.shape == (n, 2)
    assert np.isfinite(places).all()
    assert len(np.unique(places, axis=0)) == n


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
def test_rows_that_are_all_equal_lie_at_one_place(metric: Metric) -> None:
    assert not _map(np.ones((30, 4), dtype=np.float32), metric).any()
    assert not _map(np.zeros((30, 4), dtype=np.float32), metric).any()


def test_rows_on_a_line_keep_their_order_along_it() -> None:
    vectors = np.arange(60, dtype=np.float32)[:, None]
    places = _map(vectors)
    assert trustworthiness(vectors, places, n_neighbors=5) > 0.95


def test_twins_lie_closer_than_others_and_break_nothing() -> None:
    vectors, _ = _groups(100)
    places = _map(np.concatenate([vectors, vectors[:10]]))
    apart = np.linalg.norm(places[:10] - places[100:], axis=1)
    assert np.median(apart) < 0.2 * np.abs(places).max()


def test_new_rows_are_placed_among_their_own_and_by_themselves() -> None:
    vectors, labels = _groups(500)
    places = _map(vectors[:400])
    new = place(vectors[400:], vectors[:400], places, Metric.L2)
    near = np.linalg.norm(places[None] - new[:, None], axis=2).argsort(axis=1)[:, :5]
    assert (labels[:400][near] == labels[400:, None]).mean() > 0.95
    np.testing.assert_allclose(place(vectors[450:451], vectors[:400], places, Metric.L2)[0], new[50], atol=1e-3)


def test_what_cannot_be_done_is_said() -> None:
    vectors, _ = _groups(20)
    with pytest.raises(InvalidInput, match="umap"):
        _map(vectors, method="umap")
    with pytest.raises(InvalidInput, match="make a map first"):
        place(vectors, vectors[:0], np.zeros((0, 2), np.float32), Metric.L2)
    with pytest.raises(DimensionMismatch, match="24 dimensions, got 3"):
        place(vectors[:, :3], vectors, np.zeros((20, 2), np.float32), Metric.L2)


def test_a_row_without_neighbours_has_a_place_too() -> None:
    vectors, _ = _groups(50)
    graph = knn(vectors, 20, Metric.L2)
    graph.neighbors[[0, 49]] = -1
    graph.neighbors[np.isin(graph.neighbors, [0, 49])] = -1
    assert np.isfinite(project(vectors, graph, Metric.L2)).all()
