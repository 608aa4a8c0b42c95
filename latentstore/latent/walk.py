"""Walking in a latent space: ways from one point to another, directions, and steps along them. Pure functions on points.

A line keeps to what lies between two points, and is meant unless another way is asked for. An arc keeps to their distance from a
centre: of many dimensions, the points of a Gaussian lie in a shell around its mean, and the middle of a line cuts deep
inside it, where no data are. So an arc suits latents drawn to N(0, I), and vectors of which only the angle counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from latentstore.analysis.order import canonical
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Float64, Int64

Path = Callable[[Float64], Float32]  # shares of the way (m,) in 0..1 → points (m, dim); exactly the ends at 0 and 1

_FOLDS = 5
_FINE = 16  # points a step at which the pace of a way is taken
_FEWEST = 257  # points at least
_OPPOSITE = 1e-6  # of the sine between two points, below which no arc is the shortest


def line(a: Float32, b: Float32) -> Path:
    """The straight way from a (dim,) to b (dim,), at even pace."""

    def points(at: Float64) -> Float32:
        share = at[:, None]
        return np.asarray((1 - share) * a.astype(np.float64) + share * b.astype(np.float64), np.float32)

    return points


def arc(a: Float32, b: Float32, center: Float32) -> Path:
    """The way along the great circle around `center` (dim,), at even pace of the angle (Shoemake 1985); the distance from the
    centre goes evenly from that of a to that of b.

    A line where either end is the centre itself. Raises InvalidInput where the ends lie on opposite sides of it, so that every
    great circle leads from one to the other.
    """
    one, two = a.astype(np.float64) - center, b.astype(np.float64) - center
    near, far = float(np.linalg.norm(one)), float(np.linalg.norm(two))
    if not near or not far:
        return line(a, b)
    one, two = one / near, two / far
    # Half the chord: the cosine loses the digits of a small angle.
    angle = 2 * float(np.arctan2(np.linalg.norm(one - two), np.linalg.norm(one + two)))
    if np.pi - angle < _OPPOSITE:
        raise InvalidInput("the two points lie on opposite sides of the centre, where no arc is shortest; walk linear")

    def points(at: Float64) -> Float32:
        share = at[:, None]
        if angle < _OPPOSITE:
            turned = (1 - share) * one + share * two
        else:
            turned = (np.sin((1 - share) * angle) * one + np.sin(share * angle) * two) / np.sin(angle)
        out = np.asarray(center + ((1 - share) * near + share * far) * turned, np.float32)
        out[at == 0], out[at == 1] = a, b
        return out

    return points


def evenly(path: Path, steps: int, decode: Callable[[Float32], Float32] | None = None) -> tuple[Float64, Float32]:
    """(shares (steps,), points (steps, dim)) of a way, both ends among them.

    The way is covered at even pace in the latent space; with `decode` ((m, dim) → (m, width)) at even pace of what is decoded:
    as much of its length lies in every step, measured along many small ones.
    """
    at = np.linspace(0.0, 1.0, steps)
    if decode is not None:
        fine = np.linspace(0.0, 1.0, max(_FEWEST, _FINE * (steps - 1) + 1))
        gone = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(decode(path(fine)), axis=0), axis=1))])
        if gone[-1] > 0:
            at = np.interp(at * gone[-1], gone, fine)
            at[0], at[-1] = 0.0, 1.0
    return at, path(at)


def difference(towards: Float32, away: Float32) -> Float64:
    """(dim,) float64 of length 1: from the mean of some points to that of others, (n, dim) and (m, dim).

    Fisher's discriminant (1936) tells the two a little better apart, by directions in which points hardly vary (Haufe et al. 2014);
    a point that is moved along it leaves the data and does not come to look like the other side. One that follows the means does.
    Raises InvalidInput where the means are one.
    """
    apart = towards.mean(axis=0, dtype=np.float64) - away.mean(axis=0, dtype=np.float64)
    size = float(np.linalg.norm(apart))
    if not size:
        raise InvalidInput("both sides have the same mean, so no direction leads from one to the other; choose others")
    return np.asarray(apart / size)


def separation(towards: Float32, away: Float32, seed: int = 0) -> float | None:
    """How well the direction between two sides tells points apart that had no part in finding it: the area under the ROC curve,
    0.5 for chance, 1 for all; the mean of up to five folds. None where a side has a single point."""
    from sklearn.metrics import roc_auc_score

    count = min(_FOLDS, len(towards), len(away))
    if count < 2:
        return None
    one, two = _dealt(towards, count, seed), _dealt(away, count, seed)
    areas = []
    for fold in range(count):
        vector = _between(towards[one != fold], away[two != fold])
        scores = [along(side[folds == fold], vector) for side, folds in ((towards, one), (away, two))]
        areas.append(roc_auc_score(np.repeat([1, 0], [len(part) for part in scores]), np.concatenate(scores)))
    return float(np.mean(areas))


def axes(points: Float32) -> Float64:
    """(dim, dim) float64: the principal axes of (n, dim), a row each, of length 1, that of most variance first. The largest
    number of each is positive."""
    away = points - points.mean(axis=0, dtype=np.float64)
    found = np.linalg.eigh(away.T @ away)[1][:, ::-1].T
    sides = np.take_along_axis(found, np.abs(found).argmax(axis=1)[:, None], axis=1)
    return np.ascontiguousarray(found * np.sign(sides))


def along(points: Float32, vector: Float64) -> Float64:
    """(n,) float64: how far each of (n, dim) lies along a direction of length 1."""
    return np.asarray(points.astype(np.float64) @ vector)


def shift(point: Float32, vector: Float64, deviation: float, amounts: Float64) -> Float32:
    """(m, dim) float32: a point moved along a direction by so many deviations each."""
    return np.asarray(point + (amounts * deviation)[:, None] * vector, np.float32)


def arithmetic(plus: Float32, minus: Float32, center: Float32) -> Float32:
    """(dim,) float32: the sum of (n, dim) less the sum of (m, dim), each taken from the centre (dim,).

    Where n is m + 1 the centre does not matter; else the sum would lie farther out the more there are.
    """
    middle = center.astype(np.float64)
    return np.asarray(middle + (plus - middle).sum(axis=0) - (minus - middle).sum(axis=0), np.float32)


def traverse(point: Float32, points: Float32, dims: Sequence[int], steps: int, span: float) -> Float32:
    """(len(dims) * steps, dim) float32: for each dimension the point with that number replaced, step by step, by quantiles of
    `points` (n, dim): those that a normal variable has from -span to span deviations, evenly."""
    from scipy.stats import norm

    levels = norm.cdf(np.linspace(-span, span, steps))
    out = np.tile(point, (len(dims), steps, 1))
    for at, dim in enumerate(dims):
        out[at, :, dim] = np.quantile(points[:, dim].astype(np.float64), levels)
    return np.asarray(out.reshape(-1, len(point)), np.float32)


def _between(towards: Float32, away: Float32) -> Float64:
    """As `difference`, of no length where there is none: then it tells nothing apart."""
    return np.asarray(towards.mean(axis=0, dtype=np.float64) - away.mean(axis=0, dtype=np.float64))


def _dealt(points: Float32, count: int, seed: int) -> Int64:
    """(n,) int64: a fold for each row, told by the row itself and the seed, not by where it stands."""
    folds = np.empty(len(points), dtype=np.int64)
    folds[canonical(points)[np.random.default_rng(seed).permutation(len(points))]] = np.arange(len(points)) % count
    return folds
