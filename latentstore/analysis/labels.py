"""How well a space tells labels apart, which labels look wrong, and labels for what has none.

Two readers of the space, each judged on rows it has not seen: the nearest neighbours of a row, and a linear probe (ridge
regression on the classes, in five folds, its penalty by accuracy there). Probabilities are the mean of both. A label looks wrong
where both, not having seen it, say another one with confidence, in the manner of confident learning (Northcutt, Jiang & Chuang
2021); on questions with planted errors that finds more of them, and fewer others, than that work's own thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar

from latentstore.analysis.neighbors import knn, nearest
from latentstore.analysis.order import canonical
from latentstore.analysis.progress import Progress, silent
from latentstore.distance import unit
from latentstore.errors import InvalidInput
from latentstore.types import Bool, Float32, Float64, Int64, Metric

NEIGHBORS = 10
FOLDS = 5
SURE = 0.9  # probability of another class rather than the given one from which a label looks wrong
_PENALTIES = np.array([1e-4, 1e-3, 1e-2, 1e-1, 1.0])  # times the mean variance of an axis
_ROWS = 8192  # rows in hand at a time
_SHARPEST = (-3.0, 6.0)  # logarithm of the factor that turns a probe's scores into probabilities


@dataclass(frozen=True)
class Separability:
    """Of n labelled rows and k classes, all out of fold.

    probabilities: (n, k) float32, rows summing to 1. by_neighbors, by_probe: (n,) int64, the class that each reader says.
    penalty, sharpness: of the probe, as chosen.
    """

    probabilities: Float32
    by_neighbors: Int64
    by_probe: Int64
    penalty: float
    sharpness: float


@dataclass(frozen=True)
class Suspects:
    """rows: (s,) int64, positions of labels that look wrong, the surest first; looks_like: (s,) int64, the class they look to
    be of; probability: (s,) float64 of that class rather than the given one."""

    rows: Int64
    looks_like: Int64
    probability: Float64


@dataclass(frozen=True)
class Propagated:
    """labels: (m,) int64, -1 where none is sure enough; best: (m,), the likeliest all the same; confidence: (m,) float64, 0..1,
    how often labels so sure are right out of fold. threshold: the confidence from which a label is given."""

    labels: Int64
    best: Int64
    confidence: Float64
    threshold: float


def separability(
    vectors: Float32, labels: Int64, metric: Metric, *, seed: int = 0, progress: Progress = silent
) -> Separability:
    """Read the labels (n,) int64, 0..k-1, of (n, dim) rows without looking at each row's own. Each class has two rows at least.

    The result does not depend on the order of rows, but for ties. Raises InvalidInput for fewer than two classes or rows.
    """
    k = int(labels.max(initial=-1)) + 1
    if k < 2 or np.bincount(labels, minlength=k).min() < 2:
        raise InvalidInput("labels can be read where there are at least two, of two items each")
    graph = knn(vectors, min(NEIGHBORS, len(vectors) - 1), metric, seed=seed, progress=progress)
    votes = _votes(graph.neighbors.astype(np.int64), labels, k)
    progress("reading labels by a linear probe", 0.0)
    folds = _folds(vectors, labels, seed)
    scores = _scores(vectors, labels, k, folds, metric)
    best = int(np.argmax([(one.argmax(axis=1) == labels).mean() for one in scores]))
    sharpness = _sharpness(scores[best], labels)
    probe = _softmax(scores[best], sharpness)
    progress("reading labels by a linear probe", 1.0)
    both = ((votes + probe) / 2).astype(np.float32)
    return Separability(both, votes.argmax(axis=1), probe.argmax(axis=1), float(_PENALTIES[best]), sharpness)


def suspects(found: Separability, labels: Int64) -> Suspects:
    """Rows whose labels look wrong: both readers say one other class, and together hold it nine times as likely as the given
    one. labels: those given to `separability`."""
    looks, rows = found.by_probe, np.arange(len(labels))
    other = found.probabilities[rows, looks].astype(np.float64)
    own = found.probabilities[rows, labels].astype(np.float64)
    sure = other / np.maximum(other + own, 1e-12)
    at = np.flatnonzero((looks != labels) & (found.by_neighbors == looks) & (sure >= SURE))
    at = at[np.lexsort((at, -sure[at]))]
    return Suspects(at, looks[at], sure[at])


def propagate(
    new: Float32,
    vectors: Float32,
    labels: Int64,
    found: Separability,
    metric: Metric,
    *,
    accuracy: float = 0.95,
    trusted: Bool | None = None,
) -> Propagated:
    """Labels for (m, dim) rows that have none, from n labelled rows and how they were read by `separability`.

    accuracy: the share of given labels that should be right; labels are given from the least confidence at which that many were,
    out of fold. It holds for rows like the labelled ones: what is of no known class may still look like one. trusted: (n,)
    which labels to learn from, all when None.
    """
    from sklearn.isotonic import IsotonicRegression

    likely = found.probabilities.max(axis=1).astype(np.float64)
    right = found.probabilities.argmax(axis=1) == labels
    calibration = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(likely, right)
    use = np.ones(len(labels), dtype=np.bool_) if trusted is None else trusted
    both = _read(new, vectors[use], labels[use], found, metric)
    best = both.argmax(axis=1)
    confidence = calibration.predict(both.max(axis=1).astype(np.float64))
    threshold = _threshold(likely, right, accuracy)
    given = both.max(axis=1) >= threshold
    told = float(calibration.predict([threshold])[0]) if np.isfinite(threshold) else 1.0
    return Propagated(np.where(given, best, -1), best, np.asarray(confidence, dtype=np.float64), told)


def _read(new: Float32, vectors: Float32, labels: Int64, found: Separability, metric: Metric) -> Float32:
    k = found.probabilities.shape[1]
    near, _ = nearest(new, vectors, min(NEIGHBORS, len(vectors)), metric)
    votes = _votes(near, labels, k)
    probe = _Probe(vectors, labels, k, metric)
    scores = probe.scores(new, probe.weights(found.penalty))
    return ((votes + _softmax(scores, found.sharpness)) / 2).astype(np.float32)


def _threshold(likely: Float64, right: Bool, accuracy: float) -> float:
    """The least probability from which on the share that is right reaches `accuracy`; infinite where none does."""
    order = np.argsort(-likely, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    last = np.append(likely[order][1:] != likely[order][:-1], True)  # of equally likely ones all are in or none
    enough = np.flatnonzero((share >= accuracy) & last)
    return float(likely[order[enough[-1]]]) if len(enough) else np.inf


def _votes(near: Int64, labels: Int64, k: int) -> Float32:
    """(m, k) float32: the shares of the neighbours' labels, with one vote shared out as labels are in all."""
    prior = np.bincount(labels, minlength=k) / len(labels)
    cells = np.arange(len(near))[:, None] * k + labels[near]
    there = near >= 0
    counts = np.bincount(cells[there], minlength=len(near) * k).reshape(-1, k)
    return np.asarray((counts + prior) / (there.sum(axis=1, keepdims=True) + 1), dtype=np.float32)


def _folds(vectors: Float32, labels: Int64, seed: int) -> Int64:
    """(n,) int64: the fold of each row, every class dealt out evenly."""
    order = canonical(vectors)
    order = order[np.random.default_rng(seed).permutation(len(order))]
    order = order[np.argsort(labels[order], kind="stable")]
    folds = np.empty(len(order), dtype=np.int64)
    folds[order] = np.arange(len(order)) % FOLDS
    return folds


def _scores(vectors: Float32, labels: Int64, k: int, folds: Int64, metric: Metric) -> list[Float32]:
    """(n, k) out-of-fold scores of the probe, for each penalty."""
    out = [np.empty((len(vectors), k), dtype=np.float32) for _ in _PENALTIES]
    for fold in range(FOLDS):
        inside, outside = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if not len(outside):
            continue
        probe = _Probe(vectors[inside], labels[inside], k, metric)
        for scores, penalty in zip(out, _PENALTIES.tolist(), strict=True):
            scores[outside] = probe.scores(vectors[outside], probe.weights(penalty))
    return out


class _Probe:
    """Ridge regression of class membership on rows; weights for any penalty from one decomposition."""

    def __init__(self, vectors: Float32, labels: Int64, k: int, metric: Metric) -> None:
        self._metric, dim = metric, vectors.shape[1]
        squares, sums, shares = np.zeros((dim, dim)), np.zeros((k, dim)), np.bincount(labels, minlength=k) / len(labels)
        for at in range(0, len(vectors), _ROWS):
            points, own = self._points(vectors[at : at + _ROWS]), labels[at : at + _ROWS]
            squares += points.T @ points
            np.add.at(sums, own, points)
        self._middle = sums.sum(axis=0) / len(vectors)
        self._shares = shares
        covariance = squares / len(vectors) - np.outer(self._middle, self._middle)
        self._spread, self._directions = np.linalg.eigh(covariance)
        self._target = self._directions.T @ (sums / len(vectors) - np.outer(shares, self._middle)).T

    def weights(self, penalty: float) -> Float64:
        """(dim, k)."""
        spread = np.maximum(self._spread, 0)
        scale = max(float(spread.mean()), 1e-12)
        return np.asarray(self._directions @ (self._target / (spread + penalty * scale)[:, None]))

    def scores(self, vectors: Float32, weights: Float64) -> Float32:
        """(m, k) float32: near 1 for the class of a row, near 0 for others."""
        out = np.empty((len(vectors), weights.shape[1]), dtype=np.float32)
        for at in range(0, len(vectors), _ROWS):
            out[at : at + _ROWS] = (self._points(vectors[at : at + _ROWS]) - self._middle) @ weights + self._shares
        return out

    def _points(self, vectors: Float32) -> Float64:
        return (unit(vectors) if self._metric is Metric.COSINE else vectors).astype(np.float64)


def _softmax(scores: Float32, sharpness: float) -> Float32:
    ready = scores * np.float32(sharpness)
    ready -= ready.max(axis=1, keepdims=True)
    np.exp(ready, out=ready)
    ready /= ready.sum(axis=1, keepdims=True)
    return ready


def _sharpness(scores: Float32, labels: Int64) -> float:
    """The factor under which the labels are likeliest."""
    rows = np.arange(len(labels))

    def surprise(logarithm: float) -> float:
        chances = _softmax(scores, float(np.exp(logarithm)))[rows, labels]
        return float(-np.log(np.maximum(chances, 1e-12)).mean())

    return float(np.exp(minimize_scalar(surprise, bounds=_SHARPEST, method="bounded").x))
