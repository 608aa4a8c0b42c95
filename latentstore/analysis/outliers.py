"""Outliers: how strange each row is, by a method that needs no setting, and how strange rows are that were not there.

Scores: (n,) float64, higher is stranger, each as if the row itself had not been looked at. A score of a new row compares with them.

"auto" sums two measures of different kinds, each the logarithm in units of its own interquartile range about the median. One
is the mean distance to the nearest neighbours. The other, for the cosine, is the Mahalanobis length of a row less the mean of
its neighbours: it sees rare directions at any distance. For l2, where columns are features with a meaning of their own, it is
the isolation forest: it sees rare values. The number of neighbours follows from the rows and their intrinsic dimension d as
n^(4/(d+4)), the rate at which the error of a nearest-neighbour density falls fastest (Mack & Rosenblatt 1979).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latentstore.analysis import measures
from latentstore.analysis.geometry import dimension
from latentstore.analysis.lookup import Lookup
from latentstore.analysis.measures import Data, Measure, New
from latentstore.analysis.neighbors import Graph, knn
from latentstore.analysis.progress import Progress, silent
from latentstore.distance import unit
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Float64, Int64, Metric

METHODS = ("auto", "knn", "lof", "mahalanobis", "iforest", "reconstruction")
K = 50  # neighbours a row that the graph of `score` should have, where there are so many

_SHARE = 1 / 3  # of n^(4/(d+4))
_LEAST = 3
_SCALED = ("auto", "mahalanobis", "reconstruction")  # methods that scale the columns of an l2 space themselves

_BY_ROW = frozenset({"factor.reach", "factor.density"})  # arrays with a value a row


@dataclass(frozen=True)
class Model:
    """What judges new rows, beside the vectors it was made from. All of it is arrays and JSON.

    facts: "parts", the measures with their k, center and width of their logarithms where they are summed.
    """

    method: str
    metric: Metric
    facts: Mapping[str, Any]
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def only(self, rows: Int64) -> Model:
        """The model where only these of the rows that it was made from are there to compare with."""
        return replace(self, arrays={n: a[rows] if n in _BY_ROW else a for n, a in self.arrays.items()})


@dataclass(frozen=True)
class Scored:
    """scores: (n,) float64, higher is stranger. model: what judges rows that were not there."""

    scores: Float64
    model: Model


def score(
    vectors: Float32,
    graph: Graph | None,
    metric: Metric,
    *,
    method: str = "auto",
    seed: int = 0,
    progress: Progress = silent,
) -> Scored:
    """How strange each of (n, dim) rows is. graph: of these rows in this metric, K wide; None has it made where it is needed.

    "knn", "lof" measure distances as they are. "auto", "mahalanobis" and "reconstruction" first scale the columns of an l2 space
    by their interquartile range. `seed` draws trees and folds; the order of rows changes nothing. Raises InvalidInput.
    """
    if method not in METHODS:
        raise InvalidInput(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    arrays: dict[str, NDArray[Any]] = {}
    if metric is Metric.L2 and method in _SCALED:
        arrays |= _scales(vectors)
        graph = None
    ready = _ready(vectors, metric, arrays)
    if graph is None and method in ("auto", "knn", "lof"):
        graph = knn(ready, max(1, min(K, len(ready) - 1)), metric, seed=seed, progress=progress)
    progress("outliers", 0.0)
    parts = _parts(method, metric, graph)
    found = []
    for name, measure in parts.items():
        values, kept = measure.fit(Data(ready, graph, seed))
        arrays |= {f"{name}.{key}": value for key, value in kept.items()}
        found.append(values)
        progress("outliers", len(found) / len(parts))
    joins = [_join(values) for values in found] if len(parts) > 1 else []
    facts = {
        "rows": len(vectors),
        "parts": [{"measure": name, "k": measure.neighbors} for name, measure in parts.items()],
        "joins": [list(join) for join in joins],
    }
    return Scored(_joined(found, joins), Model(method, metric, facts, arrays))


def reference(model: Model, vectors: Float32) -> Lookup:
    """(n, dim) rows that a model was made from, in their order then, laid out for batches of new ones to be judged by."""
    return Lookup(_ready(vectors, model.metric, model.arrays), model.metric)


def judge(model: Model, known: Lookup, vectors: Float32, *, progress: Progress = silent) -> Float64:
    """(q,) float64: scores of (q, dim) new rows. known: what `reference` made of the rows that the model was made from."""
    ready = _ready(vectors, model.metric, model.arrays)
    parts = {part["measure"]: _MEASURES[part["measure"]](part["k"]) for part in model.facts["parts"]}
    k = max(part.neighbors for part in parts.values())
    positions, distances = known.nearest(ready, k, progress=progress) if k else (None, None)
    new = New(ready, positions, distances, known.vectors)
    found = [measure.judge(_own(model.arrays, name), new) for name, measure in parts.items()]
    return _joined(found, [tuple(join) for join in model.facts["joins"]])


def _parts(method: str, metric: Metric, graph: Graph | None) -> dict[str, Measure]:
    if method != "auto":
        name = _NAMED[method]
        return {name: _MEASURES[name](None)}
    if metric is Metric.L2:
        return {"distance": measures.Distance(K), "isolation": measures.Isolation()}
    k = _LEAST if graph is None else _neighbors(graph)
    return {"distance": measures.Distance(k), "residual": measures.Residual(max(k, measures.NEAR))}


def _neighbors(graph: Graph) -> int:
    k = round(float(_SHARE * len(graph) ** (4 / (4 + dimension(graph)))))
    return max(_LEAST, min(k, K))


_NAMED = {
    "knn": "distance",
    "lof": "factor",
    "mahalanobis": "mahalanobis",
    "iforest": "isolation",
    "reconstruction": "reconstruction",
}
_MEASURES: dict[str, Any] = {
    "distance": lambda k: measures.Distance(k or measures.NEAR),
    "factor": lambda k: measures.Factor(k) if k else measures.Factor(),
    "residual": lambda k: measures.Residual(k or measures.NEAR),
    "mahalanobis": lambda k: measures.Mahalanobis(),
    "isolation": lambda k: measures.Isolation(),
    "reconstruction": lambda k: measures.Reconstruction(),
}


def _own(arrays: Mapping[str, NDArray[Any]], name: str) -> dict[str, NDArray[Any]]:
    return {key.removeprefix(f"{name}."): value for key, value in arrays.items() if key.startswith(f"{name}.")}


def _scales(vectors: Float32) -> dict[str, NDArray[Any]]:
    """The median and width of each column: its interquartile range as a deviation, or the deviation itself where that is 0."""
    low, middle, high = np.quantile(vectors, [0.25, 0.5, 0.75], axis=0)
    spread = vectors.std(axis=0, dtype=np.float64)
    width = np.where(high > low, (high - low) / 1.349, spread)
    return {"middle": middle.astype(np.float64), "width": np.where(width > 0, width, 1.0).astype(np.float64)}


def _ready(vectors: Float32, metric: Metric, arrays: Mapping[str, NDArray[Any]]) -> Float32:
    if "middle" in arrays:
        return np.asarray((vectors - arrays["middle"]) / arrays["width"], dtype=np.float32)
    return unit(vectors) if metric is Metric.COSINE else vectors


def _join(values: Float64) -> tuple[float, float, float]:
    """floor, center, width of the logarithm: values below the floor count as the floor."""
    positive = values[values > 0]
    floor = float(np.median(positive)) * 1e-3 if len(positive) else 1.0
    logs = np.log(np.maximum(values, floor))
    low, center, high = np.quantile(logs, [0.25, 0.5, 0.75])
    width = float(high - low) or float(logs.std()) or 1.0
    return floor, float(center), width


def _joined(found: list[Float64], joins: list[Any]) -> Float64:
    if not joins:
        return found[0]
    return np.asarray(
        sum(
            (np.log(np.maximum(values, floor)) - center) / width
            for values, (floor, center, width) in zip(found, joins, strict=True)
        )
    )
