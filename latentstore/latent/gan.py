"""GAN: an autoencoder with two adversaries (Goodfellow et al. 2014; Makhzani et al. 2016; Larsen et al. 2016).

One adversary tells latents of rows from draws of N(0, I), and the encoder learns to mislead it, so that every real row has a place in the
latent space and every draw is near some. The other tells real rows from decoded ones, and the decoder learns to mislead that, which keeps
what it decodes sharp. A GAN alone has no encoder, and one trained beside it without restoring rows (BiGAN) places them badly; inverting a
trained generator costs a search for each row. What is restored here also holds the adversaries in check: no part of the data can be left
out, which is how a GAN alone collapses. Each adversary pays for steep answers on real rows (R1, Mescheder et al. 2018).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from latentstore.latent.network import Coder, Noise, perceptron

_BLUR = 0.4  # deviation of the noise on a latent before it is decoded
_PLACE = 5.0  # weight of misleading the adversary of latents, beside the misfit of a row
_SHARP = 1.0  # weight of misleading the adversary of rows
_STEEP = 1.0  # weight of the squared slope of an adversary


class GAN:
    """A Learner of three players: the coder, the adversary of latents, the adversary of rows."""

    def __init__(self, coder: Coder) -> None:
        self._coder = coder
        self._latents = perceptron([coder.dim, 256, 128, 1], _bent)
        self._rows = perceptron([coder.width, 256, 128, 1], _bent)
        self.module = nn.ModuleList([coder, self._latents, self._rows])

    def players(self) -> list[list[nn.Parameter]]:
        return [list(one.parameters()) for one in self.module]

    def losses(self, rows: Tensor, noise: Noise, share: float) -> Iterator[Tensor]:
        coder = self._coder
        blur, drawn = noise(len(rows), coder.dim), noise(len(rows), coder.dim)
        (latents,) = coder.heads_of(coder.partly(rows, noise))
        blurred = latents + _BLUR * blur
        raw = coder.raw(torch.cat([blurred, drawn]))
        made = coder.rows_of(raw)
        place = _misled(self._latents, blurred)
        sharp = _misled(self._rows, self._seen(made[len(rows) :]))
        yield coder.misfit(raw[: len(rows)], rows).mean() + _PLACE * place + _SHARP * sharp
        yield _told(self._latents, drawn, blurred.detach())
        yield _told(self._rows, self._seen(rows), self._seen(made[len(rows) :].detach()))

    def held(self, rows: Tensor, noise: Noise) -> Tensor:
        (latents,) = self._coder.heads_of(rows)
        return self._coder.misfit(self._coder.raw(latents + _BLUR * noise(*latents.shape)), rows).sum()

    def _seen(self, rows: Tensor) -> Tensor:
        return (rows - self._coder.shift) / self._coder.scale


def _bent() -> nn.Module:
    # The slope of a slope is nothing here; of a GELU it takes longer than all the rest.
    return nn.LeakyReLU(0.2)


def _misled(adversary: nn.Module, made: Tensor) -> Tensor:
    """How little of what was made is taken for real."""
    return F.softplus(-adversary(made)).mean()


def _told(adversary: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """How badly real and made are told apart, and how steep the answers on the real are."""
    real = real.detach().requires_grad_()
    answers = adversary(real)
    (slope,) = torch.autograd.grad(answers.sum(), real, create_graph=True)
    steep = slope.square().sum(dim=1).mean()
    return F.softplus(-answers).mean() + F.softplus(adversary(made)).mean() + 0.5 * _STEEP * steep
