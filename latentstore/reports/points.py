"""Points: which items of a space the map of a report shows, and what it tells of each.

Up to MOST all of them. Of more a random sample, and beside it every item that the findings name: a page that says "the strangest
item" must be able to show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from latentstore.errors import InvalidInput
from latentstore.types import Int64

MOST = 100_000
TEXT = 500  # characters of a text that a page is given


@dataclass(frozen=True)
class Shown:
    """positions: (m,) int64, ascending, of the items that are points; items: how many there are in all."""

    positions: Int64
    items: int

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def whole(self) -> bool:
        return len(self.positions) == self.items

    @cached_property
    def _at(self) -> Int64:
        at = np.full(self.items, -1, dtype=np.int64)
        at[self.positions] = np.arange(len(self.positions))
        return at

    def point(self, position: int) -> int:
        """The point that an item is. Raises InvalidInput where it is none: whatever is named must be among them."""
        point = int(self._at[position])
        if point < 0:
            raise InvalidInput(f"item {position} is named and no point; give it to `choose` as named")
        return point

    def of(self, values: Sequence[Any]) -> list[Any]:
        """The values of the points among those of all items."""
        return list(values) if self.whole else [values[at] for at in self.positions.tolist()]


def choose(items: int, named: Iterable[int], seed: int, most: int = MOST) -> Shown:
    """The points among `items`. named: positions that must be among them; where there are more than `most`, so many more points."""
    if items <= most:
        return Shown(np.arange(items, dtype=np.int64), items)
    needed = np.unique(np.fromiter(named, dtype=np.int64))
    rest = np.setdiff1d(np.arange(items, dtype=np.int64), needed, assume_unique=True)
    more = np.random.default_rng(seed).permutation(rest)[: max(0, most - len(needed))]
    return Shown(np.sort(np.concatenate([needed, more])), items)


def shortened(text: str | None) -> str:
    """A text as a page shows it: at most TEXT characters, cut at a word where one ends near."""
    text = (text or "").strip()
    if len(text) <= TEXT:
        return text
    cut = text.rfind(" ", TEXT - 60, TEXT - 1)
    return f"{text[: cut if cut > 0 else TEXT - 2]} …"
