"""Appearance: pictures of 32 by 32 → points, by fixed filters. All that was learned lies in the package and never changes.

Three descriptions of a picture, each summed in overlapping places, are put together: how small patches resemble 256
patterns of edges and colours, at 32 by 32; the same with 128 patterns at 16 by 16; the mean and deviation of brightness
and of two opponent colours. A picture and its mirror image have the same description. It is projected on the directions
in which pictures differ most, each damped by its spread. Patterns and directions were found in made pictures of shapes
before a ground (`benchmarks/fit_image.py`), so they know of no one's photos, and vectors of all stores are comparable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from latentstore.errors import EncoderMissing
from latentstore.types import Float32, UInt8

SIDE = 32
PATCH = 6
DIM = 384
FILE = "appearance.safetensors"
SHA256 = "33747324bfdb81fa9db7c4f4852cbb2b3e1d2703dd7dec5d8dde7d9b7c7b985d"

_FLAT = np.float32(100.0)  # variance in squared levels, below which a patch counts as flat
_FIRST = np.float32(0.5)  # what of a resemblance is not counted
_CELLS = 3
_COLOUR_CELLS = 4
_MIRRORED = np.arange(3 * PATCH * PATCH).reshape(3, PATCH, PATCH)[:, :, ::-1].ravel()
_OPPONENT = np.array([[1 / 3, 1, 0.5], [1 / 3, -1, 0.5], [1 / 3, 0, -1]], np.float32)
_COLOUR_WEIGHTS = np.array([1, 2, 2, 1, 2, 2], np.float32)


def patches(pictures: Float32, step: int) -> Float32:
    """(n, g * g, 108): every patch of 6 by 6, `step` apart, channel by channel, its mean and contrast taken off.
    pictures: (n, side, side, 3), levels of 0..255."""
    views = sliding_window_view(pictures, (PATCH, PATCH), axis=(1, 2))[:, ::step, ::step]  # (n, g, g, 3, 6, 6)
    raw = views.reshape(len(pictures), -1, 3 * PATCH * PATCH)
    found: Float32 = raw - raw.mean(axis=2, keepdims=True)
    variance = np.einsum("npd,npd->np", found, found) / np.float32(found.shape[2])
    found /= np.sqrt(variance + _FLAT)[:, :, None]
    return found


def mirrored(of: Float32) -> Float32:
    """Patches, or filters for them, as a mirror shows them. of: (108, n)."""
    return of[_MIRRORED]


class Filters:
    """A bank of filters at one scale, and of each its mirror image."""

    def __init__(self, filters: Float32, offsets: Float32, step: int) -> None:
        """filters: (108, k); offsets: (k,), what is taken off each response."""
        self._both = np.concatenate([filters, mirrored(filters)], axis=1)
        self._offsets = np.concatenate([offsets, offsets]) + _FIRST
        self._step = step

    def describe(self, pictures: Float32) -> Float32:
        """(n, 9 * k), at least 0: how much of each pattern, or of its mirror image in the mirrored place, is where."""
        seen = patches(pictures, self._step)
        responses = seen.reshape(-1, seen.shape[2]) @ self._both
        responses -= self._offsets
        np.maximum(responses, 0, out=responses)
        responses = responses.reshape(len(seen), seen.shape[1], -1)
        pooled = _places(int(seen.shape[1] ** 0.5), _CELLS) @ responses  # (n, 9, 2k)
        plain, turned = np.split(pooled.reshape(len(seen), _CELLS, _CELLS, -1), 2, axis=3)
        together: Float32 = np.sqrt((plain + turned[:, :, ::-1]) / np.float32(2))
        return together.reshape(len(seen), -1)


def colours(pictures: Float32) -> Float32:
    """(n, 96): mean and deviation of brightness, red against green and yellow against blue, in 4 by 4 places."""
    opponent = (pictures / np.float32(255)).reshape(len(pictures), -1, 3) @ _OPPONENT
    places = _places(pictures.shape[1], _COLOUR_CELLS)
    means, squares = places @ opponent, places @ np.square(opponent)  # (n, 16, 3)
    deviations = np.sqrt(np.maximum(squares - np.square(means), 0))
    both = np.concatenate([means, deviations], axis=2) * _COLOUR_WEIGHTS
    both = both.reshape(len(pictures), _COLOUR_CELLS, _COLOUR_CELLS, -1)
    together: Float32 = (both + both[:, :, ::-1]) / np.float32(2)
    return together.reshape(len(pictures), -1)


def described(pictures: UInt8, banks: Sequence[Filters]) -> Float32:
    """(n, features): what is projected. pictures: (n, 32, 32, 3). banks: for 32 by 32, and for 16 by 16."""
    fine = pictures.astype(np.float32)
    coarse = fine.reshape(len(fine), SIDE // 2, 2, SIDE // 2, 2, 3).mean(axis=(2, 4))
    return np.concatenate([banks[0].describe(fine), banks[1].describe(coarse), colours(fine)], axis=1)


class Appearance:
    """The whole way from pictures to points."""

    def __init__(self, learned: Mapping[str, Float32]) -> None:
        self.banks = banks(learned)
        self._mean = learned["mean"]
        steps = learned["columns"].astype(np.float32)  # one for each direction: they are kept in 8 bits
        self._directions = learned["scales"][:, None] * learned["directions"].astype(np.float32) * steps

    def points(self, pictures: UInt8) -> Float32:
        """(n, 384) float32 of unit length. pictures: (n, 32, 32, 3)."""
        found = (described(pictures, self.banks) - self._mean) @ self._directions
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        points: Float32 = found / np.maximum(lengths, np.float32(1e-12))
        return points


def banks(learned: Mapping[str, Float32]) -> tuple[Filters, Filters]:
    """The filters for 32 by 32, and those for 16 by 16."""
    wide = {name: learned[name].astype(np.float32) for name in ("fine", "fine_offsets", "coarse", "coarse_offsets")}
    return Filters(wide["fine"], wide["fine_offsets"], 2), Filters(wide["coarse"], wide["coarse_offsets"], 1)


@cache
def shipped() -> Appearance:
    """What lies in the package. Raises EncoderMissing where it was altered."""
    from safetensors.numpy import load

    data = files(__package__).joinpath(FILE).read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise EncoderMissing(f"{FILE} in the package has other contents than it was released with; install it again")
    return Appearance(load(data))


@cache
def _places(side: int, cells: int) -> Float32:
    """(cells * cells, side * side): weights that sum to 1 and fall off linearly to the middle of the next cell."""
    middles = (np.arange(cells) + 0.5) * side / cells
    weights = np.maximum(1 - np.abs(np.arange(side) + 0.5 - middles[:, None]) * cells / side, 0)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.kron(weights, weights).astype(np.float32)
