"""The nouns that cross every layer: Metric, Modality, Item, Hit, Hits, Rows, Written. Plain data, nothing that touches a disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas
    import pyarrow

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
UInt64 = NDArray[np.uint64]
Bool = NDArray[np.bool_]


class Metric(StrEnum):
    """How far apart two vectors are. Distance: smaller is closer, for every metric."""

    COSINE = "cosine"  # 1 - cos(q, x), in [0, 2]; a zero vector is at distance 1 from everything
    IP = "ip"  # -(q . x)
    L2 = "l2"  # ||q - x||, the root taken


class Modality(StrEnum):
    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VECTOR = "vector"


class OnConflict(StrEnum):
    """What `add` does with an id that is already there."""

    ERROR = "error"
    REPLACE = "replace"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Item:
    """What is stored: a text and where it came from. `id` None lets the store choose one."""

    id: str | None = None
    text: str | None = None
    uri: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that a search found. `distance`: the metric's own, smaller is closer; `score`: higher is closer."""

    id: str
    score: float
    distance: float
    text: str | None
    uri: str | None
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Written:
    """What an `add` did. `ids`: of every item given, in order, the skipped ones included."""

    ids: list[str]
    inserted: int
    replaced: int
    skipped: int
