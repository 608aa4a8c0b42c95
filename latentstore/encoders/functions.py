"""from_function: any Python function as an encoder.

    def lengths(texts):
        return np.array([[len(text), text.count(" ")] for text in texts])

    latentstore.encoders.from_function("lengths", lengths, dim=2, metric="l2", version="1")
    store.create("texts", encoders=["lengths"])

A store keeps the name, never the code: each process that encodes registers the function first, and one that does not can
still read, filter and search by vectors. For the command line, a package registers a class under the entry-point group
`latentstore.encoders`. There is no spec that names a module to import, since a store from elsewhere could then run code.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from latentstore.encoders import kinds, registry
from latentstore.encoders.base import Description, Role
from latentstore.errors import EncoderFailed, InvalidInput
from latentstore.types import Float32, Metric, Modality

_TEXTS, _MEDIA = 1_024, 32  # items given to the function at once; pictures and sounds are held decoded


def from_function(
    name: str,
    function: Callable[[list[Any]], Any],
    *,
    dim: int,
    version: str,
    modalities: Sequence[str] = ("text",),
    metric: str = "cosine",
) -> FunctionEncoder:
    """Register `function` as the encoder `name`, in this process; a function of that name before is replaced.

    function: takes a list of n items, gives (n, dim) numbers, finite, in that order, equal ones for equal items. A text is
    a str, a picture a PIL image in RGB of at most 512 pixels a side, a sound `(samples, rate)` with (n,) float32 in -1..1.
    It is called by one thread at a time, with no more than 1,024 items. version: change it whenever the vectors change;
    with the name it is the fingerprint, so that vectors of two versions never meet. Raises InvalidInput, and AlreadyExists
    when another kind of encoder has the name.
    """
    encoder = FunctionEncoder(name, function, dim, version, modalities, metric)
    registry.add(name, encoder)
    return encoder


class FunctionEncoder:
    """See from_function."""

    def __init__(
        self,
        name: str,
        function: Callable[[list[Any]], Any],
        dim: int,
        version: str,
        modalities: Sequence[str],
        metric: str,
    ) -> None:
        if not callable(function):
            raise InvalidInput(f"expected a function of a list of items, got {type(function).__name__}")
        if isinstance(dim, bool) or not isinstance(dim, int) or dim < 1:
            raise InvalidInput(f"dim is a whole number of at least 1, got {dim!r}")
        if not isinstance(version, str) or not version:
            raise InvalidInput(f"version is a text that changes whenever the vectors do, got {version!r}")
        self.name = name
        self.dim = dim
        self.metric = _metric(metric)
        self.modalities = _modalities(modalities)
        self.fingerprint = f"function:{name}:{version}"
        self._function = function
        self._lock = threading.Lock()

    def encode(self, items: Sequence[Any], *, role: Role = "document") -> Float32:
        """items: n of the modalities. Returns (n, dim) float32. Raises InvalidInput naming the position and type of what is
        no such item, EncoderFailed where the function gives something else than (n, dim) finite numbers; what the function
        itself raises goes through."""
        groups = kinds.grouped(items, self.modalities, role)
        kind = {position: modality for modality, at in groups.items() for position in at}
        if Modality.TEXT in groups:
            kinds.texts(items, groups[Modality.TEXT])
        vectors = np.empty((len(items), self.dim), np.float32)
        size = _TEXTS if set(groups) <= {Modality.TEXT} else _MEDIA
        for at in _batches(len(items), size):
            vectors[at] = self._made([_ready(items, position, kind[position]) for position in range(len(items))[at]])
        return vectors

    def describe(self) -> Description:
        return Description(self.name, tuple(sorted(self.modalities)), self.dim, "a function of this process", True, "")

    def _made(self, ready: list[Any]) -> Float32:
        with self._lock:
            given = self._function(ready)
        try:
            with np.errstate(over="ignore"):
                vectors = np.asarray(given).astype(np.float32)
        except (TypeError, ValueError) as cause:
            raise EncoderFailed(f"the function of encoder {self.name!r} gave no array of numbers: {cause}") from cause
        if vectors.shape != (len(ready), self.dim):
            raise EncoderFailed(
                f"the function of encoder {self.name!r} gave an array of shape {vectors.shape} for {len(ready)} items, "
                f"expected {(len(ready), self.dim)}"
            )
        if not np.isfinite(vectors).all():
            raise EncoderFailed(f"the function of encoder {self.name!r} gave NaN, infinity or numbers beyond float32")
        return vectors


def _ready(items: Sequence[Any], position: int, kind: Modality) -> Any:
    if kind is Modality.TEXT:
        return items[position]
    return kinds.picture(items, position) if kind is Modality.IMAGE else kinds.sound(items, position)


def _batches(n: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def _metric(given: str) -> Metric:
    if given not in list(Metric):
        raise InvalidInput(f"metric is one of {', '.join(Metric)}, got {given!r}")
    return Metric(given)


def _modalities(given: Sequence[str]) -> frozenset[Modality]:
    known = (Modality.TEXT, Modality.IMAGE, Modality.AUDIO)
    if isinstance(given, str) or not given or not set(given) <= set(known):
        raise InvalidInput(f"modalities is a list of some of {', '.join(known)}, got {given!r}")
    return frozenset(Modality(one) for one in given)
