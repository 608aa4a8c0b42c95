"""Texts per second of the `text` encoder beside sentence_transformers' own encode, taking turns on the same texts; and a
first query in a fresh process. Run: python -m benchmarks.encode"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.data import gathered
from benchmarks.report import Bound, save, table
from latentstore.encoders.minilm_files import locate
from latentstore.encoders.text import TextEncoder
from latentstore.types import Float32

Encode = Callable[[list[str]], Float32]

_COLD = (
    "from time import perf_counter; began = perf_counter(); from latentstore.encoders.text import TextEncoder;"
    "TextEncoder().encode(['how do I open a file?'], role='query'); print(perf_counter() - began)"
)


def main(args: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(";", 1)[0])
    parser.add_argument("--texts", type=int, default=2_000)
    parser.add_argument("--passes", type=int, default=5)
    chosen = parser.parse_args(args)
    texts = gathered()[0][: chosen.texts]
    sets = {"as they are": texts, "past the window": [" ".join(texts[at : at + 24]) for at in range(0, len(texts), 24)]}
    # A process each: neither runs with the other's thread settings.
    with _worker() as theirs, _worker() as ours:
        workers = {"sentence_transformers": theirs, "latentstore": ours}
        rows = [_compare(name, some, workers, chosen.passes) for name, some in sets.items()]
    cold = [_cold() for _ in range(chosen.passes)]
    table("texts per second, medians", [{name: row[name] for name in _SHOWN} for row in rows])
    print(f"\nfirst query of a fresh process, from import to vector: {median(cold):.2f} s")
    bounds = [
        Bound("texts per second beside sentence_transformers", 1.4, rows[0]["ratio"], "x", least=True),
        Bound("smallest cosine to sentence_transformers", 0.999, min(row["cosine_min"] for row in rows), least=True),
        Bound("first query of a fresh process", 0.35, median(cold), " s"),
    ]
    save(
        "encode",
        vars(chosen) | {"rival": "encode(texts), float32, batch of 32"},
        {"rates": rows, "cold_s": cold},
        bounds,
    )


_SHOWN = ("texts", "n", "sentence_transformers", "latentstore", "ratio", "cosine_mean", "cosine_min")


def _worker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


@cache
def _encode(who: str) -> Encode:
    if who == "latentstore":
        return TextEncoder().encode
    from sentence_transformers import SentenceTransformer

    model: Any = SentenceTransformer(str(locate().weights.parent), device="cpu")
    return lambda texts: np.asarray(model.encode(texts, show_progress_bar=False), np.float32)


def _timed(who: str, texts: list[str]) -> tuple[float, Float32]:
    """Seconds and vectors, in the worker's process."""
    encode = _encode(who)
    began = perf_counter()
    vectors = encode(texts)
    return perf_counter() - began, vectors


def _compare(name: str, texts: list[str], workers: dict[str, ProcessPoolExecutor], passes: int) -> dict[str, Any]:
    """Each contender once a pass, A B A B. `ratio`: the median over passes of ours by theirs in the same pass."""
    vectors = [worker.submit(_timed, who, texts).result()[1] for who, worker in workers.items()]  # warms up, too
    times: dict[str, list[float]] = {who: [] for who in workers}
    for _ in range(passes):
        for who, worker in workers.items():
            times[who].append(worker.submit(_timed, who, texts).result()[0])
    theirs, ours = times["sentence_transformers"], times["latentstore"]
    cosines = np.einsum("nd,nd->n", *vectors, dtype=np.float64)  # both are of unit length
    return {
        "texts": name,
        "n": len(texts),
        "characters": round(sum(map(len, texts)) / len(texts)),
        **{who: round(len(texts) / median(seconds), 1) for who, seconds in times.items()},
        "ratio": round(median(their / our for their, our in zip(theirs, ours, strict=True)), 3),
        "cosine_mean": round(float(cosines.mean()), 6),
        "cosine_min": round(float(cosines.min()), 6),
        "seconds": {who: [round(value, 3) for value in seconds] for who, seconds in times.items()},
    }


def _cold() -> float:
    run = subprocess.run([sys.executable, "-c", _COLD], capture_output=True, text=True, check=True, cwd=Path.cwd())
    return float(run.stdout)


if __name__ == "__main__":
    main()
