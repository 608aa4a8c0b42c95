"""The kinds that FAISS gives, each held to the contract."""

from __future__ import annotations

import numpy as np
import pytest

from latentstore.distance import exact
from latentstore.index.base import ArrayVectors, Compression, Kind, Spec, build
from latentstore.types import Metric
from tests.contracts.vector_index import VectorIndexContract
from tests.truth import gaussian


class TestHnsw(VectorIndexContract):
    @classmethod
    def spec(cls, n: int, dim: int) -> Spec:
        return Spec(Kind.HNSW)


class TestHnswOverFloat32(VectorIndexContract):
    @classmethod
    def spec(cls, n: int, dim: int) -> Spec:
        return Spec(Kind.HNSW, Compression.FLOAT32)


@pytest.mark.slow
class TestHnswOverFloat16(VectorIndexContract):
    @classmethod
    def spec(cls, n: int, dim: int) -> Spec:
        return Spec(Kind.HNSW, Compression.FLOAT16)


class TestIvf(VectorIndexContract):
    @classmethod
    def spec(cls, n: int, dim: int) -> Spec:
        return Spec(Kind.IVF, lists=max(1, min(60, n // 39)))


class TestIvfOverFloat32(VectorIndexContract):
    @classmethod
    def spec(cls, n: int, dim: int) -> Spec:
        return Spec(Kind.IVF, Compression.FLOAT32, lists=max(1, min(60, n // 39)))


@pytest.mark.slow
class TestIvfOverFloat16(VectorIndexContract):
    @classmethod
    def spec(cls, n: int, dim: int) -> Spec:
        return Spec(Kind.IVF, Compression.FLOAT16, lists=max(1, min(60, n // 39)))


def test_where_no_walk_reaches_a_recall_every_code_is_compared() -> None:
    vectors = gaussian(6000, 24)
    vectors[:600] = vectors[600:606].repeat(100, axis=0)  # twins enough to cut the graph into islands
    index = build(ArrayVectors(vectors), Metric.COSINE, Spec(Kind.HNSW))
    effort = index.effort(0.999, 10)
    assert effort is not None and index.describe()["recall"]["0.99"]["measured"] >= 0.99
    far = [exact(query, vectors, Metric.COSINE) for query in gaussian(50, 24, seed=9)]
    found = index.search(gaussian(50, 24, seed=9), effort)
    share = [np.count_nonzero(row[slots] <= np.sort(row)[9] + 1e-9) for row, slots in zip(far, found, strict=True)]
    assert np.minimum(share, 10).mean() >= 9.9
