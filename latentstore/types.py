"""The nouns that cross every layer: Metric, Modality, Item, Source, Hit, Hits, Rows, Written. Plain data, nothing that touches a disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
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
    """What an encoder takes."""

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
    """What is stored: a text, image or audio clip, and where it came from. `id` None lets the store choose one.

    image: a path, the bytes of an image file, a PIL image, or an (h, w) or (h, w, 3) uint8 array. audio: a path, the bytes
    of a sound file, or (samples, rate): (n,) or (n, channels) floats in -1..1 and hertz. Both are encoded and not kept; `uri`
    None takes the path that image or audio is. attachments: bytes by name, kept as they are, the same bytes only once.
    An item that comes out of a store has text, uri and metadata; `Collection.attachments` gives the rest.
    attachments: bytes by name, kept with the item: a thumbnail, or the content itself.
    """

    id: str | None = None
    text: str | None = None
    uri: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    image: Any = None
    audio: Any = None
    attachments: Mapping[str, bytes] = field(default_factory=dict)

    def content(self, modalities: Container[Modality]) -> tuple[Modality, Any] | None:
        """What an encoder of these modalities sees of the item: an image, else a sound, else the text; None for nothing."""
        fields = ((Modality.IMAGE, self.image), (Modality.AUDIO, self.audio), (Modality.TEXT, self.text))
        return next((field for field in fields if field[0] in modalities and field[1] is not None), None)


@dataclass(frozen=True, slots=True)
class Source:
    """A line of the ledger: where items came from, and how it stood when it was read.

    uri: its name in the store, the `uri` of the items that came from it. size: bytes. modified: unix seconds. digest: sha256
    of the bytes, in hex. stamp changes whenever the bytes may have, reading says how it was read; both are opaque to the
    store. items: how many came from it. error: why it could not be read, None when it was.
    """

    uri: str
    size: int | None = None
    modified: float | None = None
    stamp: str | None = None
    digest: str | None = None
    reading: str | None = None
    items: int = 0
    error: str | None = None


class Origin(StrEnum):
    """How the file that an item came from stands to what the ledger knew of it."""

    THERE = "there"  # its size and its time are those of the ledger
    CHANGED = "changed"
    GONE = "gone"
    UNKNOWN = "unknown"  # it is no file of this machine, the ledger does not have it, or it cannot be looked at


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that a search found. `distance`: the metric's own, smaller is closer; `score`: higher is closer.

    Where several spaces or kinds of items answered, `space` says which one did, and `score` compares across them: by how many
    standard deviations the item is closer than random items of its kind. `space` is None where only one answered.
    """

    id: str
    score: float
    distance: float
    text: str | None
    uri: str | None
    metadata: dict[str, Any]
    space: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """What an `add` did. `ids`: of every item given, in order, the skipped ones included. `deleted`: stale items, not replaced."""

    ids: list[str]
    inserted: int
    replaced: int
    skipped: int
    deleted: int = 0


class Hits(Sequence[Hit]):
    """What one query found, closest first. Plain values: it stays good after the store has closed.

    `ids`; `scores` (k,) float64, higher is closer; `distances` (k,) float64, smaller is closer; `plan`: the steps
    taken, when the search was asked to explain itself; `spaces`: which space found each, None where only one answered.
    """

    def __init__(
        self,
        ids: list[str],
        distances: Float64,
        scores: Float64,
        details: Callable[[], list[tuple[str | None, str | None, dict[str, Any]]]],
        plan: list[PlanStep] | None = None,
        spaces: list[str] | None = None,
    ) -> None:
        self.ids = ids
        self.distances = distances
        self.scores = scores
        self.plan = plan
        self.spaces = spaces
        self.details = details
        self._hits: list[Hit] | None = None

    def _all(self) -> list[Hit]:
        # Unpacking texts and metadata takes longer than the search; ids alone are often all that is wanted.
        if self._hits is None:
            spaces: Sequence[str | None] = self.spaces or [None] * len(self.ids)
            rows = zip(self.ids, self.scores.tolist(), self.distances.tolist(), self.details(), spaces, strict=True)
            self._hits = [Hit(name, score, distance, *rest, space) for name, score, distance, rest, space in rows]
        return self._hits

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, at: int) -> Hit: ...
    @overload
    def __getitem__(self, at: slice) -> list[Hit]: ...
    def __getitem__(self, at: int | slice) -> Hit | list[Hit]:
        return self._all()[at]

    def __iter__(self) -> Iterator[Hit]:
        return iter(self._all())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}: {score:.3f}" for name, score in zip(self.ids[:3], self.scores, strict=False))
        return f"<{len(self)} hits {shown}{', …' if len(self) > 3 else ''}>"

    def rows(self) -> Rows:
        """As a table: id, score, distance, space where several answered, text, uri, a column for each key of metadata."""
        hits = self._all()
        names = list(dict.fromkeys(key for hit in hits for key in hit.metadata))
        space = ["space"] if self.spaces else []
        values = [
            (
                *(hit.id, hit.score, hit.distance, *([hit.space] if space else ()), hit.text, hit.uri),
                *(hit.metadata.get(name) for name in names),
            )
            for hit in hits
        ]
        return Rows(["id", "score", "distance", *space, "text", "uri", *names], values)

    def to_arrow(self) -> pyarrow.Table:
        return self.rows().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        return self.rows().to_pandas()


@dataclass(frozen=True, slots=True)
class PlanStep:
    """A step of a search, as `explain=True` shows it."""

    step: str
    detail: str
    count: int
    ms: float


class Rows:
    """A small table: what a SELECT gave. `columns`: names; `values`: a tuple a row. Iterates as dicts."""

    def __init__(self, columns: list[str], values: list[tuple[Any, ...]]) -> None:
        self.columns = columns
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.values)

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {', '.join(self.columns)}>"

    def to_arrow(self) -> pyarrow.Table:
        """As an Arrow table. Dicts and lists of so many shapes that Arrow has no one type for them become JSON text."""
        import pyarrow as pa

        columns = zip(*self.values, strict=True) if self.values else [()] * len(self.columns)
        return pa.table([_arrow(list(column)) for column in columns], names=self.columns)

    def to_pandas(self) -> pandas.DataFrame:
        return self.to_arrow().to_pandas()


def _arrow(values: list[Any]) -> pyarrow.Array:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array(
            [None if value is None else json.dumps(value, ensure_ascii=False, default=str) for value in values]
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What `verify` or `repair` found. `problems`: one line each, empty when all is well; `lost`: ids that are gone."""

    problems: list[str]
    mended: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    checked: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.problems
