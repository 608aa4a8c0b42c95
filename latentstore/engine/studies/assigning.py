"""Putting new items into kept clusters, without a run: each goes where most of its nearest neighbours are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from latentstore.analysis import clusters
from latentstore.analysis.cluster_facts import ballots, distances, electors, lie
from latentstore.analysis.neighbors import nearest
from latentstore.analysis.progress import Progress, silent
from latentstore.analysis.resampling import Calibration
from latentstore.engine.core import Engine
from latentstore.engine.studies.clusters import KIND
from latentstore.engine.studies.keep import Kept, last
from latentstore.engine.studies.sample import Sample, take
from latentstore.errors import InvalidInput
from latentstore.findings.clusters import Assigned
from latentstore.types import Float32, Int64

_ROWS = 8192  # items at a time
_CLOSER = 0.01  # what being at the nearest centre counts beside votes: it decides between equal ones only


@dataclass(frozen=True)
class _Remembered:
    """Clusters of a kept study by label 0..k-1: numbers (k,), names, stability (k,), centers (k, dim), and the voters that are
    still in the store: vectors (v, dim), labels (v,)."""

    numbers: Int64
    told: list[dict[str, Any]]
    centers: Float32
    vectors: Float32
    labels: Int64
    calibration: Calibration | None


def assign(
    engine: Engine, space: str, vectors: Float32, level: str | None = None, *, progress: Progress = silent
) -> Assigned:
    """The clusters of (m, dim) vectors that are not in the store. level: that of the last run when None.

    Raises InvalidInput where no run was kept, or none of its items is left.
    """
    kept = last(engine, KIND, space)
    if kept is None:
        raise InvalidInput(f"space {space!r} has no clusters to assign to; cluster it first, and keep that")
    level = kept.study.summary["level"] if level is None else level
    if level not in clusters.LEVELS:
        raise InvalidInput(f"level must be one of {', '.join(clusters.LEVELS)}, got {level!r}")
    sample = take(engine, space)
    known = _remembered(sample, kept, level)
    voters, _ = nearest(vectors, known.vectors, electors(len(known.labels)), sample.metric, progress=progress)
    labels = _elected(vectors, voters, known, sample)
    lying = lie(vectors, voters, known.labels, labels, known.centers, sample.metric)
    sure = lying.share
    if known.calibration is not None:
        steady = np.asarray([one["stability"] or 0.0 for one in known.told] + [0.0])
        sure = known.calibration.confidence(lying, steady[labels])
    numbers = np.append(known.numbers, -1)
    names = [known.told[label]["name"] if label >= 0 else None for label in labels.tolist()]
    confidence = np.where(labels >= 0, sure, np.nan)
    return Assigned(numbers[labels], names, confidence, numbers[lying.second], level, kept.study)


def _remembered(sample: Sample, kept: Kept, level: str) -> _Remembered:
    told = kept.study.summary["levels"][level]
    numbers = np.asarray([one["number"] for one in told["clusters"]], dtype=np.int64)
    _, here, there = np.intersect1d(sample.rows, kept.arrays["rows"], assume_unique=True, return_indices=True)
    if not len(here):
        raise InvalidInput(f"none of the items that were clustered is left in space {sample.space!r}; cluster it again")
    label_of = {number: label for label, number in enumerate(numbers.tolist())}
    labels = np.asarray([label_of.get(number, -1) for number in kept.arrays[f"labels_{level}"][there].tolist()])
    weights = told["weights"]
    return _Remembered(
        numbers,
        told["clusters"],
        kept.arrays[f"centers_{level}"],
        sample.vectors if len(here) == len(sample) else sample.vectors[here],
        labels,
        None if weights is None else Calibration(np.asarray(weights)),
    )


def _elected(vectors: Float32, voters: Int64, known: _Remembered, sample: Sample) -> Int64:
    """(m,) int64: the label that most of each item's neighbours have, -1 where most have none."""
    out = np.full(len(vectors), -1, dtype=np.int64)
    k = len(known.numbers)
    for at in range(0, len(vectors) if k else 0, _ROWS):
        part = slice(at, at + _ROWS)
        votes = ballots(voters[part], known.labels, k)
        far = distances(vectors[part], known.centers, sample.metric)
        best = (votes - _CLOSER * far / np.maximum(far.max(axis=1, keepdims=True), 1e-12)).argmax(axis=1)
        most = votes[np.arange(len(best)), best]
        out[part] = np.where(1 - votes.sum(axis=1) > most, -1, best)
    return out
