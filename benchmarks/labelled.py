"""Labelled sets for analyses, from ../shared/data: texts as the `text` encoder sees them, embeddings and tables with known outliers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import CACHE, SHARED
from latentstore.types import Bool, Float32

Labels = NDArray[Any]
ROWS = 4_500  # of a set of texts, drawn at random
LARGEST = 20_000  # rows of a table with outliers; more are drawn at random
_TEXTS = {
    "Banking77": "text/banking77/test.jsonl",
    "CLINC150": "text/clinc150/test.jsonl",
    "StackOverflow": "text/stackoverflow.jsonl",
    "SearchSnippets": "text/search_snippets.jsonl",
}
_OUT_OF_SCOPE = "oos"


@dataclass(frozen=True)
class Texts:
    name: str
    vectors: Float32
    labels: Labels

    def drawn(self, seed: int) -> Texts:
        """At most ROWS rows in random order."""
        rows = np.random.default_rng(seed).permutation(len(self.labels))[:ROWS]
        return Texts(self.name, self.vectors[rows], self.labels[rows])


@dataclass(frozen=True)
class Outliers:
    """vectors: (n, dim) float32; strange: (n,)."""

    name: str
    vectors: Float32
    strange: Bool


def topics() -> Iterator[Texts]:
    """The sets of texts with their topics; requests out of scope left out, since they are no topic."""
    for name in _TEXTS:
        found = _texts(name)
        inside = found.labels != _OUT_OF_SCOPE
        yield Texts(name, found.vectors[inside], found.labels[inside])


def requests() -> Outliers:
    """CLINC150's test split: are requests out of scope strange among the others?"""
    found = _texts("CLINC150")
    return Outliers("CLINC150 out of scope", found.vectors, found.labels == _OUT_OF_SCOPE)


def embeddings() -> Iterator[Outliers]:
    """Pictures as two networks see them, anomalies labelled."""
    yield from _archives("CV_by_ResNet18", "CV_by_ViT")


def tables() -> Iterator[Outliers]:
    """Tables of measurements as they come, unscaled, at most LARGEST rows of each."""
    yield from _archives("Classical")


def _archives(*folders: str) -> Iterator[Outliers]:
    for folder in folders:
        for path in sorted((SHARED / "outliers" / folder).glob("*.npz")):
            with np.load(path) as held:
                vectors, strange = held["X"].astype(np.float32), held["y"].astype(bool)
            rows = np.random.default_rng(0).permutation(len(strange))[:LARGEST]
            yield Outliers(f"{folder.removeprefix('CV_by_')} {path.stem}", vectors[rows], strange[rows])


def _texts(name: str) -> Texts:
    lines = [json.loads(line) for line in (SHARED / _TEXTS[name]).read_text(encoding="utf-8").splitlines()]
    labels = np.array([str(line["label"]) for line in lines])
    return Texts(name, _encoded(CACHE / f"{name}.npy", [line["text"] for line in lines]), labels)


def _encoded(path: Path, texts: list[str]) -> Float32:
    if not path.exists():
        from latentstore.encoders import load

        path.parent.mkdir(exist_ok=True)
        np.save(path, load("text").encode(texts))
    vectors: Float32 = np.load(path)
    return vectors
