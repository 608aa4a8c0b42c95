"""Metadata values: what one may be, its canonical Python form, and that form as bytes.

Canonical: None, bool, int (64 bit), float, str, bytes, Decimal, date, time, datetime (naive, or aware in UTC), a flat
list of one of these, or a JSON value (dict, or list that nests or mixes). What `canonical` returns, every read gives back.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from types import NoneType
from typing import Any

import msgpack
import numpy as np

INT64 = range(-(2**63), 2**63)
MAX_DEPTH = 64  # levels in a JSON value: far below what Python, msgpack and DuckDB each stand
SCALARS = frozenset({NoneType, bool, int, float, str, bytes, Decimal, date, time, datetime})
_JSON_SCALARS = frozenset({NoneType, bool, int, float, str})
_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UnfitError(ValueError):
    """A value that metadata cannot hold. The message is the reason alone; the caller adds column and row."""


def shown(value: Any) -> str:
    """A value as an error message shows it: its repr, at most 40 characters."""
    try:
        text = ascii(value)
    except Exception:
        text = "…"
    return text if len(text) <= 40 else text[:37] + "..."


def canonical(value: Any) -> Any:
    """The canonical form of any supported value, numpy, pandas and Arrow scalars included. Raises UnfitError."""
    convert = _CONVERT.get(type(value))
    return convert(value) if convert else _foreign(value)


def _same(value: Any) -> Any:
    return value


def _int(value: int) -> int:
    if value not in INT64:
        raise UnfitError(f"{shown(value)} does not fit in 64 bits; store it as text")
    return value


def text(value: str) -> str:
    """The same text. Raises UnfitError when it holds a lone surrogate, which no UTF-8 file can keep."""
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise UnfitError(f"{shown(value)} is not valid Unicode (a lone surrogate at {error.start})") from None
    return value


def _datetime(value: datetime) -> datetime:
    if value.tzinfo is None or value.utcoffset() is None:
        return value.replace(tzinfo=None)
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise UnfitError(f"{shown(value)} has no counterpart in UTC between the years 1 and 9999") from None


def _time(value: time) -> time:
    if value.tzinfo is not None:
        raise UnfitError("a time of day with a time zone cannot be kept; use a datetime, or leave the zone out")
    return value


def _decimal(value: Decimal) -> Decimal:
    if not value.is_finite():
        raise UnfitError(f"{shown(value)} is no finite decimal; use None, or a float column")
    return value


def _list(value: Sequence[Any]) -> list[Any]:
    """A flat list of one kind as it is; anything else as a JSON value."""
    if not set(map(type, value)) <= SCALARS:
        return list(_json(value, 1))
    items = [canonical(item) for item in value]
    return items if is_uniform(items) else list(_json(items, 1))


def is_uniform(items: list[Any]) -> bool:
    """Whether the scalars of a list are of one kind (int and float count as one; None counts as any)."""
    kinds = set(map(type, items)) - {NoneType}
    if kinds == {datetime}:
        return len({item.tzinfo is None for item in items if item is not None}) == 1
    return len(kinds) <= 1 or kinds == {int, float}


def _dict(value: Mapping[Any, Any]) -> dict[str, Any]:
    return dict(_json(value, 1))


def _json(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise UnfitError(f"it nests deeper than {MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        return {_key(key): _json(item, depth + 1) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _json(list(value), depth)
    if isinstance(value, list | tuple):
        return [_json(item, depth + 1) for item in value]
    return json_scalar(canonical(value))


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise UnfitError(f"the keys of a dict must be text, got {type(key).__name__} ({shown(key)})")
    return text(str.__str__(key))


def json_scalar(value: Any) -> Any:
    """The same scalar. Raises UnfitError when JSON has no such value."""
    if type(value) not in _JSON_SCALARS:
        raise UnfitError(
            "a dict, and a list that nests or mixes types, holds text, numbers, booleans and null; "
            f"this one holds {type(value).__name__} ({shown(value)})"
        )
    if type(value) is float and not isfinite(value):
        raise UnfitError(
            f"a dict, and a list that nests or mixes types, holds finite numbers; use None in place of {value}"
        )
    return value


def _foreign(value: Any) -> Any:
    """Subclasses of the known types, and scalars of numpy, pandas and Arrow."""
    module = type(value).__module__.partition(".")[0]
    if module == "pandas":
        return _pandas(value)
    if isinstance(value, np.ndarray):
        return (
            _list(value.tolist() if value.dtype.kind in "biufUS" else list(value))
            if value.ndim
            else canonical(value[()])
        )
    if isinstance(value, np.generic):
        return _numpy(value)
    if module == "pyarrow" and hasattr(value, "as_py"):
        return canonical(value.as_py())
    for base, convert in _BASES:
        if isinstance(value, base):
            return convert(value)
    raise UnfitError(
        f"metadata cannot hold {type(value).__name__} ({shown(value)}); make it text, a number, a date or a dict first"
    )


def _pandas(value: Any) -> Any:
    kind = type(value).__name__
    if kind in ("NAType", "NaTType"):
        return None
    if kind != "Timestamp":
        raise UnfitError(
            f"metadata cannot hold pandas {kind} ({shown(value)}); turn it into text, a number or a timestamp first"
        )
    if value.nanosecond:
        raise UnfitError(f"{shown(value)} has nanoseconds, and timestamps keep microseconds; round it first")
    return _datetime(value.to_pydatetime(warn=False))


def _numpy(value: np.generic) -> Any:
    if isinstance(value, np.datetime64):
        return _datetime64(value)
    if isinstance(value, np.timedelta64 | np.complexfloating | np.void):
        raise UnfitError(
            f"metadata cannot hold numpy {type(value).__name__} ({shown(value)}); turn it into a number or text first"
        )
    if isinstance(value, np.longdouble):
        return float(value)
    return canonical(value.item())


def _datetime64(value: np.datetime64) -> datetime | None:
    if np.isnat(value):
        return None
    rounded = value.astype("datetime64[us]")
    found = rounded.item()
    if rounded != value:
        raise UnfitError(f"{value} has nanoseconds, and timestamps keep microseconds; round it first")
    if not isinstance(found, datetime):
        raise UnfitError(f"{value} lies outside the years 1 to 9999")
    return found


_CONVERT: dict[type, Callable[[Any], Any]] = {
    **dict.fromkeys((NoneType, bool, float, bytes, date), _same),
    int: _int,
    str: text,
    datetime: _datetime,
    time: _time,
    Decimal: _decimal,
    list: _list,
    tuple: _list,
    dict: _dict,
}
# A datetime is a date, so it stands before it.
_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (str, lambda value: text(str.__str__(value))),
    (int, lambda value: _int(int.__int__(value))),
    (float, float.__float__),
    (datetime, lambda value: _datetime(datetime.combine(value.date(), value.timetz(), value.tzinfo))),
    (date, lambda value: date(value.year, value.month, value.day)),
    (time, lambda value: _time(time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo))),
    (Decimal, lambda value: _decimal(Decimal(value))),
    (bytes, bytes),
    (bytearray, bytes),
    (memoryview, bytes),
    (Mapping, _dict),
    (list, _list),
    (tuple, _list),
)

_NAIVE, _AWARE, _DATE, _TIME, _DECIMAL = range(1, 6)


def pack(values: Sequence[Any]) -> bytes:
    """One row's canonical values as msgpack; dates, times and decimals as extension types 1 to 5."""
    return packer()(values)


def packer() -> Callable[[Sequence[Any]], bytes]:
    """`pack` for the many rows of one batch, by one thread: it keeps its buffer from row to row."""
    return msgpack.Packer(default=_extension).pack  # type: ignore[no-any-return]


def unpack(data: bytes | memoryview) -> list[Any]:
    """The values that `pack` was given, equal and of the same types."""
    return msgpack.unpackb(data, ext_hook=_from_extension)  # type: ignore[no-any-return]


def _extension(value: Any) -> msgpack.ExtType:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return msgpack.ExtType(_NAIVE, struct.pack("<q", (value - _EPOCH) // _MICROSECOND))
        return msgpack.ExtType(_AWARE, struct.pack("<q", (value - _EPOCH_UTC) // _MICROSECOND))
    if isinstance(value, date):
        return _packed_date(value)
    if isinstance(value, time):
        return msgpack.ExtType(_TIME, value.isoformat().encode())
    return msgpack.ExtType(_DECIMAL, str(value).encode())


@lru_cache(maxsize=1 << 14)  # a batch has the same days again and again
def _packed_date(value: date) -> msgpack.ExtType:
    return msgpack.ExtType(_DATE, struct.pack("<i", value.toordinal()))


def _from_extension(code: int, data: bytes) -> Any:
    if code == _NAIVE:
        return _EPOCH + timedelta(microseconds=struct.unpack("<q", data)[0])
    if code == _AWARE:
        return _EPOCH_UTC + timedelta(microseconds=struct.unpack("<q", data)[0])
    if code == _DATE:
        return date.fromordinal(struct.unpack("<i", data)[0])
    if code == _TIME:
        return time.fromisoformat(data.decode())
    return Decimal(data.decode())
