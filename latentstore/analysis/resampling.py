"""Resampling: how well clusters come back when half of the items are clustered again, and what that says of each item.

stability: (k,) float64, 0..1, higher is steadier: the mean, over the rounds, of the largest Jaccard similarity of a cluster,
as far as it was drawn, to a cluster found again (Hennig 2007, "Cluster-wise assessment of cluster stability").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

from latentstore.analysis.cluster_facts import Places
from latentstore.analysis.progress import Progress, silent
from latentstore.types import Float64, Int64

Again = Callable[
    [Int64, int], Mapping[str, Int64]
]  # positions, a seed → the labels of those items alone, at each level

LEAST = 20  # items below which halves are too small to say anything
_FIRM = 1.0  # weight of the prior that keeps the odds finite where every item came back


@dataclass(frozen=True)
class Resampled:
    """Of each level: stability (k,), NaN where a cluster was never drawn. back, tried: (n,) int64, in how many rounds an item
    was in the cluster found again for its own, one to one, and in how many it was drawn.
    """

    stability: Mapping[str, Float64]
    back: Mapping[str, Int64]
    tried: Int64


@dataclass(frozen=True)
class Calibration:
    """Odds of an item's coming back, from how it lies and how steady its cluster is. weights: (4,) float64."""

    weights: Float64

    def confidence(self, places: Places, steady: Float64) -> Float64:
        """(m,) float64, 0..1: the probability that an item is found in the same cluster when half of all are clustered again.

        steady: (m,) the stability of each item's cluster.
        """
        return np.asarray(1 / (1 + np.exp(-(_features(places, steady) @ self.weights))))


def resample(
    again: Again, levels: Mapping[str, Int64], order: Int64, *, rounds: int, seed: int, progress: Progress = silent
) -> Resampled:
    """Cluster random halves. levels: labels (n,) of each level; order: (n,) positions in an order that is not the rows' own."""
    n = len(order)
    sums = {name: np.zeros(int(labels.max(initial=-1)) + 1) for name, labels in levels.items()}
    drawn = {name: np.zeros(len(total)) for name, total in sums.items()}
    back = {name: np.zeros(n, dtype=np.int64) for name in levels}
    tried = np.zeros(n, dtype=np.int64)
    rng = np.random.default_rng(seed)
    for at in range(rounds):
        rows = order[np.sort(rng.permutation(n)[: n // 2])]
        tried[rows] += 1
        for name, found in again(rows, seed + 1 + at).items():
            alike, there, same = _compared(levels[name][rows], found, len(sums[name]))
            sums[name] += alike
            drawn[name] += there
            back[name][rows] += same
        progress("stability", (at + 1) / rounds)
    stability = {name: np.where(drawn[name] > 0, sums[name] / np.maximum(drawn[name], 1), np.nan) for name in levels}
    return Resampled(stability, back, tried)


def spread(found: Resampled, drawn: Int64, n: int) -> Resampled:
    """What was found of some of n items, the positions `drawn`, as of all; the others were never tried."""

    def wide(counts: Int64) -> Int64:
        out = np.zeros(n, dtype=np.int64)
        out[drawn] = counts
        return out

    return Resampled(found.stability, {name: wide(back) for name, back in found.back.items()}, wide(found.tried))


def calibrate(places: Places, steady: Float64, back: Int64, tried: Int64) -> Calibration:
    """Fit the odds of coming back: a logistic regression over all rounds. Items that were never drawn, or in no cluster
    (steady NaN), are left out.
    """
    used = (tried > 0) & np.isfinite(steady)
    features, hits, trials = _features(places, steady)[used], back[used].astype(float), tried[used].astype(float)
    weights = np.zeros(features.shape[1])
    for _ in range(50):  # Newton's method; a handful of steps are enough
        chance = 1 / (1 + np.exp(-(features @ weights)))
        slope = features.T @ (hits - trials * chance) - _FIRM * weights
        curve = (features * (trials * chance * (1 - chance))[:, None]).T @ features + _FIRM * np.eye(len(weights))
        step = np.linalg.solve(curve, slope)
        weights = weights + step
        if np.abs(step).max() < 1e-8:
            break
    return Calibration(weights)


def _features(places: Places, steady: Float64) -> Float64:
    return np.column_stack((np.ones(len(steady)), places.share, places.margin, np.nan_to_num(steady)))


def _compared(own: Int64, found: Int64, k: int) -> tuple[Float64, Float64, Int64]:
    """(k,) the largest Jaccard similarity of each cluster, (k,) whether any of it was drawn, and (m,) which items came back."""
    both = (own >= 0) & (found >= 0)
    width = int(found.max(initial=-1)) + 1
    shared = np.bincount(own[both] * width + found[both], minlength=k * width).reshape(k, width).astype(float)
    was, now = np.bincount(own[own >= 0], minlength=k), np.bincount(found[found >= 0], minlength=width)
    alike = shared / np.maximum(was[:, None] + now[None, :] - shared, 1)
    partner = np.full(k + 1, -2, dtype=np.int64)  # the last is that of items in no cluster
    pairs = linear_sum_assignment(alike, maximize=True)
    partner[pairs[0]] = pairs[1]
    same = (own >= 0) & (found == partner[own])
    return alike.max(axis=1, initial=0.0), (was > 0).astype(float), same.astype(np.int64)
