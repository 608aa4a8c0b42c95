"""Handwritten digits that latent models are measured on, and a small classifier that judges what they make."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.data import SHARED
from latentstore.types import Float32, Float64, Int64, UInt8

MNIST = SHARED / "images" / "mnist"
LEARNED = 8_000
_EPOCHS, _BATCH, _RATE = 10, 64, 4e-3


@dataclass(frozen=True)
class Digits:
    """rows: (n, 784) uint8; classes: (n,) int64. The first LEARNED are for learning, the others are held out."""

    rows: UInt8
    classes: Int64


def mnist(folder: Path = MNIST) -> Digits:
    """10,000 scans of 28 by 28, in an order shuffled with seed 0: the file's first half was written more neatly than the second."""
    rows = _read(folder / "t10k-images-idx3-ubyte.gz", 16).reshape(-1, 784)
    classes = _read(folder / "t10k-labels-idx1-ubyte.gz", 8).astype(np.int64)
    order = np.random.default_rng(0).permutation(len(rows))
    return Digits(rows[order], classes[order])


def scikit_learn() -> Digits:
    """1,797 scans of 8 by 8 that the package carries, shuffled with seed 0."""
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.default_rng(0).permutation(len(found.data))
    return Digits((found.data / 16 * 255).round().astype(np.uint8)[order], found.target.astype(np.int64)[order])


def _read(file: Path, skip: int) -> UInt8:
    return np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8, offset=skip)


class Judge:
    """A small convolutional classifier of square pictures, trained on real ones with seed 0; always the same on one machine."""

    def __init__(self, rows: Float32, classes: Int64) -> None:
        """rows: (n, side * side) float32 in 0..1."""
        self._side = round(rows.shape[1] ** 0.5)
        torch.manual_seed(0)
        quarter = -(-self._side // 4)
        self._features = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU()),
            *(nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(32 * quarter**2, 64), nn.ReLU()),
        )
        self._classes = nn.Linear(64, int(classes.max()) + 1)
        self._learn(self._pictures(rows), torch.from_numpy(classes))

    def features(self, rows: Float32) -> Float64:
        """(n, 64) float64: what the classifier sees in pictures."""
        with torch.inference_mode():
            return np.asarray(self._features(self._pictures(rows)).numpy(), np.float64)

    def confidences(self, rows: Float32) -> Float64:
        """(n, classes) float64: how sure it is of each."""
        with torch.inference_mode():
            return np.asarray(self._classes(self._features(self._pictures(rows))).softmax(dim=1).numpy(), np.float64)

    def _pictures(self, rows: Float32) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(rows)).reshape(-1, 1, self._side, self._side)

    def _learn(self, pictures: Tensor, classes: Tensor) -> None:
        layers = [*self._features.parameters(), *self._classes.parameters()]
        optimiser = torch.optim.AdamW(layers, lr=_RATE)
        steps = _EPOCHS * -(-len(pictures) // _BATCH)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        for _ in range(_EPOCHS):
            for batch in torch.split(torch.randperm(len(pictures)), _BATCH):
                loss = nn.functional.cross_entropy(self._classes(self._features(pictures[batch])), classes[batch])
                optimiser.zero_grad()
                torch.autograd.backward(loss)
                optimiser.step()
                schedule.step()


def frechet(one: Float64, other: Float64) -> float:
    """The Fréchet distance between the normal distributions of two sets of features (Heusel et al. 2017); smaller is closer."""
    within, beyond = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    # The eigenvalues of the product are those of a symmetric matrix, which also stands where a feature says nothing.
    values, vectors = np.linalg.eigh(within)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    mixed = np.sqrt(np.linalg.eigvalsh(root @ beyond @ root).clip(0)).sum()
    apart = np.square(one.mean(axis=0) - other.mean(axis=0)).sum()
    return float(apart + np.trace(within) + np.trace(beyond) - 2 * mixed)


def voted(latents: Float32, classes: Int64, asked: Float32, truth: Int64, k: int = 10) -> float:
    """The share of `asked` whose class most of their k nearest `latents` have."""
    from sklearn.neighbors import KNeighborsClassifier

    return float(KNeighborsClassifier(k).fit(latents, classes).score(asked, truth))
