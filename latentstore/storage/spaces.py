"""What the catalog knows of a space: one row. Latent spaces, which a model makes, have a version and follow another space."""

from __future__ import annotations

from typing import NamedTuple

from latentstore.types import Metric

LATENT = "latent:"  # begins the encoder of a latent space; the kind of its model ends it


class SpaceRow(NamedTuple):
    name: str
    encoder: str | None  # the spec that rebuilds it; None where vectors come from elsewhere
    fingerprint: str | None
    metric: Metric
    dim: int | None  # None until the first vectors arrive
    generation: int
    slots: int
    index_kind: str | None = None  # None lets rows, dimension and memory decide
    source: str | None = (
        None  # of a latent space: what its model sees, and of which space's items, as "image of pictures"
    )
    upto: int | None = None  # of a latent space: the last row that was offered to its model, -1 before the first
    active: bool = True  # False for the versions of a latent space that its bare name does not stand for

    @property
    def latent(self) -> bool:
        """Whether a model that was fitted to this collection makes its vectors."""
        return self.encoder is not None and self.encoder.startswith(LATENT)

    @property
    def base(self) -> str:
        """What users call it: the name without the version."""
        return self.name.rpartition("@")[0] if self.latent else self.name

    @property
    def version(self) -> int | None:
        """Counted from 1; None for a space that has no versions."""
        return int(self.name.rpartition("@")[2]) if self.latent else None

    @property
    def sees(self) -> str:
        """Of a latent space: "image", "audio" or "vectors"; empty for another."""
        return (self.source or "").partition(" of ")[0]

    @property
    def follows(self) -> str:
        """Of a latent space: the space whose items it holds; empty for another."""
        return (self.source or "").partition(" of ")[2]
