"""Kinds: items of one batch told apart into texts, pictures and sounds, and made ready for a model."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentstore.encoders.base import Role, check_texts
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Modality

if TYPE_CHECKING:
    from PIL import Image

    from latentstore.media.sounds import Sound

_NAMES = {Modality.TEXT: "text", Modality.IMAGE: "picture", Modality.AUDIO: "sound"}


def grouped(items: Sequence[Any], modalities: frozenset[Modality], role: Role) -> dict[Modality, list[int]]:
    """Which positions hold which kind. A str is a text where the encoder takes texts, else the path of a file.

    Raises InvalidInput naming position and type of what is no such item, or an unknown role.
    """
    check_texts((), role)
    one_sound = isinstance(items, tuple) and Modality.AUDIO in modalities
    if one_sound or isinstance(items, str | bytes) or not isinstance(items, Sequence):
        raise InvalidInput(f"expected a list of items, got one {type(items).__name__}; put it in a list: [item]")
    groups: dict[Modality, list[int]] = {}
    for position, item in enumerate(items):
        groups.setdefault(_kind(position, item, modalities), []).append(position)
    return groups


def texts(items: Sequence[Any], at: Sequence[int]) -> list[str]:
    """The items at those positions. Raises InvalidInput for what is no Unicode."""
    check_texts([item if isinstance(item, str) else "" for item in items])
    return [items[position] for position in at]


def picture(items: Sequence[Any], position: int) -> Image.Image:
    """RGB, upright, at most 512 pixels a side. Raises InvalidInput."""
    from latentstore.media import images  # pillow's formats take a tenth of a second to import

    try:
        return images.load(items[position])
    except InvalidInput as problem:
        raise InvalidInput(_refusal(items, position, Modality.IMAGE, problem)) from problem


def sound(items: Sequence[Any], position: int, rate: int | None = None) -> Sound:
    """Mono, at `rate` hertz where one is given. Raises InvalidInput."""
    from latentstore.media import sounds  # soundfile takes a tenth of a second to import

    try:
        loaded = sounds.load(items[position])
    except InvalidInput as problem:
        raise InvalidInput(_refusal(items, position, Modality.AUDIO, problem)) from problem
    return loaded if rate is None else sounds.resampled(loaded, rate)


def parts(samples: Float32, largest: int, smallest: int) -> list[Float32]:
    """The fewest consecutive parts of at most `largest` samples, of equal length to a sample; one too short gets silence."""
    count = -(-len(samples) // largest)
    return [np.pad(part, (0, max(0, smallest - len(part)))) for part in np.array_split(samples, count)]


def unit(vectors: Float32) -> Float32:
    """The rows at length one; a row of zeros stays."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    return (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def _kind(position: int, item: Any, modalities: frozenset[Modality]) -> Modality:
    if isinstance(item, str) and Modality.TEXT in modalities:
        return Modality.TEXT
    media = modalities - {Modality.TEXT}
    if not media or not _may_be_media(item):
        wanted = " or ".join(_NAMES[one] for one in sorted(modalities))
        raise InvalidInput(f"item {position} is no {wanted} but {type(item).__name__}")
    return next(iter(media)) if len(media) == 1 else _told(position, item)


def _may_be_media(item: Any) -> bool:
    known = isinstance(item, str | Path | bytes | bytearray | memoryview | tuple | np.ndarray)
    return known or _is_picture(item) or callable(getattr(item, "read", None))


def _is_picture(item: Any) -> bool:
    """Whether it is a PIL image, without importing PIL."""
    return any(base.__module__ == "PIL.Image" for base in type(item).__mro__)


def _told(position: int, item: Any) -> Modality:
    """For an encoder of pictures and of sounds."""
    if isinstance(item, tuple):
        return Modality.AUDIO
    if isinstance(item, np.ndarray) or _is_picture(item):
        return Modality.IMAGE
    name = mimetypes.guess_type(str(item))[0] or "" if isinstance(item, str | Path) else ""
    found = name.partition("/")[0]
    if found not in (Modality.IMAGE, Modality.AUDIO):
        raise InvalidInput(
            f"item {position} is {type(item).__name__}, which tells neither a picture nor a sound; give a path whose name "
            "does, a PIL image, an array, or (samples, rate)"
        )
    return Modality(found)


def _refusal(items: Sequence[Any], position: int, modality: Modality, problem: InvalidInput) -> str:
    return f"item {position} is no {_NAMES[modality]} but {type(items[position]).__name__}: {problem}"
