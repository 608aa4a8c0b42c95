"""How an analysis tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, float], None]  # what is being done, in a few words; the share of it that is done, 0 to 1


def silent(step: str, share: float) -> None:
    """Tell nobody."""
