"""How a benchmark measures and reports: interleaved timing, recall against exact search, tables, raw JSON with machine and versions."""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from latentstore.types import Bool, Float32, Float64, Int64

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("latentstore", "faiss-cpu", "duckdb", "numpy", "pyarrow", "torch", "sentence-transformers")
_CELLS = 64 << 20  # similarities in memory at a time


@dataclass(frozen=True)
class Bound:
    """A promise and what was measured. `least`: the figure must be at least the limit, else at most."""

    what: str
    limit: float
    measured: float
    unit: str = ""
    least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.limit if self.least else self.measured <= self.limit

    def line(self) -> str:
        sign = ">=" if self.least else "<="
        return f"{'met   ' if self.met else 'MISSED'} {self.what}: {self.measured:.3g}{self.unit} ({sign} {self.limit:.3g}{self.unit})"


def rows_argument(doc: str | None, args: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of the benchmarks that search: how many rows, and whether kept stores are built anew."""
    parser = argparse.ArgumentParser(description=(doc or "").split("\n", 1)[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--fresh", action="store_true", help="build the store anew instead of taking the one in .bench")
    return parser.parse_args(args)


def named(name: str, rows: int) -> str:
    """The name of a result: 100,000 rows are the usual case and go without."""
    return name if rows == 100_000 else f"{name}-{rows}"


def cores() -> int:
    return len(os.sched_getaffinity(0))


def timed(work: Callable[[], None]) -> tuple[float, int]:
    """Seconds of `work`, and by how many bytes memory in use rose above what it was before, at most."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = memory("VmRSS")
    began = perf_counter()
    work()
    return perf_counter() - began, memory("VmHWM") - before


def memory(what: str) -> int:
    """A line of /proc/self/status, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what + ":"))


def interleaved(
    contenders: Mapping[str, Callable[[int], object]], calls: int, *, passes: int = 5, block: int = 50, warm: int = 50
) -> dict[str, Float64]:
    """Milliseconds of each call as (passes, calls), the contenders taking turns every `block` calls.

    contender(i) answers query i. Each block begins with `warm` untimed calls, so that no contender pays for the cache
    that the one before it filled.
    """
    out = {name: np.empty((passes, calls)) for name in contenders}
    for turn in range(passes):
        for start in range(0, calls, block):
            # Another order each time: whoever comes first after a pause must not always be the same.
            for name in _rotated(list(contenders), turn + start // block):
                call, times = contenders[name], out[name][turn]
                for at in range(start - warm, start):
                    call(at % calls)
                gc.collect()
                for at in range(start, min(start + block, calls)):
                    began = perf_counter()
                    call(at)
                    times[at] = (perf_counter() - began) * 1e3
    return out


def _rotated(names: list[str], by: int) -> list[str]:
    by %= len(names)
    return names[by:] + names[:by]


def spread(times: Float64) -> dict[str, float]:
    """Of (passes, calls) milliseconds: median and 95th percentile of all, and the median of each call's best pass."""
    return {
        "median_ms": round(float(np.median(times)), 4),
        "p95_ms": round(float(np.percentile(times, 95)), 4),
        "quiet_ms": round(float(np.median(times.min(axis=0))), 4),
    }


def nearest_similarity(queries: Float32, vectors: Float32, k: int, allowed: Bool | None = None) -> Float64:
    """(q,) float64: cosine of each query's k-th nearest among the (allowed) rows, by looking at all. Vectors are unit."""
    best = np.full((len(queries), k), -np.inf)
    step = _CELLS // len(queries)
    for at in range(0, len(vectors), step):
        part = vectors[at : at + step]
        alike = queries @ (part if allowed is None else part[allowed[at : at + step]]).T
        both = np.concatenate([best, alike], axis=1)
        best = np.partition(both, both.shape[1] - k, axis=1)[:, -k:]
    kth: Float64 = best.min(axis=1)
    return kth


def recall(found: Sequence[Sequence[int]], queries: Float32, vectors: Float32, kth: Float64, k: int) -> float:
    """The share of the true k nearest among the rows found, by similarity: an equal twin is no miss."""
    hits = 0
    for rows, query, least in zip(found, queries, kth, strict=True):
        listed = np.array(list(rows[:k]), dtype=np.int64)
        hits += int(np.count_nonzero(vectors[listed] @ query >= least - 1e-5)) if len(listed) else 0
    return hits / (k * len(queries))


def as_rows(ids: Sequence[str]) -> list[int]:
    return [int(name) for name in ids]


def padded(rows: Int64) -> list[list[int]]:
    """FAISS' answers without the -1 at the end."""
    return [[row for row in line if row >= 0] for line in rows.tolist()]


def machine() -> dict[str, Any]:
    pages = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return {
        "cpu": names[0].partition(":")[2].strip() if names else platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
        "load_average": os.getloadavg(),
    }


def over_seeds(runs: Sequence[Mapping[str, float]], name: str, digits: int = 4) -> str:
    """Mean and standard deviation of a figure over the seeds."""
    values = [run[name] for run in runs]
    mean, wide = float(np.mean(values)), float(np.std(values))
    places = max(0, digits - 1 - int(np.floor(np.log10(abs(mean))))) if mean else 0
    apart = f"{wide:,.{places}f}"
    return f"{mean:,.{places}f}" + (f" ± {apart}" if float(apart.replace(",", "")) else "")


def save(name: str, parameters: Mapping[str, Any], results: Any, bounds: Sequence[Bound]) -> None:
    """Keep the raw figures under benchmarks/results/ and print how each bound fared."""
    RESULTS.mkdir(exist_ok=True)
    body = {
        "parameters": dict(parameters),
        "machine": machine(),
        "commit": _commit(),
        "results": results,
        "bounds": [{**asdict(bound), "met": bound.met} for bound in bounds],
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(body, indent=2) + "\n", encoding="utf-8")
    for bound in bounds:
        print(bound.line())
    print(f"raw figures: benchmarks/results/{name}.json", flush=True)


def _commit() -> str:
    found = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    return found.stdout.strip()


def table(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows of equal keys, the keys as heading."""
    print(f"\n{title}")
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    for line in lines:
        print(
            "  "
            + "  ".join(
                cell.rjust(width) if at else cell.ljust(width)
                for at, (cell, width) in enumerate(zip(line, widths, strict=True))
            )
        )
    sys.stdout.flush()


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
