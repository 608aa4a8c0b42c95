"""Duplicates of a space: found by content and by distance, and kept."""

from __future__ import annotations

import math
import time
from collections.abc import Hashable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from latentstore.analysis import duplicates
from latentstore.analysis.duplicates import Found
from latentstore.analysis.neighbors import Graph
from latentstore.analysis.progress import Progress, silent
from latentstore.engine.core import Engine
from latentstore.engine.studies.keep import Outcome, keep
from latentstore.engine.studies.sample import Sample, take
from latentstore.errors import InvalidInput
from latentstore.findings.duplicates import CurvePoint, DuplicateGroup, Duplicates, Kind, Leak

KIND = "duplicates"
WIDE = 30
_CONTENT = "content"  # the metadata column in which a job names pictures and sounds by their sha256


@dataclass(frozen=True)
class Asked:
    """threshold: distance up to which items are near copies, None to find one; split: a column between whose values to look."""

    threshold: float | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        if self.threshold is None:
            return
        number = isinstance(self.threshold, int | float) and not isinstance(self.threshold, bool)
        if not number or not math.isfinite(self.threshold) or self.threshold < 0:
            raise InvalidInput(f"threshold must be a distance, a number from 0 up, got {self.threshold!r}")


def run(
    engine: Engine,
    space: str | None,
    asked: Asked,
    where: str | None = None,
    *,
    keeping: bool = True,
    progress: Progress = silent,
) -> Duplicates:
    """Find what is there twice. Kept unless the store is read-only. Raises InvalidInput where there is nothing, or no such column."""
    began = time.perf_counter()
    sample = take(engine, space, where)
    sample.thin(1, "duplicates")
    splits = None if asked.split is None else [_hashable(value) for value in sample.column(asked.split)]
    graph = sample.graph(WIDE, progress)
    found = duplicates.find(sample.vectors, graph, _contents(sample), threshold=asked.threshold, progress=progress)
    result = _result(sample, graph, found, asked, splits)
    if not keeping or engine.read_only:
        return result
    outcome = Outcome(
        KIND,
        {"threshold": asked.threshold, "split": asked.split, "where": where, "kept": "the one added first"},
        None,
        time.perf_counter() - began,
        _summary(result),
        {"rows": sample.rows, "kept": sample.rows[found.kept], "distance": found.far},
        {"duplicate_of": result.duplicate_of},
    )
    return replace(result, study=keep(engine, sample, outcome))


def _hashable(value: Any) -> Any:
    return value if isinstance(value, Hashable) else str(value)


def _contents(sample: Sample) -> list[Hashable | None]:
    """What each item holds: the sha256 of its picture or sound, else its text; None where only the vector is known."""
    named = sample.column(_CONTENT) if _CONTENT in sample.columns else [None] * len(sample)
    return [
        (_CONTENT, name) if isinstance(name, str) and name else text
        for name, text in zip(named, sample.texts, strict=True)
    ]


def _result(sample: Sample, graph: Graph, found: Found, asked: Asked, splits: list[Any] | None) -> Duplicates:
    ids = sample.ids
    kept = found.kept.tolist()
    leaks = [] if splits is None else duplicates.leaks(found, splits, sample.metric)
    leaks.sort(key=lambda leak: (not leak.exact, leak.far))
    return Duplicates(
        *(sample.space, found.threshold, found.basis, list(ids)),
        [None if at == to else ids[to] for at, to in enumerate(kept)],
        found.far,
        _groups(ids, found),
        tuple(CurvePoint(**asdict(point)) for point in found.curve),
        asked.split,
        tuple(
            Leak(
                ids[one.item],
                _split(splits, one.item),
                ids[one.other],
                _split(splits, one.other),
                _kind(one.exact),
                one.far,
            )
            for one in leaks
        ),
        graph.recall,
    )


def _split(splits: list[Any] | None, at: int) -> Any:
    return None if splits is None else splits[at]


def _kind(exact: bool) -> Kind:
    return "exact" if exact else "near"


def _groups(ids: list[str], found: Found) -> tuple[DuplicateGroup, ...]:
    """Largest first, and of equals the one whose kept item was added first."""
    members: dict[int, list[int]] = {}
    for at in np.flatnonzero(found.kept != np.arange(len(found.kept))).tolist():
        members.setdefault(int(found.kept[at]), []).append(at)
    exact = found.exact
    return tuple(
        DuplicateGroup(
            ids[kept], tuple(ids[at] for at in rest), _kind(bool(exact[rest].all())), float(found.far[rest].max())
        )
        for kept, rest in sorted(members.items(), key=lambda group: (-len(group[1]), group[0]))
    )


def _summary(result: Duplicates) -> dict[str, Any]:
    return {
        "threshold": result.threshold,
        "basis": result.basis,
        "groups": len(result.groups),
        "exact": len(result.exact),
        "near": len(result.near),
        "dropped": result.dropped,
        "recall": result.recall,
        "curve": [asdict(point) for point in result.curve],
        "leaks": [
            {"split": str(one), "other": str(other), "items": count} for (one, other), count in result.leaked.items()
        ],
    }
