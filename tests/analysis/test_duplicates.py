"""Groups of duplicates against brute force, planted copies, and thresholds that fit what was planted."""

import numpy as np
import pytest

from latentstore.analysis import duplicates
from latentstore.analysis.closeness import scale
from latentstore.analysis.neighbors import knn
from latentstore.distance import unit
from latentstore.types import Metric

METRICS = pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
RNG = np.random.default_rng(0)


def spread(n=600, dim=24, seed=0):
    """n rows that lie apart, of length 1."""
    return unit(np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32))


def shaken(rows, by, seed=1):
    """Copies at a distance of about `by`."""
    noise = np.random.default_rng(seed).standard_normal(rows.shape).astype(np.float32)
    return rows + by * unit(noise)


def find(vectors, metric=Metric.COSINE, contents=None, threshold=None, k=10):
    vectors = np.asarray(vectors, dtype=np.float32)
    graph = knn(vectors, k, metric)
    return duplicates.find(vectors, graph, contents or [None] * len(vectors), threshold=threshold)


def led(vectors, metric, threshold):
    """kept of each row, by the rule itself: the closest kept one before it, within the threshold."""
    rows = unit(vectors) if metric is Metric.COSINE else vectors
    far = np.sqrt(((rows[:, None].astype(float) - rows[None]) ** 2).sum(axis=2))
    far = far**2 / 2 if metric is Metric.COSINE else far
    kept: list[int] = []
    for row in range(len(rows)):
        near = [(far[row, to], to) for to in range(row) if kept[to] == to and far[row, to] <= threshold]
        kept.append(min(near)[1] if near else row)
    return kept


@METRICS
@pytest.mark.parametrize("share", [0.002, 0.02, 0.2])
def test_groups_follow_the_rule_at_any_threshold(metric, share):
    vectors = np.random.default_rng(3).standard_normal((400, 4)).astype(np.float32)
    far = knn(vectors, 399, metric).distances
    threshold = float(np.quantile(far, share))
    # At the widest, rows have far more near ones than a graph of 10 knows.
    assert find(vectors, metric, threshold=threshold).kept.tolist() == led(vectors, metric, threshold)


@METRICS
def test_no_two_kept_are_near_and_every_other_is_near_its_kept_one(metric):
    vectors = np.random.default_rng(4).standard_normal((500, 3)).astype(np.float32)
    found = find(vectors, metric, threshold=0.1)
    alone = np.flatnonzero(found.kept == np.arange(500))
    assert knn(vectors[alone], 1, metric).distances.min() > 0.1
    assert found.far.max() <= 0.1 and (found.kept[found.kept] == found.kept).all()


@METRICS
@pytest.mark.parametrize("share", [0.02, 0.3, 1.0])
def test_planted_copies_are_found_and_nothing_else(metric, share):
    rows = spread()
    copied = np.arange(int(share * len(rows)))
    found = find(np.concatenate([rows, shaken(rows[copied], 0.1)]), metric)
    assert found.kept.tolist() == [*range(len(rows)), *copied]


def test_a_heap_of_copies_puts_the_threshold_into_the_valley():
    rows = spread()
    found = find(np.concatenate([rows, shaken(rows[:200], 0.35)]))
    assert found.basis == "valley" and 0.35**2 / 2 < found.threshold < np.median(knn(rows, 1, Metric.COSINE).distances)
    assert find(rows).basis == "tenth" and not find(rows).pairs.one.size


def test_a_dense_place_is_no_heap_of_copies():
    dense = spread(1, seed=5) + 0.08 * np.random.default_rng(6).standard_normal((200, 24)).astype(np.float32)
    found = find(np.concatenate([spread(), dense]), k=30)
    assert np.count_nonzero(found.kept[600:] != np.arange(600, 800)) < 20


def test_copies_by_the_hundred_are_one_group_however_few_neighbours_are_known():
    rows = spread(300)
    found = find(np.concatenate([rows, shaken(np.repeat(rows[:2], 250, axis=0), 0.05)]), k=10)
    assert [int(np.count_nonzero(found.kept == one)) for one in range(3)] == [251, 251, 1]


def test_equal_vectors_without_content_are_exact_whatever_the_threshold():
    rows = spread(100)
    found = find(np.concatenate([rows, np.repeat(rows[:1], 300, axis=0)]), threshold=0.0)
    assert np.flatnonzero(found.kept == 0).tolist() == [0, *range(100, 400)]
    assert found.exact.all() and (found.far == 0).all()


def test_equal_content_is_exact_and_another_content_with_the_same_vector_is_near():
    rows = spread(100)
    contents = [*map(str, range(100)), "0", "another"]
    found = find(np.concatenate([rows, rows[:2]]), contents=contents)
    assert found.kept[100:].tolist() == [0, 1]
    assert found.exact[100:].tolist() == [True, False]


def test_one_name_on_different_vectors_says_nothing():
    found = find(spread(100), contents=["a caption"] * 100)
    assert found.kept.tolist() == list(range(100))


def test_the_curve_counts_what_each_threshold_would_find():
    rows = spread()
    vectors = np.concatenate([rows, shaken(rows[:60], 0.1), shaken(rows[:60], 0.2, seed=2)])
    found = find(vectors)
    assert [point.threshold for point in found.curve] == sorted(point.threshold for point in found.curve)
    for point in found.curve:
        again = find(vectors, threshold=point.threshold)
        assert point.dropped == np.count_nonzero(again.kept != np.arange(len(vectors)))
        assert point.groups == len(set(again.kept[again.kept != np.arange(len(vectors))].tolist()))
        assert point.pairs == len(again.pairs.one)
        assert point.items == np.count_nonzero(knn(vectors, 1, Metric.COSINE).distances[:, 0] <= point.threshold)


def test_what_is_expected_by_chance_fits_rows_without_copies():
    nearest = knn(spread(3000), 10, Metric.COSINE).distances.astype(np.float64)
    found = scale(2 * nearest)
    for share in (0.1, 0.25, 0.4):
        at = np.quantile(2 * nearest[:, 0], share)
        assert found.expected(np.array([at]))[0] == pytest.approx(share, abs=0.03)


@METRICS
def test_leaks_are_every_near_pair_across_splits(metric):
    vectors = np.random.default_rng(8).standard_normal((300, 3)).astype(np.float32)
    splits = [None if at % 7 == 0 else ("train", "test", "dev")[at % 3] for at in range(300)]
    graph = knn(vectors, 299, metric)
    found = duplicates.find(vectors, graph, [None] * 300, threshold=float(np.quantile(graph.distances, 0.01)))
    wanted = {}
    for at, far in zip(*np.nonzero(graph.distances <= found.threshold), strict=True):
        other = int(graph.neighbors[at, far])
        if splits[at] and splits[other] and splits[at] != splits[other]:
            wanted.setdefault((int(at), splits[other]), other)
    assert {(leak.item, splits[leak.other]): leak.other for leak in duplicates.leaks(found, splits, metric)} == wanted


def test_leaks_of_equal_items_are_exact():
    rows = spread(50)
    found = find(np.concatenate([rows, rows[:5], rows[:5]]))
    leaks = duplicates.leaks(found, ["train"] * 50 + ["test"] * 10, Metric.COSINE)
    assert {(leak.item, leak.other) for leak in leaks} == {
        *((at, 50 + at) for at in range(5)),
        *((50 + at, at % 5) for at in range(10)),
    }
    assert all(leak.exact and leak.far == 0 for leak in leaks)


@pytest.mark.parametrize("rows", [0, 1, 2, 3])
def test_hardly_any_rows_hold_no_near_copies(rows):
    found = find(spread(rows))
    assert found.kept.tolist() == list(range(rows)) and np.isfinite(found.threshold)
