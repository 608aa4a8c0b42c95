"""What the `image` encoder sees beside the usual recipe, and pictures per second on one core. Run: python -m benchmarks.image

Accuracy: the share of small pictures whose ten nearest by cosine vote for their class, in cross-validation (five folds,
three times). The recipe, gradients and colours standardised and projected on their 256 main directions, is fitted on the
training folds; the encoder is fitted on nothing. On 5,000 training pictures the recipe is known to reach .497.
Copies: the share of photos that a changed copy finds first among all of them.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from benchmarks.data import SHARED
from benchmarks.report import Bound, save, table
from latentstore.encoders.image import ImageEncoder
from latentstore.media import images
from latentstore.types import Bool, Int64, UInt8

Array = NDArray[Any]
Picture: TypeAlias = Image.Image
KNOWN = 0.497  # of the recipe with 5,000 training pictures
ASKED = 0.5
_NEAREST, _FOLDS, _TIMES = 10, 5, 3
_PASSES = 5


def main() -> None:
    root = SHARED / "images"
    if not root.is_dir():
        raise SystemExit(f"pictures are read from {root.resolve()}, which is not there")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the threads of numpy's products, too
    small, classes = labelled(root / "cifar10")
    photos = [images.load(file) for file in sorted((root / "photos").iterdir())]
    ours = cross_validated(ImageEncoder().encode(small), classes)
    recipe = cross_validated(recipe_features(small), classes, fitted=True)
    vectors = ImageEncoder().encode(photos)
    found = {name: copies_found(photos, vectors, change) for name, change in CHANGES.items()}
    rates = {name: _rate(some) for name, some in (("32 by 32", small), ("photos", photos))}
    table("share right by the ten nearest", [{"image": round(ours, 4), "recipe": round(recipe, 4)}])
    table("copies that find their original first", [{name: round(share, 3) for name, share in found.items()}])
    table("decoded pictures per second on one core", [rates])
    bounds = [
        Bound("accuracy beside the recipe", ASKED / KNOWN, ours / recipe, "x", least=True),
        Bound("copies that find their original first, mean", 0.95, float(np.mean(list(found.values()))), least=True),
        Bound("photos encoded per second", 500, rates["photos"], least=True),
    ]
    accuracy = {"image": ours, "recipe": recipe, "n": len(small), "folds": _FOLDS, "times": _TIMES}
    results = {"accuracy": accuracy, "copies": found, "photos": len(photos), "rates": rates}
    save("image", {"nearest": _NEAREST, "passes": _PASSES, "dim": ImageEncoder.dim}, results, bounds)


def labelled(folder: Path) -> tuple[list[Picture], Int64]:
    """The pictures in the folder's folders, and which folder each is in."""
    files = sorted(folder.glob("*/*"))
    _, classes = np.unique([file.parent.name for file in files], return_inverse=True)
    return [images.load(file) for file in files], classes.astype(np.int64)


def cross_validated(features: Array, classes: Int64, *, fitted: bool = False) -> float:
    """The mean share right. fitted: standardise and project by what the training folds say."""
    shares = []
    for held in _held(len(classes)):
        train, test = features[~held], features[held]
        if fitted:
            train, test = _projected(train, test)
        near = np.argsort(-_unit(test) @ _unit(train).T, axis=1)[:, :_NEAREST]
        votes = np.eye(classes.max() + 1)[classes[~held][near]].sum(axis=1)
        shares.append(np.mean(votes.argmax(axis=1) == classes[held]))
    return float(np.mean(shares))


def _held(count: int) -> Iterator[Bool]:
    for seed in range(_TIMES):
        fold = np.random.default_rng(seed).permutation(count) % _FOLDS
        yield from (fold == which for which in range(_FOLDS))


def _projected(train: Array, test: Array) -> tuple[Array, Array]:
    mean, deviation = train.mean(axis=0), train.std(axis=0) + 1e-8
    train, test = (train - mean) / deviation, (test - mean) / deviation
    directions = np.linalg.svd(train, full_matrices=False)[2][:256].T
    return train @ directions, test @ directions


def _unit(vectors: Array) -> Array:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def recipe_features(pictures: list[Picture]) -> Array:
    """(n, 564): histograms of oriented gradients, and of hue, saturation and value in five regions."""
    grey = np.stack([np.asarray(one.convert("L"), np.float32) / 255 for one in pictures])
    colour = np.stack([np.asarray(one.convert("HSV")) for one in pictures])
    return np.concatenate([_gradients(grey), _colours(colour)], axis=1)


def _gradients(grey: Array) -> Array:
    """(n, 324): nine orientations in cells of 8 by 8, blocks of 2 by 2 cells normalised, clipped and normalised again."""
    down, across = np.zeros_like(grey), np.zeros_like(grey)
    down[:, 1:-1] = grey[:, 2:] - grey[:, :-2]
    across[:, :, 1:-1] = grey[:, :, 2:] - grey[:, :, :-2]
    strength, angle = np.hypot(down, across), np.degrees(np.arctan2(down, across)) % 180
    which = np.minimum((angle / 20).astype(np.int64), 8)
    cells = np.stack(
        [(strength * (which == one)).reshape(-1, 4, 8, 4, 8).mean(axis=(2, 4)) for one in range(9)], axis=3
    )
    blocks = [
        cells[:, row : row + 2, column : column + 2].reshape(len(grey), -1) for row in range(3) for column in range(3)
    ]
    return np.concatenate([_clipped(block) for block in blocks], axis=1)


def _clipped(block: Array) -> Array:
    once = np.minimum(block / np.sqrt(np.square(block).sum(axis=1, keepdims=True) + 1e-10), 0.2)
    return np.asarray(once / np.sqrt(np.square(once).sum(axis=1, keepdims=True) + 1e-10))


def _colours(colour: UInt8) -> Array:
    """(n, 240): 16 levels of each channel in an ellipse in the middle and in the four corners."""
    rows, columns = np.mgrid[:32, :32]
    middle = np.hypot((rows - 15.5) / 12, (columns - 15.5) / 12) <= 1
    corners = [~middle & (top == (rows < 16)) & (left == (columns < 16)) for top in (1, 0) for left in (1, 0)]
    levels = np.eye(16, dtype=np.float32)[colour // 16]  # (n, 32, 32, 3, 16)
    shares = [levels[:, region].mean(axis=1).reshape(len(colour), -1) for region in (middle, *corners)]
    return np.concatenate(shares, axis=1)


def copies_found(photos: list[Picture], vectors: Array, change: Callable[[Picture], Picture], every: int = 1) -> float:
    """The share of changed photos, one in `every`, whose nearest among all is their original. vectors: of all photos."""
    which = np.arange(0, len(photos), every)
    changed = ImageEncoder().encode([change(photos[at]) for at in which])
    return float(np.mean((changed @ vectors.T).argmax(axis=1) == which))


def _part(share: float, left: float = 0.5, top: float = 0.5) -> Callable[[Picture], Picture]:
    """The share of each side that stays; left, top: how much of what goes is taken there."""

    def cut(picture: Picture) -> Picture:
        width, height = round(picture.width * share), round(picture.height * share)
        x, y = round((picture.width - width) * left), round((picture.height - height) * top)
        return picture.crop((x, y, x + width, y + height))

    return cut


def _recompressed(picture: Picture) -> Picture:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=20)
    return images.load(file)


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "a quarter of the size": lambda one: one.resize((max(1, one.width // 4), max(1, one.height // 4))),
    "JPEG, quality 20": _recompressed,
    "lighter by 40 %": lambda one: ImageEnhance.Brightness(one).enhance(1.4),
    "darker by 40 %": lambda one: ImageEnhance.Brightness(one).enhance(0.6),
    "less contrast": lambda one: ImageEnhance.Contrast(one).enhance(0.6),
    "mirrored": lambda one: one.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "turned by 5 degrees": lambda one: one.rotate(5, Image.Resampling.BICUBIC),
    "cut to 90 %, a corner": _part(0.9, 0, 0),
    "cut to 80 %, the middle": _part(0.8),
    "cut to 80 %, a side": _part(0.8, 1, 0.5),
    "without colour": lambda one: one.convert("L"),
}


def _rate(pictures: list[Picture]) -> int:
    seconds = []
    for _ in range(_PASSES):
        began = perf_counter()
        ImageEncoder().encode(pictures)
        seconds.append(perf_counter() - began)
    return round(len(pictures) / median(seconds))


if __name__ == "__main__":
    main()
