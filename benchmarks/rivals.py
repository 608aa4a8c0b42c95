"""What one would write without latentstore: a bare FAISS graph with a list of ids, and the texts in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import faiss
import numpy as np

from benchmarks import data, report
from latentstore.types import Bool, Float32, Float64, Int64

LINKS = 32
CARE = 80  # efConstruction: as much care as latentstore's own graph gets, twice FAISS' default
WIDTHS = (10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 256, 320, 448, 640, 1024)


class BareFaiss:
    """IndexHNSWFlat over float32 vectors, inner product; kept in .bench/."""

    def __init__(self, rows: int) -> None:
        self.path = data.CACHE / f"faiss-hnsw{LINKS}-{CARE}-{rows}.faiss"
        if not self.path.exists():
            _build(self.path, data.rows(rows).vectors)
        self.index: Any = faiss.read_index(str(self.path))
        self.ids = [str(row) for row in range(self.index.ntotal)]

    @property
    def flat(self) -> Any:
        """The vectors under the graph, to be searched one by one."""
        return faiss.downcast_index(self.index.storage)

    def tune(self, queries: Float32, vectors: Float32, kth: Float64, target: float, k: int) -> tuple[int, float]:
        """The least efSearch that reaches a recall on these very queries, and that recall."""
        for width in WIDTHS:
            self.index.hnsw.efSearch = width
            found = report.recall(report.padded(self.index.search(queries, k)[1]), queries, vectors, kth, k)
            if found >= target:
                break
        return width, found

    def search(self, query: Float32, k: int) -> list[str]:
        """query: (1, dim). The ids of the k nearest, at the efSearch set last."""
        ids = self.ids
        return [ids[row] for row in self.index.search(query, k)[1][0].tolist()]


def _build(path: Path, vectors: Float32) -> None:
    started = perf_counter()
    index = faiss.IndexHNSWFlat(data.DIM, LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = CARE
    for at in range(0, len(vectors), 50_000):
        index.add(np.ascontiguousarray(vectors[at : at + 50_000]))
    building = path.with_suffix(".building")
    faiss.write_index(index, str(building))
    building.rename(path)
    print(f"{path}: built in {perf_counter() - started:.0f} s", flush=True)


def bitmap(allowed: Bool) -> Any:
    """A FAISS selector of the rows that pass."""
    selector: Any = faiss.IDSelectorBitmap  # its Python constructor takes an array; its stub knows only pointers
    return selector(np.packbits(allowed, bitorder="little"))


def parameters(selector: Any, width: int | None = None) -> Any:
    """How to search under a selector: every vector of a flat index, or a graph at an efSearch."""
    kinds: Any = faiss
    return (
        kinds.SearchParameters(sel=selector)
        if width is None
        else kinds.SearchParametersHNSW(sel=selector, efSearch=width)
    )


class Texts:
    """Id, text and five metadata columns in SQLite, by row; kept in .bench/."""

    def __init__(self, rows: int) -> None:
        path = data.CACHE / f"texts-{rows}.sqlite"
        if not path.exists():
            _write(path, data.rows(rows))
        self._connection = sqlite3.connect(path)

    def fetch(self, rows: Sequence[int]) -> list[tuple[Any, ...]]:
        """One tuple a row: row, id, text, the metadata; in the order asked."""
        marks = ",".join("?" * len(rows))
        found = {
            line[0]: line for line in self._connection.execute(f"select * from items where row in ({marks})", rows)
        }
        return [found[row] for row in rows]


def _write(path: Path, corpus: data.Corpus) -> None:
    facts = data.facts(corpus)
    building = path.with_suffix(".building")
    building.unlink(missing_ok=True)
    connection = sqlite3.connect(building)
    connection.execute(
        "create table items (row integer primary key, id text, text text, category text, number int, weight real, day text, checked int)"
    )
    days = facts.day.astype(str).tolist()
    columns = (facts.category, facts.number.tolist(), facts.weight.tolist(), days, facts.checked.tolist())
    lines = ((row, str(row), corpus.text(row), *rest) for row, rest in enumerate(zip(*columns, strict=True)))
    connection.executemany("insert into items values (?, ?, ?, ?, ?, ?, ?, ?)", lines)
    connection.commit()
    connection.close()
    building.rename(path)


def threads(count: int) -> None:
    """FAISS' threads, for latentstore as for its rival: both use the same library."""
    faiss.omp_set_num_threads(count)


def answers(index: Any, queries: Float32, k: int, params: Any) -> Int64:
    found: Int64 = index.search(queries, k, params=params)[1]
    return found
