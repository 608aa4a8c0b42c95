"""Version: one fit of a latent space, beside the others under its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Version:
    """One fit of a latent space. space: the name that it shares with the others; the active one is found under that name alone, each
    as "vae32@2".

    kind: of its model; dim: of its latents; items: how many have one; lag: how many still lack one. error: mean squared error of a value
    of a held-out item, as the fit measured it; made: unix seconds; both None where the record of the fit no longer reads.
    """

    space: str
    version: int
    active: bool
    kind: str
    dim: int
    items: int
    lag: int
    error: float | None
    made: float | None
