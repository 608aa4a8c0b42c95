"""What a reader sees: one committed moment of a collection, whole and unchanging (invariant 6)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from latentstore.engine import bits
from latentstore.engine.planner import SearchView
from latentstore.index.base import VectorIndex
from latentstore.storage.attachments import AttachmentFile
from latentstore.storage.columns import Column
from latentstore.storage.kinds import Kind
from latentstore.storage.records import RecordView, decode, id_of
from latentstore.storage.spaces import SpaceRow
from latentstore.storage.vectors import VectorView
from latentstore.types import Int64, UInt8


@dataclass(frozen=True)
class SpaceView:
    """One space at one commit. `live`: packed bits over its slots, None while none is dead."""

    row: SpaceRow
    vectors: VectorView
    live: UInt8 | None
    live_count: int
    index: VectorIndex | None

    @cached_property
    def searchable(self) -> SearchView:
        return SearchView(self.row.metric, self.vectors, self.live, self.live_count, self.index)

    def live_slots(self, slots: Int64) -> Int64:
        """Those of the slots that are live."""
        return slots if self.live is None else slots[bits.test(self.live, slots)]

    def all_live(self) -> Int64:
        """(live_count,) int64: every live slot, ascending."""
        import numpy as np

        return np.arange(self.vectors.n) if self.live is None else bits.indices(self.live, self.vectors.n)

    @property
    def uncovered(self) -> int:
        """Slots that no index covers yet."""
        return self.vectors.n - (self.index.covered if self.index else 0)


@dataclass(frozen=True)
class Shelf:
    """The committed part of the file of attachments."""

    files: AttachmentFile
    size: int


@dataclass(frozen=True)
class Snapshot:
    seq: int
    next_row: int
    items: int
    columns: tuple[Column, ...]
    records: RecordView
    spaces: dict[str, SpaceView]
    shelf: Shelf

    @cached_property
    def own(self) -> list[SpaceView]:
        """The spaces that the collection was made with: every item has a vector in one of them at least."""
        return [view for view in self.spaces.values() if not view.row.latent]

    @cached_property
    def latent(self) -> list[SpaceView]:
        """Every version of the spaces that were fitted, oldest first: none comes before the one that it follows."""
        return [view for view in self.spaces.values() if view.row.latent]

    @cached_property
    def standing(self) -> dict[str, str]:
        """The bare name of each latent space, and the version that it stands for."""
        return {view.row.base: view.row.name for view in self.latent if view.row.active}

    @cached_property
    def names(self) -> list[str]:
        return [column.name for column in self.columns]

    @cached_property
    def _doubles(self) -> list[int]:
        return [at for at, column in enumerate(self.columns) if column.type.kind is Kind.DOUBLE]

    def ids(self, rows: Int64) -> list[str]:
        return [id_of(raw) for raw in self.records.read(rows)]

    def details(self, raw: bytes) -> tuple[str, str | None, str | None, dict[str, Any]]:
        """(id, text, uri, metadata) of one raw record."""
        record = decode(raw)
        values = list(record.values)
        # Records written before a column came or widened know less than the catalog does now.
        if len(values) < len(self.names):
            values += [None] * (len(self.names) - len(values))
        for at in self._doubles:
            if type(values[at]) is not float:
                values[at] = _as_double(values[at])
        return record.id, record.text, record.uri, dict(zip(self.names, values, strict=True))


def _as_double(value: Any) -> Any:
    if isinstance(value, list):
        return [None if one is None else float(one) for one in value]
    return None if value is None else float(value)
