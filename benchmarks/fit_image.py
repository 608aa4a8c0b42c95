"""How the numbers that the `image` encoder ships with were found: python -m benchmarks.fit_image [FILE]

From made pictures alone, of a fixed seed. The same numbers come out on any machine, up to rounding; a file of other bytes
makes another encoder, so its checksum then has to go into `latentstore/encoders/appearance.py`.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import made_pictures
from latentstore.encoders import appearance
from latentstore.types import Float32, Float64, UInt8

PICTURES = 6_000
SEED = 0
_PATCHES = 100_000
_ROUNDS = 12
_WEIGHTS = (1.0, 0.7, 0.5)  # fine, coarse, colours
_WHITEN = 0.1  # added to variances of patches
_SPREAD = 0.05  # of a block's deviation, added to that of each feature
_DAMPED = 0.35  # 0: directions keep their spread, 0.5: all have the same


def main(args: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":", 1)[0])
    target = Path(appearance.__file__).with_name(appearance.FILE)
    parser.add_argument("file", nargs="?", type=Path, default=target)
    chosen = parser.parse_args(args)
    data = fitted(PICTURES, SEED)
    chosen.file.write_bytes(data)
    print(f"{chosen.file}: {len(data):,} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


def fitted(count: int, seed: int) -> bytes:
    """The file, as safetensors."""
    from safetensors.numpy import save

    pictures = np.stack([_shrunk(one) for one in made_pictures.pictures(count, seed)])
    fine, fine_offsets = _filters(pictures.astype(np.float32), 256, seed)
    halves = pictures.reshape(count, 16, 2, 16, 2, 3).mean(axis=(2, 4), dtype=np.float32)
    coarse, coarse_offsets = _filters(halves, 128, seed)
    learned = {"fine": fine, "fine_offsets": fine_offsets, "coarse": coarse, "coarse_offsets": coarse_offsets}
    learned = {name: array.astype(np.float16) for name, array in learned.items()}
    banks = appearance.banks(learned)
    features = np.concatenate([appearance.described(pictures[at : at + 16], banks) for at in range(0, count, 16)])
    return bytes(save(learned | _directions(features, (fine.shape[1], coarse.shape[1]))))


def _shrunk(picture: UInt8) -> UInt8:
    size = (appearance.SIDE, appearance.SIDE)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def _filters(pictures: Float32, count: int, seed: int) -> tuple[Float32, Float32]:
    """(108, count) and (count,): directions to the centres of whitened patches, as filters of patches not whitened."""
    random = np.random.default_rng(seed)
    found = appearance.patches(pictures[: len(pictures) // 2], 2).reshape(-1, 3 * appearance.PATCH**2)
    found = found[random.choice(len(found), min(_PATCHES, len(found)), replace=False)]
    both = np.concatenate([found, appearance.mirrored(found.T).T])
    mean = both.mean(axis=0)
    variances, axes = np.linalg.eigh(np.cov((both - mean).T))
    whiten = ((axes / np.sqrt(variances + _WHITEN)) @ axes.T).astype(np.float32)
    centres = _centres((both[: len(found)] - mean) @ whiten, count, random)
    filters = whiten @ (centres / np.linalg.norm(centres, axis=1, keepdims=True)).T
    return filters, mean @ filters


def _centres(points: Float32, count: int, random: np.random.Generator) -> Float32:
    """(count, dim): k-means. A centre that nothing is near starts anew at a point."""
    centres = points[random.choice(len(points), count, replace=False)]
    for _ in range(_ROUNDS):
        nearest = np.argmax(points @ centres.T - np.square(centres).sum(axis=1) / 2, axis=1)
        sizes = np.bincount(nearest, minlength=count)
        sums = np.zeros(centres.shape, np.float64)
        np.add.at(sums, nearest, points)
        anew = points[random.choice(len(points), count, replace=False)]
        centres = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], anew).astype(np.float32)
    return centres


def _directions(features: Float32, patterns: tuple[int, int]) -> dict[str, Float32]:
    """Mean and scales (features,), directions (features, 384) int8 and columns (384,), the size of a step of each."""
    mean = features.mean(axis=0)
    scales = _scales(features, patterns)
    scaled = (features - mean).astype(np.float64) * scales
    variances, axes = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    variances, axes = variances[::-1][: appearance.DIM], axes[:, ::-1][:, : appearance.DIM]
    axes = axes * np.sign(axes.sum(axis=0))  # either sign is an axis: one of them, always
    axes = axes / (variances + 0.05 * variances.mean()) ** _DAMPED
    columns = np.abs(axes).max(axis=0) / 127
    return {
        "mean": mean.astype(np.float32),
        "scales": scales.astype(np.float32),
        "directions": np.rint(axes / columns).astype(np.int8),
        "columns": columns.astype(np.float32),
    }


def _scales(features: Float32, patterns: tuple[int, int]) -> Float64:
    """Every feature by its deviation, and every block by its weight."""
    edges = np.cumsum([0, 9 * patterns[0], 9 * patterns[1]])
    blocks = np.split(features, edges[1:], axis=1)
    scales = []
    for block, weight in zip(blocks, _WEIGHTS, strict=True):
        own = 1 / (block.std(axis=0) + _SPREAD * block.std())
        scales.append(own * weight / np.sqrt(np.square(block.std(axis=0) * own).sum()))
    return np.concatenate(scales).astype(np.float64)


if __name__ == "__main__":
    main()
