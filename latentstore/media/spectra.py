"""Spectrograms and the way back: short-time Fourier transform, mel bands, and Griffin and Lim's search for the phase."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from latentstore.types import Float32

Complex = NDArray[np.complex64]
ROUNDS = 48  # of Griffin and Lim's search; more are not heard
_MOMENTUM = 0.99
_LEAST = 1e-9


@dataclass(frozen=True)
class Mel:
    """A short-time Fourier transform in triangular bands evenly spaced on the mel scale (O'Shaughnessy 1987).

    rate: hertz; size, hop: samples of a frame and from one to the next; bands; low, high: hertz.
    """

    rate: int = 16_000
    size: int = 1024
    hop: int = 256
    bands: int = 64
    low: float = 60.0
    high: float = 7_600.0

    def power(self, samples: Float32, frames: int) -> Float32:
        """(frames, bands) float32: the power in each band around samples 0, hop, 2 hop, …; silence where the sound has ended."""
        return np.asarray(np.square(np.abs(self._transformed(samples, frames))) @ self._triangles.T, np.float32)

    def sound(self, power: Float32, *, rounds: int = ROUNDS, seed: int = 0) -> Float32:
        """((frames - 1) * hop,) float32: a sound whose `power` comes close to (frames, bands) float32.

        The frequencies within a band are shared out by the least squares that stay positive, the phase is searched for by Griffin &
        Lim 1984 with the momentum of Perraudin et al. 2013. The same power and seed give the same sound.
        """
        size = np.sqrt(self._spread(np.maximum(power, 0)))
        rng = np.random.default_rng(seed)
        phase = np.exp(2j * np.pi * rng.random(size.shape)).astype(np.complex64)
        before = np.zeros_like(phase)
        length = (len(power) - 1) * self.hop
        for _ in range(rounds):
            again = self._transformed(self._joined(size * phase, length), len(power))
            moved = again + np.float32(_MOMENTUM) * (again - before)
            before = again
            phase = moved / np.maximum(np.abs(moved), _LEAST)
        return self._joined(size * phase, length)

    def place(self, hertz: float) -> float:
        """The band around a frequency, 0 the lowest; between two bands a fraction."""
        step = (_mels(self.high) - _mels(self.low)) / (self.bands + 1)
        return (_mels(hertz) - _mels(self.low)) / step - 1

    @cached_property
    def _window(self) -> Float32:
        # Periodic, so that overlapping squares of it add up evenly.
        return np.hanning(self.size + 1)[:-1].astype(np.float32)

    @cached_property
    def _triangles(self) -> Float32:
        """(bands, size / 2 + 1): how much each frequency counts in each band; each band's weights add up to 1."""
        edges = _hertz(np.linspace(_mels(self.low), _mels(self.high), self.bands + 2))
        tones = np.fft.rfftfreq(self.size, 1 / self.rate)
        rising = (tones - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
        falling = (edges[2:, None] - tones) / (edges[2:] - edges[1:-1])[:, None]
        weights = np.maximum(0, np.minimum(rising, falling))
        # A low band may lie between two tones: it hears the nearest.
        bare = np.flatnonzero(weights.sum(axis=1) == 0)
        weights[bare, np.abs(tones - edges[1:-1][bare, None]).argmin(axis=1)] = 1
        return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)

    @cached_property
    def _inverse(self) -> Float32:
        return np.linalg.pinv(self._triangles.astype(np.float64)).astype(np.float32)

    def _spread(self, power: Float32) -> Float32:
        """(frames, size / 2 + 1): non-negative least squares, by multiplicative updates (Lee & Seung 2001) from a first guess."""
        weights = self._triangles
        guess = np.maximum(power @ self._inverse.T, power.mean(axis=1, keepdims=True) * 1e-3 + _LEAST)
        wanted = power @ weights
        for _ in range(20):
            guess *= wanted / np.maximum((guess @ weights.T) @ weights, _LEAST)
        return np.asarray(guess, np.float32)

    def _transformed(self, samples: Float32, frames: int) -> Complex:
        half = self.size // 2
        whole = np.zeros((frames - 1) * self.hop + self.size, np.float32)
        kept = samples[: len(whole) - half]
        whole[half : half + len(kept)] = kept
        cut = np.lib.stride_tricks.sliding_window_view(whole, self.size)[:: self.hop]
        return np.fft.rfft(cut * self._window, axis=1).astype(np.complex64)

    def _joined(self, spectra: Complex, length: int) -> Float32:
        """Overlap-add with the window again, the least-squares inverse of `_transformed`."""
        frames = np.fft.irfft(spectra, self.size, axis=1).astype(np.float32) * self._window
        whole = np.zeros((len(spectra) - 1) * self.hop + self.size, np.float32)
        weight = np.zeros_like(whole)
        for at, frame in enumerate(frames):
            span = slice(at * self.hop, at * self.hop + self.size)
            whole[span] += frame
            weight[span] += self._window**2
        half = self.size // 2
        return np.asarray((whole / np.maximum(weight, 1e-3))[half : half + length], np.float32)


def _mels(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(700 * (10 ** (mels / 2595) - 1))
