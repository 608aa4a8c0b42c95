"""What `Space.labels` gives back: how well a space tells the values of a column apart, which look wrong, and which are missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from latentstore.findings.study import Study
from latentstore.types import Rows

if TYPE_CHECKING:
    import pandas
    import pyarrow


@dataclass(frozen=True, slots=True)
class LabelClass:
    """One value of the column. items: that have it; recognised: the share of them that both readers together know for it.

    taken_for: the value that most of the others are read as, None where there are none; so many of its items are.
    """

    value: Any
    items: int
    recognised: float
    taken_for: Any = None
    times: int = 0


@dataclass(frozen=True, slots=True)
class SuspectLabel:
    """An item whose value looks wrong. probability: of `looks_like` rather than the given one, 0..1."""

    id: str
    label: Any
    looks_like: Any
    probability: float


@dataclass(frozen=True, slots=True)
class SuggestedLabel:
    """A value for an item that has none. confidence: how often values suggested so surely are right, 0..1."""

    id: str
    label: Any
    confidence: float


@dataclass(frozen=True, eq=False)
class Labels:
    """How a space reads a column. Accuracies are shares of `items` labelled items, each read without looking at its own value.

    neighbors: by the 10 nearest; probe: by a linear model; both: by the mean of their probabilities; balanced: the mean of what is
    recognised of each class; baseline: by saying the commonest value every time. classes: largest first. suspects: surest
    first. suggested: for items without a value, where the confidence reaches `threshold`; abstained: those where it does not.
    rare: values of fewer than five items, which are left out, and how many items have them.
    """

    space: str
    column: str
    items: int
    neighbors: float
    probe: float
    both: float
    balanced: float
    baseline: float
    classes: tuple[LabelClass, ...]
    suspects: tuple[SuspectLabel, ...]
    suggested: tuple[SuggestedLabel, ...]
    abstained: int
    threshold: float | None
    rare: Mapping[Any, int]
    seed: int
    study: Study | None = None

    def rows(self) -> Rows:
        """A row for each item whose value looks wrong or is suggested: id, label, suggested, confidence."""
        values = [(one.id, one.label, one.looks_like, one.probability) for one in self.suspects]
        values += [(one.id, None, one.label, one.confidence) for one in self.suggested]
        return Rows(["id", "label", "suggested", "confidence"], values)

    def to_arrow(self) -> pyarrow.Table:
        return self.rows().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        return self.rows().to_pandas()

    def __repr__(self) -> str:
        return (
            f"<Labels {self.column!r}: {len(self.classes)} classes, {self.both:.1%} read right, "
            f"{len(self.suspects)} suspects, {len(self.suggested)} suggested>"
        )
