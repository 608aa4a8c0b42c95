"""How long does a filtered search take, and what does it find, beside FAISS told which rows to look at?

One client, one thread, one query at a time, ids as answer, k = 10. The filters pass .1, 1, 10 and 50 % of the rows at
random, and a category that the query does not belong to. Each is asked again and again (`again`) and with a literal that
was never asked before (`first`). The rivals are handed a ready bitmap of the rows that pass: IndexFlat, which is exact,
and the graph at the efSearch that reaches .99 without a filter. Then the same after 30 % of the rows were deleted and
10 % replaced.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

import latentstore
from benchmarks import data, report, rivals, stores
from benchmarks.report import Bound
from latentstore.collection import Collection
from latentstore.engine.indexing import lags
from latentstore.types import Bool, Float32, Float64, Int64

K = 10
QUERIES = 200
PASSES = 3
DELETED = 0.3
REPLACED = 0.1
_LIMIT_MS = 2.5
_SHARES = {"0.1 %": 1, "1 %": 10, "10 %": 100, "50 %": 500}  # rows of 1,000 that pass `number < …`
_fresh = itertools.count(1000)  # `number` never reaches it: such a literal is new and excludes nothing


@dataclass(frozen=True)
class Items:
    """What is in the store, by slot of the FAISS index. `ids`: slot → the row number that is its id; `live`: not deleted."""

    vectors: Float32
    ids: Int64
    categories: list[str]
    numbers: Int64
    live: Bool

    def slots_of(self, found: list[str]) -> list[int]:
        slots: list[int] = self._slot_of[report.as_rows(found)].tolist()
        return slots

    @property
    def _slot_of(self) -> Int64:
        slots = np.full(int(self.ids.max()) + 1, -1)
        slots[self.ids[self.live]] = np.flatnonzero(self.live)
        return slots


@dataclass(frozen=True)
class Case:
    """A filter as each query asks it. `allowed`: expression → the slots that pass."""

    name: str
    where: list[str]
    allowed: dict[str, Bool]

    @property
    def share(self) -> float:
        return float(np.mean([allowed.mean() for allowed in self.allowed.values()]))


def cases(items: Items, asked: data.Corpus) -> list[Case]:
    found = []
    for name, below in _SHARES.items():
        where = f"number < {below}"
        found.append(Case(name, [where] * QUERIES, {where: items.live & (items.numbers < below)}))
    # The two largest categories: a query that belongs to the one is asked about the other.
    names, counts = np.unique(items.categories, return_counts=True)
    largest = names[np.argsort(-counts)][:2].tolist()
    away = [next(name for name in largest if name != asked.category(at)) for at in range(QUERIES)]
    codes = np.array(items.categories)
    allowed = {f"category = '{name}'": items.live & (codes == name) for name in set(away)}
    return [*found, Case("far away", [f"category = '{name}'" for name in away], allowed)]


class Race:
    """latentstore and FAISS over the same items, asked the same questions."""

    def __init__(self, docs: Collection, index: Any, width: int, items: Items, queries: Float32) -> None:
        self.docs, self.index, self.width, self.items, self.queries = docs, index, width, items, queries
        self.flat = faiss.downcast_index(index.storage)

    def run(self, case: Case) -> dict[str, Any]:
        contenders = self._contenders(case)
        times = report.interleaved(contenders, QUERIES, passes=PASSES, block=25, warm=10)
        kept = {name: call for name, call in contenders.items() if name != "ours, first"}
        return {
            "filter": case.name,
            "share": case.share,
            "recall": {name: self._recall(case, call) for name, call in kept.items()},
            "times": {name: report.spread(taken) for name, taken in times.items()},
            "plan": [
                step.step for step in self.docs.search(self.queries[0], where=case.where[0], explain=True).plan or ()
            ],
        }

    def _contenders(self, case: Case) -> dict[str, Callable[[int], list[str]]]:
        docs, queries, names = self.docs, self.queries, self.items.ids.astype(str).tolist()
        chosen = {where: rivals.bitmap(allowed) for where, allowed in case.allowed.items()}
        exact = {where: rivals.parameters(sel) for where, sel in chosen.items()}
        graph = {where: rivals.parameters(sel, self.width) for where, sel in chosen.items()}

        def again(at: int) -> list[str]:
            ids: list[str] = docs.search(queries[at], k=K, where=case.where[at]).ids
            return ids

        def first(at: int) -> list[str]:
            where = f"{case.where[at]} and number <> {next(_fresh)}"
            ids: list[str] = docs.search(queries[at], k=K, where=where).ids
            return ids

        def by(index: Any, params: dict[str, Any]) -> Callable[[int], list[str]]:
            def call(at: int) -> list[str]:
                slots = index.search(queries[at : at + 1], K, params=params[case.where[at]])[1][0].tolist()
                return [names[slot] for slot in slots if slot >= 0]

            return call

        return {
            "ours, again": again,
            "ours, first": first,
            "faiss exact": by(self.flat, exact),
            "faiss graph": by(self.index, graph),
        }

    def _recall(self, case: Case, call: Callable[[int], list[str]]) -> float:
        found = [self.items.slots_of(call(at)) for at in range(QUERIES)]
        shares = []
        for where, allowed in case.allowed.items():
            at = [place for place in range(QUERIES) if case.where[place] == where]
            k = min(K, int(allowed.sum()))
            kth: Float64 = report.nearest_similarity(self.queries[at], self.items.vectors, k, allowed)
            share = report.recall([found[place] for place in at], self.queries[at], self.items.vectors, kth, k)
            shares.append(share * len(at))
        return round(sum(shares) / QUERIES, 4)


def changed(path: Path, rows: int, before: Items) -> tuple[Path, Items]:
    """A copy of the store with 30 % of its rows deleted and 10 % replaced by the content of other rows."""
    rng = np.random.default_rng(data.SEED + 3)
    order = rng.permutation(rows)
    gone, anew = order[: int(rows * DELETED)], np.sort(order[-int(rows * REPLACED) :])
    sources = rng.integers(0, rows, len(anew))
    target = stores.copied(path, f"filters-{rows}.latent")
    with latentstore.open(target) as store:
        docs = store.collection(stores.COLLECTION)
        docs.delete(ids=[str(row) for row in gone.tolist()])
        _replace(docs, rows, anew, sources)
        _settle(docs)
    live = np.concatenate([before.live, np.ones(len(anew), dtype=np.bool_)])
    live[gone] = live[anew] = False
    return target, Items(
        np.concatenate([before.vectors, before.vectors[sources]]),
        np.concatenate([before.ids, anew]),
        before.categories + [before.categories[row] for row in sources.tolist()],
        np.concatenate([before.numbers, before.numbers[sources]]),
        live,
    )


def _replace(docs: Collection, rows: int, anew: Int64, sources: Int64) -> None:
    corpus = data.rows(rows)
    table = data.facts(corpus).table(0, rows)
    for at in range(0, len(anew), stores.BATCH):
        ids, taken = anew[at : at + stores.BATCH], sources[at : at + stores.BATCH]
        docs.add(
            [corpus.text(row) for row in taken.tolist()],
            vectors=corpus.vectors[taken],
            ids=[str(row) for row in ids.tolist()],
            metadata=table.take(taken),
            on_conflict="replace",
        )


def _settle(docs: Collection) -> None:
    """Wait until the background has caught up, as it does by itself; nothing is compacted by hand."""
    while any(lags(docs.engine, view) for view in docs.engine.snapshot.spaces.values()):
        time.sleep(0.1)


def measured(path: Path, index: Any, width: int, items: Items, title: str) -> list[dict[str, Any]]:
    asked = data.queries()
    with latentstore.open(path, read_only=True) as store:
        race = Race(store.collection(stores.COLLECTION), index, width, items, asked.vectors[:QUERIES])
        rivals.threads(1)
        found = [race.run(case) for case in cases(items, asked)]
    lines = [
        {"filter": one["filter"], "passes": one["share"], "by": name}
        | {"recall@10": one["recall"].get(name, one["recall"]["ours, again"])}
        | spread
        for one in found
        for name, spread in one["times"].items()
    ]
    report.table(title, lines)
    return found


def bounds(state: str, found: list[dict[str, Any]]) -> list[Bound]:
    checks = []
    for one in found:
        what = f"filter {one['filter']}, {state}"
        checks.append(Bound(f"recall@10, {what}", 0.99, one["recall"]["ours, again"], least=True))
        checks.append(Bound(f"median, {what}", _LIMIT_MS, one["times"]["ours, again"]["median_ms"], " ms"))
    return checks


def main() -> None:
    args = report.rows_argument(__doc__)
    path, corpus = stores.kept(args.rows, fresh=args.fresh), data.rows(args.rows)
    facts, live = data.facts(corpus), np.ones(args.rows, dtype=np.bool_)
    items = Items(np.asarray(corpus.vectors), np.arange(args.rows), facts.category, facts.number, live)
    faiss_index, queries = rivals.BareFaiss(args.rows), data.queries().vectors
    width, plain = faiss_index.tune(
        queries, items.vectors, report.nearest_similarity(queries, items.vectors, K), 0.99, K
    )
    whole = measured(path, faiss_index.index, width, items, f"as added, {args.rows:,} rows")
    copy, after = changed(path, args.rows, items)
    faiss_index.index.add(after.vectors[args.rows :])
    worn = measured(copy, faiss_index.index, width, after, "after 30 % were deleted and 10 % replaced")
    parameters = {"n": args.rows, "dim": data.DIM, "k": K, "queries": QUERIES, "passes": PASSES, "seed": data.SEED}
    parameters |= {"threads": 1, "deleted": DELETED, "replaced": REPLACED, "block": 25, "warm_up_calls": 10}
    parameters |= {"faiss": f"IndexHNSWFlat M={rivals.LINKS} efConstruction={rivals.CARE} efSearch={width}"}
    results = {"as added": whole, "changed": worn, "faiss_recall_unfiltered": plain}
    checks = bounds("as added", whole) + bounds("changed", worn)
    report.save(report.named("filters", args.rows), parameters, results, checks)


if __name__ == "__main__":
    main()
