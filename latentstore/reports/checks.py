"""Labels of a space: which columns are worth holding against the vectors, and what a page shows of that."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from latentstore.analysis.neighbors import Graph
from latentstore.findings.labels import Labels
from latentstore.reports.model import Column, LabelCheck, Suspect

MOST = 2  # columns that a report looks at by itself
ITEMS = (50, 20_000)  # with a value: fewer tell nothing, more take long
_CLASSES = (2, 50)
_EACH = 5  # items of a class
_TOLD = 0.3  # share of what chance leaves that neighbours must agree on
_NEIGHBORS = 10
_SUSPECTS = 40
_CONFUSED = 20


def candidates(columns: Sequence[Column], graph: Graph) -> list[str]:
    """Names of the categories that neighbours agree on well beyond chance, the best first."""
    told = {column.name: agreement(column, graph) for column in columns if _fits(column)}
    good = [name for name in told if told[name] >= _TOLD]
    return sorted(good, key=lambda name: -told[name])[:MOST]


def _fits(column: Column) -> bool:
    counts = Counter(value for value in column.values if value is not None)
    classes = sum(count >= _EACH for count in counts.values())
    labelled = sum(counts.values())
    return column.kind == "category" and _CLASSES[0] <= classes <= _CLASSES[1] and ITEMS[0] <= labelled <= ITEMS[1]


def agreement(column: Column, graph: Graph) -> float:
    """How often neighbours share a value, beyond chance: 0 is chance, 1 is always (Cohen's kappa with each item's neighbours)."""
    codes = {value: at for at, value in enumerate(dict.fromkeys(v for v in column.values if v is not None))}
    values = np.array([codes.get(value, -1) if value is not None else -1 for value in column.values] + [-1])
    near = values[graph.head(_NEIGHBORS).neighbors]
    own = values[:-1, None]
    both = (own >= 0) & (near >= 0)
    if not both.any():
        return 0.0
    shares = np.bincount(values[values >= 0]) / (values >= 0).sum()
    chance = float((shares**2).sum())
    return (float((own == near)[both].mean()) - chance) / (1 - chance) if chance < 1 else 0.0


def named(found: Labels) -> Iterator[str]:
    """Ids that a page names."""
    yield from (one.id for one in found.suspects[:_SUSPECTS])


def shown(found: Labels, point: Callable[[str], int]) -> LabelCheck:
    """point: of an id."""
    confused = sorted((one for one in found.classes if one.times), key=lambda one: -one.times)
    return LabelCheck(
        column=found.column,
        neighbours=found.neighbors,
        probe=found.probe,
        baseline=found.baseline,
        classes=[(str(one.value), one.items, one.recognised) for one in found.classes],
        confused=[(str(one.value), str(one.taken_for), one.times) for one in confused[:_CONFUSED]],
        suspects=[
            Suspect(point(one.id), str(one.label), str(one.looks_like), one.probability)
            for one in found.suspects[:_SUSPECTS]
        ],
        suspected=len(found.suspects),
        suggested=len(found.suggested),
        abstained=found.abstained,
    )
