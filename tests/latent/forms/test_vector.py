"""Vectors as rows, against numpy, and back."""

from __future__ import annotations

import json

import numpy as np
import pytest

from latentstore.errors import DimensionMismatch, InvalidInput, NotFinite
from latentstore.latent import forms
from latentstore.types import Metric

VECTORS = (np.random.default_rng(0).normal(size=(200, 6)) * [1, 10, 0.1, 1, 1, 0] + [5, 0, 0, 0, 0, 3]).astype(
    np.float32
)


def test_columns_are_standardised_each_by_its_own_deviation():
    form = forms.choose("vector", VECTORS)
    expected = (VECTORS - VECTORS.mean(axis=0)) / np.where(VECTORS.std(axis=0) > 1e-6, VECTORS.std(axis=0), 1)
    assert np.allclose(form.rows(VECTORS), expected, atol=1e-4)


def test_one_scale_for_all_columns_leaves_their_proportions():
    rows = forms.choose("vector", VECTORS, scale="one").rows(VECTORS)
    assert np.isclose(np.square(rows).mean(), 1, atol=1e-4)
    assert np.isclose(rows[:, 1].std() / rows[:, 2].std(), VECTORS[:, 1].std() / VECTORS[:, 2].std(), rtol=1e-4)


@pytest.mark.parametrize("metric", [Metric.L2, Metric.IP])
def test_rows_are_brought_back_to_the_vectors(metric):
    form = forms.choose("vector", VECTORS, metric=metric)
    assert np.allclose(form.content(form.rows(VECTORS)), VECTORS, atol=1e-4)


def test_under_the_cosine_directions_come_back_and_lengths_do_not():
    form = forms.choose("vector", VECTORS, metric=Metric.COSINE)
    directions = VECTORS / np.linalg.norm(VECTORS, axis=1, keepdims=True)
    assert np.allclose(form.content(form.rows(7 * VECTORS)), directions, atol=1e-5)


def test_a_column_that_never_changes_is_zero_and_comes_back():
    form = forms.choose("vector", VECTORS)
    assert np.allclose(form.rows(VECTORS)[:, 5], 0)
    assert np.allclose(form.content(np.zeros((1, 6), np.float32))[0, 5], 3)


def test_the_facts_and_arrays_of_a_form_make_it_again():
    form = forms.choose("vector", VECTORS, metric=Metric.COSINE)
    again = forms.of(json.loads(json.dumps(form.facts())), form.arrays())
    assert again.caption() == "vectors of 6 dimensions"
    assert np.array_equal(again.rows(VECTORS), form.rows(VECTORS))


def test_vectors_that_cannot_be_are_refused():
    form = forms.choose("vector", VECTORS)
    with pytest.raises(DimensionMismatch):
        form.rows(np.ones((2, 5), np.float32))
    with pytest.raises(NotFinite):
        form.rows(np.full((2, 6), np.nan, np.float32))
    with pytest.raises(InvalidInput, match="columns, one"):
        forms.choose("vector", VECTORS, scale="none")
    with pytest.raises(InvalidInput, match="got none"):
        forms.choose("vector", np.empty((0, 6), np.float32))
