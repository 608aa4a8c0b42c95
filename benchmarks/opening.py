"""How long does a fresh process take, from before the import to the first hit, and what does it hold in memory then?

A vector query against a kept store, beside a process that imports FAISS, reads its graph (whole, and mapped) and searches.
Then the whole of `latentstore search STORE "text"` on 10,000 passages, and `import latentstore` alone. All files are in the
system's cache; the contenders take turns.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

import latentstore
from benchmarks import data, report, rivals, stores
from benchmarks.report import Bound

RUNS = 9
PASSAGES = 10_000
# An installed package has its bytecode; the first turn, which is not counted, writes it where it is missing.
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
_ASKED = ("how do I open a file for reading?", "my card was declined", "what is the weather like tomorrow?")
_LIMITS = {100_000: 0.4, 1_000_000: 0.6}

_BEGIN = "from time import perf_counter; began = perf_counter(); import sys; path, asked = sys.argv[1:3]\n"
_END = """
taken = perf_counter() - began
import json
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
heavy = [name for name in ("faiss", "torch", "sentence_transformers", "pyarrow") if name in sys.modules]
kilobytes = {name: int(status[name].split()[0]) for name in ("VmRSS", "RssAnon")}
print(json.dumps({"seconds": taken, **{name: value * 1024 for name, value in kilobytes.items()}, "imported": heavy}))
"""
_OURS = """import latentstore, numpy
store = latentstore.open(path, read_only={read_only})
found = store.collection("docs").search(numpy.load(asked), k=10).ids
assert len(found) == 10"""
_FAISS = """import faiss, numpy
index = faiss.read_index(path, {flags})
found = index.search(numpy.load(asked)[None], 10)[1]
assert found.shape == (1, 10)"""

CONTENDERS = {
    "latentstore, read_only": _OURS.format(read_only=True),
    "latentstore": _OURS.format(read_only=False),
    "faiss, read": _FAISS.format(flags="0"),
    "faiss, mapped": _FAISS.format(flags="faiss.IO_FLAG_MMAP"),
    "import latentstore": "import latentstore",
}


def fresh(code: str, path: Path, asked: Path) -> dict[str, Any]:
    """One process; its own figures."""
    args = [sys.executable, "-c", _BEGIN + code + _END, str(path), str(asked)]
    figures: dict[str, Any] = json.loads(
        subprocess.run(args, capture_output=True, text=True, check=True, env=_ENVIRONMENT).stdout
    )
    return figures


def first_hits(rows: int, store: Path) -> dict[str, list[dict[str, Any]]]:
    asked = data.CACHE / "asked.npy"
    np.save(asked, data.queries().vectors[0])
    graph = rivals.BareFaiss(rows).path
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for turn in range(RUNS + 1):
        for name, code in CONTENDERS.items():
            figures = fresh(code, graph if name.startswith("faiss") else store, asked)
            if turn:  # the first one brings the files into the cache
                found[name].append(figures)
    return found


def passages() -> Path:
    """A store of 10,000 texts in the space of the `text` encoder, from the vectors that are kept."""
    path = data.CACHE / f"passages-{PASSAGES}.latent"
    if path.exists():
        return path
    corpus = data.rows(PASSAGES)
    with latentstore.open(path.with_suffix(".building")) as store:
        docs = store.create("docs", encoders=["text"])
        texts, ids = [corpus.text(row) for row in range(PASSAGES)], [str(row) for row in range(PASSAGES)]
        metadata = data.facts(corpus).table(0, PASSAGES)
        docs.add(texts, vectors=corpus.vectors, ids=ids, metadata=metadata, fingerprint=docs.space().fingerprint)
        docs.optimize()
    path.with_suffix(".building").rename(path)
    return path


def commands(path: Path) -> dict[str, list[float]]:
    """Seconds of whole processes: our command, an interpreter that does nothing, and the import that a search must avoid."""
    command = str(Path(sys.executable).with_name("latentstore"))
    asked: dict[str, Callable[[int], list[str]]] = {
        "latentstore search": lambda turn: [command, "search", str(path), _ASKED[turn % len(_ASKED)]],
        "python -c pass": lambda turn: [sys.executable, "-c", "pass"],
        "import sentence_transformers": lambda turn: [sys.executable, "-c", "import sentence_transformers"],
    }
    found: dict[str, list[float]] = {name: [] for name in asked}
    for turn in range(RUNS + 1):
        for name, args in asked.items():
            began = perf_counter()
            done = subprocess.run(args(turn), capture_output=True, check=True, env=_ENVIRONMENT)
            if turn:
                found[name].append(perf_counter() - began)
            assert name != "latentstore search" or done.stdout
    return found


def main() -> None:
    args = report.rows_argument(__doc__)
    opened = first_hits(args.rows, stores.kept(args.rows, fresh=args.fresh))
    cold = commands(passages())
    lines = [
        {
            "fresh process": name,
            "median s": median(one["seconds"] for one in runs),
            "VmRSS MB": round(median(one["VmRSS"] for one in runs) / 1e6, 1),
            "RssAnon MB": round(median(one["RssAnon"] for one in runs) / 1e6, 1),
        }
        for name, runs in opened.items()
    ]
    report.table(f"from before the import to the first hit, {args.rows:,} rows", lines)
    whole = [{"whole process": name, "median s": median(times)} for name, times in cold.items()]
    report.table(f"{PASSAGES:,} passages", whole)
    seconds = {one["fresh process"]: one["median s"] for one in lines}
    limit = next((limit for rows, limit in _LIMITS.items() if args.rows <= rows), max(_LIMITS.values()))
    checks = [
        Bound("first hit of a fresh process", limit, seconds["latentstore"], " s"),
        Bound("first hit of a fresh process, read_only", limit, seconds["latentstore, read_only"], " s"),
        Bound("import latentstore", 0.3, seconds["import latentstore"], " s"),
        Bound("latentstore search, cold", 1.5, median(cold["latentstore search"]), " s"),
    ]
    parameters = {"n": args.rows, "dim": data.DIM, "runs": RUNS, "passages": PASSAGES, "files": "in the system's cache"}
    results = {"summary": lines, "commands": whole, "first_hit": opened, "command_s": cold}
    report.save(report.named("opening", args.rows), parameters, results, checks)


if __name__ == "__main__":
    main()
