"""Sounds: any recording → mono float32 at its own rate, whole or in windows; what is known of it; a small picture of it.

One rule for what goes into a store and what asks it: `load` gives the same samples for the same sound, and `load` of what
it gave is that again. Channels become their mean; floats beyond -1..1 are clipped. Bounded: files are decoded in blocks,
and a recording longer than `max_seconds` is refused before more of it is held.

Refused with InvalidInput, in one line: what is no sound of a known format, or none at all; what breaks off early, where
its format can tell (a WAV whose header holds a placeholder for the length is as long as its file); an MP3 that holds more
than the decoder would give; samples that are not finite, or so far beyond -1..1 that they are of another scale; rates and
channels beyond the limits.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import soundfile
from PIL import Image

from latentstore.errors import InvalidInput
from latentstore.media import mpeg
from latentstore.types import Float32

MAX_SECONDS = 600.0  # held at once
MAX_WINDOW = MAX_SECONDS / 1.5  # the last of a recording is half as long again, and an encoder loads it
MAX_RECORDING = 24 * 3600.0  # read in windows
RATES = (1_000, 768_000)
MAX_CHANNELS = 64

_BLOCK = 1 << 18  # samples of all channels that are decoded at once: 1 MiB
_LOUDEST = 8.0  # a float recording may pass 1 by some decibels; beyond this its numbers are of another scale
_STARTS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b".snd", b"dns.", b"caff", b"fLaC", b"OggS", b"ID3")
_PLACEHOLDER = 0x7FFF_0000  # what writes to a pipe cannot know the length, and says the largest
_PROMISE = re.compile(r"^\s*(?:data|SSND|Data Size)\s*: (\d+) \(should be (\d+)\)", re.MULTILINE)
_TAGS = ("title", "artist", "album")
_WIDTH, _HEIGHT = 160, 40
_COLOURS = (255, 255, 255, 58, 76, 140)


class Sound(NamedTuple):
    """samples: (n,) float32 in -1..1, mono; rate: hertz. It is a `(samples, rate)` pair, as an item's audio may be."""

    samples: Float32
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


class Window(NamedTuple):
    """A part of a recording; start and end in seconds."""

    start: float
    end: float
    sound: Sound


def load(source: Any, *, max_seconds: float = MAX_SECONDS) -> Sound:
    """The whole recording. source: a path, the bytes of a sound file, a binary file (read from its beginning), or
    `(samples, rate)`: (n,) or (n, channels) floats in -1..1, or int8, int16, int32 or uint8 as sound files hold them.
    Raises InvalidInput."""
    with _opened(source) as stream:
        _no_longer_than(max_seconds, stream.seconds, "raise max_seconds, or read it in windows")
        return Sound(np.concatenate(list(stream.blocks(max_seconds))), stream.rate)


def windows(source: Any, seconds: float, *, max_seconds: float = MAX_RECORDING) -> Iterator[Window]:
    """The recording in consecutive windows of `seconds`, without a gap. The last is from half a window to one and a half
    long, so a recording of up to one and a half stays whole. Memory is that of two windows. Raises InvalidInput, after
    the windows before the place where a file breaks off."""
    if not 0 < seconds <= MAX_WINDOW:
        raise InvalidInput(f"a window is up to {MAX_WINDOW:g} seconds long, got {seconds!r}")
    with _opened(source) as stream:
        _no_longer_than(max_seconds, stream.seconds, "raise max_seconds")
        size, start = max(1, round(seconds * stream.rate)), 0
        for samples in _cut(stream.blocks(max_seconds), size):
            end = start + len(samples)
            yield Window(start / stream.rate, end / stream.rate, Sound(samples, stream.rate))
            start = end


def facts(source: Any) -> dict[str, Any]:
    """What is known without decoding: duration (seconds, as the header has it), rate, channels; of a file its format too,
    and the title, artist and album that it is tagged with. Raises InvalidInput."""
    with _opened(source) as stream:
        return {"duration": stream.seconds, "rate": stream.rate, "channels": stream.channels, **stream.about}


def waveform(sound: Sound) -> bytes:
    """A PNG of 160×40 pixels: the lowest and the highest sample at each place, the loudest of all at the edge. The same
    bytes for the same samples."""
    edges = np.linspace(0, len(sound.samples), _WIDTH + 1).astype(np.int64)
    starts = np.minimum(edges[:-1], len(sound.samples) - 1)
    low, high = np.minimum.reduceat(sound.samples, starts), np.maximum.reduceat(sound.samples, starts)
    scale = max(float(high.max()), -float(low.min()), 1e-9)
    top, bottom = (np.rint((1 - side / scale) * (_HEIGHT - 1) / 2) for side in (high, low))
    rows = np.arange(_HEIGHT)[:, None]
    picture = Image.fromarray(((rows >= top) & (rows <= bottom)).astype(np.uint8), "P")
    picture.putpalette(_COLOURS)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()


def resampled(sound: Sound, rate: int) -> Sound:
    """The sound at another rate; itself where it has that rate. Frequencies that the lower rate cannot hold are filtered
    out. The ratio is exact for rates up to 50 kHz, within a hundred-thousandth for any."""
    if sound.rate == rate:
        return sound
    from scipy.signal import resample_poly  # takes a second to import

    ratio = Fraction(rate, sound.rate).limit_denominator(50_000)
    samples = resample_poly(sound.samples, ratio.numerator, ratio.denominator)
    return Sound(np.clip(samples, -1, 1).astype(np.float32, copy=False), rate)


@dataclass(frozen=True, slots=True)
class _Stream:
    """An opened recording. `frames`: as its header has it; `decoded`: (n, channels) blocks, or (n,), in their order."""

    rate: int
    channels: int
    frames: int
    decoded: Iterator[Any]
    about: dict[str, str]

    @property
    def seconds(self) -> float:
        return self.frames / self.rate

    def blocks(self, max_seconds: float) -> Iterator[Float32]:
        """(n,) float32 in -1..1, at least one sample in all."""
        done = 0
        for block in self.decoded:
            mono = block if block.ndim == 1 else block.mean(axis=1)
            _check_samples(mono, done / self.rate)
            done += len(mono)
            _no_longer_than(max_seconds, done / self.rate, "raise max_seconds")  # a header may say less than there is
            yield np.clip(mono, -1, 1).astype(np.float32, copy=False)
        if not done:
            raise InvalidInput("expected a sound, got one without a sample")


@contextmanager
def _opened(source: Any) -> Iterator[_Stream]:
    if isinstance(source, tuple | list):
        yield _pair(source)
        return
    with _file(source) as file, _decoder(file) as decoder:
        _check_shape(decoder.samplerate, decoder.channels)
        _check_promise(decoder)
        if decoder.format == "MP3":
            _check_frames(decoder.frames, mpeg.frames(file))
        yield _Stream(decoder.samplerate, decoder.channels, decoder.frames, _decoded(decoder), _about(decoder))


class _Forward(soundfile.SoundFile):  # type: ignore[misc]
    """Reads on. After each read soundfile seeks to where it is already, and an MP3 loses a tenth of a second by that."""

    def seekable(self) -> bool:
        return False


def _decoder(file: IO[bytes]) -> Any:
    try:
        return _Forward(file)
    except (soundfile.LibsndfileError, TypeError) as cause:  # TypeError: a name that ends with .raw
        reason = getattr(cause, "error_string", cause)
        raise InvalidInput(f"expected a sound file, got one that does not open: {reason}") from cause


@contextmanager
def _file(source: Any) -> Iterator[IO[bytes]]:
    """The source as a binary file that starts as some sound file does."""
    if isinstance(source, bytes | bytearray | memoryview):
        file: IO[bytes] = io.BytesIO(source)
    elif isinstance(source, str | Path):
        file = _from_disk(Path(source))
    elif callable(getattr(source, "read", None)):
        file = source if source.seekable() else io.BytesIO(source.read())
    else:
        raise InvalidInput(
            f"expected a sound as a path, the bytes of a file or (samples, rate), got {type(source).__name__}"
        )
    try:
        _check_start(file)
        yield file
    finally:
        if file is not source:
            file.close()


def _from_disk(path: Path) -> IO[bytes]:
    if not os.path.isfile(path):  # noqa: PTH113 - it never raises; a pipe would wait for ever
        raise InvalidInput(f"expected a sound file, there is none at {str(path)!r}")
    try:
        return path.open("rb")
    except OSError as cause:
        raise InvalidInput(f"{str(path)!r} does not open: {cause.strerror}") from cause


def _check_start(file: IO[bytes]) -> None:
    """Decoders look for sound in anything, and some print what they miss: ask the first bytes before."""
    file.seek(0)
    start = file.read(12)
    if not isinstance(start, bytes):
        raise InvalidInput("expected a file opened in binary mode, got one of text; open it with 'rb'")
    file.seek(0)
    mpeg = len(start) > 1 and start[0] == 0xFF and start[1] & 0xE0 == 0xE0
    if not mpeg and not start.startswith(_STARTS):
        known = "WAV, FLAC, OGG, Opus, MP3, AIFF, AU or CAF"
        raise InvalidInput(f"expected a sound file ({known}), got one that begins with {start!r}; convert it first")


def _check_shape(rate: int, channels: int) -> None:
    if not RATES[0] <= rate <= RATES[1]:
        raise InvalidInput(f"expected a rate from {RATES[0]:,} to {RATES[1]:,} Hz, got {rate:,}")
    if not 1 <= channels <= MAX_CHANNELS:
        raise InvalidInput(f"expected 1 to {MAX_CHANNELS} channels, got {channels:,}; samples are (n, channels)")


def _check_promise(decoder: Any) -> None:
    """libsndfile takes what is there where the header promises more, and says so in its log alone."""
    for promised, present in _PROMISE.findall(decoder.extra_info):
        if int(present) < int(promised) < _PLACEHOLDER:
            raise InvalidInput(
                f"the file breaks off: its header promises {promised} bytes of sound, {present} are there"
            )


def _check_frames(samples: int, frames: mpeg.Frames | None) -> None:
    if frames is None:
        return
    promised = frames.promised if frames.promised is not None else samples // frames.each
    tolerance = 4 + promised // 100  # what an encoder puts before and behind, and careless headers
    if frames.ended and frames.promised is not None and frames.counted < promised - tolerance:
        raise InvalidInput(
            f"the file breaks off: its header promises {promised} frames of sound, {frames.counted} are there"
        )
    if frames.counted > promised + tolerance:
        raise InvalidInput(
            f"expected an MP3 of {promised} frames by its header, got {frames.counted} frames; write it anew, or in another format"
        )


def _check_samples(mono: Any, start: float) -> None:
    if not np.isfinite(mono).all():
        raise InvalidInput(f"samples are finite numbers, got NaN or infinity in the block that starts at {start:.1f} s")
    loudest = float(np.abs(mono).max(initial=0.0))
    if loudest > _LOUDEST:
        raise InvalidInput(f"samples are floats in -1..1, got {loudest:g}; divide them by their full scale")


def _no_longer_than(limit: float, seconds: float, advice: str) -> None:
    if seconds > limit:
        raise InvalidInput(f"expected a recording of at most {limit:,g} s, got {seconds:,.1f} s or more; {advice}")


def _decoded(decoder: Any) -> Iterator[Any]:
    size, done = max(1, _BLOCK // decoder.channels), 0
    while True:
        try:
            block = decoder.read(size, dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as cause:
            at, reason = done / decoder.samplerate, cause.error_string.removeprefix("Error : ")
            raise InvalidInput(f"the file breaks off or is damaged after {at:.1f} s: {reason}") from cause
        if not len(block):
            return
        done += len(block)
        yield block


def _about(decoder: Any) -> dict[str, str]:
    tags = {name: (getattr(decoder, name) or "").strip("\0 \n") for name in _TAGS}
    kind = "OPUS" if decoder.subtype == "OPUS" else decoder.format
    return {"format": kind, **{name: value for name, value in tags.items() if value}}


def _pair(source: Any) -> _Stream:
    if len(source) != 2:
        raise InvalidInput(f"expected (samples, rate), got a {type(source).__name__} of {len(source)}")
    samples, rate = _array(source[0]), source[1]
    if isinstance(rate, bool) or not isinstance(rate, int | float | np.integer | np.floating) or rate % 1 != 0:
        raise InvalidInput(f"expected (samples, rate) with the rate in whole hertz, got {rate!r}")
    if samples.ndim not in (1, 2):
        raise InvalidInput(f"expected samples as (n,) or (n, channels), got an array of shape {samples.shape}")
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    _check_shape(int(rate), channels)
    return _Stream(int(rate), channels, len(samples), iter([_scaled(samples)]), {})


def _array(samples: Any) -> Any:
    try:
        return np.asarray(samples)
    except ValueError as cause:
        raise InvalidInput(f"expected samples as (n,) or (n, channels), got rows that differ: {cause}") from cause


def _scaled(samples: Any) -> Any:
    if samples.dtype.kind == "f":
        return samples
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype in (np.int8, np.int16, np.int32):
        return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
    raise InvalidInput(f"expected samples as floats in -1..1, or as int16, got {samples.dtype}")


def _cut(blocks: Iterable[Float32], size: int) -> Iterator[Float32]:
    """Pieces of `size`, as long as more than one and a half remain; then the rest."""
    held: list[Float32] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if 2 * count > 3 * size:
            joined, at = np.concatenate(held), 0
            while 2 * (count - at) > 3 * size:
                yield joined[at : at + size]
                at += size
            held, count = [joined[at:].copy()], count - at
    yield np.concatenate(held)
