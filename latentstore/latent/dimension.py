"""How many dimensions a space is given where nobody says: the fewest of CHOICES that can tell most of what tells items apart."""

from __future__ import annotations

import numpy as np

from latentstore.analysis.progress import silent
from latentstore.latent import pca
from latentstore.latent.base import Data

CHOICES = (32, 64, 128)
MOST = 0.75  # of the squared difference of held-out rows from their mean, told by as many main directions
_ITEMS = 6  # for each dimension, at least
_LEARNT = 4000  # rows that directions are found from


def enough(data: Data, seed: int) -> int:
    """Never more than rows have values, nor than one for each _ITEMS items: where that leaves none of CHOICES, the power of two
    below."""
    affordable = max(1, min(data.width, len(data.rows) // _ITEMS))
    choices = [choice for choice in CHOICES if choice <= affordable] or [1 << (affordable.bit_length() - 1)]
    if len(choices) == 1:
        return choices[0]
    some = data.train[:: len(data.train) // _LEARNT + 1]
    found = pca.fit(Data(data.rows, some, data.held, data.bounded), choices[-1], silent, seed=seed)
    rows = data.rows.take(data.held)
    along = np.square(found.encode(rows), dtype=np.float64).sum(axis=0).cumsum()
    wanted = MOST * np.square(rows - found.mean, dtype=np.float64).sum()
    return next((choice for choice in choices if along[choice - 1] >= wanted), choices[-1])
