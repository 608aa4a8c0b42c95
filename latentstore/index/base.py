"""The way in: which index a space deserves, and how to build, check and load one. Imports FAISS only when it is needed."""

from __future__ import annotations

import json
import mmap
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import xxhash

from latentstore.index import faiss_index
from latentstore.index.contract import (
    ArrayVectors,
    Compression,
    Effort,
    Kind,
    Selection,
    Spec,
    Stopped,
    Unusable,
    VectorIndex,
    Vectors,
)
from latentstore.index.tuning import choose
from latentstore.types import Metric

__all__ = [
    "ArrayVectors",
    "Compression",
    "Effort",
    "Kind",
    "Selection",
    "Spec",
    "Stopped",
    "Unusable",
    "VectorIndex",
    "Vectors",
    "build",
    "checksum",
    "choose",
    "dump",
    "load",
]


def build(
    vectors: Vectors,
    metric: Metric,
    spec: Spec,
    *,
    seed: int = 0,
    stop: threading.Event | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> VectorIndex:
    """An index over all slots of `vectors`, its recall measured on vectors held out of it. Raises Stopped.

    stop: looked at between chunks of some thousand vectors; progress: called with how many are in, of how many.
    """
    return faiss_index.build(vectors, metric, spec, seed=seed, stop=stop, progress=progress)


def load(path: Path, settings: dict[str, Any], *, size: int, checksum: int) -> VectorIndex:
    """The index in a file, mapped, not read. Raises Unusable where the file is not the very one that was written.

    settings: as `VectorIndex.settings` gave them; size and checksum: of the file, as they were when it was written.
    """
    # FAISS trusts what it reads: a wrong length in a damaged file ends the process. So no byte reaches it unchecked.
    try:
        found = path.stat().st_size
        if found != size:
            raise Unusable(f"it has {found} bytes instead of {size}")
        if _checksum(path) != checksum:
            raise Unusable("its checksum is not the one that was written down")
    except OSError as error:
        raise Unusable(f"it cannot be read: {error.strerror or error}") from error
    return faiss_index.load(path, settings)


def checksum(path: Path) -> int:
    """xxh3_64 of a whole file."""
    return _checksum(path)


def _checksum(path: Path) -> int:
    with path.open("rb") as file:
        if not path.stat().st_size:
            return xxhash.xxh3_64_intdigest(b"")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return xxhash.xxh3_64_intdigest(data)


def dump(settings: dict[str, Any]) -> str:
    """Settings as JSON text."""
    return json.dumps(settings, separators=(",", ":"))
