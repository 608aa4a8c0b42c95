"""Items beside what a model makes of them: what it does not explain can be seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from latentstore.engine import check, content
from latentstore.engine.core import Engine
from latentstore.engine.encoding import Encoders
from latentstore.engine.latents import inputs
from latentstore.engine.latents.walking import Ground, called, ground, landed
from latentstore.errors import InvalidInput
from latentstore.findings.latent import Reconstructions
from latentstore.latent.rows import Rows


def reconstruct(engine: Engine, encoders: Encoders, space: str, given: Any, *, worst_first: bool) -> Reconstructions:
    """Items beside what their latents decode to. given: ids, or new items of what the model sees."""
    if isinstance(given, list | tuple | np.ndarray) and not len(given):
        raise InvalidInput("there are no items to reconstruct; give ids, or new items")
    ids = check.ids(given) if isinstance(given, str) or _all_strings(given) else []
    here = ground(engine, space, *ids)
    model = here.decoder("reconstructing")
    seen = _stored(here, ids) if ids else seen_of_new(here, encoders, given)
    rows = Rows(model.form.rows(seen), model.form.divisor)
    errors = model.row_errors(rows)
    order = np.argsort(-errors, kind="stable") if worst_first else np.arange(len(rows))
    rows, errors = Rows(rows.raw[order], rows.divisor), errors[order]
    names = [ids[at] if ids else None for at in order.tolist()]
    captions = [
        f"{called(name, f'item {at + 1}')}: {error:.2g}"
        for at, name, error in zip(order.tolist(), names, errors.tolist(), strict=True)
    ]
    return Reconstructions(
        **landed(
            here,
            model.encode_rows(rows),
            f"{len(rows)} items, above what {here.view.row.base} makes of them",
            captions,
        ),
        ids=names,
        originals=model.form.content(rows.take(np.arange(len(rows)))),
        errors=errors,
        error_unit=model.form.error_unit,
    )


def _all_strings(given: Any) -> bool:
    return isinstance(given, list | tuple) and all(isinstance(one, str) for one in given)


def _stored(here: Ground, ids: Sequence[str]) -> Any:
    """What the model sees of stored items. Raises InvalidInput naming one of which nothing is at hand."""
    row = here.view.row
    rows = here.view.vectors.rows[[here.slots[one] for one in ids]]
    if row.sees == "vectors":
        return inputs.vectors(here.snapshot, str(row.follows), rows)[1]
    assert here.model is not None and row.sees is not None
    items = list(inputs.stored(here.engine, here.snapshot, rows, row.sees))
    seen = inputs.content(row.sees, items, int(getattr(here.model.form, "side", 0)))
    missing = [name for name, one in zip(ids, seen, strict=True) if one is None]
    if missing:
        raise InvalidInput(
            f"{len(missing)} of {len(ids)} items have no {here.model.form.name} at hand any more, the first is {missing[0]!r}: it is "
            "neither kept with the item nor in a file that is where it was; decode its latent instead"
        )
    return seen


def seen_of_new(here: Ground, encoders: Encoders, given: Any) -> Any:
    """What the model sees of items that are not in the store."""
    row = here.view.row
    if row.sees == "vectors":
        return encoders.encode(str(row.follows), given, "document")
    asked = content.of(given)
    if asked is None or asked.modality != row.sees:
        came = "vectors" if asked is None else asked.modality
        raise InvalidInput(
            f"space {here.name!r} reconstructs items of kind {row.sees}, got {came}; give ids, or such items"
        )
    return asked.items
