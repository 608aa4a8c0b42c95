"""A sound as a picture: time to the right in seconds, mel bands upwards in kilohertz, the louder the darker."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from latentstore.media import lettering
from latentstore.media.lettering import Font
from latentstore.media.sounds import Sound, resampled
from latentstore.media.spectra import Mel
from latentstore.types import Float32, UInt8

RANGE = 60.0  # dB from the loudest band to white
_MEL = Mel()
_INK, _LINE = (70, 70, 78), (170, 170, 178)
_KILOHERTZ = (0.1, 0.25, 0.5, 1, 2, 4, 7)
_STEPS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)  # seconds from one tick to the next
_COLOURS = np.array(  # from silent to loud, each darker than the one before
    [(255, 255, 255), (222, 235, 247), (158, 202, 225), (84, 148, 200), (66, 78, 160), (74, 28, 104), (32, 8, 42)],
    np.float64,
)


def spectrogram(sound: Sound, size: tuple[int, int], seconds: float = 0.0) -> Image.Image:
    """RGB of `size`, axes and their numbers included. seconds: where the axis of time ends, unless the sound is longer.

    The loudest moment of a sound is darkest; a silent one is white.
    """
    width, height = size
    face = lettering.font(max(15, height // 20))
    line = lettering.height(face)
    left, top, right, bottom = round(face.getlength("0.25")) + 16, line + 6, width - 2, height - line - 8
    picture = Image.new("RGB", size, "white")
    ends = max(seconds, sound.seconds)
    drawn = Image.fromarray(_coloured(_levels(sound).T[::-1]))
    shown = round((right - left) * sound.seconds / ends)
    if shown:
        picture.paste(drawn.resize((shown, bottom - top), Image.Resampling.BICUBIC), (left, top))
    _axes(ImageDraw.Draw(picture), (left, top, right, bottom), face, ends)
    return picture


def _levels(sound: Sound) -> Float32:
    """(frames, bands) float32 in 0..1: 1 the loudest, 0 what is RANGE softer."""
    samples = resampled(sound, _MEL.rate).samples
    power = _MEL.power(samples, 1 + len(samples) // _MEL.hop)
    loudest = float(power.max())
    if loudest <= 0:
        return np.zeros_like(power)
    below = 10 * np.log10(np.maximum(power / loudest, 1e-12))
    return np.asarray(np.clip(1 + below / RANGE, 0, 1), np.float32)


def _coloured(levels: Float32) -> UInt8:
    """(h, w, 3)."""
    at = np.linspace(0, 1, len(_COLOURS))
    return np.stack([np.interp(levels, at, shade) for shade in _COLOURS.T], axis=-1).round().astype(np.uint8)


def _axes(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], face: Font, seconds: float) -> None:
    left, top, right, bottom = box
    draw.rectangle((left - 1, top - 1, right, bottom), outline=_LINE)
    _kilohertz(draw, box, face)
    step = next((one for one in _STEPS if seconds / one * face.getlength("0.00") * 1.8 < right - left), _STEPS[-1])
    for count in range(int(seconds / step) + 1):
        x = left + (right - left) * count * step / seconds
        number = f"{count * step:g}" if count else "0 s"
        draw.line((x, bottom, x, bottom + 5), fill=_LINE)
        if x + face.getlength(number) / 2 <= right + 2:
            draw.text((x, bottom + 6), number, fill=_INK, font=face, anchor="ma")


def _kilohertz(draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], face: Font) -> None:
    left, top, _, bottom = box
    line = lettering.height(face)
    draw.text((left - 9, top - 4), "kHz", fill=_INK, font=face, anchor="rd")
    lowest = float("inf")
    for tone in _KILOHERTZ:
        y = bottom - (bottom - top) * (_MEL.place(tone * 1000) + 0.5) / _MEL.bands
        if lowest - y >= line and y - line / 2 > top:
            lowest = y
            draw.line((left - 6, y, left - 1, y), fill=_LINE)
            draw.text((left - 9, y), f"{tone:g}", fill=_INK, font=face, anchor="rm")
