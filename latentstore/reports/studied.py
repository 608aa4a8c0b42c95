"""Studied: the findings of one space, as the facade gives them, before anything of them is chosen for a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from latentstore.engine.studies.sample import Sample
from latentstore.findings.clusters import Clustering
from latentstore.findings.duplicates import Duplicates
from latentstore.findings.labels import Labels
from latentstore.findings.maps import ItemMap
from latentstore.findings.outliers import Outliers
from latentstore.reports import latents, points, shape
from latentstore.reports.model import Changes, Column, Method
from latentstore.types import Float64


@dataclass(frozen=True)
class Options:
    """spaces: all with items when empty. where: of which items; keep: findings as studies and columns; most: points on a map."""

    spaces: Sequence[str] = ()
    where: str | None = None
    seed: int = 0
    keep: bool = True
    title: str | None = None
    most: int = points.MOST


@dataclass
class Studied:
    """What was found in one space. None: not found, and `notes` says why. columns: of metadata, n values each."""

    sample: Sample
    modality: str
    encoder: str | None
    clusters: Clustering | None = None
    outliers: Outliers | None = None
    duplicates: Duplicates | None = None
    map: ItemMap | None = None
    labels: list[Labels] = field(default_factory=list)
    shape: shape.Found | None = None
    latents: list[latents.Found] = field(default_factory=list)
    changes: Changes | None = None
    columns: list[Column] = field(default_factory=list)
    methods: list[Method] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def coordinates(self) -> Float64:
        """(n, 2), NaN for an item without a place."""
        if self.map is None:
            return np.full((len(self.sample), 2), np.nan)
        return np.asarray(self.map.coordinates, dtype=np.float64)
