"""Outliers: scores against scikit-learn and against what was planted, in any order of rows, and of rows that come later."""

import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from latentstore.analysis import covariance, outliers
from latentstore.distance import unit
from latentstore.errors import InvalidInput
from latentstore.types import Metric

METRICS = [Metric.COSINE, Metric.L2]


def planted(seed=0, usual=400, strange=12, dim=12):
    """Usual rows near a plane of four dimensions, strange ones off it."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(usual, 4)) @ rng.normal(size=(4, dim)) + 0.1 * rng.normal(size=(usual, dim)) + 2
    far = rng.normal(size=(strange, dim)) * 3 + 2
    return np.vstack([rows, far]).astype(np.float32), np.repeat([0, 1], [usual, strange])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", outliers.METHODS)
def test_what_was_planted_scores_higher_than_the_rest(method, metric):
    vectors, strange = planted()
    scores = outliers.score(vectors, None, metric, method=method).scores
    assert scores.shape == (412,) and scores.dtype == np.float64
    # Cuts of single columns see little of what leaves a tilted plane.
    assert roc_auc_score(strange, scores) > (0.75 if method == "iforest" else 0.9)


def test_knn_is_the_mean_distance_to_the_five_nearest():
    vectors, _ = planted()
    expected = NearestNeighbors(n_neighbors=5).fit(vectors).kneighbors()[0].mean(axis=1)
    assert np.allclose(outliers.score(vectors, None, Metric.L2, method="knn").scores, expected, rtol=1e-3)


def test_the_local_outlier_factor_is_that_of_scikit_learn():
    vectors, _ = planted()
    expected = -LocalOutlierFactor(n_neighbors=20).fit(vectors).negative_outlier_factor_
    assert np.allclose(outliers.score(vectors, None, Metric.L2, method="lof").scores, expected, rtol=1e-3)


def test_the_isolation_forest_ranks_rows_as_that_of_scikit_learn_does():
    vectors, _ = planted()
    expected = -IsolationForest(n_estimators=200, random_state=0).fit(vectors).score_samples(vectors)
    found = outliers.score(vectors, None, Metric.L2, method="iforest").scores
    assert np.corrcoef(found, expected)[0, 1] > 0.97
    assert abs(found.mean() - expected.mean()) < 0.01


def test_the_covariance_is_that_of_ledoit_and_wolf():
    rows = np.random.default_rng(0).normal(size=(60, 90)).astype(np.float32) * np.linspace(0.1, 3, 90, dtype=np.float32)
    expected, _ = ledoit_wolf(rows, assume_centered=True)
    assert np.allclose(covariance.shrunk(covariance.moments(rows)), expected, atol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", outliers.METHODS)
def test_the_order_of_rows_changes_nothing(method, metric):
    vectors, _ = planted()
    order = np.random.default_rng(1).permutation(len(vectors))
    plain = outliers.score(vectors, None, metric, method=method).scores
    assert np.allclose(outliers.score(vectors[order], None, metric, method=method).scores, plain[order], rtol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
# The directions that "reconstruction" keeps are other ones for other rows; it has a test of its own.
@pytest.mark.parametrize("method", [method for method in outliers.METHODS if method != "reconstruction"])
def test_new_rows_are_judged_as_if_they_had_been_among_the_old(method, metric):
    old, _ = planted(seed=3, strange=0)
    new = old[:100]
    model = outliers.score(old[100:], None, metric, method=method).model
    among = outliers.score(old, None, metric, method=method).scores
    judged = outliers.judge(model, outliers.reference(model, old[100:]), new)
    assert np.corrcoef(judged, among[:100])[0, 1] > 0.85
    assert abs(np.median(judged) - np.median(among[:100])) < 0.4 * among.std()


@pytest.mark.parametrize("method", outliers.METHODS)
@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_a_handful_of_rows_has_finite_scores(method, rows):
    vectors = np.random.default_rng(0).normal(size=(rows, 5)).astype(np.float32)
    for metric in METRICS:
        scored = outliers.score(vectors, None, metric, method=method)
        assert np.isfinite(scored.scores).all()
        assert np.isfinite(
            outliers.judge(scored.model, outliers.reference(scored.model, vectors), vectors[:1] + 1)
        ).all()


@pytest.mark.parametrize("method", outliers.METHODS)
def test_rows_that_are_all_equal_score_the_same(method):
    for metric in METRICS:
        scores = outliers.score(np.ones((30, 4), dtype=np.float32), None, metric, method=method).scores
        assert np.isfinite(scores).all() and np.ptp(scores) < 1e-6


def test_an_unknown_method_is_refused_with_those_there_are():
    with pytest.raises(InvalidInput, match="auto, knn, lof"):
        outliers.score(np.ones((3, 2), dtype=np.float32), None, Metric.L2, method="svm")


def test_reconstruction_loses_of_a_new_row_what_principal_components_leave():
    old, _ = planted(seed=3, strange=0)
    new, _ = planted(seed=4, usual=50, strange=0)
    model = outliers.score(unit(old), None, Metric.COSINE, method="reconstruction").model
    components = len(old[0]) - model.arrays["reconstruction.lost"].shape[1]
    pca = PCA(components).fit(unit(old))
    expected = np.linalg.norm(unit(new) - pca.inverse_transform(pca.transform(unit(new))), axis=1)
    assert np.allclose(outliers.judge(model, outliers.reference(model, old), new), expected, atol=1e-4)
    assert pca.explained_variance_ratio_[:-1].sum() < 0.7 <= pca.explained_variance_ratio_.sum()
