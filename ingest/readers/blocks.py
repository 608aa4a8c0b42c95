"""Block: some rows of a table, by column, as Python values that a store can keep.

Kept as they are: None, bool, int of 64 bits, float, str, bytes, Decimal of 38 digits, date, time, datetime, and flat lists
of one of these. In a dict and in a list that nests, times and decimals become text, and numbers that are not finite None.
Durations become seconds. What fits nowhere is left out, with a Problem that names record, column and reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import isfinite
from typing import Any
from uuid import UUID

ROWS = 1024  # at most in a block
WEIGHT = 8 << 20  # bytes: about where a block of heavy rows ends
INT64 = range(-(2**63), 2**63)

_DEEPEST = 60  # levels of a value that nests
_PLAIN = frozenset({bool, int, float, str, type(None)})
_FLAT = _PLAIN | {bytes, Decimal, date, datetime, time}
_SHOWN = 10**40  # integers beyond that are not spelled out


class Unfit(ValueError):
    """A value that no store keeps, and why."""


Faults = dict[int, str]  # row of the block → why its value is left out


@dataclass(slots=True)
class Block:
    """numbers: of each record, from 1; columns: a list of values for each column of the table, as long as numbers; faults:
    column → row → reason; problems: of rows that are not among these. done: share of the table behind it, 0 to 1."""

    numbers: Sequence[int]
    columns: list[list[Any]]
    done: float
    faults: dict[int, Faults] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def fitted(values: list[Any]) -> tuple[list[Any], Faults]:
    """Values as a store keeps them, and why some are None now."""
    kinds = set(map(type, values))
    if kinds <= _PLAIN and not (str in kinds and _broken(values)) and not (int in kinds and _beyond(values)):
        return values, {}
    fit: list[Any] = []
    faults: Faults = {}
    for row, value in enumerate(values):
        try:
            fit.append(_fit(value))
        except Unfit as cause:
            fit.append(None)
            faults[row] = str(cause)
    return fit, faults


def _broken(values: list[Any]) -> bool:
    """Whether some text has lone surrogates, which UTF-8 cannot keep."""
    try:
        "".join(value for value in values if type(value) is str).encode()
    except UnicodeEncodeError:
        return True
    return False


def _beyond(values: list[Any]) -> bool:
    whole = [value for value in values if type(value) is int]
    return min(whole) not in INT64 or max(whole) not in INT64


def _fit(value: Any) -> Any:
    if isinstance(value, list):
        nests = any(isinstance(one, list | tuple | dict) for one in value)
        return _nested(value, 1) if nests else [_scalar(one) for one in value]
    return _nested(value, 1) if isinstance(value, dict) else _scalar(value)


def _scalar(value: Any) -> Any:
    if type(value) is str:
        return _text(value)
    if type(value) is int and value not in INT64:
        raise Unfit(f"{value if abs(value) < _SHOWN else 'an integer'} is beyond 64 bits")
    if type(value) in _FLAT:
        return value
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, UUID):
        return str(value)
    if hasattr(value, "to_pydatetime"):  # pandas' own, which Arrow makes of nanoseconds
        return value.to_pydatetime(warn=False)
    raise Unfit(f"it is a {type(value).__name__}")


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as cause:
            raise Unfit(f"it is not valid Unicode: a lone surrogate at character {cause.start}") from None
    return value


def _nested(value: Any, depth: int) -> Any:
    """A value as JSON has it."""
    if depth > _DEEPEST:
        raise Unfit(f"it nests deeper than {_DEEPEST} levels")
    if isinstance(value, Mapping):
        return {_text(str(key)): _nested(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        if value and all(isinstance(one, tuple) for one in value):
            return _nested(dict(value), depth)  # a map, as Arrow gives it
        return [_nested(one, depth + 1) for one in value]
    plain = _scalar(value)
    if isinstance(plain, bytes):
        raise Unfit("it holds bytes among other things")
    if isinstance(plain, date | time):
        return plain.isoformat()
    if isinstance(plain, Decimal):
        return str(plain)
    return None if isinstance(plain, float) and not isfinite(plain) else plain
