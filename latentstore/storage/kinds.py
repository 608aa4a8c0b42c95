"""ColumnType: what a metadata column holds, as DuckDB and Arrow spell it, and which types join into which.

A column only ever widens: NULL → anything, NULL[] → any list or JSON, BIGINT → DOUBLE and BIGINT[] → DOUBLE[],
DECIMAL → a longer DECIMAL.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from types import NoneType
from typing import TYPE_CHECKING, Any

from latentstore.storage.values import UnfitError, is_uniform, shown

if TYPE_CHECKING:
    import pyarrow

MAX_DIGITS = 38  # of DuckDB's longest DECIMAL


class Kind(StrEnum):
    NULL = "NULL"  # nothing but nulls so far
    BOOLEAN = "BOOLEAN"
    BIGINT = "BIGINT"
    DOUBLE = "DOUBLE"
    DECIMAL = "DECIMAL"
    VARCHAR = "VARCHAR"
    BLOB = "BLOB"
    DATE = "DATE"
    TIME = "TIME"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMPTZ = "TIMESTAMPTZ"
    JSON = "JSON"


_JSON_KINDS = frozenset({Kind.NULL, Kind.BOOLEAN, Kind.BIGINT, Kind.DOUBLE, Kind.VARCHAR})


@dataclass(frozen=True, slots=True)
class ColumnType:
    """`many`: a list of that kind. `digits` and `scale` are DECIMAL's alone. `parse` is the inverse of `str()`."""

    kind: Kind
    many: bool = False
    digits: int = 0
    scale: int = 0

    def __str__(self) -> str:
        size = f"({self.digits},{self.scale})" if self.kind is Kind.DECIMAL else ""
        return f"{self.kind}{size}{'[]' if self.many else ''}"

    @classmethod
    def parse(cls, text: str) -> ColumnType:
        """From what `str()` gave. Raises ValueError on any other text."""
        found = re.fullmatch(r"([A-Z]+)(?:\((\d+),(\d+)\))?(\[\])?", text)
        if not found:
            raise ValueError(f"{text!r} is no column type")
        kind, digits, scale, many = found.groups()
        return cls(Kind(kind), bool(many), int(digits or 0), int(scale or 0))

    @property
    def sql(self) -> str:
        """The DuckDB type of the column. What has no value yet is kept as VARCHAR."""
        return str(self).replace("NULL", "VARCHAR")

    def arrow(self) -> pyarrow.DataType:
        """The Arrow type from which DuckDB inserts without loss; JSON travels as text."""
        import pyarrow as pa

        scalar = {
            Kind.NULL: pa.string,
            Kind.BOOLEAN: pa.bool_,
            Kind.BIGINT: pa.int64,
            Kind.DOUBLE: pa.float64,
            Kind.DECIMAL: lambda: pa.decimal128(self.digits, self.scale),
            Kind.VARCHAR: pa.string,
            Kind.BLOB: pa.binary,
            Kind.DATE: pa.date32,
            Kind.TIME: lambda: pa.time64("us"),
            Kind.TIMESTAMP: lambda: pa.timestamp("us"),
            Kind.TIMESTAMPTZ: lambda: pa.timestamp("us", tz="UTC"),
            Kind.JSON: pa.string,
        }[self.kind]()
        return pa.list_(scalar) if self.many else scalar


NULL = ColumnType(Kind.NULL)
JSON = ColumnType(Kind.JSON)
DOUBLE = ColumnType(Kind.DOUBLE)
_BY_TYPE: dict[type, ColumnType] = {
    NoneType: NULL,
    bool: ColumnType(Kind.BOOLEAN),
    int: ColumnType(Kind.BIGINT),
    float: DOUBLE,
    str: ColumnType(Kind.VARCHAR),
    bytes: ColumnType(Kind.BLOB),
    date: ColumnType(Kind.DATE),
    time: ColumnType(Kind.TIME),
    dict: JSON,
}


def type_of(value: Any) -> ColumnType:
    """The narrowest type that holds a canonical value. Raises UnfitError for a decimal of more than 38 digits."""
    found = _BY_TYPE.get(type(value))
    if found:
        return found
    if isinstance(value, datetime):
        return ColumnType(Kind.TIMESTAMP if value.tzinfo is None else Kind.TIMESTAMPTZ)
    return _decimal(value) if isinstance(value, Decimal) else _list(value)


def _list(items: list[Any]) -> ColumnType:
    if any(type(item) in (list, dict) for item in items) or not is_uniform(items):
        return JSON
    kind = NULL
    for item in items:
        kind = join(kind, type_of(item)) or kind
    return ColumnType(kind.kind, True, kind.digits, kind.scale)


def _decimal(value: Decimal) -> ColumnType:
    _, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    whole = max(0, len(digits) + int(exponent))
    return _sized(whole, scale) or _too_long(value)


def _sized(whole: int, scale: int) -> ColumnType | None:
    # 18 digits fit the 64 bits that DuckDB gives the shorter decimals anyway, so growth within them is free.
    digits = max(18, whole + scale)
    return ColumnType(Kind.DECIMAL, False, digits, scale) if digits <= MAX_DIGITS else None


def _too_long(value: Decimal) -> ColumnType:
    raise UnfitError(f"{shown(value)} has more than {MAX_DIGITS} digits; store it as text or float")


def join(held: ColumnType, found: ColumnType) -> ColumnType | None:
    """The narrowest type that holds both, None when there is none. Symmetric; NULL joins with everything."""
    if held == found or found == NULL:
        return held
    if held == NULL:
        return found
    if JSON in (held, found):
        other = found if held == JSON else held
        return JSON if other.many and other.kind in _JSON_KINDS else None
    return _join_alike(held, found) if held.many == found.many else None


def _join_alike(held: ColumnType, found: ColumnType) -> ColumnType | None:
    kinds = {held.kind, found.kind}
    if Kind.NULL in kinds:
        return found if held.kind is Kind.NULL else held
    if kinds == {Kind.BIGINT, Kind.DOUBLE}:
        return ColumnType(Kind.DOUBLE, held.many)
    if kinds == {Kind.DECIMAL}:
        sized = _sized(max(held.digits - held.scale, found.digits - found.scale), max(held.scale, found.scale))
        return sized and ColumnType(Kind.DECIMAL, held.many, sized.digits, sized.scale)
    return None


def widens(held: ColumnType, wanted: ColumnType) -> bool:
    """Whether a stored column may become `wanted`. No typed list turns to JSON under the filters that read it."""
    return join(held, wanted) == wanted and not (wanted == JSON and held.many and held.kind is not Kind.NULL)
