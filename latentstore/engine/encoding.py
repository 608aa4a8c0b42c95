"""Encoders of a collection's spaces: loaded when first needed, held against the fingerprint kept with the space (invariant 8)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from latentstore.distance import as_array, prepare
from latentstore.encoders import registry
from latentstore.encoders.base import Encoder, Role, windowed
from latentstore.engine import content, read
from latentstore.engine.check import Batch, length
from latentstore.engine.core import Engine
from latentstore.engine.latents.lag import warn_if_behind
from latentstore.engine.mixing import Part
from latentstore.engine.snapshot import SpaceView
from latentstore.errors import EncoderMismatch, EncoderMissing, InvalidInput
from latentstore.storage.columns import MODALITY
from latentstore.types import Float32, Int64, Modality


class Encoders:
    def __init__(self, engine: Engine, owner: object = None) -> None:
        """owner: kept alive for as long as a space is in use, which has these: a store that nobody holds closes itself."""
        self._engine = engine
        self._owner = owner
        self._loaded: dict[str, Encoder] = {}

    def of(self, space: str) -> Encoder:
        """The encoder of a space. Raises EncoderMissing, EncoderMismatch."""
        view = self._engine.space(space)
        if view.row.latent:
            return self._latent(view)
        if view.row.name not in self._loaded:
            self._loaded[view.row.name] = _load(view)
        return self._loaded[view.row.name]

    def _latent(self, view: SpaceView) -> Encoder:
        from latentstore.engine.latents.models import LatentEncoder, of

        model = of(self._engine, view)
        seen = self._engine.space(view.row.follows).row
        before = self.of(seen.name) if view.row.sees == "vectors" and seen.encoder is not None else None
        return LatentEncoder(view.row, model, before)

    def vectors_for(
        self, batch: Batch, fingerprint: str | Mapping[str, str] | None
    ) -> dict[str, tuple[Int64, Float32]]:
        """For each space, which items of the batch get a vector there, and the vectors. Every item gets one somewhere."""
        snapshot = self._engine.snapshot
        named = self._named(batch)
        prints = fingerprint if isinstance(fingerprint, Mapping) else dict.fromkeys(named, fingerprint)
        for name in prints:
            self._engine.space(name)  # one that is not there is a slip, not a wish to be passed over
        found = {name: self._given(name, array, batch.n, prints.get(name)) for name, array in named.items()}
        for name, view in snapshot.spaces.items():
            if name not in found and view.row.encoder is not None and not view.row.latent and batch.has_content:
                found[name] = self._encoded(name, batch)
        found = {name: part for name, part in found.items() if len(part[0])}
        self._refuse_without_vector(batch, found)
        return found

    def _refuse_without_vector(self, batch: Batch, found: Mapping[str, tuple[Int64, Float32]]) -> None:
        bare = np.ones(batch.n, dtype=np.bool_)
        for at, _ in found.values():
            bare[at] = False
        if bare.any():
            encoders = [view.row.encoder for view in self._engine.snapshot.own if view.row.encoder is not None]
            raise InvalidInput(
                f"item {int(bare.argmax())} gives nothing to make a vector from: the collection's encoders are "
                f"{', '.join(encoders) or 'none'}; give vectors=, or what they take "
                "(store.create(name, encoders=['text']) makes a collection that takes texts)"
            )

    def _named(self, batch: Batch) -> dict[str, Any]:
        if batch.vectors is None:
            return {}
        if isinstance(batch.vectors, dict):
            return {self._engine.space(name).row.name: array for name, array in batch.vectors.items()}
        return {self._engine.space(None).row.name: batch.vectors}

    def _given(self, name: str, array: Any, n: int, fingerprint: str | None) -> tuple[Int64, Float32]:
        row = self._engine.space(name).row
        if row.latent:
            raise InvalidInput(
                f"space {name!r} was fitted, and its model alone makes its vectors; give vectors of space {row.follows!r}, or content"
            )
        if row.fingerprint != fingerprint:
            raise EncoderMismatch(_foreign(name, row.fingerprint, row.encoder, fingerprint))
        if (found := length(array)) != n:
            raise InvalidInput(f"expected {n} vectors, one an item, got {found}")
        at = np.arange(n)
        if isinstance(array, list) and any(vector is None for vector in array):
            at = np.array([position for position, vector in enumerate(array) if vector is not None], dtype=np.int64)
            array = [array[position] for position in at]
        return at, prepare(array, row.dim) if len(at) else np.empty((0, row.dim or 1), dtype=np.float32)

    def _encoded(self, name: str, batch: Batch) -> tuple[Int64, Float32]:
        encoder = self.of(name)
        at, items = batch.content(encoder.modalities)
        _warn_of_cuts(encoder, [item for item in items if isinstance(item, str)])
        return np.array(at, dtype=np.int64), encoder.encode(items, role="document")

    def encode(self, space: str, items: Any, role: Role) -> Float32:
        """(n, dim) float32 of n items, or of vectors given as such."""
        asked = content.of(items)
        if asked is None:
            return self._as_points(items, self._engine.space(space))
        return self._made(space, asked, role)

    def _as_points(self, vectors: Any, view: SpaceView) -> Float32:
        """Vectors that an add would put into the space as they are; into a latent one those that its model makes of them."""
        if view.row.sees != "vectors":
            return prepare(vectors, view.row.dim)
        seen = self._engine.space(view.row.follows).row
        if seen.latent:
            vectors = self._as_points(vectors, self._engine.space(seen.name))
        from latentstore.engine.latents.models import of, of_vectors

        return of_vectors(of(self._engine, view), prepare(vectors, seen.dim))

    def parts(self, query: Any, space: str | None) -> tuple[list[Part], bool]:
        """The lists that answer, and whether several queries were asked.

        query: a text, an Item, a path of an image or a sound, a PIL image, an (h, w, 3) uint8 array, (samples, rate), the bytes
        of an image or a sound, a (dim,) vector; or a list of those, or a (q, dim) array. space: None takes every space
        whose encoder takes such content, and the first one for vectors.
        """
        asked = content.of(query)
        if asked is not None:
            made = [(name, self._made(name, asked, "query")) for name in self._spaces_for(asked.modality, space)]
            return [part for name, points in made for part in self._of_kinds(name, points)], asked.many
        row = self._warned(space).row
        given = as_array(query, "queries")
        if given.ndim not in (1, 2):
            raise InvalidInput(f"a query is a (dim,) vector, several are a (q, dim) array; got shape {given.shape}")
        many = given.ndim == 2
        return [Part(row.name, prepare(given if many else given[None], row.dim, what="queries"))], many

    def _spaces_for(self, modality: Modality, space: str | None) -> list[str]:
        """Those that can answer; the first one, which will say why it cannot, where there are none."""
        if space is None:
            views = self._engine.snapshot.own
            encoded = [view.row.name for view in views if view.row.encoder is not None]
            if len(views) == 1 or not encoded:
                return [self._engine.space(None).row.name]
            return self._able(encoded, modality) or encoded[:1]
        return [self._warned(space).row.name]

    def _warned(self, space: str | None) -> SpaceView:
        view = self._engine.space(space)
        warn_if_behind(self._engine.snapshot, view, stacklevel=6)
        return view

    def _able(self, names: Sequence[str], modality: Modality) -> list[str]:
        """The spaces whose encoder takes such content. One whose encoder is not here cannot answer, and that is said."""
        able: list[str] = []
        absent: list[EncoderMissing] = []
        for name in names:
            try:
                if modality in self.of(name).modalities:
                    able.append(name)
            except EncoderMissing as cause:
                absent.append(cause)
        if absent and not able:
            raise absent[0]
        for missing in absent:
            warnings.warn(f"not searched: {missing}", UserWarning, stacklevel=5)
        return able

    def _of_kinds(self, name: str, points: Float32) -> list[Part]:
        """A list for each kind of items that a space holds, since an encoder may place its texts far from its pictures."""
        kinds = sorted(self.of(name).modalities)
        if len(kinds) == 1 or MODALITY not in self._engine.snapshot.names:
            return [Part(name, points)]
        others = tuple(kind for kind in kinds if kind is not Modality.TEXT)
        parts = [Part(name, points, kind, others) for kind in kinds]
        held = [part for part in parts if read.any_pass(self._engine, name, part.condition)]
        return held if len(held) > 1 else [Part(name, points)]

    def _made(self, space: str, asked: content.Content, role: Role) -> Float32:
        encoder = self.of(space)
        if asked.modality not in encoder.modalities:
            raise InvalidInput(
                f"space {space!r} takes {' and '.join(sorted(encoder.modalities))}, got {asked.modality}; name another space, or "
                f"make a collection with an encoder that takes {asked.modality}"
            )
        return encoder.encode(asked.items, role=role)


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
