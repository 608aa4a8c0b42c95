"""Walking in a latent space: ways from one point to another, directions, and steps along them. Pure functions on points.

A line keeps to what lies between two points, and is meant unless another way is asked for. An arc keeps to their distance from a
centre: of many dimensions, the points of a Gaussian lie in a shell around its mean, which the middle of a line leaves. It is meant
for vectors of which only the angle counts, and for latents drawn to N(0, I). Of handwritten digits, what the middle of a line decodes
to is nearer to real pictures than that of an arc with PCA and an autoencoder, and as near with a VAE.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from latentstore.errors import InvalidInput
from latentstore.types import Bool, Float32, Float64

Path = Callable[[Float64], Float32]  # shares of the way (m,) in 0..1 → points (m, dim); exactly the ends at 0 and 1

_FOLDS = 5
_FINE = 16  # points a step at which the pace of a way is taken
_FEWEST = 257  # points at least
_BLOCK = 4096  # rows that are turned to float64 at a time
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


def separation(points: Float32, towards: Bool, away: Bool) -> float | None:
    """How well the direction between two sides tells points apart that had no part in finding it: the area under the ROC curve,
    0.5 for chance, 1 for all; the mean of up to five folds. None where a side has a single point.

    points: (n, dim); towards, away: (n,), the rows of either side. Folds are dealt by where rows stand: give them in an order that
    says nothing of them.
    """
    one, two = np.flatnonzero(towards), np.flatnonzero(away)
    count = min(_FOLDS, len(one), len(two))
    if count < 2:
        return None
    sides = [[points[side[fold::count]] for fold in range(count)] for side in (one, two)]
    sums = [np.stack([part.sum(axis=0, dtype=np.float64) for part in side]) for side in sides]
    areas = []
    for fold in range(count):
        means = [
            (total.sum(axis=0) - total[fold]) / (len(side) - len(parts[fold]))
            for side, parts, total in zip((one, two), sides, sums, strict=True)
        ]
        areas.append(_area(*(along(parts[fold], means[0] - means[1]) for parts in sides)))
    return float(np.mean(areas))


def _area(high: Float64, low: Float64) -> float:
    """The share of pairs of which the first is above the second, ties counted half."""
    from scipy.stats import rankdata

    n, m = len(high), len(low)
    ranks = rankdata(np.concatenate([high, low]))[:n]
    return float((ranks.sum() - n * (n + 1) / 2) / (n * m))


def along(points: Float32, vector: Float64) -> Float64:
    """(n,) float64: how far each of (n, dim) lies along a direction of length 1."""
    return np.concatenate(
        [points[at : at + _BLOCK].astype(np.float64) @ vector for at in range(0, len(points), _BLOCK)]
    )


def variance(points: Float32) -> float:
    """The mean squared distance of (n, dim) points from their mean."""
    center = points.mean(axis=0, dtype=np.float64)
    parts = (points[at : at + _BLOCK] - center for at in range(0, len(points), _BLOCK))
    return float(sum(np.vecdot(part, part).sum() for part in parts)) / len(points)


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
