"""Upkeep while somebody else keeps up, too: the newest index is the one that is kept."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from latentstore import Collection, Store
from latentstore.engine import indexing


def _add(docs: Collection, n: int, seed: int) -> None:
    docs.add(vectors=np.random.default_rng(seed).standard_normal((n, 8)))


def test_a_save_that_had_to_wait_does_not_bring_an_older_index_back(store: Store, reopen: Callable[[], Store]) -> None:
    docs = store.create("points", index="hnsw")
    engine = docs.engine
    with engine.upkeep:
        _add(docs, 300, 0)
        indexing.follow(engine, "vectors", save=False)
        late = threading.Thread(target=indexing.save_if_due, args=(engine, "vectors"))
        late.start()
        late.join(0.3)  # long enough to have looked at the index
        _add(docs, 500, 1)
        docs.optimize()
    late.join()
    kept = reopen().collection("points").engine.snapshot.spaces["vectors"].index
    assert kept is not None
    assert kept.covered == 800
