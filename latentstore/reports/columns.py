"""Columns: which metadata a report lays over the clusters, and as what.

Left out are columns that say nothing of groups: those that studies wrote, the place of a passage in its file, those with one value
only or (nearly) another for each item, lists, nested values and bytes. Where the items come from several folders or files, those are
columns as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from math import isfinite
from os.path import commonprefix
from typing import Any

from latentstore.reports.model import Column
from latentstore.reports.shapes import Kind

MOST = 16  # columns a page shows
FEW_NUMBERS = 12  # whole numbers of so few values are classes
_PLACE = frozenset({"start", "end", "part", "line", "record", "content"})  # of an item in its file
_DISTINCT = 0.5  # share of the items that has a value of its own from which a column names items, not groups
_MANY = 1000  # values of a category beyond which nobody compares them


@dataclass(frozen=True, slots=True)
class Chosen:
    """columns: as a page shows them, all n values each. left_out: the others by name, and why."""

    columns: list[Column]
    left_out: dict[str, str]


def choose(values: Mapping[str, Sequence[Any]], uris: Sequence[str | None], written: Collection[str]) -> Chosen:
    """The columns worth showing among those of the items, in their order. written: names of those that studies wrote."""
    columns: list[Column] = []
    left_out: dict[str, str] = {}
    for name, column in values.items():
        if name in written or all(value is None for value in column):
            continue
        found = "is the place of an item in its file" if name.casefold() in _PLACE else parsed(name, column)
        if isinstance(found, Column):
            columns.append(found)
        else:
            left_out[name] = found
    columns += [made for made in origins(uris) if made.name not in values]
    left_out.update({column.name: f"is beyond the first {MOST}" for column in columns[MOST:]})
    return Chosen(columns[:MOST], left_out)


def parsed(name: str, values: Sequence[Any]) -> Column | str:
    """A column as a page shows it, or why not."""
    there = [value for value in values if value is not None]
    kind = _kind(there)
    if kind is None:
        return "holds lists, nested values or bytes"
    shown = [None if value is None else _value(value, kind) for value in values]
    distinct = Counter(value for value in shown if value is not None)
    if len(distinct) < 2:
        return "has one value at most"
    many = len(distinct) == len(there) or len(distinct) > max(FEW_NUMBERS, min(_MANY, _DISTINCT * len(there)))
    if kind == "category" and many:
        return "has a value of its own for most items"
    return Column(name, kind, shown)


def _kind(there: Sequence[Any]) -> Kind | None:
    kinds = {type(value) for value in there}
    if kinds <= {str, bool, time}:
        return "category"
    if kinds <= {date, datetime}:
        return "time"
    if kinds == {int} and len(set(there)) <= FEW_NUMBERS:
        return "category"
    return "number" if kinds <= {int, float, Decimal} else None


def _value(value: Any, kind: Kind) -> Any:
    """A str or bool of a category; a finite float of a number; unix seconds of a time, UTC where it says no zone."""
    if kind == "category":
        return value if isinstance(value, str | bool) else str(value)
    if kind == "time":
        moment = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    number = float(value)
    return number if isfinite(number) else None


def origins(uris: Sequence[str | None]) -> list[Column]:
    """Where items come from, as columns: "folder" where there are several, "file" where files give several items each."""
    known = [uri for uri in uris if uri]
    if len(known) < len(uris) / 2:
        return []
    within = {uri[: uri.rfind("/") + 1] for uri in known}
    start = commonprefix([min(within), max(within)]).rfind("/") + 1  # noqa: RUF071 - cut at a slash at once
    folders = [uri[start : uri.rfind("/")] or "." if uri else None for uri in uris]
    found = [parsed("folder", folders), parsed("file", [uri[start:] if uri else None for uri in uris])]
    columns = [one for one in found if isinstance(one, Column)]
    return [one for one in columns if one.name == "folder" or _repeats(one.values)]


def _repeats(values: Iterable[Any]) -> bool:
    """Whether a value stands for five items on average: fewer are no group."""
    counts = Counter(value for value in values if value is not None)
    return sum(counts.values()) >= 5 * len(counts)
