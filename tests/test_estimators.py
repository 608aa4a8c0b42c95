"""Latent models as scikit-learn estimators: its own checks, and values against it."""

import pickle

import numpy as np
import pytest
from sklearn import decomposition
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from latentstore.errors import InvalidInput
from latentstore.estimators import GAN, PCA, VAE, Autoencoder

EPOCHS = 3
X, LABELS = load_digits(return_X_y=True)
ALL = [PCA(8), Autoencoder(8, epochs=EPOCHS), VAE(8, epochs=EPOCHS), GAN(8, epochs=EPOCHS)]


def circle(n, seed):
    """Points near a circle in five dimensions: one number tells where on it, and no line does."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(0, 1.5 * np.pi, n)
    plane = np.linalg.qr(rng.standard_normal((5, 2)))[0]
    return np.stack([np.cos(turn), np.sin(turn)], axis=1) @ plane.T


@parametrize_with_checks([PCA(1), VAE(1, epochs=EPOCHS)])
def test_an_estimator_passes_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks([Autoencoder(1, epochs=EPOCHS), GAN(1, epochs=EPOCHS)])
def test_so_do_those_that_differ_from_these_in_their_losses_alone(estimator, check):
    check(estimator)


def test_pca_of_one_scale_is_that_of_scikit_learn():
    ours, reference = PCA(8, scale="one").fit(X), decomposition.PCA(8).fit(X)
    back, expected = ours.inverse_transform(ours.transform(X)), reference.inverse_transform(reference.transform(X))
    # A tenth of the rows is held out, so the axes are those of the rest.
    assert np.square(back - X).mean() == pytest.approx(np.square(expected - X).mean(), rel=0.01)
    assert np.abs(back - expected).mean() < 0.1 * np.abs(expected - X).mean()


def test_an_autoencoder_follows_a_curve_where_pca_cannot():
    train, new = circle(1000, 0)[:800], circle(1000, 0)[800:]
    bent, straight = Autoencoder(1, epochs=60).fit(train), PCA(1).fit(train)
    assert bent.errors(new).mean() < 0.25 * straight.errors(new).mean()


@pytest.mark.parametrize("estimator", ALL, ids=lambda one: type(one).__name__)
def test_the_same_seed_gives_the_same_latents_and_another_one_others(estimator):
    once, again = (clone(estimator).fit(X).transform(X[:50]) for _ in range(2))
    other = clone(estimator).set_params(random_state=1).fit(X).transform(X[:50])
    assert np.array_equal(once, again)
    assert not np.array_equal(once, other)


@pytest.mark.parametrize("estimator", ALL, ids=lambda one: type(one).__name__)
def test_an_estimator_comes_back_from_a_pickle_as_it_was(estimator):
    fitted = clone(estimator).fit(X)
    back = pickle.loads(pickle.dumps(fitted))
    assert np.array_equal(back.transform(X[:50]), fitted.transform(X[:50]))
    assert np.array_equal(back.sample(5), fitted.sample(5))


def test_errors_are_the_mean_squares_of_what_is_lost_in_deviations_of_a_column():
    fitted = PCA(8).fit(X)
    deviations = np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    lost = np.square((X - fitted.inverse_transform(fitted.transform(X))) / deviations).mean(axis=1)
    assert fitted.errors(X) == pytest.approx(lost, rel=1e-3, abs=1e-6)
    assert fitted.score(X) == pytest.approx(-lost.mean(), rel=1e-3)


def test_a_search_over_settings_finds_that_more_components_lose_less():
    found = GridSearchCV(PCA(), {"n_components": [2, 20, 8]}, cv=3).fit(X)
    assert found.best_params_ == {"n_components": 20}


def test_latents_are_features_in_a_pipeline():
    pipeline = make_pipeline(PCA(20), LogisticRegression(max_iter=2000)).fit(X[:1200], LABELS[:1200])
    assert pipeline.score(X[1200:], LABELS[1200:]) > 0.85
    assert list(pipeline[0].get_feature_names_out()[:2]) == ["pca0", "pca1"]


def test_samples_are_nearer_to_the_data_than_columns_drawn_apart():
    fitted = PCA(16).fit(X)
    apart = np.random.default_rng(0).permuted(X, axis=0)[:300]

    def far(rows):
        return np.sqrt(np.square(rows[:, None] - X).sum(axis=2)).min(axis=1).mean()

    assert far(fitted.sample(300)) < 0.75 * far(apart)
    assert np.abs(fitted.sample(300).mean(axis=0) - X.mean(axis=0)).max() < 1.5


def test_a_prior_is_refused_where_the_model_has_none():
    with pytest.raises(InvalidInput, match="prior"):
        PCA(4).fit(X).sample(3, source="prior")
    assert PCA(4, whiten=True).fit(X).sample(3, source="prior").shape == (3, 64)


def test_too_few_rows_or_columns_are_refused_in_one_line():
    with pytest.raises(ValueError, match="minimum of 10"):
        PCA(1).fit(X[:9])
    with pytest.raises(InvalidInput, match="a dim of at most 64"):
        PCA(65).fit(X)
