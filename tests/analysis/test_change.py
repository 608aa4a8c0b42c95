"""Two-sample tests: they keep their level, see what differs, and do not hang on the order of rows."""

import numpy as np
import pytest
from scipy.stats import fisher_exact

from latentstore.analysis.change import shifts, two_sample
from latentstore.errors import InvalidInput
from latentstore.types import Metric


def normal(rng, n, dim=8, **options):
    return rng.normal(size=(n, dim), **options).astype(np.float32)


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
def test_sides_of_one_distribution_seldom_differ(metric):
    rng = np.random.default_rng(0)
    p_values = [two_sample(normal(rng, 40), normal(rng, 25), metric, seed=at).p_value for at in range(50)]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.14  # 50 draws at .05: above .14 four times in 1000
    assert 0.38 < np.mean(p_values) < 0.62


def test_a_shift_of_the_whole_is_seen():
    rng = np.random.default_rng(0)
    found = two_sample(normal(rng, 100), normal(rng, 100, loc=0.6), Metric.L2)
    assert found.p_value == 0.001
    assert found.statistic > 5
    assert 0.01 < found.separation < 0.5


def test_a_change_of_spread_alone_is_seen():
    rng = np.random.default_rng(0)
    assert two_sample(normal(rng, 150), normal(rng, 150, scale=1.4), Metric.L2).p_value <= 0.01


def test_a_dense_heap_of_a_few_is_seen_where_means_hardly_move():
    rng = np.random.default_rng(0)
    a, b = normal(rng, 300, 32), normal(rng, 300, 32)
    b[:12] = normal(rng, 1, 32) + normal(rng, 12, 32, scale=0.02)
    found = two_sample(a, b, Metric.L2)
    assert found.p_value <= 0.01
    assert found.parts["density"] > found.parts["energy"]


def test_the_energy_coefficient_is_that_of_its_definition_less_what_chance_gives():
    rng = np.random.default_rng(0)
    a, b = normal(rng, 60), normal(rng, 50, loc=2.0)
    far = lambda x, y: np.linalg.norm(x[:, None].astype(float) - y[None], axis=2).mean()  # noqa: E731
    naive = (2 * far(a, b) - far(a, a) - far(b, b)) / (2 * far(a, b))
    assert two_sample(a, b, Metric.L2).separation == pytest.approx(naive, abs=0.03)


def test_the_order_of_rows_changes_nothing_nor_does_length_under_cosine():
    rng = np.random.default_rng(0)
    a, b = normal(rng, 2100), normal(rng, 80, loc=0.1)
    once = two_sample(a, b, Metric.COSINE, seed=3)
    again = two_sample(a[rng.permutation(2100)], b[rng.permutation(80)], Metric.COSINE, seed=3)
    longer = two_sample(a[:90], 3 * b, Metric.COSINE, seed=3)
    assert once.compared == (2000, 80)
    assert (again.p_value, again.statistic) == pytest.approx((once.p_value, once.statistic), abs=1e-3)
    assert longer.separation == pytest.approx(two_sample(a[:90], b, Metric.COSINE, seed=3).separation, abs=0.01)


def test_equal_vectors_do_not_differ_and_single_ones_cannot():
    same = np.ones((5, 3), dtype=np.float32)
    assert two_sample(same, same[:4], Metric.COSINE).p_value == 1.0
    assert two_sample(same[:1], 2 * same[:1], Metric.L2).p_value == 1.0
    assert two_sample(0 * same, same, Metric.COSINE).p_value < 0.05


def test_an_empty_side_is_refused():
    with pytest.raises(InvalidInput, match="neither may be empty"):
        two_sample(np.ones((2, 3), np.float32), np.empty((0, 3), np.float32), Metric.L2)


def test_shifts_count_each_side_and_correct_fishers_test():
    a, b = np.repeat([0, 1, 2, -1], [30, 10, 10, 2]), np.repeat([0, 1, 2], [10, 10, 30])
    found = shifts(a, b, 3)
    assert found.counts.tolist() == [[30, 10], [10, 10], [10, 30]]
    assert found.shares[0].tolist() == [30 / 52, 10 / 50]
    raw = [fisher_exact([[x, y], [52 - x, 50 - y]])[1] for x, y in found.counts.tolist()]
    low, high = sorted((raw[0], raw[2]))
    assert found.p_values[[0, 2]].max() == pytest.approx(max(high * 3 / 2, low * 3))
    assert found.p_values[1] == pytest.approx(raw[1])


def test_clusters_that_differ_by_chance_alone_are_seldom_told():
    rng = np.random.default_rng(0)
    told = [(shifts(rng.integers(0, 30, 300), rng.integers(0, 30, 400), 30).p_values <= 0.05).any() for _ in range(60)]
    assert np.mean(told) <= 0.12


def test_no_clusters_shift_nothing():
    assert len(shifts(np.array([-1, -1]), np.array([-1]), 0).p_values) == 0
