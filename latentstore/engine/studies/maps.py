"""A map of a space: laid out, measured, kept; and new items placed on the one last kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from latentstore.analysis import projection, trust
from latentstore.analysis.progress import Progress, silent
from latentstore.engine.core import Engine
from latentstore.engine.studies.keep import Outcome, keep, last
from latentstore.engine.studies.sample import take
from latentstore.errors import InvalidInput
from latentstore.findings.maps import ItemMap
from latentstore.types import Float32

KIND = "map"


@dataclass(frozen=True)
class Asked:
    """method: one of projection.METHODS."""

    method: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.method not in projection.METHODS:
            raise InvalidInput(f"method must be one of {', '.join(projection.METHODS)}, got {self.method!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 1 << 31:
            raise InvalidInput(f"seed must be a whole number from 0 to 2³¹ - 1, got {self.seed!r}")


def run(
    engine: Engine,
    space: str | None,
    asked: Asked,
    where: str | None = None,
    *,
    keeping: bool = True,
    progress: Progress = silent,
) -> ItemMap:
    """Lay out a map. Kept unless the store is read-only. Raises InvalidInput for a space without vectors."""
    began = time.perf_counter()
    sample = take(engine, space, where)
    sample.thin(1, "maps")
    graph = sample.graph(projection.NEIGHBORS, progress)
    places = projection.project(
        sample.vectors, graph, sample.metric, method=asked.method, seed=asked.seed, progress=progress
    )
    progress("measuring the map", 0.0)
    told = trust.measure(sample.vectors, places, sample.metric, seed=asked.seed)
    used = projection.used(asked.method, len(sample))
    result = ItemMap(
        *(sample.space, list(sample.ids), places, told.trustworthiness, told.continuity, told.k, told.asked),
        *(used, asked.seed, graph.recall),
    )
    if not keeping or engine.read_only:
        return result
    outcome = Outcome(
        KIND,
        {"method": asked.method, "where": where},
        asked.seed,
        time.perf_counter() - began,
        {
            "trustworthiness": told.trustworthiness,
            "continuity": told.continuity,
            "neighbors": told.k,
            "asked": told.asked,
            "method": used,
            "recall": graph.recall,
        },
        {"rows": sample.rows, "coordinates": places},
        {"map_x": places[:, 0].astype(np.float64), "map_y": places[:, 1].astype(np.float64)},
    )
    return replace(result, study=keep(engine, sample, outcome))


def place(engine: Engine, space: str, vectors: Float32) -> Float32:
    """(m, 2) float32: where (m, dim) new vectors belong on the map last kept. Raises InvalidInput where there is none."""
    kept = last(engine, KIND, space)
    if kept is None:
        raise InvalidInput(f"space {space!r} has no map to place items on; make one first, and keep it")
    sample = take(engine, space)
    _, here, there = np.intersect1d(sample.rows, kept.arrays["rows"], assume_unique=True, return_indices=True)
    if not len(here):
        raise InvalidInput(f"none of the items of the map is left in space {space!r}; make a new one")
    known = sample.vectors if len(here) == len(sample) else sample.vectors[here]
    return projection.place(vectors, known, kept.arrays["coordinates"][there], sample.metric)
