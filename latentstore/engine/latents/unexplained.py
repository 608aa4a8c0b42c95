"""What the model of a latent space does not explain of items: the error of each when it is encoded and decoded again."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np

from latentstore.analysis.progress import Progress, silent
from latentstore.engine.core import Engine
from latentstore.engine.encoding import Encoders
from latentstore.engine.latents import inputs, models
from latentstore.engine.latents.follow import side
from latentstore.engine.latents.reconstructing import seen_of_new
from latentstore.engine.latents.walking import ground
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.errors import InvalidInput
from latentstore.latent.fitted import Fitted
from latentstore.latent.rows import Rows
from latentstore.types import Float64, Int64

_BLOCK = 512  # items that are opened at a time


def errors(engine: Engine, snapshot: Snapshot, view: SpaceView, rows: Int64, progress: Progress = silent) -> Float64:
    """(n,) float64 of items by their rows, in the unit of the model's form: higher is stranger; NaN where nothing that the model
    can see of an item is at hand any more. Raises Corrupted, InvalidInput for a space that was not fitted."""
    model = models.of(engine, view)
    out = np.full(len(rows), np.nan)
    for start in range(0, len(rows), _BLOCK):
        progress("reconstructing", start / len(rows))
        at, raw = _seen(engine, snapshot, view, model, rows[start : start + _BLOCK])
        if len(at):
            out[start + at] = model.row_errors(Rows(raw, model.form.divisor))
    progress("reconstructing", 1.0)
    return out


def of_new(engine: Engine, encoders: Encoders, space: str, items: Any) -> Float64:
    """(q,) float64 of items that are not in the store, of what the model sees. Raises InvalidInput naming the first that is not."""
    here = ground(engine, space)
    model = here.decoder("reconstructing")
    return model.row_errors(Rows(model.form.rows(seen_of_new(here, encoders, items)), model.form.divisor))


def _seen(engine: Engine, snapshot: Snapshot, view: SpaceView, model: Fitted, rows: Int64) -> tuple[Int64, Any]:
    """Which of the items (positions) the model can see, and as what (m, width)."""
    row = view.row
    if row.sees == "vectors":
        at, vectors = inputs.vectors(snapshot, row.follows, rows)
        return at, model.form.rows(list(vectors))
    contents = inputs.content(row.sees, list(inputs.stored(engine, snapshot, rows, row.sees)), side(model))
    there = [position for position, content in enumerate(contents) if content is not None]
    with contextlib.suppress(InvalidInput):
        return np.array(there, np.int64), model.form.rows([contents[position] for position in there])
    # One is no such content, as a sound that has fallen silent: the others are told by themselves.
    parts: dict[int, Any] = {}
    for position in there:
        with contextlib.suppress(InvalidInput):
            parts[position] = model.form.rows([contents[position]])
    raw = np.concatenate(list(parts.values())) if parts else np.empty((0, model.form.width), np.float32)
    return np.array(list(parts), np.int64), raw
