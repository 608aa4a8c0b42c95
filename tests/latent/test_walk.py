"""Ways, directions and steps: held against formulas, against scikit-learn and scipy, and against what was planted."""

import numpy as np
import pytest
from scipy.spatial import geometric_slerp
from sklearn.metrics import roc_auc_score

from latentstore.errors import InvalidInput
from latentstore.latent import walk
from tests.truth import gaussian

A, B = gaussian(2, 6)
MIDDLE = np.zeros(6, np.float32)


def sides(apart, n=300, dim=5):
    """Two clouds of equal spread whose means are so far apart along the first axis."""
    one, two = gaussian(n, dim, seed=1), gaussian(n, dim, seed=2)
    one[:, 0] += apart
    return one, two


def told_apart(one, two):
    towards = np.arange(len(one) + len(two)) < len(one)
    return walk.separation(np.concatenate([one, two]), towards, ~towards)


def projected(one, two):
    return walk.along(np.concatenate([one, two]), walk.difference(one, two))


def test_a_line_goes_straight_and_keeps_its_ends_to_the_last_bit():
    at, points = walk.evenly(walk.line(A, B), 5)
    np.testing.assert_allclose(points, [A + share * (B - A) for share in (0, 0.25, 0.5, 0.75, 1)], atol=1e-6)
    assert (points[0] == A).all() and (points[-1] == B).all()
    np.testing.assert_allclose(at, [0, 0.25, 0.5, 0.75, 1])


def test_an_arc_is_that_of_scipy_around_any_centre():
    one, two = (point.astype(float) / np.linalg.norm(point.astype(float)) for point in (A, B))
    center = gaussian(1, 6, seed=3)[0]
    ends = ((point + center).astype(np.float32) for point in (one, two))
    _, points = walk.evenly(walk.arc(*ends, center), 7)
    expected = geometric_slerp(one, two, np.linspace(0, 1, 7)) + center
    np.testing.assert_allclose(points, expected, atol=1e-6)


def test_on_an_arc_the_distance_from_the_centre_goes_evenly_from_end_to_end():
    _, points = walk.evenly(walk.arc(3 * A, B, MIDDLE), 9)
    ends = np.linalg.norm(3 * A), np.linalg.norm(B)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), np.linspace(*ends, 9), rtol=1e-5)
    assert (points[0] == 3 * A).all() and (points[-1] == B).all()


def test_the_middle_of_an_arc_stays_in_the_shell_that_a_line_leaves():
    one, two = gaussian(2, 400)
    shell = np.linalg.norm(one)
    at = np.array([0.5])
    assert np.linalg.norm(walk.arc(one, two, np.zeros(400, np.float32))(at)) == pytest.approx(shell, rel=0.05)
    assert np.linalg.norm(walk.line(one, two)(at)) == pytest.approx(shell / np.sqrt(2), rel=0.05)


def test_a_tiny_arc_and_one_from_the_centre_are_lines():
    near = (A + 1e-7).astype(np.float32)
    at = np.linspace(0, 1, 4)
    np.testing.assert_allclose(walk.arc(A, near, MIDDLE)(at), walk.line(A, near)(at), atol=1e-6)
    np.testing.assert_allclose(walk.arc(MIDDLE, B, MIDDLE)(at), walk.line(MIDDLE, B)(at), atol=1e-6)


def test_no_arc_leads_to_the_opposite_side():
    with pytest.raises(InvalidInput, match="opposite sides"):
        walk.arc(A, -2 * A, MIDDLE)


def test_steps_of_even_decoded_distance_are_even_where_those_of_even_latents_are_not():
    def bent(points):  # hardly anything happens in the first half of the way
        return np.exp(4 * points[:, :1]) * np.ones((1, 3), np.float32)

    path = walk.line(np.zeros(2, np.float32), np.ones(2, np.float32))
    plain, decoded = (bent(walk.evenly(path, 6, decode)[1])[:, 0] for decode in (None, bent))
    assert np.diff(plain).max() / np.diff(plain).min() > 20
    np.testing.assert_allclose(np.diff(decoded), (np.exp(4) - 1) / 5, rtol=0.01)


def test_steps_of_even_decoded_distance_keep_both_ends():
    _, points = walk.evenly(walk.line(A, B), 4, lambda points: points**3)
    assert (points[0] == A).all() and (points[-1] == B).all()


def test_where_all_decodes_to_one_thing_steps_are_even_in_the_latents():
    at, _ = walk.evenly(walk.line(A, B), 4, lambda points: np.zeros((len(points), 2), np.float32))
    np.testing.assert_allclose(at, [0, 1 / 3, 2 / 3, 1])


def test_a_direction_leads_from_one_mean_to_the_other():
    one, two = sides(3)
    apart = one.mean(axis=0) - two.mean(axis=0)
    np.testing.assert_allclose(walk.difference(one, two), apart / np.linalg.norm(apart), atol=1e-6)


def test_sides_of_one_mean_have_no_direction_between_them():
    with pytest.raises(InvalidInput, match="same mean"):
        walk.difference(np.stack([A, B]), np.stack([B, A]))


def test_sides_that_lie_apart_are_told_apart_as_well_as_theory_says():
    from scipy.stats import norm

    # Of two normals at distance d, the area is Phi(d / sqrt 2).
    assert told_apart(*sides(2, n=2000)) == pytest.approx(norm.cdf(2 / np.sqrt(2)), abs=0.015)


def test_sides_that_are_alike_are_told_apart_by_chance_alone():
    clouds = [(gaussian(60, 50, seed=2 * at), gaussian(60, 50, seed=2 * at + 1)) for at in range(20)]
    # What shaped a direction seems to fit it.
    assert np.mean([roc_auc_score([1] * 60 + [0] * 60, projected(*pair)) for pair in clouds]) > 0.75
    assert np.mean([told_apart(*pair) for pair in clouds]) == pytest.approx(0.5, abs=0.04)


def test_a_side_is_told_apart_from_a_side_alone_and_not_from_what_is_in_neither():
    one, two = sides(2)
    among = np.concatenate([one, gaussian(50, 5, seed=8) * 100, two])
    towards, away = np.arange(650) < 300, np.arange(650) >= 350
    assert walk.separation(among, towards, away) == pytest.approx(told_apart(one, two), abs=1e-9)


def test_ties_count_half():
    alike = np.zeros((8, 3), np.float32)
    assert told_apart(alike, alike) == 0.5


def test_of_a_single_point_nobody_knows_how_well_it_is_told_apart():
    assert told_apart(A[None], gaussian(9, 6)) is None


def test_the_variance_is_that_of_all_numbers_together():
    points = gaussian(9000, 4) * np.array([1, 5, 2, 0.5], np.float32) + 100
    assert walk.variance(points) == pytest.approx(points.astype(float).var(axis=0).sum(), rel=1e-6)
    np.testing.assert_allclose(walk.along(points, np.eye(4)[1]), points[:, 1])


def test_a_shift_moves_by_deviations_along_the_direction_and_nowhere_else():
    vector = walk.difference(*sides(1))
    point = gaussian(1, 5, seed=9)[0]
    moved = walk.shift(point, vector, 2.5, np.array([-2.0, 0, 1]))
    np.testing.assert_allclose(walk.along(moved - point, vector), [-5, 0, 2.5], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(moved - point, axis=1), [5, 0, 2.5], atol=1e-5)


def test_a_less_b_plus_c_does_not_depend_on_the_centre():
    a, b, c = gaussian(3, 6, seed=4)
    for center in (MIDDLE, A):
        np.testing.assert_allclose(walk.arithmetic(np.stack([a, c]), b[None], center), a - b + c, atol=1e-5)


def test_a_sum_of_two_is_taken_from_the_centre():
    center = gaussian(1, 6, seed=5)[0]
    none = np.empty((0, 6), np.float32)
    np.testing.assert_allclose(walk.arithmetic(np.stack([A, B]), none, center), A + B - center, atol=1e-5)


def test_a_traversal_replaces_one_number_after_the_other_by_quantiles():
    points = gaussian(4000, 3) ** 3
    found = walk.traverse(MIDDLE[:3] + 7, points, [2, 0], 3, 1.0).reshape(2, 3, 3)
    np.testing.assert_allclose(found[0, :, 2], np.quantile(points[:, 2], [0.158655, 0.5, 0.841345]), rtol=1e-4)
    np.testing.assert_allclose(found[1, :, 0], np.quantile(points[:, 0], [0.158655, 0.5, 0.841345]), rtol=1e-4)
    assert (found[0, :, :2] == 7).all() and (found[1, :, 1:] == 7).all()
