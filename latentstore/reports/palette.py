"""Colours of clusters: eight that stay apart for every kind of colour vision, given so that clusters close on the map differ."""

from __future__ import annotations

import numpy as np

from latentstore.types import Float64, Int64

# Distances in OKLab between any two are above .10, also as people without red, green or blue cones see them.
LIGHT = ("#2a4ea4", "#e79c1c", "#0c8c5d", "#e8380d", "#0096ff", "#c95db9", "#762b0e", "#4c355b")
DARK = ("#29bcff", "#d7b856", "#21ab80", "#fc7ec1", "#a9e9d9", "#a34ee7", "#b54b44", "#bd7e0b")


def assign(places: Float64, colours: int = len(LIGHT)) -> Int64:
    """A colour 0..colours-1 for each place (k, 2), in order: unused ones first, then the one whose nearest bearer is farthest."""
    chosen = np.zeros(len(places), np.int64)
    nearest = np.full((len(places), colours), np.inf)
    for at, place in enumerate(places):
        chosen[at] = int(nearest[at].argmax())
        away = np.nan_to_num(((places - place) ** 2).sum(1), nan=np.inf)
        nearest[:, chosen[at]] = np.minimum(nearest[:, chosen[at]], away)
    return chosen


def centres(coordinates: Float64, labels: Int64, clusters: int) -> Float64:
    """(clusters, 2): where each is densest on the map, so that a name stands on its points even when they lie in two heaps.

    labels: (n,) 0..clusters-1, -1 for none. A cluster without places is at NaN.
    """
    found = np.full((clusters, 2), np.nan)
    placed = np.flatnonzero((labels >= 0) & np.isfinite(coordinates).all(1))
    order = placed[np.argsort(labels[placed], kind="stable")]
    edges = np.searchsorted(labels[order], np.arange(clusters + 1))
    cell = np.maximum(np.ptp(coordinates[placed], axis=0) / 24, 1e-12) if len(placed) else np.ones(2)
    for cluster in range(clusters):
        own = coordinates[order[edges[cluster] : edges[cluster + 1]]]
        if len(own):
            found[cluster] = _densest(own, cell)
    return found


def _densest(points: Float64, cell: Float64) -> Float64:
    cells, counts = np.unique(np.floor(points / cell), axis=0, return_counts=True)
    middle = (cells[counts.argmax()] + 0.5) * cell
    mean: Float64 = points[(np.abs(points - middle) <= 1.5 * cell).all(1)].mean(0)
    return mean
