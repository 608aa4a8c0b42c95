"""PCA: the directions along which rows differ most (Pearson 1901), found by scikit-learn.

In memory: exact where rows are short or few, randomised where they are neither (Halko, Martinsson & Tropp 2011). Past
MEMORY, incremental: a block of rows at a time (Ross et al. 2008).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from latentstore.analysis.progress import Progress
from latentstore.latent.base import Arrays, Data
from latentstore.types import Float32, Int64

MEMORY = 1 << 30  # bytes of rows as float32
_SPARE = 10
_BLOCK = 8192  # rows of one step of the incremental way, more where dimensions are many


class PCA:
    """Latents are sorted by variance, largest first. whiten: each is divided by its deviation, and N(0, I) is a prior."""

    kind = "pca"

    def __init__(self, arrays: Arrays, *, whiten: bool) -> None:
        """arrays: `mean` (width,), `components` (dim, width) orthonormal, `variance` (dim,), `explained` (dim,) the share of
        all variance, each float32."""
        self.mean, self.components, self.variance, self.explained = (
            np.asarray(arrays[name], np.float32) for name in ("mean", "components", "variance", "explained")
        )
        self.prior = whiten
        # A direction without spread stays as it is: there is nothing to divide by.
        deviation = np.sqrt(np.where(self.variance > 0, self.variance, 1))
        self._scale = deviation.astype(np.float32) if whiten else np.ones(self.dim, np.float32)

    @property
    def dim(self) -> int:
        return len(self.components)

    @property
    def width(self) -> int:
        return int(self.components.shape[1])

    def encode(self, rows: Float32) -> Float32:
        return np.asarray((rows - self.mean) @ self.components.T / self._scale)

    def decode(self, latents: Float32) -> Float32:
        return np.asarray((latents * self._scale) @ self.components + self.mean)

    def facts(self) -> dict[str, Any]:
        return {"kind": self.kind, "dim": self.dim, "width": self.width, "whiten": self.prior}

    def arrays(self) -> dict[str, Any]:
        names = ("mean", "components", "variance", "explained")
        return {name: getattr(self, name) for name in names}

    @classmethod
    def of(cls, facts: dict[str, Any], arrays: Arrays) -> PCA:
        """What `facts` and `arrays` gave, as a model again."""
        return cls(arrays, whiten=bool(facts["whiten"]))


def fit(data: Data, dim: int, progress: Progress, *, seed: int = 0, whiten: bool = False) -> PCA:
    """Of the rows to learn from. dim: at most their number and their width."""
    from sklearn import decomposition

    progress("finding directions", 0.0)
    if len(data.train) * data.width * 4 > MEMORY:
        found = incremental(data, dim, progress)
    else:
        found = decomposition.PCA(dim, random_state=seed).fit(data.rows.take(data.train))
    progress("finding directions", 1.0)
    arrays = {
        "mean": found.mean_,
        "components": found.components_[:dim],
        "variance": found.explained_variance_[:dim],
        "explained": found.explained_variance_ratio_[:dim],
    }
    return PCA({name: np.asarray(array, np.float32) for name, array in arrays.items()}, whiten=whiten)


def incremental(data: Data, dim: int, progress: Progress) -> Any:
    """scikit-learn's IncrementalPCA, fitted block by block, with spare directions after the `dim` that are asked for."""
    from sklearn.decomposition import IncrementalPCA

    # What a block adds beyond the directions kept is lost to the blocks after it; the spare ones bear most of that.
    found = IncrementalPCA(min(data.width, 2 * dim + _SPARE))
    spans = _spans(data.train, max(_BLOCK, 2 * found.n_components))
    for at, span in enumerate(spans):
        found.partial_fit(data.rows.take(span))
        progress("finding directions", (at + 1) / len(spans))
    return found


def _spans(at: Int64, size: int) -> list[Int64]:
    """Of `size` each; what is left over goes to the last, which may not have fewer rows than there are dimensions."""
    count = max(1, len(at) // size)
    return [*(at[start * size : (start + 1) * size] for start in range(count - 1)), at[(count - 1) * size :]]
