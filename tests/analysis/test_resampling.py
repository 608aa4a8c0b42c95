"""Stability and confidence: what comes back when halves are clustered again, on real digits and on noise."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from latentstore.analysis.cluster_facts import describe, places
from latentstore.analysis.neighbors import knn
from latentstore.analysis.resampling import calibrate, resample, spread
from latentstore.types import Metric


def by_kmeans(vectors, k):
    def again(rows, seed):
        return {"only": KMeans(k, n_init=3, random_state=seed).fit_predict(vectors[rows]).astype(np.int64)}

    return again


def one(vectors, again, rounds=20, seed=0):
    everything = np.arange(len(vectors))
    labels = again(everything, 0)["only"]
    return labels, resample(again, {"only": labels}, everything, rounds=rounds, seed=seed)


@pytest.fixture(scope="module")
def digits():
    return load_digits().data.astype(np.float32)


def test_stability_is_the_mean_best_jaccard():
    labels = np.repeat([0, 1], 50)
    order = np.arange(100)

    def merged(rows, seed):
        return {"only": np.zeros(len(rows), np.int64)}

    found = resample(merged, {"only": labels}, order, rounds=5, seed=3)
    rng, wanted = np.random.default_rng(3), []
    for _ in range(5):
        half = rng.permutation(100)[:50]
        wanted.append([np.mean(labels[half] == 0), np.mean(labels[half] == 1)])
    np.testing.assert_allclose(found.stability["only"], np.mean(wanted, axis=0))


def test_of_clusters_that_merge_only_one_comes_back():
    labels = np.repeat([0, 1], [60, 40])
    found = resample(
        lambda rows, seed: {"only": np.zeros(len(rows), np.int64)},
        {"only": labels},
        np.arange(100),
        rounds=9,
        seed=0,
    )
    share = found.back["only"] / found.tried
    assert (share[:60] > 0.9).all()
    assert (share[60:] < 0.1).all()


def test_clusters_that_are_there_come_back_and_pieces_of_a_ball_do_not():
    rng = np.random.default_rng(0)
    apart = np.concatenate([rng.normal(at, 0.3, (80, 2)) for at in (0, 5, 10, 15)]).astype(np.float32)
    ball = rng.standard_normal((320, 2)).astype(np.float32)
    assert one(apart, by_kmeans(apart, 4))[1].stability["only"].min() > 0.99
    assert one(ball, by_kmeans(ball, 7))[1].stability["only"].mean() < 0.75


def test_a_cluster_too_small_to_be_drawn_has_no_stability():
    labels = np.array([0] * 40 + [1])
    found = resample(
        lambda rows, seed: {"only": np.zeros(len(rows), np.int64)},
        {"only": labels},
        np.arange(41),
        rounds=1,
        seed=next(seed for seed in range(50) if 40 not in np.random.default_rng(seed).permutation(41)[:20]),
    )
    assert np.isnan(found.stability["only"][1])
    assert found.stability["only"][0] == 1.0


def test_confidence_is_how_often_items_come_back_in_rounds_not_seen(digits):
    again = by_kmeans(digits, 12)
    labels, seen = one(digits, again)
    unseen = resample(again, {"only": labels}, np.arange(len(digits)), rounds=20, seed=1000)
    lying = places(digits, knn(digits, 15, Metric.L2), labels, describe(digits, labels, Metric.L2).centers)
    steady = seen.stability["only"][labels]
    sure = calibrate(lying, steady, seen.back["only"], seen.tried).confidence(lying, steady)
    came = unseen.back["only"] / unseen.tried
    for low, high in ((0, 0.5), (0.5, 0.8), (0.8, 0.95), (0.95, 1)):
        within = (sure > low) & (sure <= high)
        assert within.sum() < 30 or abs(sure[within].mean() - came[within].mean()) < 0.12
    assert np.corrcoef(sure, came)[0, 1] > 0.5


def test_items_that_were_not_drawn_from_were_never_tried(digits):
    part = np.arange(0, 1000, 2)
    _, found = one(digits[part], by_kmeans(digits[part], 5), rounds=3)
    wide = spread(found, part, 1000)
    assert wide.tried[1::2].sum() == 0
    assert wide.tried[::2].tolist() == found.tried.tolist()
    assert wide.back["only"][part].tolist() == found.back["only"].tolist()


def test_the_order_of_rows_does_not_change_what_is_found(digits):
    labels = by_kmeans(digits, 6)(np.arange(len(digits)), 0)["only"]
    shuffle = np.random.default_rng(1).permutation(len(digits))
    back = np.argsort(shuffle)
    plain = resample(by_kmeans(digits, 6), {"only": labels}, np.arange(len(digits)), rounds=3, seed=0)
    moved = resample(by_kmeans(digits[shuffle], 6), {"only": labels[shuffle]}, back, rounds=3, seed=0)
    np.testing.assert_allclose(moved.stability["only"], plain.stability["only"])
    assert moved.back["only"].tolist() == plain.back["only"][shuffle].tolist()
