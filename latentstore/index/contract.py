"""VectorIndex: what every nearest-neighbour index promises.

It proposes candidates among slots 0..covered-1 of a space, closest first; whoever asks measures them in the float32
vectors. Missing: slot -1. An index file is a cache: deleting it loses time, never data.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from latentstore.types import Float32, Int64, Metric


class Stopped(Exception):
    """A build was told to stop; nothing was changed."""


class Unusable(Exception):
    """An index file that is missing, cut short, foreign, stale or of another format: build it anew."""


class Vectors(Protocol):
    """The vectors of a space, by slot."""

    @property
    def n(self) -> int: ...
    @property
    def dim(self) -> int: ...
    def gather(self, slots: Int64) -> Float32:
        """(m, dim) float32 copy of the vectors in the given slots, in their order."""

    def block(self, start: int, stop: int) -> Float32:
        """(stop - start, dim) float32, read-only, not copied."""


class ArrayVectors:
    """Vectors that are an array in memory."""

    def __init__(self, array: Float32) -> None:
        self.array = array
        self.n, self.dim = array.shape

    def gather(self, slots: Int64) -> Float32:
        return self.array[slots]

    def block(self, start: int, stop: int) -> Float32:
        return self.array[start:stop]


class Kind(StrEnum):
    EXACT = "exact"  # no index: every vector is looked at
    HNSW = "hnsw"
    IVF = "ivf"


class Compression(StrEnum):
    """How an index keeps its copy of the vectors."""

    INT8 = "int8"
    FLOAT16 = "float16"
    FLOAT32 = "float32"


@dataclass(frozen=True, slots=True)
class Spec:
    """Which index to build."""

    kind: Kind
    compression: Compression = Compression.INT8
    links: int = 32  # hnsw: neighbours of a node, twice as many in the lowest layer
    care: int = 80  # hnsw: efConstruction
    lists: int = 0  # ivf: clusters

    @property
    def is_exact(self) -> bool:
        return self.kind is Kind.EXACT


class Effort(NamedTuple):
    """How hard a search tries. `width`: efSearch of a graph, lists visited of an IVF; `depth`: candidates returned."""

    width: int
    depth: int


class Selection(Protocol):
    """Slots that a search may return, made ready by the index that it is for. May be kept and used by any thread."""

    @property
    def count(self) -> int: ...


def worth_keeping(count: int, covered: int) -> bool:
    """Whether an index keeps the codes of a selection from its second scan on; a copy of most codes is not worth its memory."""
    return 2 * count <= covered


class VectorIndex(Protocol):
    """Safe for any number of threads; never changes once built: to cover more slots is to make another."""

    @property
    def metric(self) -> Metric: ...
    @property
    def dim(self) -> int: ...
    @property
    def covered(self) -> int: ...

    def effort(self, recall: float, k: int) -> Effort | None:
        """The least effort whose measured recall is at least `recall`; None where none is."""

    def search(self, queries: Float32, effort: Effort, selection: Selection | None = None) -> Int64:
        """The nearest slots that a search of that effort finds: (q, effort.depth) int64, closest first, -1 at the end.

        queries: (q, dim) finite. How near they are is for the caller to measure: the index holds but codes.
        """

    def scan(self, queries: Float32, depth: int, selection: Selection | None = None) -> Int64:
        """As `search`, but every slot of the selection is looked at. Finds min(depth, selection.count) for sure."""

    def select(self, slots: Int64) -> Selection:
        """slots: (m,) int64, ascending, below `covered`."""

    def outgrown(self, spec: Spec) -> bool:
        """Whether a new build for `spec` would serve better than growing this one."""

    def grown(
        self,
        vectors: Vectors,
        covered: int,
        *,
        stop: threading.Event | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> VectorIndex:
        """Another index, which covers slots 0..covered-1; this one goes on serving. Raises Stopped."""

    def save(self, path: Path) -> None:
        """Write the index to `path`. What is to be known of it besides is in `settings()`."""

    def settings(self) -> dict[str, Any]:
        """All that `load` needs beside the file; plain JSON."""

    def describe(self) -> dict[str, Any]:
        """Kind, compression, slots covered, and the recall measured; plain JSON, for people."""
