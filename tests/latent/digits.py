"""Scans of digits that scikit-learn carries, as rows and as the form in which models see them."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from latentstore.latent import fitting, forms
from latentstore.latent.base import Settings
from latentstore.latent.rows import Rows


def pictures(count=1797):
    """`count` (8, 8) uint8."""
    return list((load_digits().images[:count] / 16 * 255).round().astype(np.uint8))


def form():
    return forms.choose("picture", pictures(20))


def rows(count=1797):
    return Rows(np.stack(pictures(count)).reshape(count, 64), 255.0)


def fitted(kind, dim=8, count=600, checkpoints=None, **settings):
    return fitting.fit(form(), rows(count), Settings(kind, dim, **settings), checkpoints=checkpoints)


@cache
def quick(kind):
    """A model of each kind that has learned a little."""
    return fitted(kind) if kind == "pca" else fitted(kind, epochs=4)
