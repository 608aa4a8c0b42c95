"""Form: how a model sees an item, as a row of numbers, and how a row becomes something that one can see, hear or search by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Form(Protocol):
    """A fixed rule, chosen once from a sample of the items and kept with the model. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """ "picture", "sound" or "vector"."""

    @property
    def width(self) -> int:
        """Values in a row."""

    @property
    def bounded(self) -> bool:
        """Whether rows, divided by the divisor, lie in 0..1."""

    @property
    def divisor(self) -> float:
        """What the values of `rows` are divided by before a model sees them: 255 where they are bytes."""

    @property
    def error_unit(self) -> str:
        """What a mean squared error of rows is measured in, for a person to read."""

    def rows(self, items: Sequence[Any]) -> Any:
        """(n, width) uint8 or float32 of n items. Raises InvalidInput naming the first that has no such form."""

    def content(self, rows: Any) -> Any:
        """What each of (n, width) float32 rows, divided already, stands for."""

    def round_trip(self, rows: Any) -> dict[str, float] | None:
        """How much of (n, width) float32 rows their content still holds, where something else than rounding is lost; else None."""

    def caption(self) -> str:
        """One line: "28 x 28 grey pictures"."""

    def facts(self) -> dict[str, Any]:
        """What stands beside the arrays, fit for JSON; `name` is among it."""

    def arrays(self) -> dict[str, Any]:
        """By name, the arrays that the rule is made of."""
