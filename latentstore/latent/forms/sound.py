"""Sounds as rows of log-mel spectrograms, and back by a search for the phase.

The rule: one channel at 16 kHz; silence before and after is cut off (more than 40 dB below the loudest moment); 64 mel bands of 60 to
7,600 Hz in frames of 64 ms every 16 ms; the loudest band of a sound is 1, what is 80 dB softer is 0. How loud a sound was is not kept.
All rows are of one length: that of the 90th percentile of the sample, at most 2 seconds; longer sounds are cut there, shorter ones
followed by silence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latentstore.errors import InvalidInput
from latentstore.media import sounds
from latentstore.media.sounds import Sound
from latentstore.media.spectra import Mel
from latentstore.types import Float32

LEAST, MOST = 0.1, 10.0  # seconds that may be asked for
_CHOSEN = 2.0  # seconds, the most that are chosen
_USUAL = 0.9  # quantile
_RANGE = 80.0  # dB from 1 to 0
_SOFT = 1e-4  # amplitude, in -1..1, below which nothing is heard
_TRIM = 40.0  # dB
_PEAK = 0.7  # amplitude of what is decoded
_FADE = 0.008  # seconds
_MEL = Mel()


@dataclass(frozen=True)
class SoundForm:
    """frames: of a row, 16 ms each."""

    frames: int

    name = "sound"
    bounded = True
    divisor = 1.0
    error_unit = "squared loudness, where 1 is a range of 80 dB"

    @property
    def width(self) -> int:
        return self.frames * _MEL.bands

    @property
    def seconds(self) -> float:
        return (self.frames - 1) * _MEL.hop / _MEL.rate

    def rows(self, items: Sequence[Any]) -> Float32:
        """(n, width) float32 in 0..1, frame after frame, each from the lowest band. items: what `media.sounds.load` opens.

        Raises InvalidInput naming the first that is no sound, or a silent one.
        """
        out = np.empty((len(items), self.width), np.float32)
        for at, item in enumerate(items):
            out[at] = self._row(_opened(at, item))
        return out

    def content(self, rows: Float32) -> list[Sound]:
        """n sounds of `seconds`, 16 kHz, all of one peak; silence for a row of zeros. The phase is searched for: speech is understood,
        but sounds as through a pipe."""
        return [self._sound(row.reshape(self.frames, _MEL.bands)) for row in np.clip(rows, 0, 1)]

    def round_trip(self, rows: Float32) -> dict[str, float]:
        """How much of (n, width) rows is still there in the sounds made of them: correlation of the spectrograms, -1..1, and their
        root mean square difference in dB, both the mean of all rows."""
        back = np.stack([self._row(sound) for sound in self.content(rows)])
        apart = np.sqrt(np.square(back - rows).mean(axis=1)) * _RANGE
        alike = [float(np.corrcoef(one, other)[0, 1]) for one, other in zip(rows, back, strict=True)]
        return {"correlation": float(np.mean(alike)), "difference_db": float(apart.mean())}

    def caption(self) -> str:
        return f"sounds of {self.seconds:.2f} s, {_MEL.bands} mel bands"

    def facts(self) -> dict[str, Any]:
        return {"name": self.name, "frames": self.frames, "rate": _MEL.rate, "size": _MEL.size, "hop": _MEL.hop} | {
            "bands": _MEL.bands,
            "low": _MEL.low,
            "high": _MEL.high,
            "range_db": _RANGE,
        }

    def arrays(self) -> dict[str, Any]:
        return {}

    @classmethod
    def of(cls, facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> SoundForm:
        found = cls(int(facts["frames"]))
        if dict(facts) != found.facts():
            raise ValueError("the sounds were seen by another rule than this version's")
        return found

    def _row(self, sound: Sound) -> Float32:
        power = _MEL.power(sound.samples, self.frames)
        loud = 10 * np.log10(np.maximum(power / power.max(), 1e-12))
        return np.asarray(np.clip(1 + loud / _RANGE, 0, 1), np.float32).reshape(-1)

    def _sound(self, row: Float32) -> Sound:
        if not row.any():
            return Sound(np.zeros((self.frames - 1) * _MEL.hop, np.float32), _MEL.rate)
        power = np.where(row > 0, 10 ** ((row - 1) * np.float32(_RANGE / 10)), 0).astype(np.float32)
        samples = _MEL.sound(power)
        fade = min(round(_FADE * _MEL.rate), len(samples) // 2)
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        samples[:fade] *= ramp
        samples[len(samples) - fade :] *= ramp[::-1]
        return Sound(samples * np.float32(_PEAK / float(np.abs(samples).max())), _MEL.rate)


def choose(sample: Sequence[Any], *, seconds: float | None = None) -> SoundForm:
    """seconds: of a row, .1 to 10, in place of the rule's. Raises InvalidInput, also for an empty sample."""
    if seconds is not None and not (isinstance(seconds, int | float) and LEAST <= seconds <= MOST):
        raise InvalidInput(f"sounds are seen for {LEAST:g} to {MOST:g} seconds, got {seconds!r}")
    if not len(sample):
        raise InvalidInput("expected some sounds to choose a form from, got none")
    if seconds is None:
        lengths = [_opened(at, item).seconds for at, item in enumerate(sample)]
        seconds = float(np.clip(np.quantile(lengths, _USUAL), LEAST, _CHOSEN))
    return SoundForm(1 + int(np.ceil(seconds * _MEL.rate / _MEL.hop)))


def _opened(at: int, item: Any) -> Sound:
    try:
        sound = sounds.resampled(sounds.load(item), _MEL.rate)
    except InvalidInput as problem:
        raise InvalidInput(f"item {at} is no sound but {type(item).__name__}: {problem}") from problem
    samples = sound.samples - sound.samples.mean(dtype=np.float64).astype(np.float32)
    if float(np.abs(samples).max(initial=0)) < _SOFT:
        raise InvalidInput(f"item {at} is silent: nothing in it is louder than {_SOFT:g} of full scale; leave it out")
    return Sound(_trimmed(samples), _MEL.rate)


def _trimmed(samples: Float32) -> Float32:
    """Without the silence before and after; a frame is kept at each end."""
    size = _MEL.hop
    count = -(-len(samples) // size)
    moments = np.square(np.pad(samples, (0, count * size - len(samples)))).reshape(count, size).mean(axis=1)
    loud = np.flatnonzero(moments >= moments.max() * 10 ** (-_TRIM / 10))
    return samples[max(0, int(loud[0]) - 1) * size : (int(loud[-1]) + 2) * size]
