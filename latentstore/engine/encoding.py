"""Encoders of a collection's spaces: loaded when first needed, held against the fingerprint kept with the space (invariant 8)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from latentstore.distance import as_array, prepare
from latentstore.encoders import registry
from latentstore.encoders.base import Encoder, Role, windowed
from latentstore.engine.check import Batch
from latentstore.engine.core import Engine
from latentstore.engine.snapshot import SpaceView
from latentstore.errors import EncoderMismatch, EncoderMissing, InvalidInput
from latentstore.types import Float32, Int64, Modality


class Encoders:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._loaded: dict[str, Encoder] = {}

    def of(self, space: str) -> Encoder:
        """The encoder of a space. Raises EncoderMissing, EncoderMismatch."""
        if space not in self._loaded:
            self._loaded[space] = _load(self._engine.space(space))
        return self._loaded[space]

    def vectors_for(self, batch: Batch, fingerprint: str | None) -> dict[str, tuple[Int64, Float32]]:
        """For each space, which items of the batch get a vector there, and the vectors."""
        snapshot = self._engine.snapshot
        given = {name: self._given(name, array, batch.n, fingerprint) for name, array in self._named(batch).items()}
        made = {
            name: self._encoded(name, batch)
            for name, view in snapshot.spaces.items()
            if name not in given and view.row.encoder is not None and batch.has_text
        }
        found = given | {name: part for name, part in made.items() if part is not None}
        if batch.n and not found:
            raise InvalidInput(
                f"nothing to store a vector from: the spaces are {', '.join(snapshot.spaces)}; give vectors=, or texts to a "
                "collection that has a text encoder (store.create(name, encoders=['text']))"
            )
        return found

    def _named(self, batch: Batch) -> dict[str, Any]:
        if batch.vectors is None:
            return {}
        if isinstance(batch.vectors, dict):
            return {self._engine.space(name).row.name: array for name, array in batch.vectors.items()}
        return {self._engine.space(None).row.name: batch.vectors}

    def _given(self, name: str, array: Any, n: int, fingerprint: str | None) -> tuple[Int64, Float32]:
        row = self._engine.space(name).row
        if row.fingerprint != fingerprint:
            raise EncoderMismatch(_foreign(name, row.fingerprint, row.encoder, fingerprint))
        vectors = prepare(array, row.dim)
        if len(vectors) != n:
            raise InvalidInput(f"expected {n} vectors, one an item, got {len(vectors)}")
        return np.arange(n), vectors

    def _encoded(self, name: str, batch: Batch) -> tuple[Int64, Float32] | None:
        encoder = self.of(name)
        if Modality.TEXT not in encoder.modalities:
            return None
        at = [position for position, text in enumerate(batch.texts) if text is not None]
        texts = [batch.texts[position] or "" for position in at]
        _warn_of_cuts(encoder, texts)
        return np.array(at, dtype=np.int64), encoder.encode(texts, role="document")

    def encode(self, space: str, items: Any, role: Role) -> Float32:
        """(n, dim) float32 of n texts, or of vectors given as such."""
        if isinstance(items, str):
            items = [items]
        if _are_texts(items):
            return self.of(space).encode(list(items), role=role)
        return prepare(items, self._engine.space(space).row.dim)

    def queries(self, query: Any, space: str | None) -> tuple[Float32, bool]:
        """((q, dim) float32, whether several were asked). A text, a (dim,) vector, a list of texts, or a (q, dim) array."""
        row = self._engine.space(space).row
        if isinstance(query, str):
            return self.of(row.name).encode([query], role="query"), False
        if _are_texts(query):
            return self.of(row.name).encode(list(query), role="query"), True
        given = as_array(query, "queries")
        if given.ndim not in (1, 2):
            raise InvalidInput(f"a query is a (dim,) vector, several are a (q, dim) array; got shape {given.shape}")
        many = given.ndim == 2
        return prepare(given if many else given[None], row.dim, what="queries"), many


def _are_texts(items: Any) -> bool:
    return isinstance(items, Sequence) and len(items) > 0 and all(isinstance(item, str) for item in items)


def _load(view: SpaceView) -> Encoder:
    row = view.row
    if row.encoder is None:
        raise EncoderMissing(
            f"space {row.name!r} holds vectors from elsewhere and has no encoder: search it with a "
            f"vector{f' of {row.dim} numbers' if row.dim else ''}"
        )
    try:
        encoder = registry.load(row.encoder)
        found = encoder.fingerprint
    except EncoderMissing as error:
        raise EncoderMissing(f"space {row.name!r} needs its encoder {row.encoder!r} to encode: {error}") from error
    if found != row.fingerprint:
        raise EncoderMismatch(
            f"space {row.name!r} was made by encoder {row.encoder!r} with fingerprint {row.fingerprint}, the one installed has "
            f"{found}: its vectors would not be comparable; install the version it was made with, or make a new collection"
        )
    return encoder


def _foreign(name: str, held: str | None, encoder: str | None, given: str | None) -> str:
    if held is None:
        return f"space {name!r} holds vectors from elsewhere, got fingerprint={given!r}; leave fingerprint out"
    came = "vectors without a fingerprint" if given is None else f"fingerprint {given}"
    return (
        f"space {name!r} holds vectors of encoder {encoder!r} with fingerprint {held}, got {came}; if they were made by that "
        "encoder, say so with fingerprint=collection.space().fingerprint; else use a collection of its own"
    )


def _warn_of_cuts(encoder: Encoder, texts: list[str]) -> None:
    """Text past the model's window is never cut silently."""
    facts = windowed(encoder)
    if facts is None:
        return
    # A token is at least one character, so most texts need not be counted.
    suspects = [text for text in texts if len(text) > facts.window]
    long = sum(count > facts.window for count in facts.count_tokens(suspects)) if suspects else 0
    if long:
        warnings.warn(
            f"{long} of {len(texts)} texts are longer than the {facts.window} tokens that encoder {encoder.name!r} reads; what lies "
            "past them is stored but not searched by meaning. Split them first: ingest.run() and 'latentstore ingest' do",
            UserWarning,
            stacklevel=5,
        )
