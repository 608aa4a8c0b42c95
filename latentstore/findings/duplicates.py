"""What `Space.duplicates` gives back: groups of items that are there twice, and which one of each is kept: the one added first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from latentstore.findings.study import Study
from latentstore.types import Float32, Rows

if TYPE_CHECKING:
    import pandas
    import pyarrow

Kind = Literal["exact", "near"]  # the same content; within the threshold


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """One item and its duplicates. kept: the id of the one added first; ids: of the others, in the order added.

    kind: "exact" where all have its content. widest: the greatest distance from the kept one to another.
    """

    kept: str
    ids: tuple[str, ...]
    kind: Kind
    widest: float

    def __len__(self) -> int:
        return 1 + len(self.ids)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What another threshold would find. pairs: of items of different content within it; items: that have such a one; groups,
    dropped: of and in groups of near ones; expected: items that would have one so close by chance, were items whose nearest is
    at a typical distance all there are.
    """

    threshold: float
    pairs: int
    items: int
    groups: int
    dropped: int
    expected: float


@dataclass(frozen=True, slots=True)
class Leak:
    """An item, and its closest duplicate in another split. split, other_split: values of the column."""

    id: str
    split: Any
    other: str
    other_split: Any
    kind: Kind
    distance: float


@dataclass(frozen=True, eq=False)
class Duplicates:
    """The duplicates of a space. groups: largest first. curve: by threshold, ascending.

    threshold: distance up to which items of different content are near copies. basis: "valley" where it lies between a heap of
    copies and the rest, "tenth" where it is a tenth of the typical squared distance to the nearest, "given".
    duplicate_of: (n,) the id of the kept one, None for what is kept or has no duplicate; distances: (n,) float32 to it; ids of
    the n items, in the order added. leaks: for each item, its closest duplicate in each other value of the column `split`.
    """

    space: str
    threshold: float
    basis: Literal["given", "valley", "tenth"]
    ids: list[str]
    duplicate_of: list[str | None]
    distances: Float32
    groups: tuple[DuplicateGroup, ...]
    curve: tuple[CurvePoint, ...]
    split: str | None = None
    leaks: tuple[Leak, ...] = ()
    recall: float = 1.0
    study: Study | None = field(default=None)

    @property
    def exact(self) -> tuple[DuplicateGroup, ...]:
        return tuple(group for group in self.groups if group.kind == "exact")

    @property
    def near(self) -> tuple[DuplicateGroup, ...]:
        return tuple(group for group in self.groups if group.kind == "near")

    @property
    def dropped(self) -> int:
        """How many items there would be fewer, were only the kept ones there."""
        return sum(len(group.ids) for group in self.groups)

    @cached_property
    def leaked(self) -> dict[tuple[Any, Any], int]:
        """How many items of one split have a duplicate in another: (split, other split) → items."""
        return dict(Counter((leak.split, leak.other_split) for leak in self.leaks))

    def rows(self) -> Rows:
        """A row for each duplicate that is not kept: id, the id of the kept one, kind, distance."""
        kinds = {one: group.kind for group in self.groups for one in group.ids}
        far = zip(self.ids, self.duplicate_of, self.distances.tolist(), strict=True)
        values = [(one, kept, kinds[one], apart) for one, kept, apart in far if kept is not None]
        return Rows(["id", "duplicate_of", "kind", "distance"], values)

    def to_arrow(self) -> pyarrow.Table:
        return self.rows().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        return self.rows().to_pandas()

    def __len__(self) -> int:
        return len(self.groups)

    def __repr__(self) -> str:
        return (
            f"<Duplicates: {len(self.groups)} groups, {self.dropped} of {len(self.ids)} items more than once, "
            f"near up to {self.threshold:.3g}>"
        )
