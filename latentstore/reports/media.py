"""Media: what a page shows or plays of its points, within a budget of bytes.

What the findings name comes first: pictures as the thumbnails that are kept with the items, sounds as short MP3s cut from what is
kept or from the file that an item came from. What is left of the budget goes to the other points, as smaller pictures, or as the
waveforms of sounds. A file that is gone or no longer reads costs its item the sound, never the report.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from latentstore.engine.studies.sample import Sample
from latentstore.errors import InvalidInput
from latentstore.media import images, sounds
from latentstore.reports.model import Media
from latentstore.types import Int64, Modality

BUDGET = 12_000_000  # bytes in a page, as base64
_BASE64 = 4 / 3
_SMALL = 72  # pixels a side of the pictures that nothing names
_SECONDS = 5.0  # of a sound
_RATE = 16_000
_USUAL = 5_000  # bytes of a thumbnail
_NAMED = 600  # files that are opened for what the findings name
_BLOCK = 256  # attachments fetched at a time


@dataclass
class _Purse:
    """What may still be spent."""

    left: float
    full: bool = False
    media: dict[int, Media] = field(default_factory=dict)

    def pay(self, point: int, media: Media) -> bool:
        cost = len(media.data) * _BASE64
        if cost > self.left:
            self.full = True
            return False
        self.left -= cost
        self.media[point] = media
        return True


@dataclass(frozen=True, slots=True)
class Gathered:
    """media: by point. note: what was left out; "" where nothing was."""

    media: dict[int, Media]
    note: str


def gather(sample: Sample, modality: str, positions: Sequence[int], named: Sequence[int], budget: float) -> Gathered:
    """Pictures or sounds of the points. positions: of all points in the sample; named: points, the most important first."""
    if modality not in (Modality.IMAGE, Modality.AUDIO):
        return Gathered({}, "")
    purse = _Purse(budget)
    show = _Show(sample, positions, purse)
    first = list(dict.fromkeys(named))[:_NAMED]
    rest = np.setdiff1d(np.arange(len(positions)), np.array(first, dtype=np.int64))
    if modality == Modality.IMAGE:
        show.pictures(first, images.THUMBNAIL_SIDE, files=True)
        show.pictures(_mixed(rest), _side(purse, len(rest)))
    else:
        show.sounds(first)
        silent = [point for point in first if point not in purse.media]
        show.pictures([*silent, *_mixed(rest)], images.THUMBNAIL_SIDE)
    return Gathered(purse.media, _left_out(purse, modality, len(positions)))


def _mixed(points: Int64) -> list[int]:
    """In random order, always the same: where the budget ends, no part of the collection is without pictures."""
    return [int(point) for point in np.random.default_rng(0).permutation(points)]


def _side(purse: _Purse, count: int) -> int:
    """Whole thumbnails where there is room for all, else small ones."""
    sizes = [len(media.data) for media in purse.media.values()] or [_USUAL]
    return images.THUMBNAIL_SIDE if count * float(np.mean(sizes)) * _BASE64 <= purse.left else _SMALL


def _left_out(purse: _Purse, modality: str, count: int) -> str:
    what = "picture" if modality == Modality.IMAGE else "sound or waveform"
    missing = count - len(purse.media)
    if not missing:
        return ""
    why = (
        "the page has no room for more" if purse.full else "none is kept with the items, and their files are not opened"
    )
    return f"{missing:,} of {count:,} points are shown without a {what}: {why}"


@dataclass(frozen=True)
class _Show:
    """Buys media for points. positions: of all points in the sample."""

    sample: Sample
    positions: Sequence[int]
    purse: _Purse

    def pictures(self, points: Sequence[int], side: int, *, files: bool = False) -> None:
        """files: whether to open the file of an item that has no picture kept."""
        for point, kept in self._attached(points, "thumbnail"):
            if kept is None and not files:
                continue
            media = _opened(self.sample.uris[self.positions[point]]) if kept is None else _picture(kept, side)
            if media is not None and not self.purse.pay(point, media):
                return

    def sounds(self, points: Sequence[int]) -> None:
        for point, kept in self._attached(points, "content"):
            at = self.positions[point]
            media = _clip(kept if kept is not None else self.sample.uris[at], self.sample.metadata(at))
            if media is not None and not self.purse.pay(point, media):
                return

    def _attached(self, points: Sequence[int], name: str) -> Iterator[tuple[int, bytes | None]]:
        for at in range(0, len(points), _BLOCK):
            block = points[at : at + _BLOCK]
            wanted = np.array([self.positions[point] for point in block], dtype=np.int64)
            yield from zip(block, self.sample.attachments(wanted, name), strict=True)


def _picture(kept: bytes, side: int) -> Media | None:
    """A thumbnail as it is kept, or smaller."""
    mime = "image/png" if kept.startswith(b"\x89PNG") else "image/jpeg"
    if side >= images.THUMBNAIL_SIDE:
        return Media(mime, kept)
    try:
        picture = images.load(kept)
    except InvalidInput:
        return None
    picture.thumbnail((side, side))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=50)
    return Media("image/jpeg", file.getvalue())


def _opened(uri: str | None) -> Media | None:
    """The thumbnail of a picture that has none kept, from its file."""
    if not uri or not Path(uri).is_absolute():
        return None
    try:
        return Media("image/jpeg", images.thumbnail(Path(uri)))
    except InvalidInput:
        return None


def _clip(source: bytes | str | None, known: dict[str, Any]) -> Media | None:
    """The first seconds of a sound, or of the window of it that an item is."""
    if not source or (isinstance(source, str) and not Path(source).is_absolute()):
        return None
    start = known.get("start")
    try:
        sound = _excerpt(Path(source) if isinstance(source, str) else source, float(start or 0.0))
        return mp3(sound)
    except InvalidInput:
        return None


def _excerpt(source: Path | bytes, start: float) -> sounds.Sound:
    """_SECONDS from `start` on, at _RATE or less."""
    length = sounds.facts(source)["duration"]
    whole = sounds.load(source, max_seconds=sounds.MAX_SECONDS) if length <= sounds.MAX_SECONDS else None
    if whole is None:
        whole, start = _window(source, start)
    at = min(round(start * whole.rate), max(0, len(whole.samples) - 1))
    cut = sounds.Sound(whole.samples[at : at + round(_SECONDS * whole.rate)], whole.rate)
    return sounds.resampled(cut, _RATE) if cut.rate > _RATE else cut


def _window(source: Path | bytes, start: float) -> tuple[sounds.Sound, float]:
    """The minute of a long recording in which `start` lies, and where in it."""
    for window in sounds.windows(source, 60.0):
        if window.end > start:
            return window.sound, start - window.start
    raise InvalidInput(f"the recording ends before {start:g} s")


def mp3(sound: sounds.Sound) -> Media:
    """A sound to play, at 16 kHz or less."""
    import soundfile

    rate = min((8000, 11025, 12000, 16000), key=lambda one: abs(one - sound.rate))
    samples = sounds.resampled(sound, rate).samples
    # What was cut starts and ends at any height: five milliseconds of fading keep it from clicking.
    fade = min(len(samples) // 2, rate // 200)
    samples = samples.copy()
    if fade:
        samples[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
        samples[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="MP3", subtype="MPEG_LAYER_III")
    return Media("audio/mpeg", file.getvalue(), f"{sound.seconds:.1f} s")
