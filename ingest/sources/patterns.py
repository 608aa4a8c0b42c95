"""Patterns: which of the files in a folder or an archive are meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True, slots=True)
class Patterns:
    """Shell patterns, matched with a file's name and with its path below the source."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, below: str) -> bool:
        return not self.leaves_out(below) and (not self.include or self.names(below))

    def names(self, below: str) -> bool:
        """Whether an include pattern asks for this very file."""
        return _matches(below, self.include)

    def leaves_out(self, below: str) -> bool:
        return _matches(below, self.exclude)

    def leaves_out_any(self, parts: Sequence[str]) -> bool:
        """Whether one of the folders on the way down to the last part is left out."""
        return any(self.leaves_out("/".join(parts[:depth])) for depth in range(1, len(parts)))


def _matches(below: str, patterns: Sequence[str]) -> bool:
    name = below.rpartition("/")[2]
    return any(fnmatch(name, pattern) or fnmatch(below, pattern) for pattern in patterns)
