"""Density: where in a latent space the data lies, and new points that lie there too.

How far off the data a point is, the distances to the known latents nearest to it say, each in units of how far that one is from its own
neighbours (Schubert et al. 2014), ranked among those of held-out items: where items lie apart, a new one is no stranger for it.

Latents of a plain autoencoder follow no N(0, I), so points are drawn from a density fitted to them (Ghosh et al. 2020): a mixture of
narrow Gaussians, one at each known latent and stretched along its neighbours (Vincent & Bengio 2003), which reach just so far that draws
lie as far from the known latents as held-out ones do: new, and not off the data. Of a few broad Gaussians, most of what is drawn in many
dimensions lies farther from every item than any new item does, and decodes to blends.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from latentstore.errors import InvalidInput
from latentstore.latent.base import Arrays
from latentstore.threads import one_thread
from latentstore.types import Float32, Float64, Int64

REJECT = 0.95
_KNOWN = 8000  # latents to draw at; more change little
_NEAR = 5  # known latents whose distances tell how far off the data a point is
_BESIDE = 10  # neighbours that a draw is stretched along
_FARTHEST = 4.0  # reach
_TRIED = 1000  # draws that tell a reach
_HALVINGS = 10
_FLAT = 1e-4  # of the largest deviation: dimensions with less are measured as if they had this much
_CLOSEST = 1e-4  # spacing
_AT_ONCE = 512  # points whose distances are in memory together
_LEAST, _ROUNDS = 1000, 50  # points of a round of draws, and rounds before sampling gives up
_ARRAYS = ("shift", "scale", "held", "known", "beside", "spacing")


class Draw(NamedTuple):
    """points: (n, dim) float32; refused: how many more were drawn and lay too far off the data."""

    points: Float32
    refused: int


@dataclass(frozen=True)
class Density:
    """shift, scale: (dim,) float64, between latents and the coordinates of the rest; held: (h,) float64, how far held-out latents are
    from the known, ascending; known: (m, dim) float32; beside: (m, r) int64, which of them are nearest to each; spacing: (m,)
    float64, the mean distance to these; reach: of a draw, in root mean squares of the ways to these."""

    shift: Float64
    scale: Float64
    held: Float64
    known: Float32
    beside: Int64
    spacing: Float64
    reach: float

    @property
    def dim(self) -> int:
        return len(self.shift)

    def away(self, latents: Float32) -> Float64:
        """(n,) float64: mean distance to the nearest known latents, that to each in its `spacing`; higher is stranger."""
        far, which = _nearest(self._within(latents), self.known, _NEAR)
        return np.asarray((far / self.spacing[which]).mean(axis=1))

    def off_data(self, latents: Float32) -> Float64:
        """(n,) float64 in 0..1: the share of held-out items that lie less far off the data; higher is stranger."""
        return np.asarray(np.searchsorted(self.held, self.away(latents), side="left") / len(self.held))

    def sample(self, n: int, seed: int, *, prior: bool = False, reject: float = REJECT) -> Draw:
        """n points from the mixture, or from N(0, I) where `prior`; points with an `off_data` above `reject` are drawn anew.

        Raises InvalidInput where nearly all are.
        """
        rng = np.random.default_rng(seed)
        return self._kept(n, reject, lambda count: self._normal(count, rng) if prior else self._mixture(count, rng))

    def near(self, point: Float32, n: int, spread: float, seed: int, *, reject: float = REJECT) -> Draw:
        """n points around a point (dim,), stretched along the known latents nearest to it; `spread`: their deviation, in root mean
        squares of the ways to these.

        Raises InvalidInput where nearly all draws have an `off_data` above `reject`.
        """
        rng = np.random.default_rng(seed)
        at = self._within(point[None])
        ways = self.known[_nearest(at, self.known, self.beside.shape[1])[1]] - at[:, None]  # (1, r, dim)
        return self._kept(
            n, reject, lambda count: self._back(at + spread * _along(np.repeat(ways, count, axis=0), rng))
        )

    def facts(self) -> dict[str, Any]:
        return {"known": len(self.known), "calibrated_on": len(self.held), "reach": self.reach}

    def arrays(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def of(cls, facts: dict[str, Any], arrays: Arrays) -> Density:
        """What `facts` and `arrays` gave, as a density again."""
        return cls(**{name: np.asarray(arrays[name]) for name in _ARRAYS}, reach=float(facts["reach"]))

    def _mixture(self, n: int, rng: np.random.Generator) -> Float32:
        at = rng.integers(len(self.known), size=n)
        ways = self.known[self.beside[at]] - self.known[at][:, None]
        return self._back(self.known[at] + self.reach * _along(ways, rng))

    def _normal(self, n: int, rng: np.random.Generator) -> Float32:
        return rng.standard_normal((n, self.dim)).astype(np.float32)

    def _within(self, latents: Float32) -> Float64:
        return np.asarray((latents.astype(np.float64) - self.shift) / self.scale)

    def _back(self, at: Float64) -> Float32:
        return np.asarray(at * self.scale + self.shift, np.float32)

    def _kept(self, n: int, reject: float, draw: Callable[[int], Float32]) -> Draw:
        found = np.empty((0, self.dim), np.float32)
        refused = 0
        size = max(n, _LEAST) if reject < 1 else n
        for _ in range(_ROUNDS):
            drawn = draw(size)
            near = np.flatnonzero(self.off_data(drawn) <= reject)[: n - len(found)]
            found = np.concatenate([found, drawn[near]])
            if len(found) == n:
                return Draw(found, refused + int(near[-1]) + 1 - len(near))
            refused += size - len(near)
        raise InvalidInput(
            f"of {_ROUNDS * size} points drawn, {len(found)} lie as near to the data as asked (off_data at most {reject:g}), {n} are "
            "wanted; ask for a higher reject, or draw nearer to the data"
        )


def fit(latents: Float32, held: Float32, seed: int) -> Density:
    """latents: (n, dim) float32 to draw at, n at least 2; held: (m, dim) that the figures are calibrated on, m at least 1."""
    rng = np.random.default_rng(seed)
    shift = latents.mean(axis=0, dtype=np.float64)
    scale = latents.std(axis=0, dtype=np.float64)
    least = max(_FLAT * float(scale.max()), float(np.finfo(np.float32).tiny))
    scale = np.maximum(scale, least)
    if len(latents) > _KNOWN:
        latents = latents[np.sort(rng.choice(len(latents), _KNOWN, replace=False))]
    known = ((latents - shift) / scale).astype(np.float32)
    far, beside = _nearest(known, known, min(_BESIDE, len(known) - 1), apart=True)
    # Among copies there is no spacing: the smallest that float32 tells apart stands for it.
    spacing = np.maximum(far.mean(axis=1), _CLOSEST)
    found = Density(shift, scale, np.zeros(0), known, beside, spacing, 0.0)
    found = replace(found, held=np.sort(found.away(held)))
    return replace(found, reach=_reach(found, rng))


def _reach(density: Density, rng: np.random.Generator) -> float:
    """How far draws have to reach to lie as far away as held-out latents, in the median."""
    known = density.known
    wanted = float(np.median(density.held))
    at = rng.integers(len(known), size=_TRIED)
    noise = _along(known[density.beside[at]] - known[at][:, None], rng)
    low, high = 0.0, _FARTHEST
    for _ in range(_HALVINGS):
        reach = (low + high) / 2
        short = float(np.median(density.away(density._back(known[at] + reach * noise)))) < wanted
        low, high = (reach, high) if short else (low, reach)
    return (low + high) / 2


def _along(ways: Any, rng: np.random.Generator) -> Float64:
    """(n, dim) float64: noise whose covariance is the mean of w wᵀ over the r ways of each. ways: (n, r, dim)."""
    return np.asarray(np.einsum("nr,nrd->nd", rng.standard_normal(ways.shape[:2]), ways) / math.sqrt(ways.shape[1]))


def _nearest(points: Any, known: Float32, k: int, *, apart: bool = False) -> tuple[Float64, Int64]:
    """(n, k) distances to the known latents nearest to each, no more than there are, and which these are, closest first.
    apart: the points are the known ones, and none counts for itself."""
    wide = known.astype(np.float64)
    k = min(k, len(wide))
    far, which = np.empty((len(points), k)), np.empty((len(points), k), np.int64)
    for start in range(0, len(points), _AT_ONCE):
        some = np.asarray(points[start : start + _AT_ONCE], np.float64)
        with one_thread:  # products this small are slower on several
            squares = np.vecdot(some, some)[:, None] + np.vecdot(wide, wide) - 2 * some @ wide.T
        if apart:
            squares[np.arange(len(some)), np.arange(start, start + len(some))] = np.inf
        near = np.argpartition(squares, k - 1, axis=1)[:, :k]
        found = np.take_along_axis(squares, near, axis=1)
        order = np.argsort(found, axis=1, kind="stable")
        which[start : start + len(some)] = np.take_along_axis(near, order, axis=1)
        far[start : start + len(some)] = np.sqrt(np.maximum(np.take_along_axis(found, order, axis=1), 0))
    return far, which
