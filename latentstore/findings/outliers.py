"""Outliers: what a run found strange and why; Scores: how strange items are that are not in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from latentstore.findings.study import Study
from latentstore.types import Bool, Float64, Rows

if TYPE_CHECKING:
    import pandas
    import pyarrow


@dataclass(frozen=True, slots=True)
class Outlier:
    """One strange item and what can be said of it.

    score: higher is stranger; p_value: the chance that an item like the rest scores as high. nearest: ids of the closest items
    that are not flagged, closest first. times: how many times as far it is from its neighbours as the median item is from its
    own; None where that is at no distance. cluster: the name of the kept cluster that most of the nearest are in. words: what
    its text says and theirs do not.
    """

    id: str
    score: float
    p_value: float
    flagged: bool
    nearest: tuple[str, ...]
    times: float | None
    cluster: str | None
    words: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Outliers:
    """Items, and how strange each is. `ids`: of n items in the order added; `scores`: (n,) float64, higher is stranger;
    `p_values`: (n,) float64; `flags`: (n,) bool.

    Flagged are those that can be called outliers with at most a share of `fdr` of them wrong, on average. strangest: the highest
    scores first, all that are flagged up to 200 and 50 in any case, with reasons. facts: what the method measured.
    """

    space: str
    method: str
    fdr: float
    seed: int
    ids: list[str]
    scores: Float64
    p_values: Float64
    flags: Bool
    strangest: tuple[Outlier, ...]
    facts: Mapping[str, Any]
    recall: float = 1.0
    study: Study | None = field(default=None)

    @property
    def flagged(self) -> list[str]:
        """Ids of what is flagged, strangest first."""
        return [self.ids[at] for at in np.argsort(-self.scores, kind="stable").tolist() if self.flags[at]]

    def rows(self) -> Rows:
        """A row an item, strangest first: id, score, p_value, flagged."""
        order = np.argsort(-self.scores, kind="stable").tolist()
        columns = (self.scores.tolist(), self.p_values.tolist(), self.flags.tolist())
        return Rows(
            ["id", "score", "p_value", "flagged"],
            [(self.ids[at], *(column[at] for column in columns)) for at in order],
        )

    def to_arrow(self) -> pyarrow.Table:
        return self.rows().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        return self.rows().to_pandas()

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<Outliers: {int(self.flags.sum())} of {len(self.ids)} items flagged at a false discovery rate of {self.fdr}>"


@dataclass(frozen=True, eq=False)
class Scores:
    """How strange some new items are against those of a study, in their order.

    scores: (q,) float64, higher is stranger, and what numpy takes this for; p_values: (q,) float64; flags: (q,) bool, at the
    false discovery rate `fdr` among these items.
    """

    scores: Float64
    p_values: Float64
    flags: Bool
    fdr: float
    study: Study

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.array(self.scores, dtype=dtype, copy=copy)

    def __len__(self) -> int:
        return len(self.scores)

    def __repr__(self) -> str:
        return f"<Scores of {len(self)} items, {int(self.flags.sum())} flagged>"
