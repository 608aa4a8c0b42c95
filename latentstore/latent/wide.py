"""Wide: a model of long rows that sees them along their main directions.

The first layer of a network for pictures of 64 by 64 in colour would hold more weights than a thousand of them have to say, and take most
of the time. Nearly all that a latent can tell of such a row lies along a few hundred directions, which PCA finds at once. The network
learns between the coordinates along these and the latents, and begins with what PCA would do: of few rows, that is hard to better.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from latentstore.analysis.progress import Progress
from latentstore.latent import pca
from latentstore.latent.base import Arrays, Data, Model
from latentstore.latent.pca import PCA
from latentstore.latent.rows import Rows
from latentstore.types import Float32

WIDTH = 1024  # values in a row, above which it counts as long
AXES = 256  # directions, where there are rows enough


class Wide:
    """A Model: `axes` between rows and their coordinates, `model` between these and latents."""

    def __init__(self, axes: PCA, model: Model) -> None:
        self._axes, self._model = axes, model
        self.kind, self.prior = model.kind, model.prior

    @property
    def dim(self) -> int:
        return self._model.dim

    @property
    def width(self) -> int:
        return self._axes.width

    def encode(self, rows: Float32) -> Float32:
        return self._model.encode(self._axes.encode(rows))

    def decode(self, latents: Float32) -> Float32:
        return self._axes.decode(self._model.decode(latents))

    def facts(self) -> dict[str, Any]:
        return {"kind": self.kind, "axes": self._axes.facts(), "model": self._model.facts()}

    def arrays(self) -> dict[str, Any]:
        parts = {"axes": self._axes.arrays(), "model": self._model.arrays()}
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


def axes(data: Data, dim: int, seed: int, progress: Progress) -> PCA:
    """AXES directions of the rows to learn from, or as many as there are rows for, and never fewer than latents have dimensions, `dim`."""
    count = max(dim, min(AXES, len(data.train) - 1))
    return pca.fit(data, count, progress, seed=seed)


def along(found: PCA, data: Data) -> Data:
    """The same rows as coordinates, in memory."""
    out = np.empty((len(data.rows), found.dim), np.float32)
    for start, block in data.rows.blocks():
        out[start : start + len(block)] = found.encode(block)
    return Data(Rows(out), data.train, data.held, bounded=False)


def parts(arrays: Arrays) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `Wide.arrays` put together: those of the axes, those of the model."""
    axes, model = (
        {name.removeprefix(part): array for name, array in arrays.items() if name.startswith(part)}
        for part in ("axes.", "model.")
    )
    return axes, model
