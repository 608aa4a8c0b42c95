"""How long do clusters, outliers, duplicates and a map of a whole space take, and how much memory above the vectors?

Each through `Space`, in a fresh process that opens the store for reading, so that neither upkeep nor what another analysis left
in memory is part of it, and nothing is kept. All files are in the system's cache. Seconds are from the call to its result,
imports that it needs included; memory is the most that was resident, less what was before the call and the vectors themselves.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import latentstore
from benchmarks import data, report
from benchmarks.report import Bound
from latentstore.collection import Collection

ANALYSES = ("cluster", "outliers", "duplicates", "map")
LIMITS = {"cluster": 60.0, "outliers": 30.0, "duplicates": 30.0, "map": 180.0}  # seconds, at 100,000 rows on 2 cores
MEMORY = 2000.0  # MB above the vectors, at 100,000 rows
_BATCH = 10_000

_RUN = """
import json, sys
from time import perf_counter, process_time
import latentstore

def memory(name):
    return int(dict(line.split(":", 1) for line in open("/proc/self/status"))[name].split()[0]) / 1e3

path, name = sys.argv[1:]
steps = {}
with latentstore.open(path, read_only=True) as store:
    space = store.collection("docs").space()
    vectors = len(space) * space.dim * 4 / 1e6
    before, began, worked = memory("VmRSS"), perf_counter(), process_time()
    def progress(step, share):
        steps.setdefault(step, [round(perf_counter() - began, 1), 0])[1] = round(perf_counter() - began, 1)
    result = getattr(space, name)(keep=False, progress=progress)
    seconds, cpu, peak = perf_counter() - began, process_time() - worked, memory("VmHWM")
print(json.dumps({
    "seconds": round(seconds, 1),
    "cpu seconds": round(cpu, 1),
    "MB above the vectors": round(peak - before - vectors),
    "found": repr(result),
    "steps": steps,
}))
"""


def kept(rows: int, *, fresh: bool = False) -> Path:
    """A store of that many texts in the space of the `text` encoder, from the vectors that are kept; without an index."""
    path = data.CACHE / f"analysed-{rows}.latent"
    if path.exists() and not fresh:
        return path
    building = path.with_suffix(".building")
    for old in (path, building):
        shutil.rmtree(old, ignore_errors=True)
    corpus = data.rows(rows)
    with latentstore.open(building) as store:
        docs = store.create("docs", encoders=["text"])
        for at in range(0, rows, _BATCH):
            _add(docs, corpus, at, min(at + _BATCH, rows))
    building.rename(path)
    return path


def _add(docs: Collection, corpus: data.Corpus, start: int, stop: int) -> None:
    span = range(start, stop)
    docs.add(
        [corpus.text(row) for row in span],
        vectors=corpus.vectors[start:stop],
        ids=[str(row) for row in span],
        metadata=[{"category": corpus.category(row)} for row in span],
        fingerprint=docs.space().fingerprint,
    )


def measured(path: Path, name: str) -> dict[str, Any]:
    """One process; its own figures."""
    ended = subprocess.run([sys.executable, "-c", _RUN, str(path), name], stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(ended.stdout)
    return {"analysis": name, **figures}


def bounds(rows: int, found: list[dict[str, Any]]) -> list[Bound]:
    if rows != data.REAL:
        return []
    seconds = [
        Bound(f"{one['analysis']} of {rows:,} x {data.DIM}", LIMITS[one["analysis"]], one["seconds"], " s")
        for one in found
    ]
    memory = [
        Bound(f"memory above the vectors, {one['analysis']}", MEMORY, one["MB above the vectors"], " MB")
        for one in found
    ]
    return seconds + memory


def main() -> None:
    args = report.rows_argument(__doc__)
    path = kept(args.rows, fresh=args.fresh)
    found = []
    for name in ANALYSES:
        found.append(measured(path, name))
        shown = {key: value for key, value in found[-1].items() if key not in ("found", "steps")}
        report.table(f"{args.rows:,} x {data.DIM}: {found[-1]['found']}", [shown])
    parameters = {"n": args.rows, "dim": data.DIM, "cores": report.cores(), "seed": 0}
    report.save(report.named("analysis_scale", args.rows), parameters, found, bounds(args.rows, found))


if __name__ == "__main__":
    main()
