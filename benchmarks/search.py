"""How long does a search take, beside a bare FAISS graph of the same recall?

One client, one thread, one query at a time: with ids; with ids, text and five metadata columns (the rival's in SQLite).
Then all queries in one call, with one thread and with all. k = 10; 1,000 held-out real queries; the rival's efSearch is
the least that reaches the recall on these very queries, latentstore uses what it measured when it built its index.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import latentstore
from benchmarks import data, report, rivals, stores
from benchmarks.report import Bound
from latentstore.collection import Collection
from latentstore.types import Float32, Float64

K = 10
TARGETS = (0.95, 0.99)
_ROUNDS = 7  # of the batch


class Race:
    """Both sides, opened on the same rows, with the truth for the same queries."""

    def __init__(self, rows: int, docs: Collection) -> None:
        self.docs = docs
        self.vectors = data.rows(rows).vectors
        self.queries: Float32 = data.queries().vectors
        self.kth = report.nearest_similarity(self.queries, self.vectors, K)
        self.faiss = rivals.BareFaiss(rows)
        self.texts = rivals.Texts(rows)

    def our_recall(self, target: float) -> float:
        found = [report.as_rows(hits.ids) for hits in self.docs.search(self.queries, k=K, recall=target)]
        return report.recall(found, self.queries, self.vectors, self.kth, K)

    def contenders(self, target: float) -> dict[str, Callable[[int], object]]:
        docs, queries, index, texts = self.docs, self.queries, self.faiss, self.texts

        def ours(at: int) -> list[str]:
            ids: list[str] = docs.search(queries[at], k=K, recall=target).ids
            return ids

        def ours_whole(at: int) -> object:
            return [(hit.id, hit.score, hit.text, hit.metadata) for hit in docs.search(queries[at], k=K, recall=target)]

        def theirs(at: int) -> list[str]:
            return index.search(queries[at : at + 1], K)

        def theirs_whole(at: int) -> object:
            far, rows = index.index.search(queries[at : at + 1], K)
            return list(zip(far[0].tolist(), texts.fetch(rows[0].tolist()), strict=True))

        return {"ours, ids": ours, "faiss, ids": theirs, "ours, all": ours_whole, "faiss, all": theirs_whole}

    def batch_rates(self, target: float, threads: int) -> dict[str, float]:
        """Queries a second of all queries in one call, ids as answer: the best of some rounds, taking turns."""

        def ours() -> object:
            return [hits.ids for hits in self.docs.search(self.queries, k=K, recall=target)]

        def theirs() -> object:
            ids = self.faiss.ids
            return [[ids[row] for row in line] for line in self.faiss.index.search(self.queries, K)[1].tolist()]

        rivals.threads(threads)
        taken: dict[str, list[float]] = {"ours": [], "faiss": []}
        for _ in range(_ROUNDS):
            for name, call in (("ours", ours), ("faiss", theirs)):
                began = perf_counter()
                call()
                taken[name].append(perf_counter() - began)
        rivals.threads(1)
        return {name: round(len(self.queries) / min(times)) for name, times in taken.items()}


def at_recall(race: Race, target: float, cores: int) -> dict[str, Any]:
    """All figures at one recall."""
    width, their_recall = race.faiss.tune(race.queries, race.vectors, race.kth, target, K)
    times = report.interleaved(race.contenders(target), len(race.queries))
    found: dict[str, Any] = {
        "target": target,
        "recall": {"ours": race.our_recall(target), "faiss": their_recall},
        "faiss_efSearch": width,
        "single": {name: report.spread(taken) for name, taken in times.items()},
        "batch_rate": {count: race.batch_rates(target, count) for count in (1, cores)},
    }
    _show(found, times)
    return found


def _show(found: dict[str, Any], times: dict[str, Float64]) -> None:
    lines = []
    for name in times:
        side = name.partition(",")[0]
        lines.append({"one query at a time": name, "recall@10": found["recall"][side], **found["single"][name]})
    report.table(f"recall >= {found['target']}; FAISS efSearch {found['faiss_efSearch']}", lines)
    for count, rates in found["batch_rate"].items():
        print(f"  in one call, {count} thread(s): {rates['ours']:,} queries/s, FAISS {rates['faiss']:,}")


def bounds(found: dict[str, Any], cores: int) -> list[Bound]:
    target, single = found["target"], {name: spread["median_ms"] for name, spread in found["single"].items()}
    allowance = max(1.25 * single["faiss, ids"], single["faiss, ids"] + 0.03)
    rates = found["batch_rate"][cores]
    return [
        Bound(f"recall@10 asked {target}", target, found["recall"]["ours"], least=True),
        Bound(f"median with ids at {target}", allowance, single["ours, ids"], " ms"),
        Bound(f"median with text and metadata at {target}", 1.6 * single["faiss, all"], single["ours, all"], " ms"),
        Bound(f"batch rate beside FAISS at {target}", 0.9, rates["ours"] / rates["faiss"], "x", least=True),
    ]


def main() -> None:
    args = report.rows_argument(__doc__)
    path = stores.kept(args.rows, fresh=args.fresh)
    cores = report.cores()
    with latentstore.open(path, read_only=True) as store:
        race = Race(args.rows, store.collection(stores.COLLECTION))
        rivals.threads(1)
        results = [at_recall(race, target, cores) for target in TARGETS]
        facts = race.docs.info()
    parameters = {"n": args.rows, "dim": data.DIM, "k": K, "queries": data.QUERIES, "seed": data.SEED, "threads": 1}
    rival = {"faiss": f"IndexHNSWFlat M={rivals.LINKS} efConstruction={rivals.CARE}, inner product; texts in SQLite"}
    parameters |= {"passes": 5, "block": 50, "warm_up_calls": 50, **rival}
    checks = [bound for found in results for bound in bounds(found, cores)]
    report.save(report.named("search", args.rows), parameters, {"by_recall": results, "store": facts}, checks)


if __name__ == "__main__":
    main()
