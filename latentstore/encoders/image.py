"""ImageEncoder: how a picture looks, not what it means. Nothing is downloaded, nothing fitted; the same in every store."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, get_args

import numpy as np

from latentstore.encoders.appearance import DIM, SHA256, SIDE, shipped
from latentstore.encoders.base import Description, Role
from latentstore.errors import InvalidInput
from latentstore.threads import one_thread
from latentstore.types import Float32, Metric, Modality, UInt8

_BATCH = 16  # pictures whose patches stay in the cache


class ImageEncoder:
    """Pictures that look alike lie close: copies that were cut, shrunk, recompressed, mirrored or made lighter first of
    all, then what has like shapes and colours in like places. Height and width are squeezed into a square."""

    name = "image"
    dim = DIM
    metric = Metric.COSINE
    modalities = frozenset({Modality.IMAGE})
    fingerprint = f"image-1-{SHA256[:16]}"

    def encode(self, items: Sequence[Any], *, role: Role = "document") -> Float32:
        """items: n pictures, each whatever `latentstore.media.images.load` takes. Returns (n, 384) float32 of unit
        length. Raises InvalidInput naming position and type of what is no picture."""
        _check(items, role)
        vectors = np.empty((len(items), DIM), np.float32)
        with one_thread:
            for start in range(0, len(items), _BATCH):
                squares = [_square(at, items[at]) for at in range(start, min(start + _BATCH, len(items)))]
                vectors[start : start + len(squares)] = shipped().points(np.stack(squares))
        return vectors

    @classmethod
    def describe(cls) -> Description:
        return Description(cls.name, ("image",), DIM, "in the package: appearance, not meaning", True, "")


def _check(items: Any, role: str) -> None:
    if role not in get_args(Role):
        raise InvalidInput(f"role is 'document' or 'query', got {role!r}")
    single = isinstance(items, str | bytes | os.PathLike) or not hasattr(items, "__len__")
    if single or (isinstance(items, np.ndarray) and items.ndim < 4):
        raise InvalidInput(f"expected a list of pictures, got one {type(items).__name__}; put it in a list: [picture]")


def _square(position: int, item: Any) -> UInt8:
    """(32, 32, 3), the whole picture."""
    from latentstore.media import images  # takes a moment to import

    try:
        picture = images.load(item)
    except InvalidInput as problem:
        raise InvalidInput(f"item {position} is no picture but {type(item).__name__}: {problem}") from problem
    return np.asarray(picture.resize((SIDE, SIDE), images.SMOOTH, reducing_gap=3.0))
