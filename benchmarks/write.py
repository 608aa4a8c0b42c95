"""How fast are rows made durable and searchable, and what do they cost in bytes and memory?

Real texts of 384 dimensions with five metadata columns, batches of 10,000: metadata from Arrow and from dicts. Then 1,000
single-row adds. Beside them, in the same rounds: the same content written to plain files with an fsync a batch, and SQLite
(WAL, synchronous=FULL) with the vectors as blobs. Each contender runs in a process of its own; the input is in memory
before the clock starts. Indexes are built in the background meanwhile, as they always are.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import latentstore
from benchmarks import data, report
from benchmarks.report import Bound
from latentstore.collection import Collection
from latentstore.engine.indexing import lags

BATCH = 10_000
SINGLES = 1_000
ROUNDS = 3
Batch = tuple[list[str], Any, list[str], Any]  # texts, vectors, ids, metadata


def batches(rows: int, step: int, *, arrow: bool) -> list[Batch]:
    corpus = data.rows(rows)
    facts = data.facts(corpus)
    cut = facts.table if arrow else facts.dicts
    spans = [(at, min(at + step, rows)) for at in range(0, rows, step)]
    return [
        (
            [corpus.text(row) for row in range(start, stop)],
            np.array(corpus.vectors[start:stop]),
            [str(row) for row in range(start, stop)],
            cut(start, stop),
        )
        for start, stop in spans
    ]


def ours(folder: Path, given: Sequence[Batch]) -> dict[str, Any]:
    """Add everything, then wait until the background has built what it builds."""
    with latentstore.open(folder / "store.latent") as store:
        docs = store.create("docs", metric="cosine")
        taken, peak = report.timed(lambda: _add_all(docs, given))
        facts: dict[str, Any] = {"covered_at_last_add": _covered(docs), "files_open": _count(folder)}
        began = perf_counter()
        while any(lags(docs.engine, view) for view in docs.engine.snapshot.spaces.values()):
            time.sleep(0.02)
        facts |= {"index_after_s": perf_counter() - began, "covered": _covered(docs)}
    return {"seconds": taken, "peak_bytes": peak, **facts, "bytes": sizes(folder), "files": _count(folder)}


def _add_all(docs: Collection, given: Sequence[Batch]) -> None:
    for texts, vectors, ids, metadata in given:
        docs.add(texts, vectors=vectors, ids=ids, metadata=metadata)


def _covered(docs: Collection) -> int:
    index = docs.engine.snapshot.spaces["vectors"].index
    return index.covered if index else 0


def plain_files(folder: Path, given: Sequence[Batch]) -> dict[str, Any]:
    """The bytes alone: vectors to one file, texts and metadata as JSON lines, made beforehand, to another; fsync a batch."""
    ready = [
        (vectors.tobytes(), json.dumps([texts, ids, metadata], default=str)) for texts, vectors, ids, metadata in given
    ]

    def write() -> None:
        with (folder / "vectors").open("wb") as vectors, (folder / "rest").open("w", encoding="utf-8") as rest:
            for some, more in ready:
                vectors.write(some)
                rest.write(more)
                for file in (vectors, rest):
                    file.flush()
                    os.fsync(file.fileno())

    taken, peak = report.timed(write)
    return {"seconds": taken, "peak_bytes": peak, "bytes": sizes(folder), "files": _count(folder)}


def sqlite(folder: Path, given: Sequence[Batch]) -> dict[str, Any]:
    """One transaction a batch. It is durable then, and can be found by id, not by vector."""
    connection = sqlite3.connect(folder / "items.sqlite", isolation_level=None)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute(
        "create table items (id text primary key, text text, category text, number int, weight real, day text, checked int, v blob)"
    )

    def write() -> None:
        for batch in given:
            connection.execute("begin")
            connection.executemany("insert into items values (?, ?, ?, ?, ?, ?, ?, ?)", _lines(batch))
            connection.execute("commit")

    taken, peak = report.timed(write)
    connection.close()
    return {"seconds": taken, "peak_bytes": peak, "bytes": sizes(folder), "files": _count(folder)}


def _lines(batch: Batch) -> Iterator[tuple[Any, ...]]:
    for text, vector, name, facts in zip(*batch, strict=True):
        rest = (facts["category"], facts["number"], facts["weight"], facts["day"].isoformat(), facts["checked"])
        yield (name, text, *rest, vector.tobytes())


def sizes(folder: Path) -> dict[str, int]:
    """Bytes by kind of file: what stands before the first '-' or '.', in every folder."""
    found: dict[str, int] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            kind = path.name.partition("-")[0].partition(".")[0] + path.suffix
            found[kind] = found.get(kind, 0) + path.stat().st_size
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _count(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


# name → (contender, rows a batch, metadata as Arrow)
CONTENDERS: dict[str, tuple[Callable[[Path, Sequence[Batch]], dict[str, Any]], int, bool]] = {
    "ours, Arrow": (ours, BATCH, True),
    "ours, dicts": (ours, BATCH, False),
    "plain files": (plain_files, BATCH, False),
    "SQLite": (sqlite, BATCH, False),
    "ours, single": (ours, 1, False),
    "SQLite, single": (sqlite, 1, False),
}


def child(name: str, rows: int) -> None:
    """One contender, once, in this process; its figures as JSON on standard output."""
    contender, step, arrow = CONTENDERS[name]
    given = batches(rows, step, arrow=arrow)
    folder = data.CACHE / "writing"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    print(json.dumps({"rows": rows, **contender(folder, given)}))
    shutil.rmtree(folder)


def run(name: str, rows: int) -> dict[str, Any]:
    args = [sys.executable, "-m", "benchmarks.write", "--child", name, "--rows", str(rows)]
    done = subprocess.run(args, capture_output=True, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def line(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    rows = runs[0]["rows"]
    return {
        "written by": name,
        "rows": rows,
        "rows/s": round(median(rows / one["seconds"] for one in runs)),
        "disk bytes/row": round(sum(runs[-1]["bytes"].values()) / rows),
        "peak memory MB": round(median(one["peak_bytes"] for one in runs) / 1e6, 1),
        "bytes/row": round(median(one["peak_bytes"] for one in runs) / rows),
        "files": runs[-1]["files"],
        "index complete after s": round(median(one.get("index_after_s", 0.0) for one in runs), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--child", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        child(args.child, args.rows)
        return
    counts = {name: min(SINGLES, args.rows) if step == 1 else args.rows for name, (_, step, _) in CONTENDERS.items()}
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(ROUNDS):
        for name, rows in counts.items():
            runs[name].append(run(name, rows))
    lines = [line(name, some) for name, some in runs.items()]
    report.table("made durable and searchable", lines)
    kinds = runs["ours, Arrow"][-1]["bytes"]
    report.table("bytes a row by kind of file", [{kind: round(size / args.rows, 1) for kind, size in kinds.items()}])
    rate = {one["written by"]: one["rows/s"] for one in lines}
    single = lines[list(CONTENDERS).index("ours, single")]
    checks = [
        Bound("rows/s, batches of 10,000 from Arrow", 50_000, rate["ours, Arrow"], least=True),
        Bound("a thousand single-row adds", 60, SINGLES / rate["ours, single"], " s"),
        Bound("files after a thousand single-row adds", 20, single["files"]),
    ]
    parameters = {"n": args.rows, "dim": data.DIM, "batch": BATCH, "singles": SINGLES, "rounds": ROUNDS}
    results = {"summary": lines, "runs": runs}
    report.save(report.named("write", args.rows), parameters, results, checks)


if __name__ == "__main__":
    main()
