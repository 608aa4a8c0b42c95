"""How far a map can be believed: trustworthiness and continuity (Venna & Kaski 2001), 0..1, higher is better.

Trustworthiness falls where rows are neighbours on the map that are none in the space; continuity where neighbours in the
space are torn apart on the map. Places thrown at random give about 0.5.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from latentstore.analysis.order import canonical
from latentstore.distance import unit
from latentstore.types import Float32, Int64, Metric

_WIDTH = 15  # neighbours that count
_ALL = 2500  # rows up to which each is asked
_SAMPLE = 1000  # rows that are asked of more; of each, all others are ranked
_CELLS = 1 << 24  # distances in hand at a time


@dataclass(frozen=True)
class Trust:
    """trustworthiness, continuity: 0..1, over `k` neighbours, the mean of `asked` rows. 1.0 where there is nothing to confuse."""

    trustworthiness: float
    continuity: float
    k: int
    asked: int


def measure(vectors: Float32, coordinates: Float32, metric: Metric, *, seed: int = 0) -> Trust:
    """Of a map (n, 2) of (n, dim) rows; beyond 2,500 rows, of 1,000 drawn by seed, each ranked among all."""
    n = len(vectors)
    k = min(_WIDTH, (n - 1) // 3)
    if k < 1:
        return Trust(1.0, 1.0, 0, n)
    asked = canonical(vectors)
    if n > _ALL:
        asked = asked[np.sort(np.random.default_rng(seed).permutation(n)[:_SAMPLE])]
    wrong, torn = 0.0, 0.0
    for space, plane in _far(vectors, coordinates, asked, metric):
        wrong += _excess(space, plane, k)
        torn += _excess(plane, space, k)
    most = len(asked) * k * (2 * n - 3 * k - 1) / 2
    return Trust(1 - wrong / most, 1 - torn / most, k, len(asked))


def _far(vectors: Float32, coordinates: Float32, asked: Int64, metric: Metric) -> Iterator[tuple[Float32, Float32]]:
    """(rows, n) squared distances of some rows at a time to all, in the space and on the map."""
    points = unit(vectors) if metric is Metric.COSINE else vectors
    step = max(1, _CELLS // len(vectors))
    for at in range(0, len(asked), step):
        part = asked[at : at + step]
        yield _squares(points, part), _squares(coordinates, part)


def _squares(points: Float32, part: Int64) -> Float32:
    # From the middle of the rows asked: lengths that are all alike lose fewer digits.
    moved = points - points[part].mean(axis=0)
    far = np.vecdot(moved, moved)[None, :] - 2 * (moved[part] @ moved.T) + np.vecdot(moved[part], moved[part])[:, None]
    far[np.arange(len(part)), part] = -np.inf  # a row is its own first
    return np.asarray(far, dtype=np.float32)


def _excess(true: Float32, shown: Float32, k: int) -> float:
    """How many ranks beyond k the k that are shown as nearest lie in truth, summed up. Equally far ones share the best rank."""
    near = np.argpartition(shown, k, axis=1)[:, : k + 1]
    own = np.take_along_axis(true, near, axis=1)
    ordered = np.sort(true, axis=1)
    ranks = np.array([line.searchsorted(one) for line, one in zip(ordered, own, strict=True)])
    return float(np.maximum(ranks - k, 0).sum())
