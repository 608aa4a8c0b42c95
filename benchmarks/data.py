"""What the benchmarks search: 100,000 real texts as 384 dimensions, 1,000 held-out queries, and a million made from them.

The texts are those of ../shared/data (short texts as they are, abstracts split into sentences) and the topics of the
Python documentation, without repeats, in an order shuffled with seed 0. The vectors are latentstore's own `text`
encoder's. Everything is made once and kept in .bench/, which git ignores.

More rows than that are MADE from the real ones, not real: a point between two real vectors of one category (the real one
weighs at least .5), plus noise of length .15, scaled to length 1. Texts and categories are those of the nearer parent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentstore.types import Bool, Float32, Float64, Int64

SHARED = Path("../shared/data")
CACHE = Path(".bench")
SEED = 0
REAL = 100_000
QUERIES = 1_000
DIM = 384
_CHUNK = 20_000
_NOISE = 0.15

_SHORT = {
    "text/search_snippets.jsonl": "snip",
    "text/banking77/train.jsonl": "bank",
    "text/banking77/test.jsonl": "bank",
    "text/clinc150/train.jsonl": "clinc",
    "text/clinc150/val.jsonl": "clinc",
    "text/clinc150/test.jsonl": "clinc",
    "text/stackoverflow.jsonl": "so",
}


@dataclass(frozen=True)
class Corpus:
    """Rows to store. `parents`: row → the real row that gives its text and category; vectors: (n, 384) float32, unit."""

    texts: list[str]
    categories: list[str]
    parents: Int64
    vectors: Float32

    def __len__(self) -> int:
        return len(self.parents)

    def text(self, row: int) -> str:
        return self.texts[int(self.parents[row])]

    def category(self, row: int) -> str:
        return self.categories[int(self.parents[row])]


@dataclass(frozen=True)
class Facts:
    """The five metadata columns of n rows: a category and four random ones."""

    category: list[str]
    number: Int64  # 0..999, so that `number < 10` passes 1 %
    weight: Float64
    day: NDArray[np.datetime64]
    checked: Bool

    def dicts(self, start: int, stop: int) -> list[dict[str, Any]]:
        names = ("category", "number", "weight", "day", "checked")
        span = slice(start, stop)
        columns = (
            self.category[span],
            self.number[span].tolist(),
            self.weight[span].tolist(),
            self.day[span].tolist(),
            self.checked[span].tolist(),
        )
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def table(self, start: int, stop: int) -> Any:
        """The same as an Arrow table."""
        import pyarrow as pa

        span = slice(start, stop)
        return pa.table(
            {
                "category": self.category[span],
                "number": self.number[span],
                "weight": self.weight[span],
                "day": self.day[span],
                "checked": self.checked[span],
            }
        )


def facts(corpus: Corpus) -> Facts:
    rng = np.random.default_rng(SEED + 1)
    n = len(corpus)
    days = np.datetime64("2000-01-01", "D") + rng.integers(0, 9000, n).astype("timedelta64[D]")
    return Facts(
        [corpus.category(row) for row in range(n)], rng.integers(0, 1000, n), rng.random(n), days, rng.random(n) < 0.5
    )


def rows(n: int) -> Corpus:
    """The first n rows: real ones up to 100,000, made ones after them."""
    texts, categories, vectors = _real()
    if n <= REAL:
        return Corpus(texts[:n], categories[:n], np.arange(n), vectors[:n])
    made, parents = _made(n, categories[:REAL], vectors[:REAL])
    return Corpus(texts[:REAL], categories[:REAL], parents, made)


def queries() -> Corpus:
    """1,000 real texts that are not among the rows."""
    texts, categories, vectors = _real()
    return Corpus(texts[REAL:], categories[REAL:], np.arange(QUERIES), np.ascontiguousarray(vectors[REAL:]))


def _real() -> tuple[list[str], list[str], Float32]:
    kept, array = CACHE / "real.json", CACHE / "real.npy"
    if not (kept.exists() and array.exists()):
        CACHE.mkdir(exist_ok=True)
        texts, categories = gathered()
        print(f"encoding {len(texts)} texts once, into {array}", flush=True)
        np.save(array, _encoded(texts))
        kept.write_text(json.dumps([texts, categories]), encoding="utf-8")
    texts, categories = json.loads(kept.read_text(encoding="utf-8"))
    return texts, categories, np.asarray(np.load(array, mmap_mode="r"))


def _encoded(texts: list[str]) -> Float32:
    from latentstore import distance
    from latentstore.encoders import registry

    return distance.unit(registry.load(registry.resolve("text")).encode(texts))


def gathered() -> tuple[list[str], list[str]]:
    """101,000 (texts, categories), shuffled."""
    if not SHARED.is_dir():
        raise SystemExit(f"the benchmarks read real texts from {SHARED.resolve()}, which is not there")
    found: dict[str, str] = {}
    for text, category in _sources():
        found.setdefault(text.strip(), category)
    found.pop("", None)
    texts, categories = list(found), list(found.values())
    if len(texts) < REAL + QUERIES:
        raise SystemExit(
            f"{SHARED} and this Python's documentation give {len(texts)} texts, {REAL + QUERIES} are needed"
        )
    order = np.random.default_rng(SEED).permutation(len(texts))[: REAL + QUERIES]
    return [texts[at][:2000] for at in order], [categories[at] for at in order]


def _sources() -> Iterator[tuple[str, str]]:
    for name, category in _SHORT.items():
        for line in _lines(name):
            yield line["text"], f"{category}:{line['label']}"
    for part in ("train", "dev"):
        for line in _lines(f"text/stsb/{part}.jsonl"):
            yield line["a"], "stsb"
            yield line["b"], "stsb"
    for name in ("cranfield", "scifact"):
        for line in _lines(f"retrieval/{name}/corpus.jsonl"):
            yield from ((part, name) for part in re.split(r"(?<=\.)\s+", line["text"]) if len(part) > 30)
    yield from ((part, "pydoc") for part in _pydoc() if len(part) > 30)


def _lines(name: str) -> Iterator[dict[str, Any]]:
    with (SHARED / name).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _pydoc() -> Iterator[str]:
    from pydoc_data.topics import topics

    for topic in topics.values():
        yield from topic.split("\n\n")


def _made(n: int, categories: list[str], real: Float32) -> tuple[Float32, Int64]:
    array, kept = CACHE / f"made-{n}.npy", CACHE / f"made-{n}-parents.npy"
    if not (array.exists() and kept.exists()):
        print(f"making {n - REAL} rows from the {REAL} real ones, into {array}", flush=True)
        rng = np.random.default_rng(SEED + 2)
        parents = np.concatenate([np.arange(REAL), rng.integers(0, REAL, n - REAL)])
        mates = _mates(categories, parents, rng)
        out = np.lib.format.open_memmap(array, mode="w+", dtype=np.float32, shape=(n, DIM))
        out[:REAL] = real
        for at in range(REAL, n, _CHUNK):
            span = slice(at, min(at + _CHUNK, n))
            out[span] = _between(real[parents[span]], real[mates[span]], rng)
        out.flush()
        np.save(kept, parents)
    return np.asarray(np.load(array, mmap_mode="r")), np.load(kept)


def _mates(categories: list[str], parents: Int64, rng: np.random.Generator) -> Int64:
    """(n,) int64: for each parent another real row of its category."""
    codes = np.unique(np.array(categories), return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[order], codes)
    size = np.bincount(codes)[codes]
    mates: Int64 = order[first[parents] + rng.integers(0, size[parents])]
    return mates


def _between(parents: Float32, mates: Float32, rng: np.random.Generator) -> Float32:
    share = rng.uniform(0.0, 0.5, (len(parents), 1)).astype(np.float32)
    noise = rng.standard_normal(parents.shape, dtype=np.float32) * np.float32(_NOISE / DIM**0.5)
    made = parents + share * (mates - parents) + noise
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)
