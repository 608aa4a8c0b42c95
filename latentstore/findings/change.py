"""What `Space.compare` gives back: whether two sets of items differ beyond chance, and in which clusters. Side a is "before"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from latentstore.findings.study import Study
from latentstore.types import Rows

if TYPE_CHECKING:
    import pandas
    import pyarrow

ShiftKind = Literal["appeared", "grew", "shrank", "went", "steady"]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two sets. items: how many; tested: how many of them the test drew, all of a small set.

    where: the filter, None where all items of its space or the rest were meant. words: what its texts say and the other's do not.
    """

    where: str | None
    items: int
    tested: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """How one cluster weighs on the two sides. before, after: its items in a and in b; share_before, share_after: of all of a, of b.

    kind: "appeared" where a has none of it, "went" where b has none, "steady" where p_value is above .05. p_value: Fisher's exact
    test, corrected for the number of clusters (Benjamini-Hochberg). number: its own in the last run kept, else its rank by size.
    examples: ids of typical items, of b where the cluster appeared or grew, of a where it shrank or went.
    """

    number: int
    name: str
    kind: ShiftKind
    before: int
    after: int
    share_before: float
    share_after: float
    p_value: float
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """Two sets of items of one space, or of two with the same encoder.

    p_value: how often two random halves of the same items would lie as far apart, at least .001. statistic: by how many standard
    deviations of random halves they do. separation: 0..1, the share of the distance between the sides that is more than
    distance within them. parts: the statistic of the whole, of local density and of neighbours. clusters: what changed first, by
    p-value, then by size. clustered: the id of the study whose clusters these are, None where they were made for the comparison.
    """

    space: str
    a: Side
    b: Side
    statistic: float
    p_value: float
    separation: float
    parts: Mapping[str, float]
    level: str
    clusters: tuple[Shift, ...]
    seed: int
    clustered: int | None = None
    study: Study | None = None

    @property
    def differs(self) -> bool:
        """Whether chance would seldom, once in twenty times at most, set two sets so far apart."""
        return self.p_value <= 0.05

    @property
    def changed(self) -> tuple[Shift, ...]:
        """The clusters that weigh more on one side beyond chance."""
        return tuple(one for one in self.clusters if one.kind != "steady")

    def rows(self) -> Rows:
        """A row a cluster."""
        columns = ["number", "name", "kind", "before", "after", "share_before", "share_after", "p_value", "examples"]
        return Rows(columns, [tuple(getattr(one, name) for name in columns) for one in self.clusters])

    def to_arrow(self) -> pyarrow.Table:
        return self.rows().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        return self.rows().to_pandas()

    def __repr__(self) -> str:
        return (
            f"<Change {self.a.items} → {self.b.items} items, p {self.p_value:.3g}, "
            f"{len(self.changed)} of {len(self.clusters)} clusters changed>"
        )
