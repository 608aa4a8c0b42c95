"""Following: what an add puts into the latent spaces, in the same commit; and catching up where an add could not.

A space that is caught up gets the items of a batch. One that cannot have them, because its model does not load or fails, is left
behind and never fails an add. Rows ascend in a space, so one that is behind takes nothing new until `backfill` has brought it the rest:

1. The next items in the order of rows are read and encoded. Readers and writers go on.
2. Under the write lock their vectors are appended and made durable.
   Crash: bytes past the committed length; the next open cuts them off.
3. One transaction sets the new length, checksum and last row. This is the commit; the next items follow in one of their own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from latentstore.analysis.progress import Progress
from latentstore.engine import write
from latentstore.engine.core import Engine, find_space
from latentstore.engine.latents import inputs, models
from latentstore.engine.latents.inputs import Seen
from latentstore.engine.latents.lag import behind
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.engine.write import Incoming, Points
from latentstore.errors import LatentstoreError, ReadOnlyStore
from latentstore.latent.fitted import Fitted
from latentstore.storage.columns import normalise
from latentstore.storage.spaces import SpaceRow
from latentstore.types import Float32, Int64, Modality

log = logging.getLogger("latentstore")

STEP = 256  # items that are read and encoded at a time


def offer(engine: Engine, snapshot: Snapshot, batch: Incoming, made: dict[str, Points | None]) -> dict[str, Points]:
    """For each latent space that this batch leaves caught up, which of its items have a place there, and where.

    made: what was found before for the same batch, and what could not be; it is added to.
    """
    found: dict[str, Points] = {}
    for view in snapshot.latent:
        seen: Mapping[str, Points] = {**batch.vectors, **found}
        name, follows = view.row.name, view.row.follows
        if follows not in seen or behind(snapshot, view).size:
            continue
        if name not in made:
            made[name] = _points(engine, view, snapshot, batch, seen[follows])
        points = made[name]
        if points is not None:
            found[name] = points
    return found


def _points(engine: Engine, view: SpaceView, snapshot: Snapshot, batch: Incoming, seen: Points) -> Points | None:
    name = view.row.name
    try:
        model = models.of(engine, view)
        at, vectors = seen
        if view.row.sees == "vectors":
            return models.finite(at, models.of_vectors(model, vectors))
        items = _brought(snapshot, batch, view.row.sees)
        contents = inputs.content(view.row.sees, [items(one) for one in at.tolist()], side(model))
        places, latents = models.encoded(model, contents)
        return at[places], latents
    except Exception as reason:
        # The items are what was asked to be stored: a model that fails costs a place in its space for now, not them.
        if not isinstance(reason, LatentstoreError):
            log.exception("space %r could not follow", name)
        note = f"space {name!r} could not follow an add and lags until it is backfilled: {reason}"
        if note not in engine.notes:
            engine.notes.append(note)
            log.warning("%s", note)
        return None


def _brought(snapshot: Snapshot, batch: Incoming, sees: str) -> Callable[[int], Seen]:
    """The items of a batch, by position, as the model sees them."""
    attached: dict[int, dict[str, bytes | None]] = {}
    for at, name, digest in batch.attached.names:
        attached.setdefault(at, {})[name] = batch.attached.contents[digest]
    given = batch.images if sees == Modality.IMAGE else batch.audios
    known: list[dict[str, Any]] = [{} for _ in batch.ids]
    if sees == Modality.AUDIO and given is None:
        told = normalise(batch.metadata, len(batch.ids), snapshot.columns, batch.kinds)
        names = [column.name for column in told.columns]
        known = [dict(zip(names, values, strict=True)) for values in told.rows()]

    def item(at: int) -> Seen:
        if batch.kinds is not None and batch.kinds[at] not in (None, sees):
            return Seen(None, {}, None, {})
        return Seen(None if given is None else given[at], attached.get(at, {}), batch.uris[at], known[at])

    return item


def side(model: Fitted) -> int:
    """Of the pictures that a model sees, in pixels; 0 where it sees none."""
    return int(getattr(model.form, "side", 0))


def encoded(engine: Engine, snapshot: Snapshot, row: SpaceRow, model: Fitted, rows: Int64) -> tuple[Int64, Float32]:
    """Those of stored rows, ascending, that have a place in the space, and their latents."""
    if row.sees == "vectors":
        at, vectors = inputs.vectors(snapshot, row.follows, rows)
        at, latents = models.finite(at, models.of_vectors(model, vectors))
    else:
        seen = list(inputs.stored(engine, snapshot, rows, row.sees))
        at, latents = models.encoded(model, inputs.content(row.sees, seen, side(model)))
    return rows[at], latents


def backfill(engine: Engine, space: str, progress: Progress) -> int:
    """Bring a latent space up to date, from where it stopped. Returns how many items got a place. Raises Corrupted where the
    model does not load, InvalidInput for a space that was not fitted, ReadOnlyStore."""
    if engine.read_only:
        raise ReadOnlyStore(
            f"{engine.folder.parent} was opened with read_only=True; open it without to backfill a space"
        )
    model = models.of(engine, engine.space(space))
    total, done, filled = 0, 0, 0
    while True:
        snapshot = engine.snapshot
        view = find_space(snapshot, space)
        rows = behind(snapshot, view)
        total = max(total, done + len(rows))
        progress("catching up", done / total if total else 1.0)
        if not rows.size:
            return filled
        part = rows[:STEP]
        kept, latents = encoded(engine, snapshot, view.row, model, part)
        with engine.writing() as now:
            if find_space(now, space).row.upto != view.row.upto:
                continue  # another thread was here meanwhile
            write.extend(engine, now, space, kept, latents, int(part[-1]))
        done, filled = done + len(part), filled + len(kept)


def parts(rows: Int64) -> Iterator[Int64]:
    """STEP rows at a time."""
    for at in range(0, len(rows), STEP):
        yield rows[at : at + STEP]
