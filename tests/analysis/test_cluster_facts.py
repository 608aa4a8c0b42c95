"""What is said of clusters, held against numpy and scikit-learn on real digits."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from latentstore.analysis.cluster_facts import ballots, describe, electors, lie, places, small
from latentstore.analysis.neighbors import knn
from latentstore.distance import unit
from latentstore.types import Metric

METRICS = [Metric.COSINE, Metric.L2]


@pytest.fixture(scope="module")
def digits():
    """(1797, 64) vectors and ten clusters of them."""
    vectors = load_digits().data.astype(np.float32)
    return vectors, KMeans(10, n_init=3, random_state=0).fit_predict(vectors).astype(np.int64)


def points(vectors, metric):
    return unit(vectors) if metric is Metric.COSINE else vectors


@pytest.mark.parametrize("metric", METRICS)
def test_centres_are_means_of_the_members(digits, metric):
    vectors, labels = digits
    found = describe(vectors, labels, metric)
    means = np.stack([points(vectors, metric)[labels == at].mean(axis=0) for at in range(10)])
    np.testing.assert_allclose(found.centers, points(means.astype(np.float32), metric), rtol=1e-4, atol=1e-5)
    assert found.sizes.tolist() == np.bincount(labels).tolist()


@pytest.mark.parametrize("metric", METRICS)
def test_tightness_is_the_share_of_the_spread_that_is_gone(digits, metric):
    vectors, labels = digits
    where = points(vectors, metric).astype(np.float64)
    inside = [where[labels == at].var(axis=0).sum() for at in range(10)]
    wanted = 1 - np.array(inside) / where.var(axis=0).sum()
    np.testing.assert_allclose(describe(vectors, labels, metric).tightness, wanted, atol=1e-5)


def test_one_cluster_of_everything_is_as_wide_as_everything_and_equal_items_are_as_tight_as_can_be(digits):
    vectors, _ = digits
    assert describe(vectors, np.zeros(len(vectors), np.int64), Metric.L2).tightness == pytest.approx([0], abs=1e-6)
    assert describe(np.ones((9, 3), np.float32), np.zeros(9, np.int64), Metric.COSINE).tightness.tolist() == [1.0]


def test_the_nearest_clusters_have_the_nearest_centres(digits):
    vectors, labels = digits
    found = describe(vectors, labels, Metric.L2)
    far = cdist(found.centers, found.centers) + np.diag(np.full(10, np.inf))
    assert found.near.tolist() == np.argsort(far, axis=1)[:, :5].tolist()


def test_exemplars_begin_with_the_item_at_the_centre_and_are_unlike_each_other(digits):
    vectors, labels = digits
    found = describe(vectors, labels, Metric.L2)
    for at, chosen in enumerate(found.exemplars):
        members = np.flatnonzero(labels == at)
        far = cdist(vectors[members], found.centers[[at]])[:, 0]
        assert chosen[0] == members[far.argmin()]
        assert len(set(chosen.tolist())) == 5
        assert far[np.isin(members, chosen)].max() <= np.sort(far)[63]
        closest = members[np.argsort(far)[:5]]
        assert cdist(vectors[chosen], vectors[chosen]).mean() >= cdist(vectors[closest], vectors[closest]).mean()


def test_twins_are_no_further_exemplars():
    vectors = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    found = describe(vectors, np.zeros(12, np.int64), Metric.COSINE)
    assert sorted(vectors[found.exemplars[0]].argmax(axis=1).tolist()) == [0, 1, 2]


def test_share_and_second_choice_count_the_neighbours(digits):
    vectors, labels = digits
    graph = knn(vectors, 15, Metric.L2)
    found = places(vectors, graph, labels, describe(vectors, labels, Metric.L2).centers)
    around = labels[graph.neighbors]
    np.testing.assert_allclose(found.share, (around == labels[:, None]).mean(axis=1))
    for at in np.flatnonzero(found.share < 1)[:200]:
        others = np.bincount(around[at][around[at] != labels[at]], minlength=10)
        assert others[found.second[at]] == others.max()


def test_where_all_neighbours_agree_the_second_choice_is_the_nearest_other_centre(digits):
    vectors, labels = digits
    centers = describe(vectors, labels, Metric.L2).centers
    found = places(vectors, knn(vectors, 15, Metric.L2), labels, centers)
    far = cdist(vectors, centers)
    own = far[np.arange(len(far)), labels]
    far[np.arange(len(far)), labels] = np.inf
    sure = found.share == 1
    assert sure.sum() > 1000
    assert (found.second[sure] == far.argmin(axis=1)[sure]).all()
    np.testing.assert_allclose(found.margin, (far.min(axis=1) - own) / (far.min(axis=1) + own), atol=1e-5)


def test_what_is_in_no_cluster_has_the_nearest_one_for_a_second_choice(digits):
    vectors, labels = digits
    graph, centers = knn(vectors, 15, Metric.L2), describe(vectors, labels, Metric.L2).centers
    loose = labels.copy()
    loose[:50] = -1
    found = places(vectors, graph, loose, centers)
    assert (found.share[:50] == 0).all()
    assert np.mean(found.second[:50] == labels[:50]) > 0.9


def test_a_single_cluster_leaves_no_second_choice():
    vectors = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    labels = np.zeros(6, np.int64)
    found = places(vectors, knn(vectors, 5, Metric.COSINE), labels, describe(vectors, labels, Metric.COSINE).centers)
    assert (found.share.tolist(), found.margin.tolist(), found.second.tolist()) == ([1.0] * 6, [1.0] * 6, [-1] * 6)


def test_missing_neighbours_and_those_in_no_cluster_vote_for_none():
    votes = ballots(np.array([[0, 1, 2, -1], [3, 3, -1, -1], [-1] * 4]), np.array([0, 1, 1, -1]), 2)
    np.testing.assert_allclose(votes, [[1 / 3, 2 / 3], [0, 0], [0, 0]])


def test_few_items_have_few_electors():
    assert [electors(n) for n in (0, 1, 5, 8, 40, 60, 10_000)] == [1, 1, 1, 2, 10, 15, 15]


def test_new_items_lie_as_the_same_items_inside_do(digits):
    vectors, labels = digits
    graph, centers = knn(vectors, 15, Metric.L2), describe(vectors, labels, Metric.L2).centers
    inside = places(vectors, graph, labels, centers)
    outside = lie(vectors[:99], graph.neighbors[:99].astype(np.int64), labels, labels[:99], centers, Metric.L2)
    np.testing.assert_allclose(outside.share, inside.share[:99])
    assert outside.second.tolist() == inside.second[:99].tolist()


def test_small_is_told_by_the_number_of_items_and_of_all():
    assert small(np.array([9, 5, 4, 1]), 19).tolist() == [2, 3]
    assert small(np.array([90_000, 32, 31]), 100_000).tolist() == [2]
