"""What an archive may cost, archives within it included: a few bytes must not become a disk full of them."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.limits import Limits
from ingest.results import Unreadable

HARMLESS = 64 << 20  # bytes that may come out of any archive, however small it is
NESTED = 4  # archives, each within the one before


@dataclass(slots=True)
class Budget:
    """What is left. One for an outermost archive, shared by all that it holds."""

    limits: Limits
    bytes: int
    members: int

    @classmethod
    def of_archive(cls, size: int, limits: Limits) -> Budget:
        return cls(limits, expanded(size, limits), limits.members)

    def count_member(self) -> None:
        """Raises Unreadable."""
        self.members -= 1
        if self.members < 0:
            raise Unreadable(f"holds more than {self.limits.members:,} members; the limit can be raised")

    def spend(self, count: int) -> None:
        """Raises Unreadable."""
        self.bytes -= count
        if self.bytes < 0:
            raise Unreadable(
                f"expands to more than {self.limits.expansion:,} times its size, as bombs do; the limit can be raised"
            )


def expanded(size: int, limits: Limits) -> int:
    """Bytes that may come out of `size` compressed ones."""
    return max(HARMLESS, limits.expansion * size)
