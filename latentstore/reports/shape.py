"""The shape of a space: its dimension, its principal axes, the items at their ends and the columns that go along them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from latentstore.analysis import geometry
from latentstore.analysis.geometry import Axes, Dimension
from latentstore.analysis.geometry import Tie as FoundTie
from latentstore.analysis.neighbors import Graph
from latentstore.engine.studies.sample import Sample
from latentstore.reports.model import Column
from latentstore.reports.shapes import Axis, Kind, Made, Shape, Tie
from latentstore.types import Float64

HOW = (
    "principal axes of the vectors as they are compared; an axis is steady where halves of the items give the same one. A column "
    "goes along an axis where Spearman's correlation, or of values the test of Kruskal and Wallis, says so beyond chance for all "
    f"columns and axes together (p below {geometry.SURE}, Bonferroni) and it accounts for {geometry.SHARE:.0%} of the order of the "
    "items at least. Intrinsic dimension: from distances to the ten nearest (Levina & Bickel 2004, MacKay & Ghahramani 2005) and to "
    "the nearest two (Facco et al. 2017)"
)
_AXES = 5  # that are told
_ENDS = 4  # items at each end of one
_SHARES = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True)
class Found:
    """axes: the first few. places: (n, a) of all items, in standard deviations. ends: positions at both ends of each axis.

    kinds: of the columns that were held against the axes, by name.
    """

    axes: Axes
    places: Float64
    ends: list[tuple[list[int], list[int]]]
    dimension: Dimension
    ties: list[FoundTie]
    kinds: dict[str, Kind]

    @property
    def tests(self) -> int:
        return len(self.kinds) * len(self.axes)


def measure(sample: Sample, graph: Graph, columns: Sequence[Column]) -> Found:
    """columns: with a value, or None, for each item of the sample."""
    axes = geometry.principal(sample.vectors, sample.metric, _AXES)
    places = axes.places(sample.vectors)
    numbers = {one.name: _floats(one) for one in columns if one.kind != "category"}
    classes = {
        one.name: [None if v is None else str(v) for v in one.values] for one in columns if one.kind == "category"
    }
    return Found(
        *(axes, places, [geometry.extremes(along, _ENDS) for along in places.T], geometry.intrinsic(graph)),
        *(geometry.ties(places, numbers, classes), {one.name: one.kind for one in columns}),
    )


def _floats(column: Column) -> Float64:
    return np.array([np.nan if value is None else value for value in column.values], dtype=np.float64)


def named(found: Found) -> Iterator[int]:
    """Positions of the items that a page names, the most important first."""
    for low, high in found.ends:
        yield from (*low, *high)


def shown(found: Found, point: Callable[[int], int], walk: Callable[[int], list[Made]]) -> Shape:
    """point: of a position. walk: places along an axis, by its position."""
    axes = found.axes
    return Shape(
        shares=axes.shares,
        needed=[(share, axes.needed(share)) for share in _SHARES] if len(axes) else [],
        dimension=_known(found.dimension.neighbors),
        finest=_known(found.dimension.two),
        axes=[_axis(found, at, point, walk(at)) for at in range(len(axes))],
        held=len(found.kinds),
    )


def _axis(found: Found, at: int, point: Callable[[int], int], walk: list[Made]) -> Axis:
    low, high = ([point(position) for position in end] for end in found.ends[at])
    along = [_tie(found, one) for one in found.ties if one.axis == at]
    return Axis(at + 1, float(found.axes.shares[at]), _known(found.axes.steadiness[at]), low, high, along, walk)


def _tie(found: Found, one: FoundTie) -> Tie:
    return Tie(one.column, found.kinds[one.column], one.share, one.p_value, one.low, one.high, one.correlation)


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
