"""PCA against scikit-learn's, whole and block by block."""

import numpy as np
import pytest
from sklearn import decomposition

from latentstore.analysis.progress import silent
from latentstore.latent import pca
from latentstore.latent.base import Data
from latentstore.latent.rows import Rows


def some(n=500, width=30, seed=0):
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(n, width)) * np.linspace(3, 0.1, width) + rng.normal(size=width)
    return Data(Rows(raw.astype(np.float32)), np.arange(n), np.arange(0), bounded=False)


def fitted(data, dim=5, **asked):
    return pca.fit(data, dim, silent, **asked)


def test_latents_are_those_of_scikit_learn():
    data = some()
    reference = decomposition.PCA(5).fit(data.rows.raw)
    model = fitted(data)
    np.testing.assert_allclose(model.encode(data.rows.raw), reference.transform(data.rows.raw), atol=1e-3)
    np.testing.assert_allclose(model.explained, reference.explained_variance_ratio_, rtol=1e-4)


def test_decoding_gives_the_nearest_point_of_the_plane():
    data = some()
    reference = decomposition.PCA(5).fit(data.rows.raw)
    model = fitted(data)
    nearest = reference.inverse_transform(reference.transform(data.rows.raw))
    np.testing.assert_allclose(model.decode(model.encode(data.rows.raw)), nearest, atol=1e-3)


def test_whitened_latents_have_variance_one_and_decode_to_the_same():
    data = some()
    plain, white = fitted(data), fitted(data, whiten=True)
    latents = white.encode(data.rows.raw)
    np.testing.assert_allclose(latents.var(axis=0, ddof=1), 1, rtol=1e-3)
    np.testing.assert_allclose(white.decode(latents), plain.decode(plain.encode(data.rows.raw)), atol=1e-3)
    assert white.prior and not plain.prior


def test_a_direction_without_spread_whitens_to_zero_and_not_to_infinity():
    raw = np.outer(np.arange(40), np.ones(6)).astype(np.float32)
    model = fitted(Data(Rows(raw), np.arange(40), np.arange(0), bounded=False), 3, whiten=True)
    assert np.isfinite(model.encode(raw)).all()
    np.testing.assert_allclose(model.decode(model.encode(raw)), raw, atol=1e-3)


def test_rows_past_memory_give_the_same_plane_block_by_block(monkeypatch):
    data = some(n=2000)
    whole = fitted(data)
    monkeypatch.setattr(pca, "MEMORY", 1)
    monkeypatch.setattr(pca, "_BLOCK", 300)
    found = fitted(data)
    np.testing.assert_allclose(np.abs(found.components @ whole.components.T), np.eye(5), atol=0.02)
    np.testing.assert_allclose(found.variance, whole.variance, rtol=0.01)


@pytest.mark.parametrize("whiten", [False, True])
def test_facts_and_arrays_are_the_whole_model(whiten):
    data = some()
    model = fitted(data, whiten=whiten)
    again = pca.PCA.of(model.facts(), model.arrays())
    assert np.array_equal(again.encode(data.rows.raw), model.encode(data.rows.raw)) and again.prior == whiten
