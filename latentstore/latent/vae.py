"""VAE: an autoencoder whose latents follow N(0, I) (Kingma & Welling 2014; beta: Higgins et al. 2017).

Dimensions that would say nothing, the usual fate of half of them, are kept alive twice: the divergence counts only where a dimension's
mean over the batch is above FREE nats (Kingma et al. 2016), and its weight rises from 0 over the first part of the training (Bowman et
al. 2016).
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from latentstore.latent.network import Coder, Noise

FREE = 0.25  # nats of each dimension that cost nothing
_RISE = 0.2  # of the training, in which the weight of the divergence rises
_NARROWEST = -8.0  # logarithm of the least variance


class VAE:
    """A Learner. The encoder's second head is the logarithm of the variance of a row's latents."""

    def __init__(self, coder: Coder, beta: float) -> None:
        self.module = self._coder = coder
        self._beta = beta

    def players(self) -> list[list[nn.Parameter]]:
        return [list(self._coder.parameters())]

    def losses(self, rows: Tensor, noise: Noise, share: float) -> Iterator[Tensor]:
        misfit, divergence = self._parts(self._coder.partly(rows, noise), rows, noise)
        weight = self._beta * min(1.0, share / _RISE)
        yield misfit.mean() + weight * divergence.mean(dim=0).clamp(min=FREE).sum()

    def held(self, rows: Tensor, noise: Noise) -> Tensor:
        misfit, divergence = self._parts(rows, rows, noise)
        return (misfit + self._beta * divergence.sum(dim=1)).sum()

    def _parts(self, seen: Tensor, rows: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """(n,) the misfit, and (n, dim) the divergence of each dimension from N(0, 1)."""
        mean, spread = (head.float() for head in self._coder.heads_of(seen))
        spread = spread.clamp(_NARROWEST, -_NARROWEST)
        drawn = mean + (0.5 * spread).exp() * noise(*mean.shape)
        divergence = 0.5 * (mean.square() + spread.exp() - 1 - spread)
        return self._coder.misfit(self._coder.raw(drawn), rows), divergence
