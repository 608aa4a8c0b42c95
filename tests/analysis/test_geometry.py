"""How rows fill a space, against scikit-learn, scipy, formulas written out, and shapes whose dimension is known."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import kruskal, spearmanr
from sklearn.decomposition import PCA

from latentstore.analysis import geometry
from latentstore.analysis.neighbors import knn
from latentstore.distance import unit
from latentstore.types import Metric

RNG = np.random.default_rng(4)
WIDTHS = np.array([5, 3, 2, 1, 0.5, 0.2, 0.1, 0.1])


def cloud(n, widths=WIDTHS, seed=0):
    """(n, dim) float32, normal, turned at random, off the origin."""
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(len(widths), len(widths))))[0]
    return (rng.normal(size=(n, len(widths))) * widths @ turn + 3).astype(np.float32)


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
@pytest.mark.parametrize("n", [6, 8, 9, 500])
def test_axes_and_their_variances_are_those_of_scikit_learn(metric, n):
    rows = cloud(n)
    found = geometry.principal(rows, metric, 4)
    oracle = PCA(svd_solver="full").fit((unit(rows) if metric is Metric.COSINE else rows).astype(np.float64))
    r = min(n - 1, 8)
    assert np.allclose(found.shares[:r], oracle.explained_variance_ratio_[:r], atol=1e-6)
    assert np.allclose(np.abs(np.vecdot(found.directions, oracle.components_[:4])), 1, atol=1e-5)
    assert np.allclose(found.deviations, np.sqrt(oracle.explained_variance_[:4] * (n - 1) / n), rtol=1e-5)
    assert np.allclose(
        np.abs(found.places(rows)),
        np.abs(
            oracle.transform((unit(rows) if metric is Metric.COSINE else rows).astype(np.float64))[:, :4]
            / found.deviations
        ),
        atol=1e-4,
    )


def test_axes_do_not_depend_on_the_order_of_rows_and_point_where_their_largest_component_is():
    rows = cloud(300)
    one, two = geometry.principal(rows, Metric.L2), geometry.principal(rows[RNG.permutation(300)], Metric.L2)
    assert np.array_equal(one.directions, two.directions)
    assert (one.directions[np.arange(8), np.abs(one.directions).argmax(axis=1)] > 0).all()


def test_so_many_axes_hold_a_share_of_the_variance():
    found = geometry.principal(cloud(20_000), Metric.L2)
    expected = np.cumsum(WIDTHS**2) / (WIDTHS**2).sum()
    assert [found.needed(share) for share in (0.5, 0.9, 0.95, 0.99, 1)] == [
        *(int((expected < share).sum()) + 1 for share in (0.5, 0.9, 0.95, 0.99)),
        8,
    ]
    assert found.shares.sum() == pytest.approx(1)


def test_an_axis_that_stands_out_comes_back_in_halves_and_one_of_noise_does_not():
    widths = np.array([6.0, 3.0] + [1.0] * 60)
    found = geometry.principal(cloud(1500, widths), Metric.L2, 6)
    assert found.steadiness[:2].min() > 0.95
    assert found.steadiness[2:].max() < 0.7


def test_large_sets_are_told_from_rows_drawn_by_a_hash(monkeypatch):
    rows = cloud(4000)
    whole = geometry.principal(rows, Metric.L2, 3)
    monkeypatch.setattr(geometry, "_ROWS", 1500)
    some = geometry.principal(rows, Metric.L2, 3)
    assert not np.array_equal(some.shares, whole.shares)
    assert np.allclose(some.shares, whole.shares, atol=0.02)
    assert np.array_equal(some.directions, geometry.principal(rows[::-1], Metric.L2, 3).directions)


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
def test_rows_at_one_place_have_no_axes(metric):
    for rows in (np.full((30, 5), 0.1, np.float32), np.full((1, 5), 7, np.float32), np.zeros((3, 5), np.float32)):
        found = geometry.principal(rows, metric)
        assert (len(found), len(found.shares), found.needed(0.9), found.places(rows).shape) == (0, 0, 0, (len(rows), 0))


def test_two_rows_have_one_axis_of_which_nothing_is_known_to_come_back():
    rows = np.array([[0, 0, 1], [0, 2, 1]], np.float32)
    found = geometry.principal(rows, Metric.L2)
    assert found.shares.tolist() == [1.0]
    assert np.allclose(found.directions, [[0, 1, 0]])
    assert np.isnan(found.steadiness).all()
    assert np.allclose(found.places(rows), [[-1], [1]])


def torus(n, dim, wide):
    """(n, wide) float32 on a torus of `dim` dimensions, turned at random; all of one length, and without an edge."""
    angles = RNG.uniform(0, 2 * np.pi, (n, dim))
    turn = np.linalg.qr(RNG.normal(size=(wide, wide)))[0][: 2 * dim]
    return (np.concatenate([np.cos(angles), np.sin(angles)], axis=1) @ turn).astype(np.float32)


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
def test_the_dimension_of_a_surface_is_found_whatever_it_lies_in(dim, metric):
    found = geometry.intrinsic(knn(torus(4000, dim, 20), 15, metric))
    assert found.rows == 4000
    assert found.neighbors == pytest.approx(dim, rel=0.1)
    assert found.two == pytest.approx(dim, rel=0.1)


def test_both_estimates_are_their_formulas_on_all_distances():
    rows = torus(200, 3, 6).astype(np.float64)
    far = np.sort(cdist(rows, rows), axis=1)[:, 1:11]
    likelihood = 9 / np.log(far[:, -1:] / far[:, :-1]).sum(axis=1).mean()
    ratios = np.sort(far[:, 1] / far[:, 0])
    slope = 180 / (np.log(ratios[:180]).sum() + 20 * np.log(ratios[179]))
    found = geometry.intrinsic(knn(rows.astype(np.float32), 12, Metric.L2))
    assert (found.neighbors, found.two) == (pytest.approx(likelihood, rel=1e-3), pytest.approx(slope, rel=1e-2))
    assert geometry.dimension(knn(rows.astype(np.float32), 12, Metric.L2)) == found.neighbors


def test_copies_do_not_lower_the_dimension_and_few_rows_have_none():
    rows = torus(2000, 4, 10)
    twice = geometry.intrinsic(knn(np.concatenate([rows, rows[:300]]), 12, Metric.L2))
    once = geometry.intrinsic(knn(rows, 12, Metric.L2))
    assert twice.rows == 1700
    assert twice.neighbors == pytest.approx(once.neighbors, rel=0.05)
    few = geometry.intrinsic(knn(rows[:19], 12, Metric.L2))
    assert np.isnan([few.neighbors, few.two]).all()


def test_numbers_along_an_axis_are_told_as_scipy_does_with_their_medians_at_both_ends():
    places = RNG.normal(size=(400, 3))
    year = np.where(np.arange(400) % 7 == 0, np.nan, np.round(2000 - 9 * places[:, 1] + 4 * RNG.normal(size=400)))
    (found,) = geometry.ties(places, {"year": year, "noise": RNG.normal(size=400)}, {})
    known = np.isfinite(year)
    oracle = spearmanr(places[known, 1], year[known])
    assert (found.axis, found.column, found.items) == (1, "year", known.sum())
    assert found.correlation == pytest.approx(oracle.statistic)
    assert found.share == pytest.approx(oracle.statistic**2)
    assert found.p_value == pytest.approx(oracle.pvalue * 6, rel=1e-6)
    order = np.flatnonzero(known)[np.argsort(places[known, 1])]
    tenth = known.sum() // 10
    assert (found.low, found.high) == (np.median(year[order[:tenth]]), np.median(year[order[-tenth:]]))


def test_classes_along_an_axis_are_told_as_scipy_does_with_those_at_both_ends():
    codes = RNG.integers(0, 4, 600)
    places = np.stack([RNG.normal(size=600), np.array([-2, 0, 0, 2])[codes] + RNG.normal(size=600)], axis=1)
    kind = [None if at % 5 == 0 else "abcd"[code] for at, code in enumerate(codes)]
    (found,) = geometry.ties(places, {}, {"kind": kind})
    groups = [places[[one == letter for one in kind], 1] for letter in "abcd"]
    oracle = kruskal(*groups)
    assert (found.axis, found.low, found.high, found.items) == (1, ("a",), ("d",), 480)
    assert found.share == pytest.approx(oracle.statistic / 479)
    assert found.p_value == pytest.approx(oracle.pvalue * 2, rel=1e-6)


def test_of_columns_that_have_nothing_to_do_with_the_axes_none_is_told():
    told = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        numbers = {f"n{at}": rng.normal(size=60) for at in range(10)}
        classes = {f"c{at}": rng.choice(list("abc"), 60).tolist() for at in range(10)}
        told += bool(geometry.ties(rng.normal(size=(60, 5)), numbers, classes))
    # 6,000 tests of which sixty would be below .01 by chance: all of a run together must be, once in a hundred.
    assert told <= 3


def test_what_is_sure_and_says_next_to_nothing_is_not_told():
    places = np.random.default_rng(0).normal(size=(50_000, 1))
    faint = places[:, 0] * 0.1 + np.random.default_rng(1).normal(size=50_000)
    assert spearmanr(faint, places[:, 0]).pvalue < 1e-50
    assert geometry.ties(places, {"faint": faint}, {}) == []


def test_thin_and_single_values_are_passed_over_and_the_strongest_comes_first():
    places = RNG.normal(size=(200, 1))
    numbers = {"same": np.ones(200), "few": np.r_[places[:9, 0], [np.nan] * 191], "none": np.full(200, np.nan)}
    numbers |= {"loose": places[:, 0] + RNG.normal(size=200), "strict": -np.exp(places[:, 0])}
    lone = [f"only {at}" for at in range(200)]
    found = geometry.ties(places, numbers, {"lone": lone, "one": ["x"] * 200, "none": [None] * 200})
    assert [one.column for one in found] == ["strict", "loose"]
    assert (found[0].correlation, found[0].p_value) == (pytest.approx(-1), 0)
    assert geometry.ties(np.zeros((200, 1)), numbers, {"half": ["a", "b"] * 100}) == []


def test_the_ends_of_an_axis_are_the_rows_furthest_out_and_copies_count_once():
    places = np.array([0.0, 5, -3, 5, 1, -2, 4])
    assert geometry.extremes(places, 2) == ([2, 5], [1, 6])
    assert geometry.extremes(places[:2], 3) == ([0], [1])
    assert geometry.extremes(np.zeros(4), 3) == geometry.extremes(np.empty(0), 3) == ([], [])
