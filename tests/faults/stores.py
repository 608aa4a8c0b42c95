"""Stores worth damaging, each with a plain dict that says what is in it; and ways to damage a file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from truth import gaussian

import latentstore
from latentstore import Collection, Store

Model = dict[str, dict[str, Any]]  # collection → id → {"vector", "text", "uri", "metadata"}


class Kept:
    """A collection and the dict of what it must hold, changed side by side."""

    def __init__(self, collection: Collection, model: dict[str, Any]) -> None:
        self.collection = collection
        self.model = model
        self._columns = list(next(iter(model.values()), {"metadata": {}})["metadata"])

    def add(self, first: int, n: int, dim: int, *, seed: int = 0, key: str = "n", replace: bool = False) -> None:
        names = [f"i{at}" for at in range(first, first + n)]
        vectors, texts = gaussian(n, dim, seed), [f"{self.collection.name} {seed} {name}" for name in names]
        metadata = [{key: at, "tag": f"t{at % 3}"} for at in range(n)]
        items = [latentstore.Item(name, text) for name, text in zip(names, texts, strict=True)]
        self.collection.add(items, vectors=vectors, metadata=metadata, on_conflict="replace" if replace else "error")
        for name, text, vector, one in zip(names, texts, vectors.tolist(), metadata, strict=True):
            self.model[name] = {"vector": vector, "text": text, "uri": None, "metadata": one}
        self._widen([key, "tag"])

    def update(self, names: list[str], key: str) -> None:
        self.collection.update(names, [{key: name.upper()} for name in names])
        for name in names:
            self.model[name]["metadata"][key] = name.upper()
        self._widen([key])

    def delete(self, names: list[str]) -> None:
        assert self.collection.delete(names) == len(names)
        for name in names:
            del self.model[name]

    def _widen(self, keys: list[str]) -> None:
        self._columns += [key for key in keys if key not in self._columns]
        for item in self.model.values():
            item["metadata"] = {column: item["metadata"].get(column) for column in self._columns}


def names(first: int, stop: int) -> list[str]:
    return [f"i{at}" for at in range(first, stop)]


def lived_in(store: Store, name: str, index: str, metric: str, dim: int, dead: int) -> dict[str, Any]:
    """A collection that has seen everything: deletes, a compaction, an index with a tail, replacements, updates, new columns."""
    kept = Kept(store.create(name, metric=metric, index=index), {})
    kept.add(0, 150, dim)
    kept.delete(names(10, 10 + dead))
    kept.collection.optimize()
    kept.add(200, 40, dim, seed=1, key="later")
    kept.add(30, 8, dim, seed=2, replace=True)
    kept.update(names(50, 58), "note")
    kept.delete(names(205, 210))
    return kept.model


def worded(store: Store) -> dict[str, Any]:
    words = store.create("words", encoders=["hashing"])
    texts = [f"sentence number {at} about {('cats', 'dogs', 'ships')[at % 3]}" for at in range(30)]
    words.add([latentstore.Item(f"w{at}", text, f"file:{at}") for at, text in enumerate(texts)])
    vectors = words.space().vectors()[1].tolist()
    return {
        f"w{at}": {"vector": vectors[at], "text": text, "uri": f"file:{at}", "metadata": {}}
        for at, text in enumerate(texts)
    }


KINDS: dict[str, Callable[[Store], dict[str, Any]]] = {
    "graph": lambda store: lived_in(store, "graph", "hnsw", "cosine", 8, 20),
    "lists": lambda store: lived_in(store, "lists", "ivf", "l2", 6, 15),
    "words": worded,
}


def build(path: Path, kind: str) -> tuple[Store, Model]:
    """A store of one collection, which bears the name of its kind, still open."""
    store = latentstore.open(path)
    return store, {kind: KINDS[kind](store)}


def save_model(path: Path, model: Model) -> None:
    path.write_text(json.dumps(model))


def load_model(path: Path) -> Model:
    return json.loads(path.read_text())  # type: ignore[no-any-return]


def copied(store: Path, target: Path) -> Path:
    """A copy to damage."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(store, target)
    return target


def flip(path: Path, at: int, mask: int = 1) -> None:
    """Flip the bits of `mask` in one byte."""
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ mask]))


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def grow(path: Path, n: int, seed: int = 0) -> None:
    with path.open("ab") as file:
        file.write(np.random.default_rng(seed).bytes(n))


def spots(size: int, n: int, seed: int = 0) -> Iterator[int]:
    """Head, middle and tail of a file, and n places at random, ascending."""
    if not size:
        return
    fixed = [0, 1, 4, 8, size // 2, size - 9, size - 1]
    chance = np.random.default_rng((seed, size)).integers(0, size, n).tolist()
    yield from sorted({at for at in (*fixed, *chance) if 0 <= at < size})


def lengths(size: int, n: int = 3, seed: int = 0) -> list[int]:
    """Lengths to cut a file of that size to."""
    chance = np.random.default_rng((seed, size)).integers(0, max(size, 1), n).tolist()
    return sorted({length for length in (0, 1, size // 2, size - 8, size - 1, *chance) if 0 <= length < size})
