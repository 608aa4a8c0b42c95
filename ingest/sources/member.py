"""Member: a regular file in an archive, as the archive describes it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from ingest.sources.base import Kind

Opening = Callable[[], AbstractContextManager[Path]]


@dataclass(frozen=True, slots=True)
class Member:
    """name: with slashes between folders, not to be trusted."""

    name: str
    size: int | None
    modified: float | None
    stamp: str | None
    local: Opening
    kind: Kind | None = None  # where something better than the name tells
