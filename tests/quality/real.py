"""Real texts as MiniLM sees them, and a plain-numpy model of a collection that holds them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from latentstore import Collection, Hits
from latentstore.encoders import load
from tests.truth import Array

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "text"
SOURCES = {
    "assistant": ["clinc150/train.jsonl", "clinc150/val.jsonl", "clinc150/test.jsonl"],
    "bank": ["banking77/train.jsonl", "banking77/test.jsonl"],
    "programming": ["stackoverflow.jsonl"],
}


@dataclass(frozen=True)
class Real:
    """vectors: (n, 384) float32; domains, labels: (n,) str. Rows are shuffled; no text comes twice."""

    vectors: Array
    domains: Array
    labels: Array

    def __getitem__(self, rows: slice | Array) -> Real:
        return Real(self.vectors[rows], self.domains[rows], self.labels[rows])

    def __len__(self) -> int:
        return len(self.vectors)


def real(n: int, cache: Path) -> Real:
    """n real texts of three domains. Encoded once, kept in `cache`."""
    if not SHARED.is_dir():
        pytest.skip(f"real texts are read from {SHARED}, which is not there")
    found = {line["text"]: (domain, line["label"]) for domain, line in _lines()}
    texts = [list(found)[at] for at in np.random.default_rng(0).permutation(len(found))[:n]]
    domains, labels = np.array([found[text] for text in texts]).T
    return Real(_encoded(texts, cache / f"real-{n}-{load('text').fingerprint.replace(':', '-')}.npy"), domains, labels)


def _lines():
    for domain, names in SOURCES.items():
        for name in names:
            with (SHARED / name).open(encoding="utf-8") as file:
                yield from ((domain, json.loads(line)) for line in file)


def _encoded(texts: list[str], file: Path) -> Array:
    if not file.exists():
        # Another worker may be at it too: whoever is done last puts the same bytes in place.
        part = file.with_name(f"{os.getpid()}-{file.name}")
        np.save(part, load("text").encode(texts))
        part.replace(file)
    return np.load(file)


class Model:
    """What a collection should hold: by id, a vector, a domain, and a number u in 0..1 to filter by."""

    def __init__(self, collection: Collection, seed: int = 0) -> None:
        self.collection = collection
        self.rng = np.random.default_rng(seed)
        self.ids: Array = np.empty(0, dtype=object)
        self.vectors: Array = np.empty((0, 384), np.float32)
        self.domains: Array = np.empty(0, dtype=str)
        self.u: Array = np.empty(0)

    def add(self, rows: Real) -> None:
        ids = [f"{len(self.ids) + at}-{self.rng.integers(1 << 30)}" for at in range(len(rows))]
        self._keep(ids, rows, self.rng.random(len(rows)))

    def replace(self, share: float, rows: Real) -> None:
        """Give some of the items the vectors and domains of other texts."""
        chosen = self.rng.choice(len(self.ids), int(share * len(self.ids)), replace=False)
        ids, u = self.ids[chosen].tolist(), self.u[chosen]
        self._forget(chosen)
        self._keep(ids, rows[np.arange(len(ids)) % len(rows)], u)

    def delete(self, share: float) -> None:
        chosen = self.rng.choice(len(self.ids), int(share * len(self.ids)), replace=False)
        assert self.collection.delete(self.ids[chosen].tolist()) == len(chosen)
        self._forget(chosen)

    def _keep(self, ids: list[str], rows: Real, u: Array) -> None:
        metadata = [{"domain": str(domain), "u": float(one)} for domain, one in zip(rows.domains, u, strict=True)]
        self.collection.add(vectors=rows.vectors, ids=ids, metadata=metadata, on_conflict="replace")
        self.ids = np.concatenate([self.ids, np.array(ids, dtype=object)])
        self.vectors = np.concatenate([self.vectors, rows.vectors])
        self.domains = np.concatenate([self.domains, rows.domains])
        self.u = np.concatenate([self.u, u])

    def _forget(self, chosen: Array) -> None:
        keep = np.setdiff1d(np.arange(len(self.ids)), chosen)
        self.ids, self.vectors, self.domains, self.u = (
            part[keep] for part in (self.ids, self.vectors, self.domains, self.u)
        )

    def recall(self, hits: list[Hits], queries: Array, k: int, passing: Array | None = None) -> Array:
        """(q,) the share of the true k nearest that each found. Asserts count, order, filter and distances on the way."""
        rows = np.arange(len(self.ids)) if passing is None else np.flatnonzero(passing)
        far = 1 - _unit(queries) @ _unit(self.vectors[rows]).T
        wanted = min(k, len(rows))
        shares = np.ones(len(queries))
        place = {name: at for at, name in enumerate(self.ids[rows])}
        for at, found in enumerate(hits):
            assert len(set(found.ids)) == len(found) == wanted, "too few hits"
            assert (np.diff(found.distances) >= 0).all()
            own = far[at, [place[name] for name in found.ids]]
            np.testing.assert_allclose(found.distances, own, rtol=1e-5, atol=1e-6)
            if wanted:
                shares[at] = np.mean(own <= np.partition(far[at], wanted - 1)[wanted - 1] + 1e-9)
        return shares


def _unit(vectors: Array) -> Array:
    wide = vectors.astype(np.float64)
    return wide / np.linalg.norm(wide, axis=1, keepdims=True)
