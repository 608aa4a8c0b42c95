"""Model: what every latent model promises. Rows in, latents out, and back; it knows neither stores nor what rows stand for.

Fitting draws at random from its seed alone: on one device, the same rows in the same order give the same model. A fitted model
never changes, is safe to call from several threads, and is whole in `facts` and `arrays`: nothing else is kept of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from latentstore.errors import InvalidInput
from latentstore.latent.rows import Rows
from latentstore.types import Float32, Int64

KINDS = ("pca", "autoencoder", "vae", "gan")
DEVICES = ("auto", "cpu", "cuda", "mps")
_LEAST = 10  # items, below which nothing is left to hold a model against

Arrays = Mapping[str, Any]


class Model(Protocol):
    """A fitted encoder and decoder between rows of `width` values and latents of `dim`."""

    @property
    def kind(self) -> str:
        """One of KINDS."""

    @property
    def dim(self) -> int:
        """Length of a latent."""

    @property
    def width(self) -> int:
        """Length of a row."""

    @property
    def prior(self) -> bool:
        """Whether the latents of the data were drawn to N(0, I) when the model was fitted, so that draws from it decode well."""

    def encode(self, rows: Float32) -> Float32:
        """rows: (n, width) float32. Returns (n, dim) float32, each told by its own row alone up to rounding."""

    def decode(self, latents: Float32) -> Float32:
        """latents: (n, dim) float32. Returns (n, width) float32."""

    def facts(self) -> dict[str, Any]:
        """What stands beside the arrays, fit for JSON; `kind` is among it."""

    def arrays(self) -> dict[str, Any]:
        """By name, the arrays that the model is made of."""


@dataclass(frozen=True)
class Settings:
    """What is asked of a fit. What is None is chosen from the data, and stands in the record.

    Raises InvalidInput for what cannot be.
    """

    kind: str
    dim: int | None = None
    seed: int = 0
    device: str = "auto"  # one of DEVICES; "auto": cuda, else mps, else cpu
    epochs: int | None = None
    batch: int | None = None
    rate: float | None = None  # of learning, the highest
    beta: float = 1.0  # vae: the weight of the divergence from N(0, I)
    whiten: bool = False  # pca: each dimension of variance 1
    seconds: float | None = None  # after which training ends

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidInput(f"expected one of the models {', '.join(KINDS)}, got {self.kind!r}")
        if self.device not in DEVICES:
            raise InvalidInput(f"expected one of the devices {', '.join(DEVICES)}, got {self.device!r}")
        for name in ("dim", "epochs", "batch"):
            _whole(name, getattr(self, name))
        for name in ("rate", "beta", "seconds"):
            _positive(name, getattr(self, name))
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise InvalidInput(f"expected a seed of 0 to 2**32 - 1, got {self.seed!r}")


@dataclass(frozen=True)
class Data:
    """Rows to learn from, and rows held out. train, held: positions in `rows`, disjoint. bounded: every value is in 0..1."""

    rows: Rows
    train: Int64
    held: Int64
    bounded: bool

    @property
    def width(self) -> int:
        return self.rows.width


def check_enough(items: int, width: int, dim: int) -> None:
    """Raises InvalidInput where so few items, or rows so short, say nothing of so many dimensions."""
    if dim > width:
        raise InvalidInput(f"expected a dim of at most {width}, the values in a row, got {dim}; ask for a smaller one")
    if items < _LEAST:
        raise InvalidInput(f"a model needs at least {_LEAST} items to learn from, there are {items}; add more items")
    if items < 2 * dim:
        raise InvalidInput(
            f"{dim} dimensions need at least {2 * dim} items, there are {items}; ask for a dim of at most {items // 2}, "
            "or add more items"
        )


def _whole(name: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InvalidInput(f"expected a whole number of at least 1 for {name}, got {value!r}")


def _positive(name: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not (0 < value < math.inf):
        raise InvalidInput(f"expected a number above 0 for {name}, got {value!r}")
