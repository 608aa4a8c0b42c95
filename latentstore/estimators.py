"""Latent models as scikit-learn estimators: PCA, Autoencoder, VAE and GAN over vectors, apart from any store.

Each is what `Space.fit` fits to the vectors of a space; it takes its place in a Pipeline or a GridSearchCV, where `score` is higher
for a model that loses less. X is (n, n_features), finite, and made float32; latents and what is decoded are float32.

Of all of them: n_components, the dimension of a latent. scale: "columns" brings each column of X to deviation 1 before a model sees
it, "one" all columns by one number, which leaves the axes of PCA as they are. random_state: as in scikit-learn; the same number and
rows give the same model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from latentstore.latent import fitting, forms
from latentstore.latent.base import Settings
from latentstore.latent.fitted import Fitted
from latentstore.latent.rows import Rows
from latentstore.types import Float32, Float64, Metric

__all__ = ["GAN", "PCA", "VAE", "Autoencoder"]

LEAST = 10  # rows that a model is fitted to
_SEEDS = 1 << 31


class _Latent(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """fitted_: the `Fitted`, with its record, its density and a way to save it. n_features_in_: the width of X."""

    fitted_: Fitted

    @abstractmethod
    def _settings(self, seed: int) -> Settings:
        """What is asked of the fit."""

    def fit(self, X: Any, y: Any = None) -> Any:  # noqa: N803
        """Learn from X; a tenth of it is held out, to stop by and to measure with. y is passed over.

        Raises InvalidInput, a ValueError, where X has too few rows or columns for so many components.
        """
        vectors = validate_data(self, X, dtype=np.float32, ensure_min_samples=LEAST)
        seed = self.random_state
        if not isinstance(seed, int):
            seed = int(check_random_state(seed).randint(_SEEDS))
        form = forms.choose("vector", vectors, metric=Metric.L2, scale=self.scale)
        self.fitted_ = fitting.fit(form, Rows(form.rows(vectors), form.divisor), self._settings(seed))
        self._seed = seed
        return self

    def transform(self, X: Any) -> Float32:  # noqa: N803
        """(n, n_components) float32."""
        return self.fitted_.encode_rows(self._rows(X))

    def inverse_transform(self, Z: Any) -> Float32:  # noqa: N803
        """(n, n_features) float32: what latents (n, n_components) stand for."""
        check_is_fitted(self)
        decoded: Float32 = self.fitted_.decode(np.asarray(Z, np.float32))
        return decoded

    def sample(self, n: int = 1, *, source: str = "mixture") -> Float32:
        """(n, n_features) float32: new rows like those of X, the same each time. source: "mixture", the density of the latents, or
        "prior", N(0, I), for a model fitted to it. Raises InvalidInput for a prior that the model has not.
        """
        check_is_fitted(self)
        return self.inverse_transform(self.fitted_.sample(n, seed=self._seed, source=source))

    def errors(self, X: Any) -> Float64:  # noqa: N803
        """(n,) float64: what of each row is lost on the way to its latent and back, in `fitted_.form.error_unit`; higher is stranger."""
        return self.fitted_.row_errors(self._rows(X))

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """Minus the mean of `errors`: at most 0, higher is better. y is passed over."""
        return -float(self.errors(X).mean())

    def _rows(self, X: Any) -> Rows:  # noqa: N803
        check_is_fitted(self)
        form = self.fitted_.form
        return Rows(form.rows(validate_data(self, X, dtype=np.float32, reset=False)), form.divisor)

    @property
    def _n_features_out(self) -> int:
        return self.fitted_.dim

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # Models compute in float32, whatever comes.
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


class PCA(_Latent):
    """The directions along which rows differ most (Pearson 1901), by the same code as a store's. whiten: components of variance 1."""

    def __init__(
        self, n_components: int = 2, *, whiten: bool = False, scale: str = "columns", random_state: Any = 0
    ) -> None:
        self.n_components = n_components
        self.scale = scale
        self.whiten = whiten
        self.random_state = random_state

    def _settings(self, seed: int) -> Settings:
        return Settings("pca", self.n_components, seed, whiten=self.whiten)


class Autoencoder(_Latent):
    """A network through a narrow middle, quick and close to its rows.

    epochs: at most; seconds: after which training ends; batch: rows a step; rate: of learning; None is chosen from the data.
    device: "auto", "cpu", "cuda" or "mps".
    """

    def __init__(
        self,
        n_components: int = 2,
        *,
        scale: str = "columns",
        epochs: int | None = None,
        batch: int | None = None,
        rate: float | None = None,
        seconds: float | None = None,
        device: str = "auto",
        random_state: Any = 0,
    ) -> None:
        self.n_components = n_components
        self.scale = scale
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.seconds = seconds
        self.device = device
        self.random_state = random_state

    _kind = "autoencoder"

    def _settings(self, seed: int) -> Settings:
        return Settings(
            self._kind,
            self.n_components,
            seed,
            self.device,
            self.epochs,
            self.batch,
            self.rate,
            seconds=self.seconds,
        )


class VAE(Autoencoder):
    """An autoencoder whose latents are drawn to N(0, I) (Kingma & Welling 2014), smooth to walk and sample in.

    beta: the weight of that; higher makes samples smoother and reconstructions coarser. Otherwise as Autoencoder.
    """

    _kind = "vae"

    def __init__(
        self,
        n_components: int = 2,
        *,
        beta: float = 1.0,
        scale: str = "columns",
        epochs: int | None = None,
        batch: int | None = None,
        rate: float | None = None,
        seconds: float | None = None,
        device: str = "auto",
        random_state: Any = 0,
    ) -> None:
        super().__init__(
            n_components,
            scale=scale,
            epochs=epochs,
            batch=batch,
            rate=rate,
            seconds=seconds,
            device=device,
            random_state=random_state,
        )
        self.beta = beta

    def _settings(self, seed: int) -> Settings:
        return replace(super()._settings(seed), beta=self.beta)


class GAN(Autoencoder):
    """An autoencoder fitted by adversaries, for samples that are hard to tell from rows of X. Options as Autoencoder."""

    _kind = "gan"
