"""Density: where in a latent space the data lies. A mixture of Gaussians, and what it says of items that it was not fitted to.

Latents of a plain autoencoder follow no N(0, I), so samples are drawn from a density fitted to them (Ghosh et al. 2020). The number
of components is the one under which held-out latents are likeliest.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp

from latentstore.errors import InvalidInput
from latentstore.latent.base import Arrays
from latentstore.threads import one_thread
from latentstore.types import Float32, Float64

REJECT = 0.95
_COMPONENTS = (1, 2, 5, 10, 20, 40, 80)
_ROUNDS = 40
_STILL = 1e-2  # gain of a row's mean log-likelihood below which a mixture is done
_ROWS = 20_000  # that a mixture is fitted to; more change little
_PER_COMPONENT = 4  # rows a component and dimension, below which its covariance would be noise
_RIDGE = 1e-3  # added to each variance, of 1 on average
_FLAT = 1e-4  # of the largest deviation: dimensions with less are measured as if they had this much
_TRIES = 50  # rounds of draws before sampling gives up


class Draw(NamedTuple):
    """points: (n, dim) float32; refused: how many more were drawn and lay too far off the data."""

    points: Float32
    refused: int


@dataclass(frozen=True)
class Density:
    """shift, scale: (dim,), between latents and the coordinates of the mixture; weights: (k,); means: (k, dim); factors: (k, dim,
    dim) lower Cholesky factors of the covariances; known: log-densities of held-out latents, ascending. All float64."""

    shift: Float64
    scale: Float64
    weights: Float64
    means: Float64
    factors: Float64
    known: Float64

    @property
    def dim(self) -> int:
        return len(self.shift)

    def log(self, latents: Float32) -> Float64:
        """(n,) float64: log-density; higher is more usual. latents: (n, dim)."""
        return np.asarray(logsumexp(self._joint(latents), axis=1))

    def off_data(self, latents: Float32) -> Float64:
        """(n,) float64 in 0..1: the share of held-out items that lie less far off the data; higher is stranger."""
        above = len(self.known) - np.searchsorted(self.known, self.log(latents), side="right")
        return np.asarray(above / len(self.known))

    def sample(self, n: int, seed: int, *, prior: bool = False, reject: float = REJECT) -> Draw:
        """n points from the mixture, or from N(0, I) where `prior`; points with an `off_data` above `reject` are drawn anew.

        Raises InvalidInput where nearly all are.
        """
        rng = np.random.default_rng(seed)
        return self._kept(n, reject, lambda: self._normal(n, rng) if prior else self._mixture(n, rng))

    def near(self, point: Float32, n: int, spread: float, seed: int, *, reject: float = REJECT) -> Draw:
        """n points around a point (dim,): with the covariance that the mixture has there, `spread` the share of its deviation.

        Raises InvalidInput where nearly all draws have an `off_data` above `reject`.
        """
        rng = np.random.default_rng(seed)
        factor = self.factors[int(np.argmax(self._joint(point[None])[0]))]
        at = (point.astype(np.float64) - self.shift) / self.scale
        return self._kept(n, reject, lambda: self._back(at + spread * rng.standard_normal((n, self.dim)) @ factor.T))

    def facts(self) -> dict[str, Any]:
        return {"components": len(self.weights), "calibrated_on": len(self.known)}

    def arrays(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def of(cls, arrays: Arrays) -> Density:
        """What `arrays` gave, as a density again."""
        return cls(**{name: np.asarray(arrays[name], np.float64) for name in cls.__dataclass_fields__})

    def _joint(self, latents: Float32) -> Float64:
        """(n, k) float64: log of weight times density of each component."""
        at = (latents.astype(np.float64) - self.shift) / self.scale
        out = np.empty((len(at), len(self.weights)))
        for which, (mean, factor) in enumerate(zip(self.means, self.factors, strict=True)):
            away = solve_triangular(factor, (at - mean).T, lower=True)  # (dim, n)
            volume = np.log(np.diag(factor)).sum() + 0.5 * self.dim * np.log(2 * np.pi)
            out[:, which] = np.log(self.weights[which]) - 0.5 * np.einsum("dn,dn->n", away, away) - volume
        return np.asarray(out - np.log(self.scale).sum())

    def _mixture(self, n: int, rng: np.random.Generator) -> Float32:
        which = rng.choice(len(self.weights), n, p=self.weights)
        noise = np.einsum("nij,nj->ni", self.factors[which], rng.standard_normal((n, self.dim)))
        return self._back(self.means[which] + noise)

    def _normal(self, n: int, rng: np.random.Generator) -> Float32:
        return rng.standard_normal((n, self.dim)).astype(np.float32)

    def _back(self, at: Float64) -> Float32:
        return np.asarray(at * self.scale + self.shift, np.float32)

    def _kept(self, n: int, reject: float, draw: Callable[[], Float32]) -> Draw:
        found = np.empty((0, self.dim), np.float32)
        refused = 0
        for _ in range(_TRIES):
            drawn = draw()
            near = self.off_data(drawn) <= reject
            found = np.concatenate([found, drawn[near]])
            refused += int(np.count_nonzero(~near))
            if len(found) >= n:
                return Draw(found[:n], refused)
        raise InvalidInput(
            f"of {_TRIES * n} points drawn, {len(found)} lie as near to the data as asked (off_data at most {reject:g}), {n} are "
            "wanted; ask for a higher reject, or draw nearer to the data"
        )


def fit(latents: Float32, held: Float32, seed: int) -> Density:
    """latents: (n, dim) float32 that the mixture is fitted to, held: (m, dim) that choose and calibrate it, m at least 1."""
    rng = np.random.default_rng(seed)
    if len(latents) > _ROWS:
        latents = latents[np.sort(rng.choice(len(latents), _ROWS, replace=False))]
    shift = latents.mean(axis=0, dtype=np.float64)
    scale = latents.std(axis=0, dtype=np.float64)
    least = max(_FLAT * float(scale.max()), float(np.finfo(np.float32).tiny))
    scale = np.maximum(scale, least)
    within, beyond = ((part.astype(np.float64) - shift) / scale for part in (latents, held))
    with one_thread:  # products this small are slower on several
        best = _likeliest(within, beyond, seed)
    factors = np.linalg.cholesky(best.covariances_)
    found = Density(shift, scale, best.weights_, best.means_, factors, np.zeros(0))
    return replace(found, known=np.sort(found.log(held)))


def _likeliest(rows: Float64, held: Float64, seed: int) -> Any:
    """The mixture of more and more components, until held-out rows are no likelier under the next."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    best, highest = None, -math.inf
    for count in _COMPONENTS:
        if count > 1 and count * rows.shape[1] * _PER_COMPONENT > len(rows):
            break
        mixture = GaussianMixture(count, reg_covar=_RIDGE, random_state=seed, max_iter=_ROUNDS, tol=_STILL)
        with warnings.catch_warnings():
            # A mixture that is still moving a little is as good a density.
            warnings.simplefilter("ignore", ConvergenceWarning)
            mixture.fit(rows)
        likely = float(mixture.score(held))
        if likely <= highest:
            break
        best, highest = mixture, likely
    return best
