"""Persistence: which clusters of an earlier run are still there in a later one, and what became of the others.

Clusters are compared by the items that both runs grouped. One that persists keeps its number; a number is never given twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from latentstore.types import Bool, Float64, Int64

SAME = 0.5  # Dice similarity from which two clusters are one: half of what they hold is held by both
MOST = 0.5  # share of a cluster's items that have gone where most of it has gone
PART = 0.1  # share of an earlier cluster's items that makes a part of it


@dataclass(frozen=True, slots=True)
class Event:
    """merged: several `old` are now one `new`. split: one `old` is now several `new`. gone: no `new`. new: no `old`.

    Numbers; a cluster that persists stands among both where others joined or left it. Larger shares first.
    """

    kind: Literal["merged", "split", "gone", "new"]
    old: tuple[int, ...]
    new: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Matched:
    """numbers: (k,) int64, the lasting number of each cluster of the later run. kept: (k,) bool, whether it had it before.

    fresh: the next number never used. Every earlier number that was not kept, and every new one, stands in one event at least.
    """

    numbers: Int64
    kept: Bool
    events: tuple[Event, ...]
    fresh: int


def match(old: Int64, new: Int64, before: Int64, k: int, fresh: int) -> Matched:
    """Give each of the clusters 0..k-1 of the later run a lasting number.

    old, new: (m,) int64, the cluster of each item that both runs grouped: an earlier number, a label 0..k-1; -1 for none.
    before: (b,) every earlier number, ascending. fresh: above every number ever used. Pairs are chosen one to one for the
    largest sum of Dice similarities, and hold from SAME upwards; transitions are told as by MONIC (Spiliopoulou et al. 2006).
    """
    shared = _table(old, new, before, k)
    was, now = shared.sum(axis=1), shared.sum(axis=0)
    alike = 2 * shared / np.maximum(was[:, None] + now[None, :], 1)
    numbers = np.full(k, -1, dtype=np.int64)
    for i, j in zip(*linear_sum_assignment(alike, maximize=True), strict=True):
        if alike[i, j] >= SAME:
            numbers[j] = before[i]
    kept = numbers >= 0
    numbers[~kept] = np.arange(fresh, fresh + int((~kept).sum()))
    events = _events(shared, before, numbers, kept)
    return Matched(numbers, kept, events, fresh + int((~kept).sum()))


def _table(old: Int64, new: Int64, before: Int64, k: int) -> Float64:
    """(b, k): how many items both hold."""
    both = (old >= 0) & (new >= 0)
    cells = np.searchsorted(before, old[both]) * k + new[both]
    return np.bincount(cells, minlength=len(before) * k).reshape(len(before), k).astype(np.float64)


def _events(shared: Float64, before: Int64, numbers: Int64, kept: Bool) -> tuple[Event, ...]:
    went = shared / np.maximum(shared.sum(axis=1, keepdims=True), 1)
    came = shared / np.maximum(shared.sum(axis=0, keepdims=True), 1)
    stays = np.isin(before, numbers[kept])
    told_old, told_new = stays.copy(), kept.copy()
    events = []
    for j in np.flatnonzero((went >= MOST).sum(axis=0) > 1).tolist():
        sources = _ranked(shared[:, j], went[:, j] >= MOST)
        if not stays[sources].all():
            events.append(Event("merged", _named(before, sources), _named(numbers, [j])))
            told_old[sources] = told_new[j] = True
    for i in range(len(before)):
        parts = _ranked(shared[i], (went[i] >= PART) & (came[i] >= MOST))
        if len(parts) > 1 and not (told_old[i] and told_new[parts].all()):
            events.append(Event("split", _named(before, [i]), _named(numbers, parts)))
            told_old[i] = told_new[parts] = True
    events += [Event("gone", _named(before, [i]), ()) for i in np.flatnonzero(~told_old).tolist()]
    events += [Event("new", (), _named(numbers, [j])) for j in np.flatnonzero(~told_new).tolist()]
    return tuple(events)


def _ranked(weights: Float64, which: Bool) -> Int64:
    at = np.flatnonzero(which)
    return np.asarray(at[np.argsort(-weights[at], kind="stable")])


def _named(numbers: Int64, positions: Int64 | list[int]) -> tuple[int, ...]:
    return tuple(numbers[positions].tolist())
