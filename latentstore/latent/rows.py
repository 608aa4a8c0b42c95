"""Rows: what models learn from, in the form in which it takes least memory. Pictures stay bytes until they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentstore.errors import InvalidInput, NotFinite
from latentstore.types import Float32, Int64

BLOCK = 4096  # rows that are turned to float32 at a time


@dataclass(frozen=True)
class Rows:
    """raw: (n, width) uint8 or float32, in memory or mapped; divisor: what each value is divided by, 255 for bytes of 0..1.

    Raises InvalidInput for any other array, NotFinite naming the first row with NaN or infinity.
    """

    raw: NDArray[Any]
    divisor: float = 1.0

    def __post_init__(self) -> None:
        if self.raw.ndim != 2 or self.raw.dtype not in (np.uint8, np.float32):
            raise InvalidInput(
                f"expected rows of shape (n, width), uint8 or float32, got {self.raw.shape} of {self.raw.dtype}"
            )
        if self.raw.dtype == np.float32:
            for start, block in self.blocks():
                bad = np.flatnonzero(~np.isfinite(block).all(axis=1))
                if len(bad):
                    raise NotFinite(f"row {start + int(bad[0])} holds NaN or infinity; leave it out or mend it")

    def __len__(self) -> int:
        return len(self.raw)

    @property
    def width(self) -> int:
        return int(self.raw.shape[1])

    def take(self, at: Int64) -> Float32:
        """(len(at), width) float32: the rows at these positions, in the order asked."""
        return self._scaled(self.raw[at])

    def blocks(self, at: Int64 | None = None, size: int = BLOCK) -> Iterator[tuple[int, Float32]]:
        """(start, rows): `size` rows at a time of all, or of those at these positions."""
        for start in range(0, len(self) if at is None else len(at), size):
            span = slice(start, start + size)
            yield start, self._scaled(self.raw[span]) if at is None else self.take(at[span])

    def _scaled(self, raw: NDArray[Any]) -> Float32:
        if self.divisor == 1.0:
            return np.asarray(raw, np.float32)
        return np.asarray(np.asarray(raw, np.float32) / np.float32(self.divisor))
