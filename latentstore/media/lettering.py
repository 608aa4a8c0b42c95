"""Words on pictures: DejaVu Sans where the system has it, else the font that Pillow carries, which knows Latin letters alone."""

from __future__ import annotations

from functools import lru_cache
from typing import Protocol

from PIL import ImageFont

_GAP = "…"


class Font(Protocol):
    """What is used of Pillow's fonts."""

    def getlength(self, text: str) -> float:
        """Pixels that the text takes in a line."""

    def getmetrics(self) -> tuple[int, int]:
        """Pixels from the line up to the highest letter, and down to the lowest."""


@lru_cache(32)
def font(size: int, *, bold: bool = False) -> Font:
    """size: pixels from the top of a letter to the foot of its tail."""
    try:
        face: Font = ImageFont.truetype("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf", size)
    except OSError:
        face = ImageFont.load_default(size)
    return face


def height(face: Font) -> int:
    """Pixels from one line to the next."""
    ascent, descent = face.getmetrics()
    return ascent + descent


def shortened(text: str, face: Font, width: float) -> str:
    """The text in one line of at most `width` pixels, its middle left out where it is longer: both ends tell ids apart."""
    text = " ".join(text.split())
    if face.getlength(text) <= width:
        return text
    fits, too_many = 0, len(text)
    while fits + 1 < too_many:
        middle = (fits + too_many) // 2
        if face.getlength(_ends(text, middle)) <= width:
            fits = middle
        else:
            too_many = middle
    return _ends(text, fits)


def lines(text: str, face: Font, width: float) -> list[str]:
    """The text in as many lines as it takes, broken between words; a word that is longer than a line is shortened."""
    out: list[str] = []
    for word in text.split():
        if out and face.getlength(f"{out[-1]} {word}") <= width:
            out[-1] += f" {word}"
        else:
            out.append(shortened(word, face, width))
    return out


def _ends(text: str, count: int) -> str:
    """`count` characters of the text, from both ends."""
    tail = count // 2
    return text[: count - tail].rstrip() + _GAP + (text[-tail:].lstrip() if tail else "")
