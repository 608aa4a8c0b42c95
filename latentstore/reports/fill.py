"""From findings to a section of a page: ids become points, arrays are cut to the points, and as much is listed as one reads.

Counts stay those of all items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from latentstore.findings.clusters import Cluster as Found
from latentstore.findings.clusters import Level as Grain
from latentstore.reports import checks, copies, latents, media, points, shape, strangers
from latentstore.reports.model import Cluster, Column, Duplicates, Level, MapQuality, Outliers, Points, Section
from latentstore.reports.points import Shown
from latentstore.reports.shapes import Made
from latentstore.reports.studied import Studied
from latentstore.types import Int64

_BORDER = 5
_EXEMPLARS = 6


def section(studied: Studied, seed: int, budget: float, most: int = points.MOST) -> Section:
    """What a page shows of a space. budget: bytes of its pictures and sounds."""
    filling = _Filling(studied, seed, most)
    clusters = studied.clusters
    wall = latents.Wall(filling.point)
    models = [wall.latent(one) for one in studied.latents]
    return Section(
        space=studied.sample.space,
        modality=studied.modality,
        metric=str(studied.sample.metric),
        dim=int(studied.sample.vectors.shape[1]),
        items=len(studied.sample),
        points=filling.points(budget),
        encoder=studied.encoder,
        levels=filling.levels(),
        level=clusters.level if clusters else "",
        confidence=None if clusters is None else clusters.confidence[filling.at].astype(np.float32),
        second=None if clusters is None else clusters.second[filling.at],
        map=filling.quality(),
        outliers=filling.outliers(),
        duplicates=filling.duplicates(),
        columns=[Column(one.name, one.kind, filling.shown.of(one.values)) for one in studied.columns],
        shape=None if studied.shape is None else shape.shown(studied.shape, filling.shown.point, filling.walks(wall)),
        latents=models,
        decoded=wall.media,
        labels=[checks.shown(one, filling.point) for one in studied.labels],
        changes=studied.changes,
        methods=studied.methods,
        notes=[*studied.notes, *filling.notes],
    )


@dataclass
class _Filling:
    studied: Studied
    seed: int
    most: int

    def __post_init__(self) -> None:
        self.notes: list[str] = []

    @cached_property
    def shown(self) -> Shown:
        shown = points.choose(len(self.studied.sample), self._named, self.seed, self.most)
        if not shown.whole:
            self.notes.append(
                f"the map shows {len(shown):,} of {shown.items:,} items: a random sample, and all that is named"
            )
        return shown

    @property
    def at(self) -> Int64:
        """(m,) positions of the points in the sample."""
        return self.shown.positions

    @cached_property
    def _place(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.studied.sample.ids)}

    @cached_property
    def _named(self) -> list[int]:
        """Positions of all items that the page names, the most important first."""
        named = [self._place[name] for name in _named(self.studied)]
        named += shape.named(self.studied.shape) if self.studied.shape is not None else []
        return [*named, *(self._place[name] for one in self.studied.latents for name in latents.named(one))]

    def walks(self, wall: latents.Wall) -> Callable[[int], list[Made]]:
        """What lies along an axis, by its position; nothing where no model made the space."""
        own = [one for one in self.studied.latents if not one.short]
        return lambda axis: wall.walk(own[0], axis) if own else []

    def point(self, name: str) -> int:
        return self.shown.point(self._place[name])

    def all(self, names: Iterable[str]) -> list[int]:
        return [self.point(name) for name in names]

    def points(self, budget: float) -> Points:
        sample, shown = self.studied.sample, self.shown
        named = [shown.point(at) for at in self._named]
        gathered = media.gather(sample, self.studied.modality, self.at.tolist(), named, budget)
        if gathered.note:
            self.notes.append(gathered.note)
        return Points(
            shown.of(sample.ids),
            self.studied.coordinates[self.at].astype(np.float32),
            [points.shortened(text) for text in shown.of(sample.texts)],
            [uri or "" for uri in shown.of(sample.uris)],
            gathered.media,
        )

    def quality(self) -> MapQuality | None:
        found = self.studied.map
        if found is None:
            return None
        known = [None if np.isnan(value) else float(value) for value in (found.trustworthiness, found.continuity)]
        return MapQuality(found.method, known[0], known[1], found.neighbors, found.asked)

    def outliers(self) -> Outliers | None:
        found, clusters = self.studied.outliers, self.studied.clusters
        if found is None:
            return None
        return strangers.shown(found, self.at, self.point, None if clusters is None else clusters.labels[self.at])

    def duplicates(self) -> Duplicates | None:
        found, sample = self.studied.duplicates, self.studied.sample
        if found is None:
            return None
        return copies.shown(found, self.point, sample.column(found.split) if found.split else ())

    def levels(self) -> list[Level]:
        found = self.studied.clusters
        return [] if found is None else [self._level(one) for one in found.levels.values()]

    def _level(self, grain: Grain) -> Level:
        return Level(grain.name, grain.labels[self.at], [self._cluster(one) for one in grain.clusters])

    def _cluster(self, one: Found) -> Cluster:
        return Cluster(
            *(one.number, one.name, one.size, one.words, one.stability, one.tightness, one.flags, one.parent),
            *(self.all(one.exemplars[:_EXEMPLARS]), self.all(one.border[:_BORDER]), one.neighbours),
        )


def _named(studied: Studied) -> Iterator[str]:
    """Ids that a page names. Typical items of the level that is shown come first: a page without their pictures says least."""
    clusters = studied.clusters
    if clusters is not None:
        yield from _typical(clusters.levels[clusters.level].clusters)
    if studied.outliers is not None:
        yield from strangers.named(studied.outliers)
    if studied.duplicates is not None:
        yield from copies.named(studied.duplicates)
    for labels in studied.labels:
        yield from checks.named(labels)
    for grain in clusters.levels.values() if clusters is not None else ():
        yield from _typical(grain.clusters)
        for one in grain.clusters:
            yield from one.border[:_BORDER]


def _typical(clusters: Sequence[Found]) -> Iterator[str]:
    for one in clusters:
        yield from one.exemplars[:_EXEMPLARS]
