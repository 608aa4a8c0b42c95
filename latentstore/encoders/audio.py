"""AudioEncoder: how a sound sounds, not what it means. Computed by fixed rules; nothing is learned, nothing fetched.

A recording becomes the power in 24 bands of 80 to 4,000 Hz, 100 times a second, in logarithms above a floor; a cosine
transform over the bands turns each moment into its loudness and 12 coefficients of its timbre. A vector has two parts:

course: the way that loudness and timbre go, in 12 stretches, less its mean. Stretches are of equal length along the way,
    not in time, and soft moments count little: a word is the same word said slowly or fast, after a pause or in noise,
    and what a voice or a room colours throughout is in the mean.
colour: the mean of the timbre and the deviations over time: what music, a hum and noise are known by.

The course of what changes little is short, so that its colour decides; the vectors are not of unit length. A recording
has the same vector at another volume, and nearly the same at another rate or after MP3. Silence is a vector of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, get_args

import numpy as np
import xxhash

from latentstore.encoders.base import Description, Role
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Int64, Metric, Modality

_FRAME, _HOP = 0.025, 0.010  # seconds of a moment, and from one to the next
_BANDS, _LOW, _HIGH = 24, 80.0, 4_000.0  # Hz: what the lowest usual rate holds, so that recordings of all rates compare
_TIMBRE = 12  # coefficients besides the loudness
_STRETCHES = 12
_FLOOR = 36.0  # dB below the loudest moment's mean band: no difference is heard in what is softer
_INAUDIBLE = 1e-12  # power, about what rounding to 16 bits leaves in a band: softer is silence, at any volume
_SMOOTH = 9  # moments
_HEARD = 0.3  # power to loudness as it is heard: how much a moment counts on the way
_WAY = 0.8  # share of the way against that of time in how far a moment is along it
_LOUDNESS, _COLOUR, _DEVIATION = 0.5, 0.5, 0.5  # weights; that of coefficient k is its cube root
_REST = 0.1  # the last dimension of every sound, the only one of silence
_SHAPE = (
    *(_FRAME, _HOP, _BANDS, _LOW, _HIGH, _TIMBRE, _STRETCHES, _FLOOR, _INAUDIBLE, _SMOOTH, _HEARD, _WAY),
    *(_LOUDNESS, _COLOUR, _DEVIATION, _REST),
)
_BLOCK = 1 << 19  # samples transformed at once


class AudioEncoder:
    """Sounds that sound alike lie close: a word said by others, a hum, a piece of music, a copy of the same recording."""

    name = "audio"
    dim = _STRETCHES * (1 + _TIMBRE) + _TIMBRE + (1 + _TIMBRE) + 1
    metric = Metric.COSINE
    modalities = frozenset({Modality.AUDIO})
    fingerprint = f"audio-1-{xxhash.xxh3_64_hexdigest(repr(_SHAPE).encode())}"

    def encode(self, items: Sequence[Any], *, role: Role = "document") -> Float32:
        """items: n sounds, each a path, the bytes of a sound file, a binary file or (samples, rate). Returns (n, dim)
        float32. Raises InvalidInput naming the position and type of what is no sound, or one of over ten minutes."""
        if role not in get_args(Role):
            raise InvalidInput(f"role is 'document' or 'query', got {role!r}")
        if isinstance(items, str | bytes) or _is_pair(items):
            raise InvalidInput(f"expected a list of sounds, got one {type(items).__name__}; put it in a list: [sound]")
        vectors = np.empty((len(items), self.dim), np.float32)
        for position, item in enumerate(items):
            vectors[position] = _vector(*_loaded(position, item))
        return vectors

    @classmethod
    def describe(cls) -> Description:
        source = "none: computed from how it sounds, not what it means"
        return Description("audio", ("audio",), cls.dim, source, True, "")


def _is_pair(items: Any) -> bool:
    return isinstance(items, tuple) and len(items) == 2 and isinstance(items[1], int | float | np.number)


def _loaded(position: int, item: Any) -> tuple[Float32, int]:
    from latentstore.media import sounds  # soundfile takes a tenth of a second to import

    try:
        return sounds.load(item)
    except InvalidInput as problem:
        raise InvalidInput(f"item {position} is no sound but {type(item).__name__}: {problem}") from problem


def _vector(samples: Float32, rate: int) -> Float32:
    moments = _moments(samples, rate)
    timbre = _timbre(moments)
    heard = moments.sum(axis=1) ** np.float32(_HEARD)
    course = _course(_smoothed(timbre), (heard[1:] + heard[:-1]) / 2)
    parts = (course.ravel(), _COLOUR * timbre.mean(axis=0)[1:], _DEVIATION * timbre.std(axis=0), [_REST])
    return np.concatenate(parts).astype(np.float32)


def _moments(samples: Float32, rate: int) -> Float32:
    """(n, bands): the power in each band at each moment; n at least 1."""
    size = round(_FRAME * rate)
    samples = np.pad(samples - samples.mean(dtype=np.float64).astype(np.float32), (0, max(0, size - len(samples))))
    count = 1 + int((len(samples) - size) / (_HOP * rate))
    starts = np.rint(np.arange(count) * (_HOP * rate)).astype(np.int64)
    step = max(1, _BLOCK // size)
    return np.concatenate([_powers(samples, rate, starts[at : at + step]) for at in range(0, count, step)])


def _powers(samples: Float32, rate: int, starts: Int64) -> Float32:
    """(n, bands): the power in each band of the frames that begin at `starts`."""
    window, bands = _analysis(rate)
    frames = np.lib.stride_tricks.sliding_window_view(samples, len(window))[starts]
    spectrum = np.fft.rfft(frames * window, 2 * (len(bands) - 1))
    return np.asarray((spectrum.real**2 + spectrum.imag**2) @ bands, np.float32)


@lru_cache(16)
def _analysis(rate: int) -> tuple[Float32, Float32]:
    """A window (size,), scaled so that powers are those of the samples at any rate, and triangles evenly spaced on the mel
    scale, (bins, bands)."""
    size = round(_FRAME * rate)
    width = 1 << (size - 1).bit_length()
    window = np.hanning(size)
    window /= np.sqrt(np.square(window).sum() * width)
    low, high = 1127 * np.log1p(np.array([_LOW, _HIGH]) / 700)
    edges = 700 * np.expm1(np.linspace(low, high, _BANDS + 2) / 1127)
    places = (np.arange(width // 2 + 1) * rate / width)[:, None]
    rising = (places - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - places) / (edges[2:] - edges[1:-1])
    triangles = np.maximum(0, np.minimum(rising, falling))
    return window.astype(np.float32), triangles.astype(np.float32)


def _timbre(moments: Float32) -> Float32:
    """(n, 1 + timbre): loudness and timbre of each moment, weighted."""
    floor = moments.sum(axis=1).max() / _BANDS * 10 ** (-_FLOOR / 10)
    timbre: Float32 = np.log(moments + np.float32(floor + _INAUDIBLE)) @ _cosines()
    return timbre


@lru_cache(1)
def _cosines() -> Float32:
    """(bands, 1 + timbre): an orthonormal cosine transform, times the weights."""
    order = np.arange(1 + _TIMBRE)
    waves = np.cos(np.pi * np.outer(np.arange(_BANDS) + 0.5, order) / _BANDS) * np.sqrt(2 / _BANDS)
    weights = np.where(order == 0, _LOUDNESS / np.sqrt(2), np.cbrt(order))
    return np.asarray(waves * weights, np.float32)


def _smoothed(timbre: Float32) -> Float32:
    bell = np.hanning(_SMOOTH + 2)[1:-1]
    padded = np.pad(timbre, ((_SMOOTH // 2, _SMOOTH // 2), (0, 0)), "edge")
    near = np.lib.stride_tricks.sliding_window_view(padded, _SMOOTH, axis=0)  # (n, 1 + timbre, smooth)
    smoothed: Float32 = near @ (bell / bell.sum()).astype(np.float32)
    return smoothed


def _course(timbre: Float32, heard: Float32) -> Float32:
    """(stretches, 1 + timbre): means over stretches of equal length along the way, less the mean of all.

    heard: (n - 1,) how much each step counts.
    """
    steps = np.linalg.norm(np.diff(timbre, axis=0), axis=1).astype(np.float64)
    steps = (_WAY * steps + (1 - _WAY) * steps.sum() / max(1, len(steps))) * heard
    if not steps.sum() > 0:  # one moment, or all alike
        return np.zeros((_STRETCHES, timbre.shape[1]), np.float32)
    ends = np.concatenate([[0], np.cumsum(steps / steps.sum())])
    areas = np.cumsum((timbre[:-1] + timbre[1:]) / 2 * np.diff(ends)[:, None], axis=0)
    areas = np.concatenate([np.zeros_like(areas[:1]), areas])
    # The integral up to each moment, read off at the borders of the stretches.
    borders = np.linspace(0, ends[-1], _STRETCHES + 1)
    means = np.diff(np.stack([np.interp(borders, ends, area) for area in areas.T], axis=1), axis=0) * _STRETCHES
    return np.asarray((means - means.mean(axis=0)) / np.sqrt(_STRETCHES), np.float32)
