"""Study: what is known of one analysis that was run and kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Study:
    """One kept analysis. `id` counts up; `rows`: how many items it covered; `made`: unix seconds; `seconds`: how long it took.

    columns: the metadata column that holds each finding, by the finding's plain name; parameters and summary are plain JSON.
    """

    id: int
    kind: str
    space: str
    parameters: Mapping[str, Any]
    seed: int | None
    rows: int
    made: float
    seconds: float
    columns: Mapping[str, str]
    summary: Mapping[str, Any]
