"""The kinds that FAISS gives, each held to the contract."""

from __future__ import annotations

import pytest

from latentstore.index.base import Compression, Kind, Spec
from tests.contracts.vector_index import VectorIndexContract


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
