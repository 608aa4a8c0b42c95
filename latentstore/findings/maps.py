"""What `Space.map` gives back: a place in the plane for every item, and how far the map can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from latentstore.findings.study import Study
from latentstore.types import Float32, Rows

if TYPE_CHECKING:
    import pandas
    import pyarrow


@dataclass(frozen=True, eq=False)
class ItemMap:
    """A map of n items. ids: in the order added; coordinates: (n, 2) float32, without a unit, their middle at 0.

    trustworthiness: 0..1, higher is better, falls where items lie together on the map that are not alike; continuity: 0..1, falls
    where items that are alike lie apart (Venna & Kaski 2001). Both over `neighbors` neighbours, the mean of `asked` items.
    method: "tsne" or "pca", the one that was used. recall: of the neighbour graph.
    """

    space: str
    ids: list[str]
    coordinates: Float32
    trustworthiness: float
    continuity: float
    neighbors: int
    asked: int
    method: str
    seed: int
    recall: float = 1.0
    study: Study | None = None

    def rows(self) -> Rows:
        """A row an item: id, x, y."""
        return Rows(
            ["id", "x", "y"], [(one, x, y) for one, (x, y) in zip(self.ids, self.coordinates.tolist(), strict=True)]
        )

    def to_arrow(self) -> pyarrow.Table:
        return self.rows().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        return self.rows().to_pandas()

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<ItemMap of {len(self)} items, trustworthiness {self.trustworthiness:.2f}>"
