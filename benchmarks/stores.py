"""The stores that the benchmarks search, built once and kept in .bench/."""

from __future__ import annotations

import shutil
from pathlib import Path
from time import perf_counter

import latentstore
from benchmarks import data
from latentstore.collection import Collection

COLLECTION = "docs"
BATCH = 10_000


def kept(rows: int, *, fresh: bool = False) -> Path:
    """A store with that many rows of `data`, its index complete. Ids are the row numbers."""
    path = data.CACHE / f"store-{rows}.latent"
    if fresh or not path.exists():
        building = path.with_suffix(".building")
        for old in (path, building):
            shutil.rmtree(old, ignore_errors=True)
        build(building, data.rows(rows))
        building.rename(path)
    else:
        print(f"taking {path} from an earlier run; --fresh builds it anew", flush=True)
    return path


def build(path: Path, corpus: data.Corpus) -> None:
    facts, started = data.facts(corpus), perf_counter()
    with latentstore.open(path) as store:
        docs = store.create(COLLECTION, metric="cosine")
        for at in range(0, len(corpus), BATCH):
            add(docs, corpus, facts, at, min(at + BATCH, len(corpus)))
        added = perf_counter()
        docs.optimize()
    print(
        f"{path}: added in {added - started:.0f} s, index complete after another {perf_counter() - added:.0f} s",
        flush=True,
    )


def add(docs: Collection, corpus: data.Corpus, facts: data.Facts, start: int, stop: int) -> None:
    texts = [corpus.text(row) for row in range(start, stop)]
    ids = [str(row) for row in range(start, stop)]
    docs.add(texts, vectors=corpus.vectors[start:stop], ids=ids, metadata=facts.table(start, stop))


def copied(path: Path, name: str) -> Path:
    """A copy that may be changed, in place of an earlier one."""
    target = data.CACHE / name
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(path, target)
    return target
