"""Distances against numpy's own arithmetic, and what bad vectors get."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from latentstore.distance import exact, prepare, scores, unit
from latentstore.errors import DimensionMismatch, InvalidInput, NotFinite
from latentstore.types import Metric


def test_every_metric_is_its_textbook_formula() -> None:
    q, x = np.random.default_rng(0).standard_normal((2, 5, 9)).astype(np.float32).astype(np.float64)
    cosine = 1 - q @ x.T / np.linalg.norm(q, axis=1)[:, None] / np.linalg.norm(x, axis=1)
    l2 = np.linalg.norm(q[:, None] - x, axis=2)
    for metric, expected in [(Metric.COSINE, cosine), (Metric.IP, -q @ x.T), (Metric.L2, l2)]:
        found = [exact(one.astype("f4"), x.astype("f4"), metric) for one in q]
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("metric", Metric)
def test_queries_with_their_own_vectors_are_answered_as_one_by_one(metric: Metric) -> None:
    rng = np.random.default_rng(0)
    q, x = rng.standard_normal((300, 90), "f4"), rng.standard_normal((300, 14, 90), "f4")
    assert (exact(q, x, metric) == [exact(one, own, metric) for one, own in zip(q, x, strict=True)]).all()


@pytest.mark.parametrize("metric", Metric)
def test_many_vectors_are_measured_as_few_are(metric: Metric) -> None:
    x = np.random.default_rng(0).standard_normal((3, 1 << 17)).astype(np.float32)
    assert (exact(x[0], x, metric) == [exact(x[0], one[None], metric)[0] for one in x]).all()


def test_a_zero_vector_is_at_cosine_distance_one() -> None:
    both = np.array([[0, 0], [3, 4]], dtype=np.float32)
    assert [exact(one, both, Metric.COSINE).tolist() for one in both] == [[1, 1], [1, 0]]
    assert unit(both).tolist() == [[0, 0], [np.float32(0.6), np.float32(0.8)]]


def test_near_and_long_vectors_keep_their_l2_digits() -> None:
    q = np.full(8, 4096.0, dtype=np.float32)
    assert exact(q, q[None] + np.float32(0.5), Metric.L2)[0] == pytest.approx(0.5 * 8**0.5, rel=1e-12)


def test_scores_are_higher_for_closer() -> None:
    far = np.array([0.25, 1.0])
    assert scores(far, Metric.COSINE).tolist() == [0.75, 0.0]
    assert scores(far, Metric.IP).tolist() == [-0.25, -1.0]
    assert scores(far, Metric.L2).tolist() == [0.8, 0.5]


@pytest.mark.parametrize(
    "given",
    [
        [[1, 2], [3, 4]],
        np.array([[1, 2], [3, 4]], dtype=np.float64),
        np.array([[1, 2], [3, 4]], dtype=np.float16),
        np.array([[1, 3], [2, 4]], dtype=np.float32).T,
        np.array([[1, 9, 2, 9], [3, 9, 4, 9]])[:, ::2],
    ],
)
def test_any_table_of_numbers_is_made_ready(given: Any) -> None:
    ready = prepare(given, 2)
    assert ready.tolist() == [[1, 2], [3, 4]]
    assert ready.dtype == np.float32 and ready.flags.c_contiguous


def test_a_read_only_array_is_taken_as_it_is() -> None:
    given = np.ones((2, 3), dtype=np.float32)
    given.flags.writeable = False
    assert prepare(given) is given


def test_values_that_are_not_finite_are_named_by_row() -> None:
    given = np.zeros((9, 2))
    given[[2, 5, 7], 1] = [np.nan, np.inf, 1e300]
    with pytest.raises(NotFinite, match=r"row\(s\) 2, 5, 7"):
        prepare(given)


def test_large_values_that_only_their_sum_overflows_pass() -> None:
    given = np.full((3, 3), 3e38, dtype=np.float32)
    assert prepare(given) is given


@pytest.mark.parametrize("given", [[1.0, 2.0], [["a"]], [[1, 2], [3]], [[None]], np.zeros((2, 2, 2)), np.zeros((3, 0))])
def test_what_is_no_table_of_numbers_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInput):
        prepare(given)


def test_another_dimension_is_refused() -> None:
    with pytest.raises(DimensionMismatch, match="expected queries of 3 dimensions, got 2"):
        prepare([[1, 2]], 3, "queries")
