"""Directions of a space: between two sets of items, towards the values of a column, and along the principal axes.

A direction leads from the mean of one side to that of the other. Fisher's discriminant would tell the sides a little better apart, and
an item that is moved along it does not come to look like the other side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from latentstore.analysis import geometry
from latentstore.analysis.order import canonical
from latentstore.engine import check, read
from latentstore.engine.core import Engine
from latentstore.engine.studies import labels
from latentstore.engine.studies.sample import Sample, take
from latentstore.errors import InvalidInput, ItemNotFound
from latentstore.findings.latent import Direction, Directions
from latentstore.latent import walk
from latentstore.types import Bool, Float64

AXES = 64  # principal axes at most
_ENDS = 3  # items that each end is known by


def direction(engine: Engine, space: str, towards: Any, away: Any) -> Direction:
    """Towards some items from others. Either: a filter or ids; away None: from all the rest.

    Raises InvalidInput where a side is empty, both share items or have one mean, ItemNotFound, InvalidFilter.
    """
    sample = take(engine, space)
    sample.thin(2, "directions")
    one = _side(engine, sample, towards, "towards")
    two = ~one if away is None else _side(engine, sample, away, "away")
    if shared := int((one & two).sum()):
        raise InvalidInput(f"{shared:,} items are on both sides; a direction leads between sets that share none")
    for side, name in ((one, "towards"), (two, "away")):
        if not side.any():
            raise InvalidInput(f"no item of space {sample.space!r} is on the side {name!r}; a direction needs both")
    rest = "the rest" if away is None else _told(away)
    return _Found(sample).pair("pair", f"{_told(towards)} rather than {rest}", one, two)


def directions(engine: Engine, space: str, by: str | None) -> Directions:
    """Towards each value of a column from all items that have another, where `by` names one; then along the principal axes.

    Raises InvalidInput for a column that is not there, or whose values are no classes of five items or more.
    """
    sample = take(engine, space)
    sample.thin(2, "directions")
    found = _Found(sample)
    classes = [] if by is None else _classes(sample, found, by)
    return Directions([*classes, *found.axes()])


def _classes(sample: Sample, found: _Found, by: str) -> list[Direction]:
    known = labels.classes(sample.column(by), by)
    return [
        found.pair("class", f"{by} = {value}", known.codes == code, (known.codes != code) & ~known.missing)
        for code, value in enumerate(known.values)
    ]


def _side(engine: Engine, sample: Sample, given: Any, what: str) -> Bool:
    """(n,) bool: which items of the sample are meant by a filter or by ids."""
    if isinstance(given, str):
        return sample.passing(check.where(given))
    ids = check.ids(given)
    if not ids:
        raise InvalidInput(f'{what} names no items; give a filter, such as "year > 2000", or ids')
    rows = read.rows_of(engine, ids)[1]
    there = np.isin(rows, sample.rows)
    if not there.all():
        raise ItemNotFound(f"item {ids[int(there.argmin())]!r} has no vector in space {sample.space!r}")
    return np.isin(sample.rows, rows)


def _told(side: Any) -> str:
    if isinstance(side, str):
        return side
    return f"{len(side)} item{'' if len(side) == 1 else 's'}"


class _Found:
    """What all directions of one sample share."""

    def __init__(self, sample: Sample) -> None:
        self._sample = sample
        self._order = canonical(sample.vectors)
        self._mixed = sample.vectors[self._order]  # in an order that says nothing of the items
        self._variance = walk.variance(sample.vectors)

    def pair(self, kind: Literal["pair", "class"], label: str, towards: Bool, away: Bool) -> Direction:
        one, two = towards[self._order], away[self._order]
        vector = walk.difference(self._mixed[one], self._mixed[two])
        accuracy = walk.separation(self._mixed, one, two)
        return self._along(kind, label, vector, accuracy, (int(one.sum()), int(two.sum())))

    def axes(self) -> list[Direction]:
        count = min(AXES, self._sample.vectors.shape[1])
        found = geometry.principal(self._sample.vectors, self._sample.metric, count)
        return [self._along("axis", f"axis {at + 1}", one, None, (0, 0)) for at, one in enumerate(found.directions)]

    def _along(
        self,
        kind: Literal["pair", "class", "axis"],
        label: str,
        vector: Float64,
        accuracy: float | None,
        sides: tuple[int, int],
    ) -> Direction:
        places = walk.along(self._sample.vectors, vector)
        deviation = float(places.std())
        share = deviation**2 / self._variance if self._variance > 0 else 0.0
        low, high = (self._ids(ends) for ends in geometry.extremes(places, _ENDS))
        as_kept = vector.astype(np.float32)
        return Direction(self._sample.space, label, kind, as_kept, deviation, share, accuracy, sides, low, high)

    def _ids(self, at: Sequence[int]) -> tuple[str, ...]:
        sample = self._sample
        raw = read.records(sample.engine, sample.snapshot, sample.rows[np.array(at, np.int64)])
        return tuple(sample.snapshot.details(one)[0] for one in raw)
