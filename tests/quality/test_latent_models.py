"""What latent models keep of real digits and what they make, beside PCA, whatever the seed."""

from __future__ import annotations

from functools import cache

import pytest

from benchmarks.digits import LEARNED, mnist
from benchmarks.latent import DIM, SEEDS, figures, fitted, trial
from tests.quality.real import SHARED

FOLDER = SHARED.parent / "images" / "mnist"
seeds = pytest.mark.parametrize("seed", range(SEEDS))
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@cache
def digits():
    if not FOLDER.is_dir():
        pytest.skip(f"digits are read from {FOLDER}, which is not there")
    return trial(mnist(FOLDER), LEARNED, DIM)


@cache
def found(kind, seed=0):
    return figures(fitted(digits(), kind, seed), digits())


@seeds
def test_an_autoencoder_loses_at_most_three_quarters_of_what_pca_loses(seed):
    assert found("autoencoder", seed)["error"] <= 0.75 * found("pca")["error"]


@seeds
def test_neighbours_in_an_autoencoder_share_their_class_as_often_as_in_pca(seed):
    assert found("autoencoder", seed)["neighbours"] >= found("pca")["neighbours"]


@seeds
@pytest.mark.parametrize("kind", ["autoencoder", "vae"])
def test_samples_look_to_a_classifier_nearly_as_real_as_reconstructions(kind, seed):
    assert found(kind, seed)["samples"] <= 1.5 * found(kind, seed)["reconstructions"]


@seeds
def test_samples_of_a_gan_look_more_real_than_those_of_an_autoencoder(seed):
    assert found("gan", seed)["samples"] < found("autoencoder", seed)["samples"]


@seeds
def test_two_thirds_of_the_dimensions_of_a_vae_live(seed):
    assert found("vae", seed)["dead"] <= 1 / 3


@seeds
def test_samples_of_a_gan_are_clear_digits_of_every_class(seed):
    assert found("gan", seed)["confidence"] >= 0.85 and found("gan", seed)["scarcest"] >= 0.01
