"""Numbers that last: what a later run inherits from an earlier one, and what it says of the rest."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from latentstore.analysis.persistence import Event, match


def joined(*groups):
    """(old, new) labels of groups of (old, new, how many)."""
    old = np.concatenate([np.full(count, a) for a, _, count in groups])
    new = np.concatenate([np.full(count, b) for _, b, count in groups])
    return old, new


def test_the_same_clusters_in_another_order_keep_their_numbers_and_nothing_is_told():
    found = match(*joined((0, 2, 30), (1, 0, 20), (7, 1, 10)), np.array([0, 1, 7]), 3, 8)
    assert (found.numbers.tolist(), found.kept.all(), found.events, found.fresh) == ([1, 7, 0], True, (), 8)


def test_a_cluster_of_new_items_gets_a_number_never_used():
    found = match(*joined((0, 0, 30), (3, 1, 20)), np.array([0, 3]), 3, 9)
    assert (found.numbers.tolist(), found.fresh) == ([0, 3, 9], 10)
    assert found.events == (Event("new", (), (9,)),)


def test_the_larger_half_of_a_split_keeps_the_number():
    found = match(*joined((0, 0, 60), (0, 2, 40), (1, 1, 50)), np.array([0, 1]), 3, 2)
    assert found.numbers.tolist() == [0, 1, 2]
    assert found.events == (Event("split", (0,), (0, 2)),)


def test_the_largest_of_merged_clusters_keeps_the_number():
    found = match(*joined((0, 0, 40), (1, 0, 60), (2, 1, 30)), np.array([0, 1, 2]), 2, 3)
    assert found.numbers.tolist() == [1, 2]
    assert found.events == (Event("merged", (1, 0), (1,)),)


def test_a_cluster_whose_items_went_everywhere_is_gone():
    groups = [(0, at, 5) for at in range(6)] + [(at + 1, at, 50) for at in range(6)]
    found = match(*joined(*groups), np.arange(7), 6, 7)
    assert found.numbers.tolist() == [1, 2, 3, 4, 5, 6]
    assert found.events == (Event("gone", (0,), ()),)


def test_a_cluster_whose_items_were_deleted_is_gone():
    found = match(*joined((1, 0, 9)), np.array([0, 1]), 1, 2)
    assert (found.numbers.tolist(), found.events) == ([1], (Event("gone", (0,), ()),))


def test_a_cluster_shattered_into_many_gives_its_number_to_none():
    found = match(*joined(*[(0, at, 20) for at in range(5)]), np.array([0]), 5, 1)
    assert (found.numbers.tolist(), found.kept.any()) == ([1, 2, 3, 4, 5], False)
    assert found.events == (Event("split", (0,), (1, 2, 3, 4, 5)),)


def test_noise_is_no_cluster():
    found = match(*joined((-1, 0, 50), (0, 0, 30), (1, -1, 20)), np.array([0, 1]), 1, 2)
    assert (found.numbers.tolist(), found.events) == ([0], (Event("gone", (1,), ()),))


@pytest.mark.parametrize("before", [np.array([], dtype=np.int64), np.array([0, 1])])
def test_without_common_items_everything_is_new(before):
    none = np.array([], dtype=np.int64)
    found = match(none, none, before, 2, len(before))
    assert not found.kept.any()
    assert sorted({event.kind for event in found.events}) == (["gone", "new"] if len(before) else ["new"])


def test_real_clusters_keep_their_numbers_when_a_tenth_of_the_items_is_new():
    digits, _ = load_digits(return_X_y=True)
    old = KMeans(10, n_init=5, random_state=0).fit_predict(digits[:1600])
    new = KMeans(10, n_init=5, random_state=1).fit_predict(digits)
    found = match(old.astype(np.int64), new[:1600].astype(np.int64), np.arange(10), 10, 10)
    lasting = found.numbers[new[:1600]]
    assert found.kept.sum() >= 9
    assert np.mean(lasting == old) > 0.9
