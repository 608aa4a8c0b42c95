"""A map: every row at a place in the plane, near rows near each other; and places for new rows that leave the old ones alone.

t-SNE (van der Maaten & Hinton 2008) on a neighbour graph, begun from the two main axes, so that the large shape is that of
the data (Kobak & Berens 2019). Coordinates have no unit; only what is near what says something. The same rows and seed give
the same map, in any order of rows but for ties among neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from latentstore.analysis.neighbors import Graph, nearest
from latentstore.analysis.order import canonical
from latentstore.analysis.progress import Progress, silent
from latentstore.analysis.repulsion import Field
from latentstore.distance import unit
from latentstore.errors import DimensionMismatch, InvalidInput
from latentstore.types import Float32, Float64, Int64, Metric

METHODS = ("auto", "tsne", "pca")
NEIGHBORS = 15  # that pull on a row; all alike, as good as weights by distance (Böhm, Berens & Kobak 2022)
_FEWEST = 8  # rows for which neighbours say more than the two main axes
_PHASES = (
    (250, 12.0),
    (500, 1.5),
)  # steps, and how many times stronger neighbours pull meanwhile; 1.5 keeps more of them than 1
_MOMENTUM, _LEAST_GAIN, _LONGEST = 0.8, 0.01, 5.0  # of a step; the rates of Belkina et al. (2019)
_START = 1e-4  # spread of the first places
_ROWS = 8192  # rows that are in hand at a time
_PULLED = 65_536  # the same, where they are places in the plane


def project(
    vectors: Float32, graph: Graph, metric: Metric, *, method: str = "auto", seed: int = 0, progress: Progress = silent
) -> Float32:
    """(n, 2) float32 coordinates of (n, dim) rows, their middle at 0.

    method: "tsne"; "pca", the two main axes; "auto" takes t-SNE from 8 rows on. graph: of the same rows, 15 neighbours
    or more. seed: draws the axes where the data has fewer than two. Raises InvalidInput for another method.
    """
    if method not in METHODS:
        raise InvalidInput(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    order = canonical(vectors)
    first = axes(vectors, metric, order, seed)
    plain = used(method, len(vectors)) == "pca" or not first.any()
    places = first if plain else _tsne(first, _pulls(graph, order), progress)
    back = np.empty_like(places)
    back[order] = places - places.mean(axis=0) if len(places) else places
    return back.astype(np.float32)


def used(method: str, n: int) -> str:
    """The method that n rows are laid out by: "tsne" or "pca", which fewer than 8 rows always are."""
    return "pca" if method == "pca" or n < _FEWEST else "tsne"


def axes(vectors: Float32, metric: Metric, order: Int64, seed: int) -> Float64:
    """(n, 2): the rows in that order on their two main axes, each axis turned so that its longer tail is positive."""
    dim = vectors.shape[1]
    total, squares = np.zeros(dim), np.zeros((dim, dim))
    for _, points in _blocks(vectors, metric, order):
        total += points.sum(axis=0)
        squares += points.T @ points
    middle = total / max(1, len(order))
    spread, directions = np.linalg.eigh(squares - len(order) * np.outer(middle, middle))
    out = np.zeros((len(order), 2))
    wanted = directions[:, ::-1][:, :2] * (spread[::-1][:2] > 1e-9 * max(np.trace(squares), 1e-300))
    for at, points in _blocks(vectors, metric, order):
        out[at : at + len(points), : wanted.shape[1]] = (points - middle) @ wanted
    signs = np.sign((out**3).sum(axis=0))
    out *= np.where(signs == 0, 1, signs)
    if out[:, 0].any() and not out[:, 1].any():  # on a line nothing could pass another
        out[:, 1] = np.random.default_rng(seed).normal(0, 1e-3 * out[:, 0].std(), len(out))
    return out


def _blocks(vectors: Float32, metric: Metric, order: Int64) -> Iterator[tuple[int, Float64]]:
    for at in range(0, len(order), _ROWS):
        points = vectors[order[at : at + _ROWS]]
        yield at, (unit(points) if metric is Metric.COSINE else points).astype(np.float64)


def _pulls(graph: Graph, order: Int64) -> sparse.csr_matrix:
    """(n, n) float32, symmetric, summing to 1: how strongly rows pull on each other, in that order."""
    n = len(order)
    neighbors = graph.neighbors[order, : max(1, min(NEIGHBORS, (n - 1) // 3))]
    rank = np.empty(n, dtype=np.int64)
    rank[order] = np.arange(n)
    there = neighbors >= 0
    counts = there.sum(axis=1)
    weights = np.repeat(1 / np.maximum(counts, 1), counts).astype(np.float32)
    ends = np.concatenate([[0], np.cumsum(counts)])
    one_way = sparse.csr_matrix((weights, rank[neighbors[there]], ends), shape=(n, n))
    both = (one_way + one_way.T).tocsr()
    both.sort_indices()
    both.data /= max(both.data.sum(dtype=np.float64), 1e-12)
    return both


def _tsne(first: Float64, pulls: sparse.csr_matrix, progress: Progress) -> Float64:
    places = first * (_START / first[:, 0].std())
    done, steps = 0, sum(count for count, _ in _PHASES)
    for count, stronger in _PHASES:
        speed, gains = np.zeros_like(places), np.ones_like(places)
        for _ in range(count):
            slope: Float64 = 4 * (stronger * _pulled(pulls, places) - _pushed(places))
            _step(places, slope, speed, gains, len(places) / stronger)
            done += 1
            if done % 10 == 0:
                progress("laying out the map", done / steps)
    return np.asarray(places, dtype=np.float64)


def _pulled(pulls: sparse.csr_matrix, places: Float64) -> Float64:
    """(n, 2): the sum over neighbours of weight times offset / (1 + d²)."""
    near = places.astype(np.float32)
    out = np.zeros_like(places)
    for at in range(0, len(places), _PULLED):  # in parts: what is between is many times as large as the places
        ends = pulls.indptr[at : at + _PULLED + 1]
        there = slice(ends[0], ends[-1])
        counts = np.diff(ends)
        apart = np.repeat(near[at : at + _PULLED], counts, axis=0)
        apart -= near[pulls.indices[there]]
        apart *= (pulls.data[there] / (1 + np.vecdot(apart, apart)))[:, None]
        some = np.flatnonzero(counts)  # reduceat takes an empty stretch for its first value
        if len(some):
            out[at + some] = np.add.reduceat(apart, ends[some] - ends[0], axis=0, dtype=np.float64)
    return out


def _pushed(places: Float64) -> Float64:
    field = Field(places)
    return np.asarray(field.forces() / max(field.total(), 1e-12), dtype=np.float64)


def _step(places: Float64, slope: Float64, speed: Float64, gains: Float64, rate: float) -> None:
    """One step downhill, in place: gains grow while the way goes on, momentum, no step longer than 5."""
    turned = np.sign(speed) == np.sign(slope)
    gains[:] = np.maximum(np.where(turned, gains * 0.8, gains + 0.2), _LEAST_GAIN)
    speed *= _MOMENTUM
    speed -= rate * gains * slope
    lengths = np.linalg.norm(speed, axis=1, keepdims=True)
    speed *= np.minimum(1, _LONGEST / np.maximum(lengths, 1e-12))
    places += speed


def place(new: Float32, vectors: Float32, coordinates: Float32, metric: Metric) -> Float32:
    """(m, 2) float32: where (m, dim) new rows belong on the map of (n, dim) rows at (n, 2) coordinates, which stay.

    Each is put at the median of its 15 nearest rows, by itself: what comes with it changes
    nothing. Raises InvalidInput where the map is empty, DimensionMismatch where rows are of another length.
    """
    if not len(vectors):
        raise InvalidInput("a new item is placed among those of a map, and this one has none; make a map first")
    if new.shape[1] != vectors.shape[1]:
        raise DimensionMismatch(f"the map is of {vectors.shape[1]} dimensions, got {new.shape[1]}; another encoder?")
    near = nearest(new, vectors, min(NEIGHBORS, len(vectors)), metric)[0]
    return np.median(coordinates[near], axis=1).astype(np.float32)
