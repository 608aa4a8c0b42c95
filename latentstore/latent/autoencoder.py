"""Autoencoder: latents from which rows can be restored (Hinton & Salakhutdinov 2006).

While it learns, it sees four fifths of each row that is not short, and each latent is moved by noise from N(0, I) before it is decoded,
and drawn to 0 by a small weight. So a latent spreads only as far as its row needs to be told from others: near latents decode to like
rows, distances mean something, and what lies between items can be decoded, which a plain autoencoder does not see to (Ghosh et al. 2020).
The error grows a little by it.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from latentstore.latent.network import Coder, Noise

PULL = 0.025  # of the squared length of a latent, beside the misfit of a row


class Autoencoder:
    """A Learner: the misfit of what a moved latent decodes to, and the pull on the latent."""

    def __init__(self, coder: Coder) -> None:
        self.module = self._coder = coder

    def players(self) -> list[list[nn.Parameter]]:
        return [list(self._coder.parameters())]

    def losses(self, rows: Tensor, noise: Noise, share: float) -> Iterator[Tensor]:
        (latents,) = self._coder.heads_of(self._coder.partly(rows, noise))
        misfit = self._coder.misfit(self._coder.raw(latents + noise(*latents.shape)), rows)
        yield (misfit + PULL * latents.square().sum(dim=1)).mean()

    def held(self, rows: Tensor, noise: Noise) -> Tensor:
        return self._coder.misfit(self._coder.raw(self._coder.heads_of(rows)[0]), rows).sum()
