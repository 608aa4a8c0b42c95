"""How many dimensions a space is given where nobody says: the fewest of CHOICES that can tell most of what tells items apart."""

from __future__ import annotations

import numpy as np

from latentstore.analysis.progress import silent
from latentstore.latent import pca
from latentstore.latent.base import Data

CHOICES = (32, 64, 128)
MOST = 0.8  # of the squared difference of rows from their mean, told by so many main directions of other rows
_ITEMS = 6  # for each dimension, at least
_HALF = 4000  # rows at most that directions are found from, and as many that they are held against


def enough(data: Data, seed: int) -> int:
    """Never more than rows have values, nor than one for each _ITEMS items: where that leaves none of CHOICES, the power of two
    below. The rows to learn from are halved, and the directions of each half are held against the other."""
    affordable = max(1, min(data.width, len(data.rows) // _ITEMS))
    choices = [choice for choice in CHOICES if choice <= affordable] or [1 << (affordable.bit_length() - 1)]
    if len(choices) == 1:
        return choices[0]
    halves = np.array_split(np.random.default_rng(seed).permutation(data.train)[: 2 * _HALF], 2)
    told, all_there_is = np.zeros(choices[-1]), 0.0
    for one, other in (halves, halves[::-1]):
        found = pca.fit(Data(data.rows, one, other, data.bounded), choices[-1], silent, seed=seed)
        rows = data.rows.take(other)
        told += np.square(found.encode(rows), dtype=np.float64).sum(axis=0).cumsum()
        all_there_is += np.square(rows - found.mean, dtype=np.float64).sum()
    return next((choice for choice in choices if told[choice - 1] >= MOST * all_there_is), choices[-1])
