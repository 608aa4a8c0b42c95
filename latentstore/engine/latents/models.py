"""The fitted models of latent spaces: read once, held against the fingerprint in the catalog, and put to items (invariant 8)."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from latentstore.encoders.base import Encoder, Role
from latentstore.engine.core import Engine, model_folder
from latentstore.engine.snapshot import SpaceView
from latentstore.errors import Corrupted, InvalidInput
from latentstore.latent import fitted, forms
from latentstore.latent.fitted import Fitted
from latentstore.latent.forms.base import Form
from latentstore.storage.spaces import SpaceRow
from latentstore.types import Float32, Int64, Metric, Modality


def of(engine: Engine, view: SpaceView) -> Fitted:
    """The model of a latent space. Raises Corrupted, InvalidInput for a space that no model made."""
    row = view.row
    if not row.latent or row.fingerprint is None:
        raise InvalidInput(
            f"space {row.name!r} was not fitted, so nothing in it can be decoded; space.fit() makes a space that can be"
        )
    if row.fingerprint not in engine.models:
        engine.models[row.fingerprint] = held_against(engine.space_folder(row.name), row)
    found: Fitted = engine.models[row.fingerprint]
    return found


def held_against(home: Path, row: SpaceRow) -> Fitted:
    """The model in a space's folder. Raises Corrupted where it is not the one that made the vectors of the space."""
    found = fitted.load(model_folder(home))
    if found.fingerprint != row.fingerprint:
        raise Corrupted(
            f"the model of space {row.name!r} is not the one that was fitted: its files have the fingerprint {found.fingerprint}, "
            f"the catalog says {row.fingerprint}; they were changed from outside. Its vectors still answer; restore "
            f"{model_folder(home)} from a backup, or fit again"
        )
    return found


def usable(kind: str, contents: Sequence[Any]) -> list[Any]:
    """Those by which a form can be chosen: not a silent sound, nor a picture that is a line."""
    kept = []
    for content in contents:
        with contextlib.suppress(InvalidInput):
            forms.choose(kind, [content])
            kept.append(content)
    return kept


def rows(form: Form, contents: Sequence[Any]) -> Any:
    """(m, width): what a model sees of contents, without those that the form does not take."""
    try:
        return form.rows(contents)
    except InvalidInput:
        parts = []
        for content in contents:
            with contextlib.suppress(InvalidInput):
                parts.append(form.rows([content]))
        if not parts:
            raise
        return np.concatenate(parts)


def encoded(model: Fitted, contents: Sequence[Any]) -> tuple[Int64, Float32]:
    """Which of the contents (positions) have a place in the space, and their latents (m, dim). None, and what the model
    does not take, such as a silent sound, has none."""
    at = [position for position, content in enumerate(contents) if content is not None]
    try:
        made = model.encode([contents[position] for position in at]) if at else _none(model)
    except InvalidInput:
        if len(at) == 1:
            return np.empty(0, np.int64), _none(model)
        parts = [encoded(model, [contents[position]])[1] for position in at]
        at = [position for position, part in zip(at, parts, strict=True) if len(part)]
        made = np.concatenate(parts)
    return finite(np.array(at, np.int64), made)


def of_vectors(model: Fitted, vectors: Any) -> Float32:
    """(n, dim): the latents of (n, width) vectors of the followed space. Raises DimensionMismatch, NotFinite."""
    return model.encode(vectors)


def finite(at: Int64, latents: Float32) -> tuple[Int64, Float32]:
    """Those that are points: a model may overflow on what is nothing like its data."""
    good = np.isfinite(latents).all(axis=1)
    return at[good], np.ascontiguousarray(latents[good])


def _none(model: Fitted) -> Float32:
    return np.empty((0, model.dim), np.float32)


class LatentEncoder:
    """A latent space's model as an encoder: of pictures, of sounds, or of what the encoder of the followed space takes."""

    metric = Metric.L2

    def __init__(self, row: SpaceRow, model: Fitted, before: Encoder | None) -> None:
        """before: the encoder whose vectors the model sees; None where it sees content, or vectors from elsewhere."""
        self._row, self._model, self._before = row, model, before

    @property
    def name(self) -> str:
        return str(self._row.encoder)

    @property
    def dim(self) -> int:
        return self._model.dim

    @property
    def fingerprint(self) -> str:
        return self._model.fingerprint

    @property
    def modalities(self) -> frozenset[Modality]:
        if self._before is not None:
            return self._before.modalities
        return frozenset({Modality.VECTOR if self._row.sees == "vectors" else Modality(self._row.sees)})

    def encode(self, items: Sequence[Any], *, role: Role = "document") -> Float32:
        """As any encoder."""
        if self._before is None:
            return self._model.encode(items)
        return of_vectors(self._model, self._before.encode(items, role=role))
