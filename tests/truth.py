"""What the store is held against: plain numpy in float64, and a plain dict."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentstore import Collection, Hits

Array = NDArray[Any]


def gaussian(n: int, dim: int = 16, seed: int = 0) -> Array:
    """(n, dim) float32, the same for the same seed."""
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def distances(query: Array, vectors: Array, metric: str) -> Array:
    """(n,) float64, smaller is closer. query: (dim,); vectors: (n, dim)."""
    q, x = np.asarray(query, np.float64), np.asarray(vectors, np.float64)
    if metric == "ip":
        return -(x @ q)
    if metric == "l2":
        return np.linalg.norm(x - q, axis=1)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(q)
    return 1 - np.divide(x @ q, lengths, out=np.zeros(len(x)), where=lengths > 0)


def nearest(query: Array, vectors: Array, metric: str, k: int) -> Array:
    """(min(k, n),) float64: the distances of the k nearest, ascending."""
    return np.sort(distances(query, vectors, metric))[:k]


def agrees(hits: Hits, query: Array, vectors: dict[str, Array], metric: str, k: int) -> None:
    """Assert that the hits are the k nearest of `vectors`, each at its own distance, to 1e-5 relative."""
    ids = list(vectors)
    assert len(set(hits.ids)) == len(hits) == min(k, len(ids))
    if not ids:
        return
    table = np.stack([vectors[name] for name in ids])
    np.testing.assert_allclose(hits.distances, nearest(query, table, metric, k), rtol=1e-5, atol=1e-6)
    own = distances(query, np.stack([vectors[name] for name in hits.ids]), metric)
    np.testing.assert_allclose(hits.distances, own, rtol=1e-5, atol=1e-6)


def everything(collection: Collection, names: list[str]) -> dict[str, tuple[Any, ...]]:
    """id → (text, uri, metadata) of the items of these names."""
    return {item.id: (item.text, item.uri, item.metadata) for item in collection.get(names)}  # type: ignore[misc]


def committed(collection: Collection) -> dict[str, int]:
    """File → length of all that the catalog has committed: what a refused batch must leave as it was."""
    state = collection.engine.catalog.state()
    slots = {space.name: space.slots for space in state.spaces}
    return {"seq": state.seq, "rows": state.next_row, "records": state.records_bytes, "items": state.items, **slots}
