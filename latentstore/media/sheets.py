"""Sheets: what models decode to, laid out to be shown. Pictures and sounds, which are drawn as spectrograms, on white, equally spaced.

Made for screens of twice the usual density: a picture's file says 192 dots an inch. A picture of up to 32 pixels a side is enlarged
by a whole number, so that its pixels stay what they are; a larger one smoothly. Captions that are too long lose their middle.

`shown` is a sequence of PIL images, or of sounds as (samples (m,) float32 in -1..1, rate in hertz). `captions` are none, or one for
each, in which a line feed begins another line. Everything here raises InvalidInput for nothing to show, and for captions of
another number.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import soundfile
from PIL import Image, ImageDraw

from latentstore.errors import InvalidInput
from latentstore.media import lettering
from latentstore.media.sounds import Sound
from latentstore.media.spectrograms import spectrogram
from latentstore.types import Float32

DENSITY = 192  # dots an inch
_LINE = 12  # tiles in a line of a strip, at most
_MARGIN, _GAP, _BETWEEN = 48, 24, 6  # pixels: around all, from tile to tile, from a tile to the one it is held against
_SIDES = {1: 448, 2: 336}  # pixels, of a tile where there are so many beside each other
_SIDE, _WIDEST, _LEAST = 224, 2240, 64  # where there are more; of all tiles of a line; of a tile
_NARROWEST = 560  # pixels, so that a title has room
_CRISP = 32  # pixels a side
_SHAPE = 1.5  # width of a spectrogram by its height
_TITLE, _CAPTION = 34, 22  # sizes of letters
_BLACK, _GREY, _EDGE = (28, 28, 34), (84, 84, 94), (218, 218, 224)
_PAGE = 16  # greys of an animation's page
_SAMPLED = 128  # pixels a side of a tile that its other colours are chosen from
_SWEEP = 2.4  # seconds from one end of an animation to the other, within
_SHORTEST, _LONGEST = 0.04, 0.3  # seconds a frame
_PAUSE = 0.25  # seconds between sounds


def strip(shown: Sequence[Any], captions: Sequence[str] = (), title: str = "") -> Image.Image:
    """All in a line; more than 12 in lines as even as can be. Returns mode RGB."""
    lines = max(1, -(-len(shown) // _LINE))
    return grid(shown, captions, title, columns=max(1, -(-len(shown) // lines)))


def grid(
    shown: Sequence[Any], captions: Sequence[str] = (), title: str = "", *, columns: int | None = None
) -> Image.Image:
    """`columns` in a line; None: about four across for every three down. Returns mode RGB."""
    words = _checked(shown, captions)
    across = min(len(shown), columns or max(1, round(np.sqrt(len(shown) * 4 / 3))))
    return _sheet(_Cards(_tiles(shown, across), words, across), title)


def pairs(
    above: Sequence[Any], below: Sequence[Any], captions: Sequence[str] = (), title: str = "", *, columns: int = 8
) -> Image.Image:
    """Each of `above` over the one of `below` that it is held against, the caption under both. Returns mode RGB.

    Raises InvalidInput where they differ in number.
    """
    words = _checked(above, captions)
    if len(above) != len(below):
        raise InvalidInput(f"expected as many above as below, got {len(above)} and {len(below)}")
    across = min(len(above), columns)
    tiles = _tiles([*above, *below], across)
    both = zip(tiles[: len(above)], tiles[len(above) :], strict=True)
    return _sheet(_Cards([_stacked(*pair) for pair in both], words, across), title)


def animation(shown: Sequence[Any], captions: Sequence[str] = (), title: str = "") -> bytes:
    """A GIF that runs from the first to the last and back, for ever, each frame as long as the others; only what is shown is in
    it, nothing blended. A sweep takes 2.4 seconds, unless a frame would be shorter than 40 ms or longer than 300."""
    words = _checked(shown, captions)
    tiles = _tiles(shown, 1)
    high = max(tile.height for tile in tiles)
    tall = max(len(one) for one in words)
    frames = [
        _indexed(_sheet(_Cards([_padded(tile, high)], [word + [""] * (tall - len(word))], 1), title), tile)
        for tile, word in zip(tiles, words, strict=True)
    ]
    lasting = float(np.clip(_SWEEP / len(frames), _SHORTEST, _LONGEST))
    return _gif([*frames, *frames[-2:0:-1]], round(lasting * 100) * 10)


def png(picture: Image.Image) -> bytes:
    """A file's bytes."""
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True, dpi=(DENSITY, DENSITY))
    return file.getvalue()


def wav(sounds: Sequence[tuple[Float32, int]]) -> bytes:
    """A file's bytes: the sounds one after the other, a quarter of a second between them, mono, 16 bits.

    Raises InvalidInput for none, and where their rates differ.
    """
    rates = {rate for _, rate in sounds}
    if len(rates) != 1:
        raise InvalidInput(f"expected sounds of one rate to put after each other, got {sorted(rates) or 'no sound'}")
    rate = rates.pop()
    pause = np.zeros(round(_PAUSE * rate), np.float32)
    parts = [part for samples, _ in sounds for part in (samples, pause)][:-1]
    file = io.BytesIO()
    soundfile.write(file, np.concatenate(parts), rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


@dataclass(frozen=True)
class _Cards:
    """n tiles, the lines of the caption under each, and how many are in a line of the sheet."""

    tiles: list[Image.Image]
    captions: list[list[str]]
    across: int

    @property
    def size(self) -> tuple[int, int]:
        """Pixels that a tile takes, and its caption beneath it."""
        rows = max(len(caption) for caption in self.captions)
        below = rows * lettering.height(lettering.font(_CAPTION)) + (10 if rows else 0)
        return max(tile.width for tile in self.tiles), max(tile.height for tile in self.tiles) + below


def _checked(shown: Sequence[Any], captions: Sequence[str]) -> list[list[str]]:
    """The lines of each caption."""
    if not len(shown):
        raise InvalidInput("expected something to show, got nothing")
    if captions and len(captions) != len(shown):
        raise InvalidInput(f"expected a caption for each of {len(shown)} or none, got {len(captions)}")
    return [caption.splitlines() for caption in captions] or [[] for _ in shown]


def _tiles(shown: Sequence[Any], across: int) -> list[Image.Image]:
    """Sounds are drawn along one time, that of the longest."""
    side = _SIDES.get(across, max(_LEAST, min(_SIDE, _WIDEST // across)))
    seconds = max((Sound(*one).seconds for one in shown if not isinstance(one, Image.Image)), default=0.0)
    return [_tile(one, side, seconds) for one in shown]


def _tile(one: Any, side: int, seconds: float) -> Image.Image:
    """A picture enlarged to about `side` pixels, or the spectrogram of a sound, of that height."""
    if not isinstance(one, Image.Image):
        return spectrogram(Sound(*one), (round(_SHAPE * side), side), seconds)
    longest = max(one.size)
    crisp = longest <= _CRISP
    factor = max(1, round(side / longest)) if crisp else side / longest
    width, height = (max(1, round(factor * length)) for length in one.size)
    shades = one if one.mode in ("L", "RGB") else one.convert("RGB")
    large = shades.resize((width, height), Image.Resampling.NEAREST if crisp else Image.Resampling.LANCZOS)
    return _edged(large)


def _edged(tile: Image.Image) -> Image.Image:
    """A hair around it, so that a white picture ends somewhere."""
    out = Image.new(tile.mode, (tile.width + 2, tile.height + 2), _EDGE if tile.mode == "RGB" else _EDGE[0])
    out.paste(tile, (1, 1))
    return out


def _padded(tile: Image.Image, high: int) -> Image.Image:
    """So that all frames are of one size."""
    if tile.height == high:
        return tile
    out = Image.new(tile.mode, (tile.width, high), "white")
    out.paste(tile, (0, (high - tile.height) // 2))
    return out


def _stacked(above: Image.Image, below: Image.Image) -> Image.Image:
    out = Image.new("RGB", (max(above.width, below.width), above.height + _BETWEEN + below.height), "white")
    out.paste(above, (0, 0))
    out.paste(below, (0, above.height + _BETWEEN))
    return out


def _sheet(cards: _Cards, title: str) -> Image.Image:
    wide, high = cards.size
    down = -(-len(cards.tiles) // cards.across)
    inner = max(cards.across * (wide + _GAP) - _GAP, _NARROWEST if title else 0)
    face = lettering.font(_TITLE, bold=True)
    heading = lettering.lines(title, face, inner)
    top = _MARGIN + len(heading) * lettering.height(face) + (_GAP if heading else 0)
    sheet = Image.new("RGB", (inner + 2 * _MARGIN, top + down * (high + _GAP) - _GAP + _MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    for at, line in enumerate(heading):
        draw.text((_MARGIN, _MARGIN + at * lettering.height(face)), line, fill=_BLACK, font=face)
    for at, (tile, caption) in enumerate(zip(cards.tiles, cards.captions, strict=True)):
        x, y = _MARGIN + at % cards.across * (wide + _GAP), top + at // cards.across * (high + _GAP)
        sheet.paste(tile, (x + (wide - tile.width) // 2, y))
        _write(draw, caption, (x + wide // 2, y + tile.height + 10), wide)
    return sheet


def _write(draw: ImageDraw.ImageDraw, caption: list[str], place: tuple[int, int], width: int) -> None:
    """Lines in the middle under a tile. place: pixels, of the middle of their upper edge."""
    face = lettering.font(_CAPTION)
    for at, line in enumerate(caption):
        y = place[1] + at * lettering.height(face)
        draw.text((place[0], y), lettering.shortened(line, face, width), fill=_GREY, font=face, anchor="ma")


def _indexed(frame: Image.Image, tile: Image.Image) -> Image.Image:
    """A frame in 256 colours. Greys are kept as they are; of a coloured tile come as many as the greys of the page leave."""
    if tile.mode == "L":
        return frame.convert("L")
    small = tile.copy()
    small.thumbnail((_SAMPLED, _SAMPLED), Image.Resampling.NEAREST)
    own = small.quantize(256 - _PAGE, Image.Quantize.MEDIANCUT, kmeans=1).getpalette() or []
    greys = np.repeat(np.linspace(_BLACK[0], 255, _PAGE).round().astype(int), 3).tolist()
    palette = Image.new("P", (1, 1))
    palette.putpalette([*greys, *own])
    chosen = np.array(frame.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG))
    # Pillow looks colours up in coarse steps: white would become a colour near it, another in each frame.
    chosen[(np.asarray(frame) == 255).all(axis=2)] = _PAGE - 1
    out = Image.fromarray(chosen)
    out.putpalette([*greys, *own])
    return out


def _gif(frames: list[Image.Image], milliseconds: int) -> bytes:
    # Each frame with colours of its own: those of all together would be too few for a morph between two photos.
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0, optimize=False)
    return file.getvalue()
