"""What an encoder is asked to encode, told apart from vectors: texts, images and sounds, one or many."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from latentstore.engine.check import located
from latentstore.errors import InvalidInput
from latentstore.types import Item, Modality

_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_SOUNDS = (b"fLaC", b"OggS", b"ID3", b"RF64")


class Content(NamedTuple):
    """Items of one modality, as an encoder takes them. `many`: a list was given, be it of one."""

    items: list[Any]
    modality: Modality
    many: bool


def of(given: Any) -> Content | None:
    """The content in a text, an Item, a path, a PIL image, an (h, w, 3) uint8 array, (samples, rate) or the bytes of a picture
    or sound, or in a list of those; None for what can only be vectors.

    Raises InvalidInput for an Item without content, a path that names neither image nor sound, a list of mixed kinds.
    """
    if isinstance(given, str):
        return Content([given], Modality.TEXT, False)
    if isinstance(given, np.ndarray) and not _is_picture(given):
        return None
    many = isinstance(given, list | tuple) and not _is_sound(given)
    listed = list(given) if many else [given]
    if not listed or not any(_is_content(one) for one in listed):
        return None
    found = [_single(at, one) for at, one in enumerate(listed)]
    kinds = sorted({modality for _, modality in found})
    if len(kinds) > 1:
        raise InvalidInput(f"got {' and '.join(kinds)} in one list; ask with one kind at a time")
    return Content([item for item, _ in found], kinds[0], many)


def _is_content(one: Any) -> bool:
    return isinstance(one, str | Item | Path | bytes) or _is_picture(one) or _is_sound(one)


def _is_picture(one: Any) -> bool:
    """Whether it is a PIL image, told without importing PIL, or the pixels of one in colour."""
    if isinstance(one, np.ndarray):
        return one.dtype == np.uint8 and one.ndim == 3 and one.shape[2] in (3, 4)
    return any(kind.__module__ == "PIL.Image" for kind in type(one).__mro__)


def _is_sound(one: Any) -> bool:
    """Whether it is (samples, rate)."""
    if not isinstance(one, tuple) or len(one) != 2 or not isinstance(one[0], np.ndarray):
        return False
    return isinstance(one[1], int | np.integer) and not isinstance(one[1], bool)


def _single(at: int, one: Any) -> tuple[Any, Modality]:
    if isinstance(one, str):
        return one, Modality.TEXT
    if isinstance(one, Item):
        return _of_item(at, located(one))
    if isinstance(one, Path):
        return one, _kind_of_file(one)
    if _is_picture(one):
        return one, Modality.IMAGE
    if _is_sound(one):
        return one, Modality.AUDIO
    if isinstance(one, bytes):
        return one, _kind_of_bytes(at, one)
    raise InvalidInput(f"item {at} is a {type(one).__name__}; expected a text, an Item, a Path or a PIL image")


def _of_item(at: int, item: Item) -> tuple[Any, Modality]:
    for value, modality in (
        (item.image, Modality.IMAGE),
        (item.audio, Modality.AUDIO),
        (item.text, Modality.TEXT),
    ):
        if value is not None:
            return value, modality
    raise InvalidInput(f"item {at} has no text, image or audio; give one of them")


def _kind_of_bytes(at: int, data: bytes) -> Modality:
    head = data[:16]
    if head[:4] == b"RIFF" and head[8:12] in (b"WAVE", b"WEBP"):
        return Modality.AUDIO if head[8:12] == b"WAVE" else Modality.IMAGE
    if head.startswith(_SOUNDS) or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0):
        return Modality.AUDIO
    if head.startswith(_PICTURES) or head[4:12] in (b"ftypavif", b"ftypavis"):
        return Modality.IMAGE
    raise InvalidInput(
        f"item {at} is {len(data):,} bytes of neither an image nor a sound that is known by its beginning"
    )


def _kind_of_file(path: Path) -> Modality:
    kind = (mimetypes.guess_type(path.name)[0] or "").partition("/")[0]
    if kind not in ("image", "audio"):
        raise InvalidInput(
            f"the name {path.name!r} tells neither an image nor a sound; say which: Item(image=path) or Item(audio=path)"
        )
    return Modality(kind)
