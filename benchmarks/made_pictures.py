"""Made pictures with the statistics of photos: textured, shaded shapes that hide each other, often a thing in the middle,
before a ground with a horizon. No photo is in them, so what is learned of them may be given to anyone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentstore.types import UInt8

SIDE = 64
_ROWS, _COLUMNS = (np.mgrid[0:SIDE, 0:SIDE] / SIDE).astype(np.float32)
_FREQUENCIES = np.maximum(np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)), 1 / SIDE)

Random = np.random.Generator
Array = NDArray[Any]  # of floats


def pictures(count: int, seed: int) -> UInt8:
    """(count, 64, 64, 3)."""
    random = np.random.default_rng(seed)
    return np.stack([_picture(random) for _ in range(count)])


def _picture(random: Random) -> UInt8:
    mood = (random.normal(0.47, 0.17) + random.normal(0, 0.05, 3)).astype(np.float32)
    spread = random.uniform(0.12, 0.34)
    picture = _ground(random, mood, spread)
    for _ in range(random.choice([0, 4, 15, 50], p=[0.35, 0.3, 0.2, 0.15])):
        radius = min(0.03 * (1 - random.random()) ** -0.6, 0.5)  # many small ones, few large
        picture = _with_shape(random, picture, random.uniform(0, 1, 2), radius, _colour(random, mood, spread))
    if random.random() < 0.85:
        picture = _with_thing(random, picture, _colour(random, mood, 1.2 * spread), spread)
    return _seen(random, picture)


def _ground(random: Random, mood: Array, spread: float) -> Array:
    picture = _colour(random, mood, spread) + _noise(random, random.uniform(0.9, 1.8), abs(random.normal(0, 0.1)))
    picture = picture + (random.normal(0, 0.18) * (_ROWS - 0.5) + random.normal(0, 0.08) * (_COLUMNS - 0.5))[..., None]
    if random.random() < 0.5:
        ridge = np.cumsum(random.normal(0, 0.0075, SIDE)) * (random.random() < 0.5)
        horizon = random.uniform(0.3, 0.8) + ridge + random.normal(0, 0.05) * (_COLUMNS - 0.5)
        below = np.clip((_ROWS - horizon) * SIDE * random.uniform(0.2, 1.5) + 0.5, 0, 1)[..., None]
        texture = _noise(random, random.uniform(0.5, 1.5), abs(random.normal(0, 0.12)))
        picture = picture * (1 - below) + (_colour(random, mood, spread) + texture) * below
    return np.asarray(picture, np.float32)


def _with_thing(random: Random, picture: Array, colour: Array, spread: float) -> Array:
    """Parts of like colours near the middle."""
    middle, size = random.normal(0.5, 0.07, 2), random.uniform(0.12, 0.32)
    extent = np.array([1.0, random.uniform(0.3, 1.1)]) * size
    for _ in range(random.integers(2, 12)):
        place, radius = middle + random.normal(0, 0.55, 2) * extent, size * random.uniform(0.12, 0.9)
        picture = _with_shape(random, picture, place, radius, _colour(random, colour, spread * 0.5))
    return picture


def _with_shape(random: Random, picture: Array, place: Array, radius: float, colour: Array) -> Array:
    along, across = _coordinates(random, place, radius)
    softness = SIDE * radius * random.uniform(0.4, 2)
    cover = np.clip((1 - _distance(random, along, across)) * softness + 0.5, 0, 1)[..., None]
    return (picture * (1 - cover) + (colour + _texture(random, along, across)) * cover).astype(np.float32)


def _coordinates(random: Random, place: Array, radius: float) -> tuple[Array, Array]:
    """Along and across a stretched, turned shape; 1 at its edge."""
    turn, stretch = random.uniform(0, np.pi), np.exp(random.normal(0, 0.25))
    x, y = _COLUMNS - place[0], _ROWS - place[1]
    along = (x * np.cos(turn) + y * np.sin(turn)) / (radius * stretch)
    return along, (y * np.cos(turn) - x * np.sin(turn)) / (radius / stretch)


def _distance(random: Random, along: Array, across: Array) -> Array:
    """From the middle, 1 at the edge: an ellipse (twice as often), a rectangle, a triangle, a star or a bar."""
    kind = random.integers(6)
    if kind < 2:
        return np.asarray(np.hypot(along, across))
    if kind == 2:
        return np.asarray(np.maximum(abs(along), abs(across)))
    if kind == 3:
        angles = np.arange(3) * 2 * np.pi / 3
        sides = [along * np.cos(angle) + across * np.sin(angle) for angle in angles]
        return np.asarray(np.maximum.reduce(sides) * 1.6)
    if kind == 4:
        angle = np.arctan2(across, along)
        waves: Array = 1 + 0.3 * np.cos(random.integers(2, 6) * angle + random.uniform(0, 6))
        return np.asarray(np.hypot(along, across) / waves)
    return np.asarray(np.maximum(abs(along) / 3, abs(across) * 2))


def _texture(random: Random, along: Array, across: Array) -> Array:
    """Shading, and nothing, grain, stripes, checks or clouds."""
    kind, strength = random.integers(5), abs(random.normal(0, 0.12))
    shade = random.normal(0, 0.09) * along.clip(-2, 2) - random.normal(0, 0.06) * across.clip(-2, 2)
    if kind == 1:
        return shade[..., None] + _noise(random, random.uniform(0.3, 1.6), strength)
    if kind == 2:
        shade = shade + np.sin(along * random.uniform(2, 12) + random.uniform(0, 6)) * strength * 1.4
    if kind == 3:
        checks = np.sin(along * random.uniform(2, 8)) * np.sin(across * random.uniform(2, 8))
        shade = shade + np.sign(checks) * strength
    if kind == 4:
        return shade[..., None] + _noise(random, 1.2, strength * 0.5)
    return shade[..., None]


def _colour(random: Random, base: Array, spread: float) -> Array:
    """As in photos brightness varies most, then blue against yellow, then red against green."""
    light, blue, red = random.normal(0, spread, 3) * [0.9, 0.38, 0.22]
    return base + np.array([light + red + 0.7 * blue, light - red + 0.1 * blue, light - blue], np.float32)


def _noise(random: Random, power: float, strength: float) -> Array:
    """(64, 64, 1): amplitudes fall with frequency to the `power`."""
    shape = _FREQUENCIES.shape
    waves = (random.normal(size=shape) + 1j * random.normal(size=shape)) / _FREQUENCIES**power
    noise = np.fft.irfft2(waves, (SIDE, SIDE))
    return np.asarray((noise - noise.mean()) / noise.std() * strength, np.float32)[..., None]


def _seen(random: Random, picture: Array) -> UInt8:
    """Through a lens: light from a side, out of focus more or less, a little noise."""
    light = 1 + random.normal(0, 0.12) * (_COLUMNS - 0.5) + random.normal(0, 0.12) * (_ROWS - 0.5)
    focus = np.exp(-2 * (np.pi * random.uniform(0, 1.1) * _FREQUENCIES) ** 2)[..., None]
    blurred = np.fft.irfft2(np.fft.rfft2(picture * light[..., None], axes=(0, 1)) * focus, (SIDE, SIDE), axes=(0, 1))
    blurred += random.normal(0, random.uniform(0, 0.02), blurred.shape)
    return np.rint(np.clip(blurred, 0, 1) * 255).astype(np.uint8)
