"""Covariance that holds where there are fewer rows than columns, and distances under it that no row helped to shape.

A row judged by a covariance that it went into looks less strange than one that did not. So rows are dealt into folds, each fold
judged by what the others say; a new row is judged by the mean of all of them, and the two compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from latentstore.analysis.order import canonical
from latentstore.types import Bool, Float32, Float64, Int64

FOLDS = 10
_BLOCK = 4096  # rows that are turned to float64 at a time


@dataclass(frozen=True)
class Moments:
    """Sums over n rows: `outer` (dim, dim) of x xᵀ, `total` (dim,) of x, `fourth` of |x|⁴."""

    n: int
    total: Float64
    outer: Float64
    fourth: float

    def __add__(self, other: Moments) -> Moments:
        return Moments(self.n + other.n, self.total + other.total, self.outer + other.outer, self.fourth + other.fourth)


def moments(rows: Float32, center: Float64 | None = None) -> Moments:
    """Of (n, dim) rows, less `center`."""
    dim = rows.shape[1]
    total, outer, fourth = np.zeros(dim), np.zeros((dim, dim)), 0.0
    for at in range(0, len(rows), _BLOCK):
        block = rows[at : at + _BLOCK].astype(np.float64)
        block = block if center is None else block - center
        total += block.sum(axis=0)
        outer += block.T @ block
        fourth += float((np.vecdot(block, block) ** 2).sum())
    return Moments(len(rows), total, outer, fourth)


def shrunk(sums: Moments) -> Float64:
    """(dim, dim) covariance about 0, drawn towards a multiple of the identity (Ledoit & Wolf 2004)."""
    dim = len(sums.total)
    if sums.n == 0:
        return np.eye(dim)
    plain = sums.outer / sums.n
    level = float(np.trace(plain)) / dim
    if level <= 0:
        return np.eye(dim)
    spread = float((plain**2).sum()) - dim * level**2
    noise = (sums.fourth / sums.n - float((plain**2).sum())) / sums.n
    share = 1.0 if spread <= 0 else min(1.0, max(noise, 0.0) / spread)
    covariance = (1 - share) * plain
    covariance[np.diag_indices(dim)] += share * level
    return covariance


def whitening(covariance: Float64) -> Float64:
    """(dim, dim) w with w wᵀ its inverse: |x w| is the distance under it. Directions without spread count as those with least."""
    values, axes = np.linalg.eigh(covariance)
    floor = max(float(values[-1]) * 1e-10, np.finfo(np.float64).tiny)
    return np.asarray(axes / np.sqrt(np.maximum(values, floor)))


def lengths(rows: Float32, weights: Float64, center: Float64 | None = None) -> Float64:
    """(n,) float64: |(x - center) w| of each row."""
    out = np.empty(len(rows))
    for at in range(0, len(rows), _BLOCK):
        block = rows[at : at + _BLOCK].astype(np.float64)
        turned = (block if center is None else block - center) @ weights
        out[at : at + _BLOCK] = np.sqrt(np.vecdot(turned, turned))
    return out


def dealt(vectors: Float32, seed: int) -> Int64:
    """(n,) int64: a fold for each row, FOLDS at most, told by the row itself and the seed, not by where it stands."""
    n = len(vectors)
    order = canonical(vectors)[np.random.default_rng(seed).permutation(n)]
    folds = np.empty(n, dtype=np.int64)
    folds[order] = np.arange(n) % max(1, min(FOLDS, n))
    return folds


def crossed(rows: Float32, usual: Bool, folds: Int64) -> tuple[Float64, Float64]:
    """Distances (n,) from 0 under the covariance of the usual rows of other folds; and weights (dim, dim) of the mean."""
    count = int(folds.max()) + 1
    parts = [moments(rows[usual & (folds == fold)]) for fold in range(count)]
    out, mean = np.empty(len(rows)), np.zeros((rows.shape[1], rows.shape[1]))
    for fold in range(count):
        others = [part for at, part in enumerate(parts) if at != fold] or parts
        weights = whitening(shrunk(sum(others[1:], others[0])))
        out[folds == fold] = lengths(rows[folds == fold], weights)
        mean += weights @ weights.T / count
    return out, np.asarray(np.linalg.cholesky(mean), dtype=np.float64)
