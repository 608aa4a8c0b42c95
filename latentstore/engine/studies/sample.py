"""Sample: the vectors of a space at one commit, with what is known of their items. What every study starts from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from latentstore.analysis.neighbors import Graph, knn
from latentstore.analysis.progress import Progress, silent
from latentstore.engine import attach, read
from latentstore.engine.core import Engine, find_space
from latentstore.engine.latents.lag import warn_if_behind
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.errors import InvalidInput
from latentstore.types import Bool, Float32, Int64, Metric

Detail = tuple[str, str | None, str | None, dict[str, Any]]
_WIDTH = 30  # neighbours that a first graph has, so that a later study seldom needs another


@dataclass(frozen=True)
class Sample:
    """n items. rows: (n,) int64, ascending; vectors: (n, dim) float32, perhaps a map of the file: not to be written.

    metric: COSINE or L2; a space of inner products is studied by the angle, since -q.x is no distance.
    """

    engine: Engine
    snapshot: Snapshot
    view: SpaceView
    where: str | None
    rows: Int64
    vectors: Float32
    _graphs: list[Graph] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def space(self) -> str:
        return self.view.row.name

    @property
    def metric(self) -> Metric:
        return Metric.L2 if self.view.row.metric is Metric.L2 else Metric.COSINE

    @cached_property
    def _details(self) -> list[Detail]:
        return [self.snapshot.details(raw) for raw in read.records(self.engine, self.snapshot, self.rows)]

    @cached_property
    def ids(self) -> list[str]:
        return [detail[0] for detail in self._details]

    @cached_property
    def texts(self) -> list[str | None]:
        return [detail[1] for detail in self._details]

    @cached_property
    def uris(self) -> list[str | None]:
        return [detail[2] for detail in self._details]

    @property
    def columns(self) -> list[str]:
        """Names of the metadata columns."""
        return self.snapshot.names

    def column(self, name: str) -> list[Any]:
        """n values of a metadata column, None where an item has none. Raises InvalidInput for one that is not there."""
        if name not in self.columns:
            near = difflib.get_close_matches(name, self.columns, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self.columns) or 'none'}"
            raise InvalidInput(f"there is no column {name!r}; {hint}")
        return [detail[3][name] for detail in self._details]

    def metadata(self, position: int) -> dict[str, Any]:
        return self._details[position][3]

    def graph(self, k: int, progress: Progress = silent) -> Graph:
        """The k nearest neighbours of each item among the others; made once."""
        if not self._graphs or self._graphs[0].k < k:
            self._graphs[:] = [knn(self.vectors, max(k, _WIDTH), self.metric, progress=progress)]
        return self._graphs[0].head(k)

    def subset(self, positions: Int64) -> Sample:
        """Some of the items; positions ascending."""
        return replace(self, rows=self.rows[positions], vectors=self.vectors[positions], _graphs=[])

    def passing(self, where: str) -> Bool:
        """(n,) bool: which of the items pass a filter. Raises InvalidFilter."""
        _, view, allowed = read.moment(self.engine, self.space, where)
        assert allowed is not None
        return np.isin(self.rows, view.vectors.rows[allowed.slots], assume_unique=True)

    def attachments(self, positions: Int64, name: str) -> list[bytes | None]:
        """What each of some items has attached under that name."""
        return attach.contents(self.engine, [self.ids[at] for at in positions.tolist()], name)

    def thin(self, least: int, what: str) -> None:
        """Raises InvalidInput where there are fewer than `least` items. what: "clusters", "a map"."""
        if len(self) < least:
            condition = f" where {self.where}" if self.where else ""
            raise InvalidInput(
                f"{what} need at least {least} item{'' if least == 1 else 's'}, space {self.space!r} has {len(self)}{condition}; "
                "add some, name another space, or widen the filter"
            )


def take(engine: Engine, space: str | None = None, where: str | None = None) -> Sample:
    """The items of a space that pass a filter. space: None takes the one with most vectors.

    Kept while the vectors stay the same, with its graph: a report asks for the same sample many times.
    Raises SpaceNotFound, InvalidFilter.
    """
    name = find_space(engine.snapshot, space).row.name if space is not None else _fullest(engine.snapshot)
    snapshot, view, allowed = read.moment(engine, name, where)
    warn_if_behind(snapshot, view, stacklevel=5)
    slots = view.all_live() if allowed is None else allowed.slots
    rows = view.vectors.rows[slots] if view.vectors.n else np.empty(0, dtype=np.int64)
    earlier: Sample | None = engine.sample
    if earlier is not None and _same(earlier, view, rows):
        fresh = replace(earlier, snapshot=snapshot, view=view, where=where)
    else:
        whole = allowed is None and view.live is None
        vectors = view.vectors.block(0, view.vectors.n) if whole else view.vectors.gather(slots)
        fresh = Sample(engine, snapshot, view, where, rows, vectors)
    engine.sample = fresh
    return fresh


def _same(earlier: Sample, view: SpaceView, rows: Int64) -> bool:
    """A row is never given twice, so equal rows of one space have equal vectors, while one model makes them."""
    before, now = earlier.view.row, view.row
    return (before.name, before.fingerprint) == (now.name, now.fingerprint) and np.array_equal(earlier.rows, rows)


def _fullest(snapshot: Snapshot) -> str:
    return max(snapshot.own, key=lambda view: view.live_count).row.name
