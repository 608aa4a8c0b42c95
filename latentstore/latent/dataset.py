"""Vectors with their ids as a torch Dataset, for a DataLoader. The only module that is torch through and through: import it late."""

from __future__ import annotations

import torch
from torch.utils.data import Dataset

from latentstore.types import Float32


class Vectors(Dataset[tuple[torch.Tensor, str]]):
    """A map-style dataset: item i is (a (dim,) float32 tensor, its id). vectors: (n, dim), kept in memory, not copied."""

    def __init__(self, ids: list[str], vectors: Float32) -> None:
        self.ids = ids
        self.vectors = torch.from_numpy(vectors)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, str]:
        return self.vectors[at], self.ids[at]
