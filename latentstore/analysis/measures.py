"""Measures of strangeness, one a class: what each learns of a set of vectors, and what it then says of a row.

`fit` gives (n,) float64, above or equal to 0, higher is stranger, of every row as if the row had not been there; what it keeps are
arrays. `judge` says the same of new rows, from those arrays and from the vectors that were learnt from.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from latentstore.analysis import covariance, isolation
from latentstore.analysis.neighbors import Graph
from latentstore.analysis.sweep import each
from latentstore.types import Float32, Float64, Int64

Arrays = dict[str, NDArray[Any]]
NEAR = 5  # neighbours whose distances are averaged where nothing else is asked
_LOF = 20
_USUAL = 0.85  # of the rows, those that a covariance is taken of: strange ones must not widen it
_TRIMS = 3
_EXPLAINED = 0.7  # of the variance, by the directions that reconstruct a row
_BLOCK = 64  # rows whose neighbours are added up at a time: they stay in the processor's cache


@dataclass(frozen=True)
class Data:
    """vectors: (n, dim) float32 as they are measured; graph: their neighbours, at least as many as any measure asks for."""

    vectors: Float32
    graph: Graph | None
    seed: int


@dataclass(frozen=True)
class New:
    """New rows (q, dim), their nearest of the n old ones: positions and distances (q, k); and the old ones' vectors."""

    vectors: Float32
    positions: Int64 | None
    distances: Float32 | None
    reference: Float32


class Measure(Protocol):
    """neighbors: how many of each row it looks at."""

    @property
    def neighbors(self) -> int: ...

    def fit(self, data: Data) -> tuple[Float64, Arrays]: ...

    def judge(self, arrays: Arrays, new: New) -> Float64: ...


@dataclass(frozen=True)
class Distance:
    """The mean distance to the k nearest (Angiulli & Pizzuti 2002)."""

    k: int = NEAR

    @property
    def neighbors(self) -> int:
        return self.k

    def fit(self, data: Data) -> tuple[Float64, Arrays]:
        return _mean(_graph(data).distances, self.k), {}

    def judge(self, arrays: Arrays, new: New) -> Float64:
        return _mean(_found(new)[1], self.k)


@dataclass(frozen=True)
class Factor:
    """Local outlier factor (Breunig, Kriegel, Ng & Sander 2000): how much thinner it is here than around the neighbours."""

    k: int = _LOF

    @property
    def neighbors(self) -> int:
        return self.k

    def fit(self, data: Data) -> tuple[Float64, Arrays]:
        near, far = _graph(data).neighbors[:, : self.k].astype(np.int64), _graph(data).distances[:, : self.k]
        reach = np.where(np.isfinite(far), far, 0).max(axis=1, initial=0).astype(np.float64)
        density = self._density(near, far, reach)
        return self._against(near, density, density), {"reach": reach, "density": density}

    def judge(self, arrays: Arrays, new: New) -> Float64:
        positions, distances = _found(new)
        near, far = positions[:, : self.k], distances[:, : self.k]
        return self._against(near, self._density(near, far, arrays["reach"]), arrays["density"])

    def _density(self, near: Int64, far: Float32, reach: Float64) -> Float64:
        there = near >= 0
        distances = np.where(there, np.maximum(far, reach[near]), 0).astype(np.float64)
        mean = distances.sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        # Twins in number have a reach of nothing; against each other they are as dense as can be told.
        return np.asarray(1 / np.maximum(mean, 1e-9))

    def _against(self, near: Int64, own: Float64, density: Float64) -> Float64:
        there = near >= 0
        around = np.where(there, density[near], 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
        return np.asarray(around / own)


@dataclass(frozen=True)
class Residual:
    """Mahalanobis length of what is left of a row when the mean of its k nearest is taken away.

    Where rows lie near a curved surface, whatever moves along it is common among neighbours and weighs little; what leads away
    from it is rare and weighs much.
    """

    k: int = NEAR

    @property
    def neighbors(self) -> int:
        return self.k

    def fit(self, data: Data) -> tuple[Float64, Arrays]:
        left = _left(data.vectors, data.vectors, _graph(data).neighbors[:, : self.k])
        plain = np.linalg.norm(left, axis=1)
        usual = plain <= np.quantile(plain, _USUAL)
        scores, weights = covariance.crossed(left, usual, covariance.dealt(data.vectors, data.seed))
        return scores, {"weights": weights}

    def judge(self, arrays: Arrays, new: New) -> Float64:
        left = _left(new.vectors, new.reference, _found(new)[0][:, : self.k])
        return covariance.lengths(left, arrays["weights"])


@dataclass(frozen=True)
class Mahalanobis:
    """Distance from the centre under a trimmed, shrunk covariance: the strangest rows are left out of it and it is taken again."""

    neighbors: int = 0

    def fit(self, data: Data) -> tuple[Float64, Arrays]:
        rows = data.vectors
        folds = covariance.dealt(rows, data.seed)
        usual, scores, weights = np.ones(len(rows), dtype=bool), np.zeros(len(rows)), np.eye(rows.shape[1])
        center = np.zeros(rows.shape[1])
        for _ in range(_TRIMS):
            center = rows[usual].mean(axis=0, dtype=np.float64)
            scores, weights = covariance.crossed((rows - center).astype(np.float32), usual, folds)
            usual = scores <= np.quantile(scores, _USUAL)
        return scores, {"weights": weights, "center": center}

    def judge(self, arrays: Arrays, new: New) -> Float64:
        return covariance.lengths(new.vectors, arrays["weights"], arrays["center"])


@dataclass(frozen=True)
class Reconstruction:
    """What is lost of a row by the principal directions that explain most of the variance of the others."""

    neighbors: int = 0

    def fit(self, data: Data) -> tuple[Float64, Arrays]:
        rows = data.vectors
        center = rows.mean(axis=0, dtype=np.float64)
        folds = covariance.dealt(rows, data.seed)
        count = int(folds.max()) + 1
        parts = [covariance.moments(rows[folds == fold], center) for fold in range(count)]
        whole = sum(parts[1:], parts[0]).outer
        few = _few(whole)
        scores = np.empty(len(rows))
        for fold in range(count):
            others = [part for at, part in enumerate(parts) if at != fold] or parts
            lost = np.linalg.eigh(sum(others[1:], others[0]).outer)[1][:, :few]
            scores[folds == fold] = covariance.lengths(rows[folds == fold], lost, center)
        return scores, {"lost": np.linalg.eigh(whole)[1][:, :few], "center": center}

    def judge(self, arrays: Arrays, new: New) -> Float64:
        return covariance.lengths(new.vectors, arrays["lost"], arrays["center"])


@dataclass(frozen=True)
class Isolation:
    """Isolation forest."""

    neighbors: int = 0

    def fit(self, data: Data) -> tuple[Float64, Arrays]:
        forest = isolation.grow(data.vectors, data.seed)
        return isolation.scores(forest, data.vectors, len(data.vectors)), {**forest}

    def judge(self, arrays: Arrays, new: New) -> Float64:
        forest = {name: arrays[name] for name in ("columns", "cuts", "depths")}
        return isolation.scores(forest, new.vectors, len(new.reference))


def _graph(data: Data) -> Graph:
    assert data.graph is not None, "a measure that looks at neighbours is given some"
    return data.graph


def _found(new: New) -> tuple[Int64, Float32]:
    assert new.positions is not None and new.distances is not None, "neighbours"
    return new.positions, new.distances


def _mean(distances: Float32, k: int) -> Float64:
    """Of those that are there; 0 where there are none."""
    far = distances[:, :k].astype(np.float64)
    there = np.isfinite(far)
    return np.asarray(np.where(there, far, 0).sum(axis=1) / np.maximum(there.sum(axis=1), 1))


def _left(rows: Float32, reference: Float32, near: NDArray[np.int64] | NDArray[np.int32]) -> Float32:
    """(n, dim) float32: each row less the mean of its neighbours; the whole row where it has none."""

    def one(at: int) -> Float32:
        block = near[at : at + _BLOCK]
        there = block >= 0
        around = reference.take(block, axis=0, mode="clip")
        if not there.all():
            around[~there] = 0
        mean = around.sum(axis=1) / np.maximum(there.sum(axis=1), 1).astype(np.float32)[:, None]
        return np.asarray(rows[at : at + _BLOCK] - mean)

    out = np.empty_like(rows)
    starts = range(0, len(rows), _BLOCK)
    for at, left in zip(starts, each(one, starts), strict=True):
        out[at : at + _BLOCK] = left
    return out


def _few(outer: Float64) -> int:
    """How many directions of least variance the explaining ones leave out."""
    rising = np.cumsum(np.maximum(np.linalg.eigvalsh(outer), 0))
    return max(int(np.searchsorted(rising, (1 - _EXPLAINED) * rising[-1], side="right")), 1)
