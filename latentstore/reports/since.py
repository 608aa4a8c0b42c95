"""What changed since the last report of a space: items that came and went, clusters that did, and whether the new items are as the old.

A report is kept as a study: the rows that it covered, the cluster of each at the level shown, and the clusters' names. A cluster
keeps its number from run to run, so clusters are compared by number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from latentstore.analysis import change
from latentstore.engine.studies.keep import Kept, Outcome
from latentstore.engine.studies.sample import Sample
from latentstore.findings.clusters import Clustering
from latentstore.reports.model import Changes, ClusterChange
from latentstore.types import Int64

KIND = "report"
LISTED = 24  # clusters that are named
_MOVED = 0.1  # share by which a cluster must have grown or shrunk to be told of
_LEAST = 3  # and items
_MOST = 0.5  # share of a cluster's items from which another holds most of them
_TESTED = 20  # new items, and old ones, from which a test can tell anything


def outcome(sample: Sample, clusters: Clustering | None, seed: int, seconds: float) -> Outcome:
    """What the next report needs of this one."""
    arrays = {"rows": sample.rows}
    names: dict[str, str] = {}
    if clusters is not None:
        arrays["labels"] = clusters.labels
        names = {str(number): name for number, name in clusters.names.items()}
    parameters = {"where": sample.where, "level": clusters.level if clusters is not None else None}
    return Outcome(KIND, parameters, seed, seconds, {"items": len(sample), "names": names}, arrays)


def changes(sample: Sample, clusters: Clustering | None, last: Kept | None, seed: int) -> Changes | None:
    """None where no report was kept before, or one of another filter: what is beyond the filter has not gone."""
    if last is None or "rows" not in last.arrays or last.study.parameters.get("where") != sample.where:
        return None
    before, now = last.arrays["rows"], sample.rows
    fresh = ~np.isin(now, before, assume_unique=True)
    added, removed = int(fresh.sum()), len(before) - (len(now) - int(fresh.sum()))
    listed: list[ClusterChange] = []
    same_level = clusters is not None and last.study.parameters.get("level") == clusters.level
    if clusters is not None and same_level and "labels" in last.arrays:
        listed = _clusters(_Runs(before, last.arrays["labels"], last.study.summary["names"], now, clusters))
    p_value = None
    if min(added, len(now) - added) >= _TESTED:
        p_value = change.two_sample(sample.vectors[fresh], sample.vectors[~fresh], sample.metric, seed=seed).p_value
    return Changes(last.study.made, len(before), len(now), added, removed, listed, p_value)


class _Runs:
    """Two runs over rows that are partly the same."""

    def __init__(self, rows: Int64, labels: Int64, names: Mapping[str, str], now: Int64, clusters: Clustering) -> None:
        self.names = {**{int(number): name for number, name in names.items()}, **clusters.names}
        self.old = _sizes(labels)
        self.new = {one.number: one.size for one in clusters.clusters}
        _, at, still = np.intersect1d(rows, now, assume_unique=True, return_indices=True)
        self.was, self.became = labels[at], clusters.labels[still]

    def name(self, number: int) -> str:
        return self.names.get(number, f"cluster {number}")

    def whence(self, number: int) -> int | None:
        """The earlier cluster that held most of what a new one has of the old items."""
        return _most(self.was[self.became == number])

    def whither(self, number: int) -> int | None:
        return _most(self.became[self.was == number])


def _sizes(labels: Int64) -> dict[int, int]:
    numbers, counts = np.unique(labels[labels >= 0], return_counts=True)
    return dict(zip(numbers.tolist(), counts.tolist(), strict=True))


def _most(labels: Int64) -> int | None:
    sizes = _sizes(labels)
    largest = max(sizes, key=lambda number: sizes[number], default=None)
    return largest if largest is not None and sizes[largest] >= _MOST * len(labels) else None


def _clusters(runs: _Runs) -> list[ClusterChange]:
    """The largest changes first."""
    told = [_came(runs, number) for number in runs.new.keys() - runs.old.keys()]
    told += [_went(runs, number) for number in runs.old.keys() - runs.new.keys()]
    told += [_moved(runs, number) for number in runs.new.keys() & runs.old.keys() if _is_moved(runs, number)]
    by_size = sorted(told, key=lambda one: (-abs((one.after or 0) - (one.before or 0)), one.name))
    return by_size[:LISTED]


def _came(runs: _Runs, number: int) -> ClusterChange:
    source = runs.whence(number)
    kind: Any = "new" if source is None else "split"
    detail = "" if source is None else f"most of its older items were in {runs.name(source)!r}"
    return ClusterChange(kind, runs.name(number), number, None, runs.new[number], detail)


def _went(runs: _Runs, number: int) -> ClusterChange:
    target = runs.whither(number)
    kind: Any = "gone" if target is None else "merged"
    detail = "" if target is None else f"most of its items are now in {runs.name(target)!r}"
    return ClusterChange(kind, runs.name(number), None, runs.old[number], None, detail)


def _is_moved(runs: _Runs, number: int) -> bool:
    apart = abs(runs.new[number] - runs.old[number])
    return apart >= max(_LEAST, _MOVED * runs.old[number])


def _moved(runs: _Runs, number: int) -> ClusterChange:
    before, after = runs.old[number], runs.new[number]
    return ClusterChange("grew" if after > before else "shrank", runs.name(number), number, before, after)
