"""Clusters of made groups, whose labels are known, in any row order, of any size, at every level."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from latentstore.analysis.clusters import LEVELS, METHODS, WIDE, Partition, partition, regrouped
from latentstore.analysis.neighbors import knn
from latentstore.errors import InvalidInput
from latentstore.types import Metric

Array = np.ndarray
METRICS = [Metric.COSINE, Metric.L2]


def made(groups: int, each: int, spread: float = 0.6, seed: int = 0) -> tuple[Array, Array]:
    """(groups * each, 24) float32 around centres drawn at random, and the group of each row."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(groups), each)
    centers = rng.normal(size=(groups, 24))
    return (centers[labels] + spread * rng.normal(size=(len(labels), 24))).astype(np.float32), labels


def cut(vectors: Array, metric: Metric = Metric.COSINE, **asked: object) -> Partition:
    return partition(vectors, knn(vectors, WIDE, metric), metric, **asked)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", METHODS)
def test_groups_that_lie_apart_are_found_without_a_number(method, metric):
    vectors, labels = made(12, 40)
    found = cut(vectors, metric, method=method)
    assert adjusted_rand_score(labels, found.levels["medium"]) > 0.95


@pytest.mark.parametrize("groups", [3, 30])
def test_as_many_clusters_are_found_as_groups_were_made(groups):
    vectors, labels = made(groups, 600 // groups)
    found = cut(vectors).levels["medium"]
    assert found.max() + 1 == groups
    assert adjusted_rand_score(labels, found) > 0.95


@pytest.mark.parametrize("method", ["auto", "kmeans"])
@pytest.mark.parametrize("k", [1, 2, 12, 31, 240])
def test_a_number_asked_for_is_the_number_of_medium_clusters(method, k):
    vectors, _ = made(12, 20)
    assert np.array_equal(np.unique(cut(vectors, method=method, k=k).levels["medium"]), np.arange(k))


@pytest.mark.parametrize("method", ["auto", "kmeans"])
def test_the_true_number_finds_the_true_groups(method):
    vectors, labels = made(12, 40, spread=0.9)
    assert adjusted_rand_score(labels, cut(vectors, method=method, k=12).levels["medium"]) > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_row_order_changes_nothing(method):
    vectors, _ = made(9, 30, spread=0.8)
    vectors = np.concatenate([vectors, vectors[::7]])  # some rows twice
    shuffle = np.random.default_rng(1).permutation(len(vectors))
    first, second = (cut(rows, method=method) for rows in (vectors, vectors[shuffle]))
    assert all(np.array_equal(first.levels[name][shuffle], second.levels[name]) for name in LEVELS)


@pytest.mark.parametrize("method", METHODS)
def test_every_cluster_lies_in_one_cluster_of_the_level_above(method):
    found = cut(made(9, 30, spread=0.8)[0], method=method)
    for wider, finer in pairwise(LEVELS):
        kept = found.levels[finer] >= 0
        assert np.array_equal(found.levels[wider][kept], found.parents[finer][found.levels[finer][kept]])


def test_levels_follow_groups_of_groups():
    vectors, labels = made(24, 30, spread=0.3)
    tops = np.repeat(3 * np.random.default_rng(5).normal(size=(4, 24)), 180, axis=0)
    found = cut((vectors + tops).astype(np.float32), Metric.L2).levels
    assert adjusted_rand_score(labels // 6, found["coarse"]) > 0.9
    assert adjusted_rand_score(labels, found["medium"]) > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_labels_count_from_the_largest_cluster_down(method):
    found = cut(made(9, 30, spread=0.8)[0], method=method)
    for labels in found.levels.values():
        sizes = np.bincount(labels[labels >= 0])
        assert np.all(sizes > 0)
        assert np.all(np.diff(sizes) <= 0)


def test_more_rows_than_are_sampled_follow_those_nearest_to_them(monkeypatch):
    monkeypatch.setattr("latentstore.analysis.clusters.SAMPLE", 400)
    vectors, labels = made(8, 120)
    found = cut(vectors)
    assert adjusted_rand_score(labels, found.levels["medium"]) > 0.95
    assert found.facts["rows"] == 400


@pytest.mark.parametrize("n", [0, 1, 2, 3, 9])
def test_a_handful_of_rows_is_one_cluster(n):
    found = cut(made(3, 3)[0][:n])
    assert all(np.array_equal(found.levels[name], np.zeros(n)) for name in LEVELS)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [1, 3, 40])
def test_equal_rows_are_one_cluster(method, metric, n):
    assert not np.any(cut(np.ones((n, 8), dtype=np.float32), metric, method=method).levels["fine"])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [10, 14])
def test_few_rows_are_clustered_all_the_same(method, metric, n):
    found = cut(np.random.default_rng(n).normal(size=(n, 8)).astype(np.float32), metric, method=method)
    assert all(len(labels) == n for labels in found.levels.values())


def test_equal_rows_share_a_cluster_however_many_there_are():
    vectors, _ = made(6, 40)
    found = cut(np.concatenate([np.repeat(vectors[:1], 300, axis=0), vectors]))
    assert np.array_equal(found.levels["fine"][:300], np.repeat(found.levels["fine"][300], 300))


def test_zero_vectors_are_clustered_too():
    vectors, labels = made(6, 40)
    found = cut(np.concatenate([vectors, np.zeros((3, 24), dtype=np.float32)]))
    assert adjusted_rand_score(labels, found.levels["medium"][:240]) > 0.95


@pytest.mark.parametrize("k", [0, -1, 13])
def test_a_number_that_cannot_be_is_refused(k):
    vectors = np.concatenate([made(3, 4)[0]] * 2)
    with pytest.raises(InvalidInput, match="between 1 and 12, the number of distinct items"):
        cut(vectors, k=k)


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match="auto, kmeans, hdbscan, got 'spectral'"):
        cut(made(3, 4)[0], method="spectral")


def test_hdbscan_takes_no_number():
    with pytest.raises(InvalidInput, match="leave k out or take kmeans"):
        cut(made(3, 4)[0], method="hdbscan", k=3)


@pytest.mark.parametrize("method", METHODS)
def test_half_of_the_rows_give_the_same_clusters_again(method):
    vectors, _ = made(12, 50)
    found = cut(vectors, method=method)
    some = np.random.default_rng(2).permutation(len(vectors))[:300]
    halves = regrouped(vectors, found, some, 3)
    # What was made has no groups within groups: only the medium ones can come back.
    assert adjusted_rand_score(found.levels["medium"][found.rows[some]], halves["medium"]) > 0.9
    for wider, finer in pairwise(halves[level] for level in LEVELS):
        kept = finer >= 0
        assert len(np.unique(np.column_stack((wider, finer))[kept], axis=0)) == finer.max() + 1


def test_a_tenth_of_the_rows_gets_neighbours_of_its_own():
    vectors, labels = made(6, 200)
    found = cut(vectors)
    some = np.random.default_rng(2).permutation(len(vectors))[:120]
    assert adjusted_rand_score(labels[found.rows[some]], regrouped(vectors, found, some, 3)["medium"]) > 0.95


def made_of_two_grains() -> tuple[Array, Array]:
    """Two far piles of 900 rows: one of 3 groups, one of 30."""
    (few, first), (many, second) = made(3, 300, spread=0.5), made(30, 30, spread=0.3, seed=1)
    apart = np.zeros((1, 24))
    apart[0, 0] = 20
    return np.concatenate([few + apart, many - apart]).astype(np.float32), np.concatenate([first, second + 3])


@pytest.mark.parametrize("whole", [True, False])
def test_a_large_cluster_is_cut_as_finely_as_it_asks_for(whole, monkeypatch):
    monkeypatch.setattr("latentstore.analysis.clusters.PART", 400)
    monkeypatch.setattr("latentstore.analysis.clusters.SAMPLE", 5000 if whole else 900)
    vectors, labels = made_of_two_grains()
    found = cut(vectors, Metric.L2)
    assert adjusted_rand_score(labels, found.levels["medium"]) > 0.95
    assert adjusted_rand_score(labels >= 3, found.levels["coarse"]) > 0.95
    half = np.random.default_rng(2).permutation(len(found.rows))[: len(found.rows) // 2]
    assert adjusted_rand_score(labels[found.rows[half]], regrouped(vectors, found, half, 3)["medium"]) > 0.8


def test_what_follows_the_sample_does_not_depend_on_row_order(monkeypatch):
    monkeypatch.setattr("latentstore.analysis.clusters.SAMPLE", 200)
    vectors, _ = made(9, 120, spread=0.8)
    vectors = np.concatenate([vectors, vectors[::7]])  # some rows twice
    shuffle = np.random.default_rng(1).permutation(len(vectors))
    first, second = cut(vectors), cut(vectors[shuffle])
    assert all(np.array_equal(first.levels[name][shuffle], second.levels[name]) for name in LEVELS)
    assert np.array_equal(first.levels["fine"][1080:], first.levels["fine"][:1080:7])


def test_rows_with_no_sampled_row_in_reach_go_to_the_nearest(monkeypatch):
    monkeypatch.setattr("latentstore.analysis.clusters.SAMPLE", 60)
    vectors, _ = made(3, 200)
    island = (vectors[:40] + 500).astype(np.float32)  # joined to nothing, and perhaps with no row in the sample
    found = cut(np.concatenate([vectors, island]), Metric.L2)
    assert found.levels["fine"].min() == 0
    assert len(found.levels["fine"]) == 640


def test_a_seed_gives_the_same_clusters_every_time():
    vectors, _ = made(9, 30, spread=0.8)
    first, second = (cut(vectors, seed=7).levels for _ in range(2))
    assert all(np.array_equal(first[name], second[name]) for name in LEVELS)


def test_the_facts_say_what_was_tried_and_are_json():
    import json

    facts = json.loads(json.dumps(cut(made(9, 50)[0]).facts))
    sweep = facts["sweep"]
    assert facts["settings"]["medium"] in sweep["resolutions"]
    assert len(sweep["counts"]) == len(sweep["stability"]) == len(sweep["admitted"]) == len(sweep["resolutions"])
