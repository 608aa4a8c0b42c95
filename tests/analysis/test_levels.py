"""The rule that picks a resolution, on made numbers; the silhouette against scikit-learn; groups of centres."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import silhouette_samples

from latentstore.analysis.levels import Sweep, linked, silhouette
from latentstore.distance import unit
from latentstore.types import Metric


def swept(stability: list[float], at_home: list[float], separation: list[float]) -> Sweep:
    steps = np.arange(len(stability))
    columns = (np.asarray(column, dtype=np.float64) for column in (stability, at_home, separation))
    return Sweep(2.0**steps, 4 * 2**steps, *columns, np.full((len(steps), len(steps)), 0.01), np.full(len(steps), 0.3))


def test_silhouettes_are_scikit_learn_s_of_squared_distances():
    rng = np.random.default_rng(0)
    vectors, labels = (9 + rng.normal(size=(80, 6))).astype(np.float32), rng.permutation(np.arange(80) % 7)
    labels[labels == 6] = np.arange(np.sum(labels == 6)) > 0  # leaves one row alone
    labels[0] = 6
    assert np.allclose(
        silhouette(vectors, labels), silhouette_samples(vectors, labels, metric="sqeuclidean"), atol=1e-4
    )


def test_silhouettes_of_unit_vectors_are_those_of_the_angle():
    rng = np.random.default_rng(1)
    vectors, labels = unit(rng.normal(size=(90, 5)).astype(np.float32)), rng.integers(0, 5, 90)
    assert np.allclose(silhouette(vectors, labels), silhouette_samples(vectors, labels, metric="cosine"), atol=1e-4)


def test_of_steady_resolutions_the_one_that_lies_farthest_apart_is_chosen():
    assert swept([0.90, 0.88, 0.87, 0.70], [0.99, 0.95, 0.9, 0.8], [0.1, 0.2, 0.3, 0.5]).chosen() == 2


def test_where_few_rows_are_at_home_nothing_is_chosen_however_steady():
    assert swept([0.6, 0.61, 0.9], [0.99, 0.95, 0.74], [0.1, 0.2, 0.5]).chosen() == 1


def test_of_resolutions_as_far_apart_the_coarsest_is_chosen():
    assert swept([0.9, 0.9, 0.9], [0.99, 0.95, 0.9], [0.20, 0.295, 0.30]).chosen() == 1


def test_rows_that_stay_together_or_are_at_home_nowhere_are_not_parted():
    found = swept([0.9, 0.9, 0.7], [0.99, 0.9, 0.8], [0.1, 0.2, 0.3])
    assert found.parting() == 1
    assert replace(found, largest=np.array([0.9, 0.8, 0.3])).parting() == 2
    assert replace(found, largest=np.full(3, 0.8)).parting() is None
    assert replace(found, at_home=np.full(3, 0.7)).parting() is None


def test_where_no_row_is_at_home_the_coarsest_is_chosen():
    assert swept([0.2, 0.9], [0.5, 0.4], [0.1, 0.5]).chosen() == 0


def test_the_coarse_level_is_the_steadiest_of_a_quarter_as_many_clusters():
    found = swept([0.7, 0.9, 0.8, 0.95, 0.6], [0.99, 0.9, 0.9, 0.9, 0.4], [0.1] * 5)
    assert found.resolution("coarse", 32) == 2.0
    assert found.resolution("coarse", 8) == 1.0
    assert found.resolution("coarse", 7) is None


def test_the_fine_level_has_half_of_the_rows_at_home():
    found = swept([0.7, 0.9, 0.8, 0.95], [0.99, 0.9, 0.6, 0.4], [0.1] * 4)
    assert found.resolution("fine", 8) == 4.0
    assert found.resolution("fine", 16) is None


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
def test_centres_are_grouped_at_the_widest_gap(metric):
    rng = np.random.default_rng(0)
    tops = np.repeat(rng.normal(size=(3, 12)), 40, axis=0)
    middles = np.repeat(0.2 * rng.normal(size=(12, 12)), 10, axis=0)
    vectors = (tops + middles + 0.01 * rng.normal(size=(120, 12))).astype(np.float32)
    assert np.array_equal(linked(vectors, np.repeat(np.arange(12), 10), None, metric), np.repeat(np.arange(3), 40))


def test_centres_are_grouped_into_as_many_as_asked_for():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(12), 10)
    found = linked(rng.normal(size=(120, 8)).astype(np.float32), labels, 5, Metric.COSINE)
    assert found.max() + 1 == 5
    assert len(np.unique(np.column_stack((labels, found)), axis=0)) == 12
