"""Pictures as rows of bytes.

The rule: upright, on white where it is transparent, the middle square cut out, that brought to `side` x `side` pixels, bicubic, unless
it has that side already. In grey where no picture of the sample has a colour. The side is the median of the shorter sides of the
sample's pictures, from 8 to 64: that of all where they are of one small size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from latentstore.errors import InvalidInput
from latentstore.media import images
from latentstore.types import Float32, UInt8

LEAST, MOST = 8, 512  # pixels a side that may be asked for
_CHOSEN = 64  # the most that are chosen
_NARROW = 4  # pixels: of a picture with a shorter side, the middle square shows nothing
_COLOURLESS = 3.0  # levels of 255, on average, between the colours of a picture that is grey but for its JPEG


@dataclass(frozen=True)
class PictureForm:
    """side: pixels; channels: 1 grey, 3 colour."""

    side: int
    channels: int

    name = "picture"
    bounded = True
    divisor = 255.0
    error_unit = "squared brightness, of 0..1"

    @property
    def width(self) -> int:
        return self.side * self.side * self.channels

    def rows(self, items: Sequence[Any]) -> UInt8:
        """(n, width) uint8, rows of pixels from the top, the colours of a pixel together. items: what `media.images.load` opens.

        Raises InvalidInput naming the first that is no picture, or one narrower than 4 pixels.
        """
        out = np.empty((len(items), self.width), np.uint8)
        for at, item in enumerate(items):
            out[at] = self._row(at, item)
        return out

    def content(self, rows: Float32) -> list[Image.Image]:
        """n pictures of `side` x `side`, mode L or RGB. rows: (n, width) float32 in 0..1."""
        pixels = np.rint(np.clip(rows, 0, 1) * 255).astype(np.uint8)
        shape = (self.side, self.side) if self.channels == 1 else (self.side, self.side, 3)
        return [Image.fromarray(one.reshape(shape)) for one in pixels]

    def round_trip(self, rows: Float32) -> None:
        """Rounding alone is lost."""

    def caption(self) -> str:
        return f"{self.side} x {self.side} {'grey' if self.channels == 1 else 'colour'} pictures"

    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "side": self.side, "channels": self.channels, "rule": "middle square, resized"}

    def arrays(self) -> dict[str, Any]:
        return {}

    @classmethod
    def of(cls, facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> PictureForm:
        return cls(int(facts["side"]), int(facts["channels"]))

    def _row(self, at: int, item: Any) -> UInt8:
        square = _middle(_opened(at, item)).resize((self.side, self.side), images.SMOOTH)
        return np.asarray(square.convert("L" if self.channels == 1 else "RGB"), np.uint8).reshape(-1)


def choose(sample: Sequence[Any], *, side: int | None = None) -> PictureForm:
    """side: pixels, 8 to 512, in place of the rule's. Raises InvalidInput, also for an empty sample."""
    if side is not None and (isinstance(side, bool) or not isinstance(side, int) or not LEAST <= side <= MOST):
        raise InvalidInput(f"a picture's side is a whole number of pixels from {LEAST} to {MOST}, got {side!r}")
    if not len(sample):
        raise InvalidInput("expected some pictures to choose a form from, got none")
    pictures = [_opened(at, item) for at, item in enumerate(sample)]
    grey = all(_is_grey(picture) for picture in pictures)
    return PictureForm(side or _side([picture.size for picture in pictures]), 1 if grey else 3)


def _side(sizes: Sequence[tuple[int, int]]) -> int:
    return int(np.clip(np.median([min(size) for size in sizes]), LEAST, _CHOSEN))


def _opened(at: int, item: Any) -> Image.Image:
    try:
        picture = images.load(item)
    except InvalidInput as problem:
        raise InvalidInput(f"item {at} is no picture but {type(item).__name__}: {problem}") from problem
    if min(picture.size) < _NARROW:
        raise InvalidInput(
            f"item {at} is a picture of {picture.width} x {picture.height} pixels, whose middle square shows nothing; "
            f"leave out what is narrower than {_NARROW} pixels"
        )
    return picture


def _middle(picture: Image.Image) -> Image.Image:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def _is_grey(picture: Image.Image) -> bool:
    pixels = np.asarray(picture, np.int16)
    return bool(np.ptp(pixels, axis=2).mean() < _COLOURLESS)
