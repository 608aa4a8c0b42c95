"""How far a latent space is behind: which items of the space that it follows its model has not been offered yet."""

from __future__ import annotations

import warnings

import numpy as np

from latentstore.engine.core import find_space
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.types import Int64


def behind(snapshot: Snapshot, view: SpaceView) -> Int64:
    """Rows, ascending. Rows of a space ascend, so what came after a row stands at the end."""
    row = view.row
    assert row.upto is not None
    if row.follows not in snapshot.spaces:  # a repair had to give it up
        return np.empty(0, np.int64)
    return live_after(snapshot, row.follows, row.upto)


def count(snapshot: Snapshot, space: str) -> int:
    """How many items a space is behind; 0 for one that was not fitted. Raises SpaceNotFound."""
    view = find_space(snapshot, space)
    return len(behind(snapshot, view)) if view.row.latent else 0


def live_after(snapshot: Snapshot, space: str, upto: int) -> Int64:
    """The live rows of a space past a row, ascending. Raises SpaceNotFound."""
    view = find_space(snapshot, space)
    first = int(np.searchsorted(view.vectors.rows, upto, side="right"))
    return view.vectors.rows[view.live_slots(np.arange(first, view.vectors.n))]


def warn_if_behind(snapshot: Snapshot, view: SpaceView, stacklevel: int) -> None:
    """Of a latent space that does not hold all that it should."""
    missing = len(behind(snapshot, view)) if view.row.latent else 0
    if missing:
        warnings.warn(
            f"space {view.row.name!r} lags: {missing:,} item{'' if missing == 1 else 's'} of space {view.row.follows!r} "
            f"{'is' if missing == 1 else 'are'} not in it yet; space.backfill(), or 'latentstore backfill', brings it up to date",
            UserWarning,
            stacklevel=stacklevel,
        )
