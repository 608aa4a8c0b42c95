"""The exact answer against plain numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest

from latentstore.distance import exact
from latentstore.index.base import ArrayVectors
from latentstore.index.exact import nearest
from latentstore.types import Float32, Metric


def _points(kind: str, n: int, dim: int) -> Float32:
    vectors = np.random.default_rng(n + dim).standard_normal((n, dim)).astype(np.float32)
    if kind == "equal":
        vectors[:] = 1.0
    elif kind == "zeros":
        vectors[::3] = 0.0
    elif kind == "far off":
        vectors += 1000.0
    elif kind == "of all sizes":
        vectors *= np.geomspace(1e-30, 1e30, n, dtype=np.float32)[:, None]
    return vectors * np.float32({"large": 1e25, "small": 1e-30}.get(kind, 1.0))


@pytest.mark.parametrize("kind", ["plain", "equal", "zeros", "far off", "large", "small", "of all sizes"])
@pytest.mark.parametrize("dim", [1, 2, 3, 7, 384])
@pytest.mark.parametrize("metric", list(Metric))
def test_slots_and_distances_are_those_of_float64(metric: Metric, dim: int, kind: str) -> None:
    rng = np.random.default_rng(dim)
    for n, k in [(0, 3), (1, 3), (50, 50), (4000, 10)]:
        vectors = _points(kind, n, dim)
        queries = np.concatenate([_points(kind, 2, dim), rng.standard_normal((1, dim)).astype(np.float32)])
        far = np.array([exact(one, vectors, metric) for one in queries])
        order = np.lexsort((np.broadcast_to(np.arange(n), far.shape), far))[:, :k]
        slots, distances = nearest(queries, ArrayVectors(vectors), k, metric)
        assert (slots[:, : min(k, n)] == order).all() and (slots[:, n:] == -1).all()
        np.testing.assert_allclose(distances[:, :n], np.take_along_axis(far, order, 1), rtol=1e-12)
        assert np.isinf(distances[:, n:]).all()


def test_only_allowed_slots_count() -> None:
    vectors = _points("plain", 5000, 8)
    allowed = np.random.default_rng(0).random(5000) < 0.01
    slots, _ = nearest(vectors[:3], ArrayVectors(vectors), 100, Metric.L2, allowed=allowed)
    assert all(sorted(row[row >= 0].tolist()) == np.flatnonzero(allowed).tolist() for row in slots)
