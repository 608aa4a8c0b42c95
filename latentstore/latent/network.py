"""The networks of the models that are trained: perceptrons from rows to latents and back.

Convolutions with normalised batches are slow on few cores; for pictures of some thousand values perceptrons do as well in less time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from latentstore.latent.base import Arrays, Data
from latentstore.latent.rows import Rows
from latentstore.types import Float32, Int64

Noise = Callable[..., Tensor]  # sizes → a tensor of them from N(0, I)

# What all that can be known of a row counts; more, where there are more dimensions than _ROOM to tell it by. As nats, a small grey
# picture would be worth twice as much.
WORTH = 75.0
_ROOM = 32
_BRIGHT = 1e-3  # how near to 0 and 1 the mean of a value is taken to lie
_HIDDEN = -0.8416  # a fifth of draws from N(0, 1) lie below
_SHORT = 256
_QUIET = 0.1  # of their usual weights
_LEAST = 1e-6  # deviation that is divided by
_WEIGHED = 2000  # rows that tell what a misfit is worth


def perceptron(sizes: Sequence[int], between: Callable[[], nn.Module] = nn.GELU) -> nn.Sequential:
    """Linear layers of these sizes with GELU, or what else is asked for, between them (Hendrycks & Gimpel 2016)."""
    layers: list[nn.Module] = []
    for into, out in itertools.pairwise(sizes):
        layers += [nn.Linear(into, out), between()]
    return nn.Sequential(*layers[:-1])


def hidden(width: int) -> tuple[int, int]:
    """Sizes between a row and a latent: for rows as short as these, smaller ones lose nothing and learn in less time."""
    return (256, 128) if width <= _SHORT else (512, 256)


class Coder(nn.Module):
    """An encoder and a decoder. bounded: decoded values are in 0..1, through a sigmoid. heads: how many numbers the encoder gives for
    each dimension; the first is the latent. straight: a linear way beside the perceptrons, there and back."""

    shift: Tensor
    scale: Tensor

    def __init__(
        self, width: int, dim: int, sizes: Sequence[int], *, bounded: bool, heads: int = 1, straight: bool = False
    ) -> None:
        super().__init__()
        self.width, self.dim, self.sizes, self.bounded, self.heads = width, dim, tuple(sizes), bounded, heads
        self.weight = 1.0  # of a misfit, while learning
        self.hides = width > _SHORT and not straight
        self.encoder = perceptron([width, *sizes, heads * dim])
        self.decoder = perceptron([dim, *reversed(sizes), width])
        self.ahead = nn.Linear(width, dim, bias=False) if straight else None
        self.back = nn.Linear(dim, width, bias=False) if straight else None
        self.register_buffer("shift", torch.zeros(width))
        self.register_buffer("scale", torch.ones(()))

    def heads_of(self, rows: Tensor) -> tuple[Tensor, ...]:
        """rows: (n, width) as they came. Returns (n, dim) for each head."""
        seen = (rows - self.shift) / self.scale
        latents, *others = self.encoder(seen).chunk(self.heads, dim=1)
        return (latents if self.ahead is None else latents + self.ahead(seen), *others)

    def partly(self, rows: Tensor, noise: Noise) -> Tensor:
        """(n, width): the rows with a fifth of their values, drawn anew each time, put to the column's mean. A coder that restores whole
        rows from such learns what their values have to do with each other (Vincent et al. 2008): near latents are then of one kind.
        Short rows, and coordinates along main directions, come whole: there, no value tells of another."""
        return torch.where(noise(*rows.shape) < _HIDDEN, self.shift, rows) if self.hides else rows

    def raw(self, latents: Tensor) -> Tensor:
        """(n, width): logits where bounded, else rows less `shift`, over `scale`."""
        raw: Tensor = self.decoder(latents)
        return raw if self.back is None else raw + self.back(latents)

    def rows_of(self, raw: Tensor) -> Tensor:
        """What `raw` gave, as rows."""
        return torch.sigmoid(raw) if self.bounded else raw * self.scale + self.shift

    def misfit(self, raw: Tensor, rows: Tensor) -> Tensor:
        """(n,) what of each row is lost, 0 for nothing: `weight` times the sum over its values of the relative entropy where bounded,
        else of half the squared difference."""
        if not self.bounded:
            return self.weight * 0.5 * (raw.float() - (rows - self.shift) / self.scale).square().sum(dim=1)
        least: Tensor = torch.special.entr(rows) + torch.special.entr(1 - rows)
        return self.weight * (F.binary_cross_entropy_with_logits(raw.float(), rows, reduction="none") - least).sum(
            dim=1
        )


class Neural:
    """A Model whose encoder and decoder are a Coder. Computes on the cpu, whatever it was trained on."""

    def __init__(self, kind: str, coder: Coder, *, prior: bool) -> None:
        self.kind, self.prior, self._coder = kind, prior, coder.cpu().float().eval()

    @property
    def dim(self) -> int:
        return self._coder.dim

    @property
    def width(self) -> int:
        return self._coder.width

    def encode(self, rows: Float32) -> Float32:
        with torch.inference_mode():
            return np.asarray(self._coder.heads_of(torch.from_numpy(np.ascontiguousarray(rows)))[0].numpy())

    def decode(self, latents: Float32) -> Float32:
        with torch.inference_mode():
            raw = self._coder.raw(torch.from_numpy(np.ascontiguousarray(latents)))
            return np.asarray(self._coder.rows_of(raw).numpy())

    def facts(self) -> dict[str, Any]:
        coder = self._coder
        return {
            "kind": self.kind,
            "dim": coder.dim,
            "width": coder.width,
            "hidden": list(coder.sizes),
            "bounded": coder.bounded,
            "heads": coder.heads,
            "straight": coder.ahead is not None,
            "prior": self.prior,
        }

    def arrays(self) -> dict[str, Any]:
        return {name: tensor.numpy() for name, tensor in self._coder.state_dict().items()}


def neural(facts: dict[str, Any], arrays: Arrays) -> Neural:
    """What `facts` and `arrays` of a Neural gave, as that model again. Raises ValueError where they do not belong together."""
    coder = Coder(
        facts["width"],
        facts["dim"],
        facts["hidden"],
        bounded=facts["bounded"],
        heads=facts["heads"],
        straight=facts["straight"],
    )
    try:
        coder.load_state_dict({name: torch.tensor(array) for name, array in arrays.items()})
    except RuntimeError as cause:
        raise ValueError(f"the weights are not those of the configuration: {cause}") from cause
    return Neural(facts["kind"], coder, prior=facts["prior"])


def coder_for(data: Data, dim: int, heads: int = 1, *, straight: bool = False) -> Coder:
    """A Coder with fresh weights, centred and scaled to the rows to learn from. It begins by decoding everything to nearly their mean,
    which loses WORTH; straight: as PCA would, where columns are coordinates along main directions, largest first."""
    coder = Coder(data.width, dim, hidden(data.width), bounded=data.bounded, heads=heads, straight=straight)
    mean, deviation = _moments(data.rows, data.train)
    coder.shift.copy_(torch.from_numpy(mean.astype(np.float32)))
    coder.scale.fill_(deviation if deviation > 0 else 1.0)
    raw = torch.logit(coder.shift, eps=_BRIGHT) if data.bounded else torch.zeros(data.width)
    last = cast(nn.Linear, coder.decoder[-1])
    with torch.no_grad():
        last.bias.copy_(raw)
        some = torch.from_numpy(data.rows.take(data.train[:: len(data.train) // _WEIGHED + 1]))
        lost = float(coder.misfit(raw.expand(some.shape), some).mean())
    # However wide or flat the rows, noise and divergence of latents weigh the same beside what is lost of them.
    coder.weight = WORTH * max(1.0, dim / _ROOM) / lost if lost > 0 else 1.0
    if coder.ahead is not None and coder.back is not None:
        _begin_as_pca(coder, coder.ahead, coder.back, some)
    return coder


def _begin_as_pca(coder: Coder, ahead: nn.Linear, back: nn.Linear, rows: Tensor) -> None:
    """Each latent is a column, to deviation 1; what the perceptrons add is small."""
    spread = ((rows - coder.shift) / coder.scale).std(dim=0)[: coder.dim].clamp(min=_LEAST)
    at = torch.arange(coder.dim)
    with torch.no_grad():
        for layer, diagonal in ((ahead, 1 / spread), (back, spread)):
            layer.weight.zero_()
            layer.weight[at, at] = diagonal
        for layers in (coder.encoder, coder.decoder):
            cast(nn.Linear, layers[-1]).weight.mul_(_QUIET)


def _moments(rows: Rows, at: Int64) -> tuple[Any, float]:
    """(width,) float64, the mean of each column, and the deviation of all values about these means."""
    total, squares = np.zeros(rows.width), np.zeros(rows.width)
    for block in _wide(rows, at):
        total += block.sum(axis=0)
    mean = total / len(at)
    for block in _wide(rows, at):
        squares += np.square(block - mean).sum(axis=0)
    return mean, float(np.sqrt(squares.sum() / (len(at) * rows.width)))


def _wide(rows: Rows, at: Int64) -> Iterator[Any]:
    for _, block in rows.blocks(at):
        yield block.astype(np.float64)
