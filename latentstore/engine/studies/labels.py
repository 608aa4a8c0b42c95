"""A column held against a space: how well it is told apart, which values look wrong, and values for items without one."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from latentstore.analysis import labels
from latentstore.analysis.labels import Propagated, Separability, Suspects
from latentstore.analysis.progress import Progress, silent
from latentstore.engine.core import Engine
from latentstore.engine.studies.keep import Outcome, keep
from latentstore.engine.studies.sample import Sample, take
from latentstore.errors import InvalidInput
from latentstore.findings.labels import LabelClass, Labels, SuggestedLabel, SuspectLabel
from latentstore.types import Bool, Int64

KIND = "labels"
FEWEST = 5  # items of a class, one for each fold
MOST = 1000  # classes
_LISTED = 50  # of suspects and confusions that the summary of a study names


@dataclass(frozen=True)
class Asked:
    """column: of metadata; accuracy: the share of suggested values that should be right, above 0 and up to 1."""

    column: str
    accuracy: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        number = isinstance(self.accuracy, int | float) and not isinstance(self.accuracy, bool)
        if not number or not 0 < self.accuracy <= 1:
            raise InvalidInput(f"accuracy must be a share above 0 and up to 1, got {self.accuracy!r}")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 1 << 31:
            raise InvalidInput(f"seed must be a whole number from 0 to 2³¹ - 1, got {self.seed!r}")


@dataclass(frozen=True)
class Classes:
    """values: of the classes that are read, commonest first; codes: (n,) int64 into them, -1 for none or a rare one; missing:
    (n,) bool, items without a value; rare: the values that are left out."""

    values: list[Any]
    codes: Int64
    missing: Bool
    rare: dict[Any, int]


def run(
    engine: Engine,
    space: str | None,
    asked: Asked,
    where: str | None = None,
    *,
    keeping: bool = True,
    progress: Progress = silent,
) -> Labels:
    """Read a column by a space. Kept unless the store is read-only. Raises InvalidInput for a column that is not there or that
    has no classes."""
    began = time.perf_counter()
    sample = take(engine, space, where)
    sample.thin(2 * FEWEST, "labels")
    known = classes(sample.column(asked.column), asked.column)
    labelled, open_ = np.flatnonzero(known.codes >= 0), np.flatnonzero(known.missing)
    vectors, codes = sample.vectors[labelled], known.codes[labelled]
    read = labels.separability(vectors, codes, sample.metric, seed=asked.seed, progress=progress)
    doubted = labels.suspects(read, codes)
    given: Propagated | None = None
    if len(open_):
        trusted = np.ones(len(codes), dtype=np.bool_)
        trusted[doubted.rows] = False  # what looks wrong teaches nothing
        new = sample.vectors[open_]
        given = labels.propagate(new, vectors, codes, read, sample.metric, accuracy=asked.accuracy, trusted=trusted)
    result = _result(sample, asked, known, labelled, open_, read, doubted, given)
    if not keeping or engine.read_only:
        return result
    outcome = Outcome(
        KIND,
        {"column": asked.column, "accuracy": asked.accuracy, "where": where},
        asked.seed,
        time.perf_counter() - began,
        _summary(result),
        {"rows": sample.rows},
        _columns(sample, result),
    )
    return replace(result, study=keep(engine, sample, outcome))


def classes(values: list[Any], column: str) -> Classes:
    """Of n values, None where there is none. Raises InvalidInput where they are no labels, or too few items share one, or there are
    too many."""
    strange = next((one for one in values if one is not None and not isinstance(one, str | int)), None)
    if strange is not None:
        raise InvalidInput(
            f"labels are texts, whole numbers or booleans; column {column!r} holds {strange!r}; name another column"
        )
    counts = Counter(one for one in values if one is not None)
    if not counts:
        raise InvalidInput(f"no item has a value in column {column!r}; label some items, or name another column")
    often = sorted((one for one, count in counts.items() if count >= FEWEST), key=lambda one: (-counts[one], str(one)))
    if not 2 <= len(often) <= MOST:
        raise InvalidInput(
            f"a column of labels has from 2 to {MOST:,} values that {FEWEST} items or more share; {column!r} has {len(often):,} "
            f"of {len(counts):,} values; name another column"
        )
    number = {value: at for at, value in enumerate(often)}
    codes = np.fromiter((-1 if one is None else number.get(one, -1) for one in values), np.int64, len(values))
    missing = np.fromiter((one is None for one in values), np.bool_, len(values))
    return Classes(often, codes, missing, {one: count for one, count in counts.items() if count < FEWEST})


def _result(
    sample: Sample,
    asked: Asked,
    known: Classes,
    labelled: Int64,
    open_: Int64,
    read: Separability,
    doubted: Suspects,
    given: Propagated | None,
) -> Labels:
    codes, values, ids = known.codes[labelled], known.values, sample.ids
    classes = _described(values, codes, read.probabilities.argmax(axis=1))
    suspects = zip(
        labelled[doubted.rows].tolist(), doubted.looks_like.tolist(), doubted.probability.tolist(), strict=True
    )
    return Labels(
        space=sample.space,
        column=asked.column,
        items=len(labelled),
        neighbors=float((read.by_neighbors == codes).mean()),
        probe=float((read.by_probe == codes).mean()),
        both=float((read.probabilities.argmax(axis=1) == codes).mean()),
        balanced=float(np.mean([one.recognised for one in classes])),
        baseline=classes[0].items / len(labelled),
        classes=classes,
        suspects=tuple(SuspectLabel(ids[at], values[known.codes[at]], values[to], sure) for at, to, sure in suspects),
        suggested=() if given is None else _suggested(ids, values, open_, given),
        abstained=0 if given is None else int((given.labels < 0).sum()),
        threshold=None if given is None else given.threshold,
        rare=known.rare,
        seed=asked.seed,
    )


def _described(values: list[Any], codes: Int64, said: Int64) -> tuple[LabelClass, ...]:
    k = len(values)
    table = np.bincount(codes * k + said, minlength=k * k).reshape(k, k)
    sizes, right = table.sum(axis=1), table.diagonal().copy()
    np.fill_diagonal(table, 0)
    other, times = table.argmax(axis=1), table.max(axis=1)
    return tuple(
        LabelClass(
            value,
            int(sizes[at]),
            float(right[at] / sizes[at]),
            values[other[at]] if times[at] else None,
            int(times[at]),
        )
        for at, value in enumerate(values)
    )


def _suggested(ids: list[str], values: list[Any], open_: Int64, given: Propagated) -> tuple[SuggestedLabel, ...]:
    """The surest first."""
    sure = np.flatnonzero(given.labels >= 0)
    order = sure[np.argsort(-given.confidence[sure], kind="stable")]
    return tuple(
        SuggestedLabel(ids[open_[at]], values[given.labels[at]], float(given.confidence[at])) for at in order.tolist()
    )


def _columns(sample: Sample, result: Labels) -> dict[str, list[Any]]:
    """What each item should be called, where it has no value or another, and how sure that is."""
    told = {one.id: (one.looks_like, one.probability) for one in result.suspects}
    told |= {one.id: (one.label, one.confidence) for one in result.suggested}
    found = [told.get(one, (None, None)) for one in sample.ids]
    return {
        f"{result.column}_suggested": [label for label, _ in found],
        f"{result.column}_confidence": [sure for _, sure in found],
    }


def _summary(result: Labels) -> dict[str, Any]:
    numbers = ("column", "items", "neighbors", "probe", "both", "balanced", "baseline", "abstained", "threshold")
    return {
        **{name: getattr(result, name) for name in numbers},
        "classes": [asdict(one) for one in result.classes],
        "suspects": len(result.suspects),
        "listed": [asdict(one) for one in result.suspects[:_LISTED]],
        "suggested": len(result.suggested),
        "rare": [[value, count] for value, count in result.rare.items()],
    }
