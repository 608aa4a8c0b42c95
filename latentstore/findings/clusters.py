"""What `Space.cluster` and `Space.assign` give back. A cluster is named by its number, which lasts: a later run gives it again to
what persists, and never to anything else. -1 is no cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from latentstore.findings.study import Study
from latentstore.types import Float64, Int64, Rows

if TYPE_CHECKING:
    import pandas
    import pyarrow


@dataclass(frozen=True, slots=True)
class Cluster:
    """One cluster. `share`: of the items that were clustered; `words`: what else is typical of it, beside its name.

    stability: 0..1, how well it comes back when halves of the items are clustered again, higher is steadier (Hennig 2007); None
    where there are too few items to tell. tightness: 0..1, the share of the whole collection's spread that is gone within it.
    flags: "small", "unstable": what to doubt. parent: the number of its cluster one level up, None at the top. neighbours: the
    clusters nearest to it, nearest first. exemplars: ids of typical items, the most typical first; border: ids of the items
    that are least surely in it, the least sure first.
    """

    number: int
    name: str
    words: tuple[str, ...]
    size: int
    share: float
    stability: float | None
    tightness: float
    flags: tuple[str, ...]
    parent: int | None
    neighbours: tuple[int, ...]
    exemplars: tuple[str, ...]
    border: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """What became of a cluster since the run before. number: its own, None where it is gone or was split for good.

    before, after: its size then and now, None where there was none. detail: the rest in words ("from 'a' and 'b'").
    """

    kind: Literal["new", "gone", "merged", "split"]
    name: str
    number: int | None
    before: int | None
    after: int | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Since:
    """The run before. `made`: unix seconds. before, now: items clustered then and now; added, removed: what parts the two."""

    study: int
    made: float
    before: int
    now: int
    added: int
    removed: int


@dataclass(frozen=True, slots=True, eq=False)
class Level:
    """One grain of clusters, of the n items of `Clustering.ids`.

    labels: (n,) int64. confidence: (n,) float64, 0..1: the probability that the item is found in the same cluster when half of
    the items are clustered again; of fewer than 20 items, the share of its neighbours that are in its cluster; NaN where it is in
    none. second: (n,) int64, the cluster it would be in if not in its own. clusters: largest first. changes: since the run
    before, empty where nothing changed or nothing was before.
    """

    name: str
    labels: Int64
    confidence: Float64
    second: Int64
    clusters: tuple[Cluster, ...]
    changes: tuple[ClusterChange, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Clustering:
    """The clusters of a space at three levels, each finer one nested in the coarser. `level` is the one that was asked for: labels,
    clusters and the rest are of it.

    ids: of the n items, in the order added. facts: what the method saw and chose. study: as it was kept; None where it was not.
    """

    space: str
    method: str
    level: str
    seed: int
    ids: list[str]
    levels: Mapping[str, Level]
    facts: Mapping[str, Any] = field(default_factory=dict)
    since: Since | None = None
    study: Study | None = None

    @property
    def labels(self) -> Int64:
        """(n,) int64: the number of each item's cluster."""
        return self.levels[self.level].labels

    @property
    def confidence(self) -> Float64:
        """(n,) float64, 0..1: how sure each item's place is."""
        return self.levels[self.level].confidence

    @property
    def second(self) -> Int64:
        """(n,) int64: each item's second choice."""
        return self.levels[self.level].second

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """Largest first."""
        return self.levels[self.level].clusters

    @property
    def changes(self) -> tuple[ClusterChange, ...]:
        """Which clusters are new, gone, merged or split since the run before."""
        return self.levels[self.level].changes

    @property
    def names(self) -> dict[int, str]:
        return {one.number: one.name for one in self.clusters}

    @property
    def sizes(self) -> dict[int, int]:
        return {one.number: one.size for one in self.clusters}

    @property
    def stability(self) -> dict[int, float | None]:
        return {one.number: one.stability for one in self.clusters}

    @property
    def exemplars(self) -> dict[int, tuple[str, ...]]:
        """Ids of typical items, the most typical first."""
        return {one.number: one.exemplars for one in self.clusters}

    def rows(self) -> Rows:
        """A row an item: id, number and name of its cluster, confidence, number of its second choice; None for no cluster."""
        names = self.names
        columns = zip(self.ids, self.labels.tolist(), self.confidence.tolist(), self.second.tolist(), strict=True)
        values = [
            (one, *((at, names[at], sure) if at >= 0 else (None, None, None)), other if other >= 0 else None)
            for one, at, sure, other in columns
        ]
        return Rows(["id", "number", "cluster", "confidence", "second"], values)

    def to_arrow(self) -> pyarrow.Table:
        return self.rows().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        return self.rows().to_pandas()

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        shown = ", ".join(f"{one.name!r} {one.size}" for one in self.clusters[:3])
        more = f" and {len(self.clusters) - 3} more" if len(self.clusters) > 3 else ""
        return f"<Clustering of {len(self)} items: {shown}{more}>"


@dataclass(frozen=True, slots=True, eq=False)
class Assigned:
    """Where new items belong among kept clusters: labels (m,) int64, -1 for none; names, None for none; confidence (m,) float64, 0..1,
    NaN for none; second (m,) int64. study: the run whose clusters these are."""

    labels: Int64
    names: list[str | None]
    confidence: Float64
    second: Int64
    level: str
    study: Study

    def __len__(self) -> int:
        return len(self.labels)
