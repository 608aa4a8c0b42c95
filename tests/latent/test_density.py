"""Density: how far off the data a point is, against scikit-learn's neighbours, and draws that are new and not off the data."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from latentstore.errors import InvalidInput
from latentstore.latent import density

COVARIANCE = np.array([[2.0, 0.6, 0], [0.6, 1.0, 0.2], [0, 0.2, 0.05]])
CENTER = np.array([1.0, -2.0, 5.0])


def normal(n, seed):
    drawn = np.random.default_rng(seed).multivariate_normal(CENTER, COVARIANCE, n)
    return drawn.astype(np.float32)


def rings(n, seed):
    """Two circles of radius 1, six apart: no Gaussian follows them."""
    rng = np.random.default_rng(seed)
    angle, which = rng.uniform(0, 2 * np.pi, n), rng.integers(2, size=n)
    around = np.column_stack([np.cos(angle) + 6 * which, np.sin(angle)])
    return (around + 0.02 * rng.normal(size=(n, 2))).astype(np.float32)


def test_a_point_is_as_far_away_as_its_nearest_known_latents_in_their_own_spacing():
    known, point = normal(300, 0), normal(1, 2)
    found = density.fit(known, normal(50, 1), 0)
    within = (known - found.shift) / found.scale
    far, which = NearestNeighbors(n_neighbors=5).fit(within).kneighbors((point - found.shift) / found.scale)
    spacing = NearestNeighbors(n_neighbors=10).fit(within).kneighbors()[0].mean(axis=1)
    np.testing.assert_allclose(found.away(point), (far / spacing[which]).mean(axis=1), rtol=1e-4)


def test_a_held_out_point_is_off_the_data_by_its_rank_among_the_held_out():
    held = normal(500, 1)
    found = density.fit(normal(3000, 0), held, 0)
    order = np.argsort(found.away(held))
    np.testing.assert_allclose(found.off_data(held[order]), np.arange(500) / 500, atol=1e-9)
    np.testing.assert_allclose(found.off_data(normal(4000, 2)).mean(), 0.5, atol=0.05)


def test_new_items_are_no_stranger_where_items_lie_apart():
    def uneven(n, seed):
        """Two groups, one ten times as wide as the other."""
        rng = np.random.default_rng(seed)
        wide = np.arange(n) % 2 == 0
        return (rng.normal(size=(n, 3)) * np.where(wide, 1, 0.1)[:, None] + 9 * wide[:, None]).astype(np.float32)

    found = density.fit(uneven(3000, 0), uneven(600, 1), 0)
    off = found.off_data(uneven(4000, 2))
    np.testing.assert_allclose([off[::2].mean(), off[1::2].mean()], 0.5, atol=0.07)


def test_what_lies_far_from_all_latents_is_wholly_off_the_data():
    found = density.fit(rings(2000, 0), rings(500, 1), 0)
    assert found.off_data(np.array([[3, 0], [50, 50], [0, 0]], np.float32)).tolist() == [1, 1, 1]


def test_draws_keep_to_the_rings_and_are_not_the_known_latents():
    known = rings(2000, 0)
    drawn = density.fit(known, rings(500, 1), 0).sample(1000, 0).points
    radius = np.minimum(np.linalg.norm(drawn, axis=1), np.linalg.norm(drawn - [6, 0], axis=1))
    assert np.abs(radius - 1).mean() < 0.04
    assert NearestNeighbors(n_neighbors=1).fit(known).kneighbors(drawn)[0].min() > 0
    assert 0.4 < (drawn[:, 0] > 3).mean() < 0.6


def test_draws_lie_as_far_from_known_latents_as_new_ones_do():
    found = density.fit(normal(3000, 0), normal(800, 1), 0)
    nearest = NearestNeighbors(n_neighbors=1).fit((normal(3000, 0) - found.shift) / found.scale)
    drawn, new = (
        np.median(nearest.kneighbors((points - found.shift) / found.scale)[0])
        for points in (found.sample(2000, 3).points, normal(2000, 4))
    )
    assert 0.85 < drawn / new < 1.15


def test_draws_around_a_point_stay_near_it_by_the_spread_asked():
    found = density.fit(normal(3000, 0), normal(500, 1), 0)
    point = CENTER.astype(np.float32)
    ways = NearestNeighbors(n_neighbors=10).fit((normal(3000, 0) - found.shift) / found.scale)
    usual = np.sqrt(np.square(ways.kneighbors((point[None] - found.shift) / found.scale)[0]).mean())
    near = (found.near(point, 2000, 0.3, 0).points - point) / found.scale
    assert np.sqrt(np.square(near).sum(axis=1).mean()) == pytest.approx(0.3 * usual, rel=0.05)


def test_no_draw_is_farther_off_the_data_than_asked():
    found = density.fit(normal(3000, 0), normal(500, 1), 0)
    drawn = found.sample(400, 0, reject=0.3)
    assert len(drawn.points) == 400 and found.off_data(drawn.points).max() <= 0.3 and drawn.refused > 100


def test_draws_that_nearly_all_lie_too_far_off_are_refused_in_words():
    found = density.fit(normal(3000, 0) + 100, normal(500, 1) + 100, 0)
    with pytest.raises(InvalidInput, match="ask for a higher reject"):
        found.sample(10, 0, prior=True)


def test_equal_seeds_give_equal_draws_and_others_others():
    found = density.fit(normal(500, 0), normal(100, 1), 0)
    assert np.array_equal(found.sample(20, 5).points, found.sample(20, 5).points)
    assert not np.array_equal(found.sample(20, 5).points, found.sample(20, 6).points)


def test_a_dimension_without_spread_and_few_latents_are_no_trouble():
    latents = np.column_stack([np.linspace(-1, 1, 9), np.zeros(9)]).astype(np.float32)
    found = density.fit(latents, latents[:2], 0)
    assert np.isfinite(found.away(latents)).all() and np.isfinite(found.sample(5, 0, reject=1).points).all()


def test_facts_and_arrays_are_the_whole_density():
    found = density.fit(normal(500, 0), normal(100, 1), 0)
    again = density.Density.of(found.facts(), found.arrays())
    assert np.array_equal(again.away(normal(50, 2)), found.away(normal(50, 2)))
    assert np.array_equal(again.sample(9, 1).points, found.sample(9, 1).points)
