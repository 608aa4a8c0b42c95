"""Duplicates: items of the same content, and near copies by distance, in groups around one that is kept.

The one kept is the first, in the order of the rows. Every other item of a group has its content or lies within the threshold of
it, so that groups do not grow along chains; and no two that are kept are within the threshold of each other.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from latentstore.analysis.closeness import Basis, Scale, scale
from latentstore.analysis.lookup import distances
from latentstore.analysis.neighbors import Graph
from latentstore.analysis.progress import Progress, silent
from latentstore.analysis.table import comparable, squares
from latentstore.analysis.twins import twins
from latentstore.types import Bool, Float32, Float64, Int64, Metric

_ROUNDING = 5e-4  # of the squared length: as far apart as an encoder puts the same content
_CROWDED = 2000
_STEPS = np.arange(-8, 9) / 2  # the curve's thresholds, as powers of 2 of the squared one chosen


@dataclass(frozen=True)
class Pairs:
    """Pairs of firsts (one > two), (p,) each, and how far apart: squares (p,) float32. Sorted by one, then two."""

    one: Int64
    two: Int64
    squares: Float32

    def within(self, square: float) -> Pairs:
        near = self.squares <= square
        return Pairs(self.one[near], self.two[near], self.squares[near])


@dataclass(frozen=True)
class Point:
    """What a threshold would find: pairs of known neighbours within it; items whose nearest is; groups, and items dropped from
    them, of near copies; expected: items that would be so close by chance."""

    threshold: float
    pairs: int
    items: int
    groups: int
    dropped: int
    expected: float


@dataclass(frozen=True)
class Found:
    """kept: (n,) int64, position of the one kept of each item's group, its own where it is kept; far: (n,) float32, distance to
    it; first: (n,) int64, position of the first with the same content; threshold: distance; pairs: near ones, of firsts.
    """

    kept: Int64
    far: Float32
    first: Int64
    threshold: float
    basis: Basis
    curve: tuple[Point, ...]
    pairs: Pairs

    @property
    def exact(self) -> Bool:
        """(n,): whether an item has the content of the one kept."""
        same: Bool = self.first == self.kept
        return same


def find(
    vectors: Float32,
    graph: Graph,
    contents: Sequence[Hashable | None],
    *,
    threshold: float | None = None,
    progress: Progress = silent,
) -> Found:
    """Groups of duplicates among (n, dim) rows with their neighbour graph.

    contents: n names of what each item holds, equal where it is the same; None where that is not known, and an equal vector
    tells. Items of one name whose vectors differ are not the same: the vector was made of something else. threshold: distance;
    None finds one, see `closeness`.
    """
    first = _firsts(vectors, contents, graph.metric)
    progress("duplicates", 0.2)
    around = _around(graph, first)
    found, nearest = scale(around), around[:, 0]
    if threshold is not None:
        found = Scale(float(_squares(np.array(threshold), graph.metric)), "given", found.center, found.spread)
    pairs = _pairs(graph, first, found.threshold * 2.0 ** _STEPS[-1])
    curve = tuple(_curve(vectors, graph, first, pairs, nearest, found))
    progress("duplicates", 0.6)
    near = pairs.within(found.threshold)
    kept, far = _groups(vectors, graph, first, near, found.threshold)
    progress("duplicates", 1.0)
    own = float(distances(np.array([found.threshold], dtype=np.float32), graph.metric)[0])
    return Found(
        kept, distances(far, graph.metric), first, own if threshold is None else threshold, found.basis, curve, near
    )


def _squares(far: Float64, metric: Metric) -> Float64:
    return far * 2 if metric is Metric.COSINE else far**2


def _firsts(vectors: Float32, contents: Sequence[Hashable | None], metric: Metric) -> Int64:
    seen: dict[Hashable, int] = {}
    first = np.array(
        [at if name is None else seen.setdefault(name, at) for at, name in enumerate(contents)], dtype=np.int64
    ).reshape(-1)
    named = np.array([name is not None for name in contents], dtype=np.bool_)
    copies = np.flatnonzero(first != np.arange(len(first)))
    rows = comparable(vectors, copies, metric)
    others = comparable(vectors, first[copies], metric)
    apart = squares(rows, others, np.arange(len(copies)), np.arange(len(copies)))
    sizes = np.einsum("nd,nd->n", others, others)
    named[copies[apart > _ROUNDING * sizes]] = False
    loose = np.flatnonzero(~named)
    groups = twins(vectors, loose)
    first[groups.members] = np.repeat(groups.rows, groups.sizes)
    return first


def _around(graph: Graph, first: Int64) -> Float64:
    """(m, k): of each first, squared distances to its neighbours of other content, closest first, then +inf."""
    firsts = np.flatnonzero(first == np.arange(len(first)))
    neighbors = graph.neighbors[firsts]
    other = (first[neighbors] != firsts[:, None]) & (neighbors >= 0)
    far = np.where(other, _squares(graph.distances[firsts].astype(np.float64), graph.metric), np.inf)
    far.sort(axis=1)
    return far


def _pairs(graph: Graph, first: Int64, square: float) -> Pairs:
    widest = square / 2 if graph.metric is Metric.COSINE else np.sqrt(square)
    at, place = np.nonzero((graph.distances <= widest) & (graph.neighbors >= 0))
    one, two = first[at], first[graph.neighbors[at, place]]
    far = graph.distances[at, place]
    apart = one != two
    low, high, far = np.minimum(one, two)[apart], np.maximum(one, two)[apart], far[apart]
    order = np.lexsort((far, low, high))
    low, high, far = low[order], high[order], far[order]
    new = np.ones(len(low), dtype=np.bool_)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return Pairs(high[new], low[new], (far[new] * 2 if graph.metric is Metric.COSINE else far[new] ** 2))


def _curve(
    vectors: Float32, graph: Graph, first: Int64, pairs: Pairs, nearest: Float64, found: Scale
) -> Iterator[Point]:
    for step in _STEPS if found.threshold else ():
        square = found.threshold * 2.0**step
        crowd = _crowd(vectors, graph, first, square)
        # Ends where too many items have more near ones than are known: groups would say little, and cost much.
        if step > 0 and crowd is not None and len(crowd.places) > _CROWDED:
            break
        near = pairs.within(square)
        kept = dict(_led(near, square, crowd))
        groups = len({leader for leader, _ in kept.values()})
        by_chance = float(found.expected(np.array([square]))[0]) * int(np.isfinite(nearest).sum())
        own = float(distances(np.array([square], dtype=np.float32), graph.metric)[0])
        yield Point(own, len(near.one), int(np.count_nonzero(nearest <= square)), groups, len(kept), by_chance)


class _Crowd:
    """Items all of whose known neighbours are near copies, so that others may be unknown: held against those kept among them."""

    def __init__(self, vectors: Float32, items: Int64, metric: Metric) -> None:
        self.places = {item: at for at, item in enumerate(items.tolist())}
        self._items = items
        self._rows = comparable(vectors, items, metric)
        self._kept: list[int] = []

    def closest(self, item: int, square: float) -> list[tuple[float, int]]:
        kept = np.array(self._kept, dtype=np.int64)
        far = squares(self._rows, self._rows, np.full(len(kept), self.places[item]), kept)
        return [(float(far[at]), int(self._items[kept[at]])) for at in np.flatnonzero(far <= square)]

    def keep(self, item: int) -> None:
        self._kept.append(self.places[item])


def _led(pairs: Pairs, square: float, crowd: _Crowd | None = None) -> Iterator[tuple[int, tuple[int, float]]]:
    """Items that are near one kept before them, in order: (item, (the closest of those, squared distance))."""
    near: dict[int, list[tuple[float, int]]] = {item: [] for item in crowd.places} if crowd else {}
    for item, other, far in zip(pairs.one.tolist(), pairs.two.tolist(), pairs.squares.tolist(), strict=True):
        near.setdefault(item, []).append((far, other))
    dropped: set[int] = set()
    for item in sorted(near):
        leaders = [pair for pair in near[item] if pair[1] not in dropped]
        if crowd and item in crowd.places:
            leaders += crowd.closest(item, square)
        if leaders:
            far, leader = min(leaders)
            dropped.add(item)
            yield item, (leader, far)
        elif crowd and item in crowd.places:
            crowd.keep(item)


def _crowd(vectors: Float32, graph: Graph, first: Int64, square: float) -> _Crowd | None:
    last = _squares(graph.distances[:, -1].astype(np.float64), graph.metric)
    full = np.flatnonzero((last <= square) & (first == np.arange(len(first))))
    return _Crowd(vectors, full, graph.metric) if len(full) else None


def _groups(vectors: Float32, graph: Graph, first: Int64, near: Pairs, square: float) -> tuple[Int64, Float32]:
    """kept and squared distance to it, of every item."""
    kept, far = np.arange(len(first)), np.zeros(len(first), dtype=np.float32)
    for item, (leader, apart) in _led(near, square, _crowd(vectors, graph, first, square)):
        kept[item], far[item] = leader, apart
    return kept[first], far[first]


@dataclass(frozen=True)
class Leak:
    """An item and the closest one of another split that has its content or is within the threshold: positions, distance."""

    item: int
    other: int
    far: float
    exact: bool


def leaks(found: Found, splits: Sequence[Hashable | None], metric: Metric) -> list[Leak]:
    """For each item, and each other split that holds a duplicate of it, the closest one there. In the order of the items.

    splits: n values, None for an item that is in no split.
    """
    members = _members(found.first, splits)
    around: dict[int, list[tuple[float, int]]] = {}
    for one, two, far in _edges(found, metric):
        around.setdefault(one, []).append((far, two))
        around.setdefault(two, []).append((far, one))
    out = []
    for at, split in enumerate(splits):
        first = int(found.first[at])
        if split is None or (first not in around and len(members[first]) < 2):
            continue
        best: dict[Hashable, tuple[float, int, bool]] = {}
        for far, group in [(0.0, first), *sorted(around.get(first, []))]:
            for other, item in members.get(group, {}).items():
                if other != split:
                    best.setdefault(other, (far, item, group == first))
        out += [Leak(at, item, far, exact) for far, item, exact in best.values()]
    return out


def _members(first: Int64, splits: Sequence[Hashable | None]) -> dict[int, dict[Hashable, int]]:
    """For each first, the first item of its content in each split."""
    members: dict[int, dict[Hashable, int]] = {}
    for at, split in enumerate(splits):
        if split is not None:
            members.setdefault(int(first[at]), {}).setdefault(split, at)
    return members


def _edges(found: Found, metric: Metric) -> Iterator[tuple[int, int, float]]:
    """Near pairs of firsts, and each first with the one kept of its group, which may be no known neighbour of it."""
    far = distances(found.pairs.squares, metric)
    yield from zip(found.pairs.one.tolist(), found.pairs.two.tolist(), far.tolist(), strict=True)
    led = np.flatnonzero((found.first == np.arange(len(found.first))) & (found.kept != found.first))
    yield from zip(led.tolist(), found.kept[led].tolist(), found.far[led].tolist(), strict=True)
