"""Metadata columns: names, types, and the way of a batch from whatever the caller has to canonical values and back.

Columns are only ever appended, so a column's position is its identity in packed rows. `normalise` checks a
whole batch before anything is stored: it returns a Batch or raises. Rows in messages count from 0 in the batch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date
from itertools import chain
from math import isfinite
from types import NoneType
from typing import TYPE_CHECKING, Any

from latentstore.errors import ColumnTypeClash, InvalidInput, ReservedName
from latentstore.storage import tables
from latentstore.storage.kinds import JSON, NULL, ColumnType, Kind, join, type_of, widens
from latentstore.storage.values import UnfitError, canonical, pack, shown, text

if TYPE_CHECKING:
    import pyarrow

MODALITY = "modality"  # the column in which the store itself says what an item is: text, image or audio
RESERVED = frozenset({"row", "rowid", "id", "text", "uri", "metadata", "vector", "distance", "score", "rank", MODALITY})
_RESERVED_STARTS = ("_", "vector:")  # the latter name the vectors of a space in an export
MAX_COLUMNS = 1000
MAX_NAME = 200  # characters
_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


def fold(name: str) -> str:
    """The form in which DuckDB compares column names: it ignores the case of A to Z, and of no other letter."""
    return name.translate(_ASCII_LOWER)


def quoted(name: str) -> str:
    """A name as a DuckDB identifier."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(frozen=True, slots=True)
class Column:
    """A metadata column. `str(column.type)` is what the catalog keeps, `ColumnType.parse` the way back."""

    name: str
    type: ColumnType

    @property
    def ddl(self) -> str:
        """As it stands in CREATE TABLE: '"year" BIGINT'."""
        return f"{quoted(self.name)} {self.type.sql}"


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that may be stored. `columns`: the collection's after it, old ones first; `values`: n a column."""

    n: int
    columns: tuple[Column, ...]
    values: list[list[Any]]

    def arrow(self) -> pyarrow.Table:
        """The columns as Arrow, n rows, typed as `column.type.arrow()`; JSON as text."""
        import pyarrow as pa

        arrays = [to_arrow(column, values) for column, values in zip(self.columns, self.values, strict=True)]
        return pa.table(arrays, names=[column.name for column in self.columns])

    def rows(self) -> list[tuple[Any, ...]]:
        """n tuples of values in column order."""
        return list(zip(*self.values, strict=True)) if self.values else [()] * self.n

    def packed(self) -> list[bytes]:
        """n rows as `pack` makes them."""
        return [pack(row) for row in self.rows()]


def normalise(metadata: Any, n: int, columns: tuple[Column, ...], kinds: Sequence[str | None] | None = None) -> Batch:
    """Check and convert the metadata of n items for a collection that has `columns`.

    metadata: None, a list of n dicts (None for an empty one), or a pandas or polars DataFrame or Arrow table of n rows.
    kinds: the modality of each item; None leaves the column as it is, or away.
    Raises ColumnTypeClash (names column, row and both types), ReservedName, or InvalidInput for what cannot be kept.
    """
    given = _as_lists(metadata, n)
    held = {fold(column.name): column for column in columns}
    _check_names(given, held)
    if kinds is not None:
        given[MODALITY] = list(kinds)
    settled = {fold(name): _settle(name, values, held.get(fold(name))) for name, values in given.items()}
    names = [column.name for column in columns] + [name for name in given if fold(name) not in held]
    if len(names) > MAX_COLUMNS:
        raise InvalidInput(
            f"a collection holds at most {MAX_COLUMNS} metadata columns, this batch makes it {len(names)}; "
            "keep rare keys together in one dict under one key"
        )
    missing: list[Any] = [None] * n
    pairs = [settled.get(fold(name)) or (held[fold(name)], missing) for name in names]
    return Batch(n, tuple(column for column, _ in pairs), [values for _, values in pairs])


def _as_lists(metadata: Any, n: int) -> dict[str, list[Any]]:
    """Column name → n values, in the order of first appearance."""
    if metadata is None:
        return {}
    found = tables.as_lists(metadata)
    if found is not None:
        length, lists = found
        _check_length(length, n)
        return lists
    if isinstance(metadata, str | bytes | Mapping) or not isinstance(metadata, Sequence):
        raise InvalidInput(
            "metadata must be a list with one dict an item, or a pandas, polars or Arrow table, "
            f"got {type(metadata).__name__}"
        )
    _check_length(len(metadata), n)
    dicts = metadata if set(map(type, metadata)) == {dict} else [_as_dict(row, one) for row, one in enumerate(metadata)]
    names = dict.fromkeys(chain.from_iterable(dicts))
    return {name: [one.get(name) for one in dicts] for name in names}


def _check_length(length: int, n: int) -> None:
    if length != n:
        raise InvalidInput(f"metadata must have one row an item: expected {n}, got {length}")


def _as_dict(row: int, one: Any) -> Mapping[str, Any]:
    if one is None:
        return {}
    if not isinstance(one, Mapping):
        raise InvalidInput(f"metadata row {row} must be a dict, got {type(one).__name__} ({shown(one)})")
    return one


def _check_names(given: Iterable[Any], held: Mapping[str, Column]) -> None:
    seen = {key: column.name for key, column in held.items()}
    for name in given:
        check_name(name)
        other = seen.setdefault(fold(name), name)
        if other != name:
            raise ColumnTypeClash(
                f"metadata key {name!r} differs from column {other!r} in upper and lower case only, "
                "which SQL takes for one name; spell it the same way",
                column=str(name),
            )


def check_name(name: Any) -> None:
    """Raises InvalidInput when `name` cannot be a metadata key, ReservedName when the store keeps it for itself."""
    if not isinstance(name, str):
        raise InvalidInput(f"metadata keys must be text, got {type(name).__name__} ({shown(name)})")
    if fold(name) in RESERVED or fold(name).startswith(_RESERVED_STARTS):
        kept = ", ".join(sorted(RESERVED))
        raise ReservedName(
            f"metadata key {shown(name)} is reserved ({kept}, and what starts with '_' or 'vector:'); rename it"
        )
    try:
        text(name)
    except UnfitError as error:
        raise InvalidInput(f"metadata key {error}") from None
    if not name.strip() or len(name) > MAX_NAME or re.search(r"[\x00-\x1f\x7f]", name):
        raise InvalidInput(
            f"a metadata key has 1 to {MAX_NAME} characters, no control characters among them, got {shown(name)}"
        )


_EXACT = {
    bool: Kind.BOOLEAN,
    float: Kind.DOUBLE,
    int: Kind.BIGINT,
    str: Kind.VARCHAR,
    bytes: Kind.BLOB,
    date: Kind.DATE,
}


def _settle(name: str, values: list[Any], held: Column | None) -> tuple[Column, list[Any]]:
    """The column after these values, and the values as it keeps them."""
    kinds = set(map(type, values)) - {NoneType}
    kind = _EXACT.get(next(iter(kinds))) if len(kinds) == 1 else None
    if kind and _all_fit(kind, values):
        wanted = join(held.type, ColumnType(kind)) if held else ColumnType(kind)
    else:
        values = [_canonical(name, row, value) for row, value in enumerate(values)]
        wanted = _joined(name, values, held)
    if wanted is None:
        raise _clash(name, values, held)
    column = replace(held, type=wanted) if held else Column(name, wanted)
    return column, _as_kept(column, values)


def _all_fit(kind: Kind, values: list[Any]) -> bool:
    """Whether values of one exact type are canonical as they are; if not, the long way names the row."""
    if kind is Kind.BIGINT:
        present = [value for value in values if value is not None]
        return bool(min(present) >= -(2**63) and max(present) < 2**63)
    if kind is Kind.VARCHAR:
        return all(value is None or value.isascii() or _encodes(value) for value in values)
    return True


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _canonical(name: str, row: int, value: Any) -> Any:
    try:
        return canonical(value)
    except UnfitError as error:
        raise _unfit(name, row, error) from None


def _unfit(name: str, row: int, error: UnfitError) -> InvalidInput:
    return InvalidInput(f"column {name!r}, row {row}: {error}; nothing of the batch was stored")


def _joined(name: str, values: list[Any], held: Column | None) -> ColumnType | None:
    """The type of the column after all values; None when some value clashes."""
    joined = held.type if held else NULL
    for row, value in enumerate(values):
        try:
            wider = join(joined, type_of(value))
        except UnfitError as error:
            raise _unfit(name, row, error) from None
        if wider is None:
            return None
        joined = wider
    return joined if held is None or widens(held.type, joined) else None


def _clash(name: str, values: list[Any], held: Column | None) -> ColumnTypeClash:
    """The error for the first row that does not fit; there is one."""
    joined = found = held.type if held else NULL
    row = 0
    for row, value in enumerate(values):  # noqa: B007
        found = type_of(value)
        wider = join(joined, found)
        if wider is None or (held is not None and not widens(held.type, wider)):
            break
        joined = wider
    return ColumnTypeClash(
        f"column {name!r} holds {joined}, row {row} brings {found} ({shown(value)}); "
        "convert it, or use another key; nothing of the batch was stored",
        column=name,
        row=row,
    )


def _as_kept(column: Column, values: list[Any]) -> list[Any]:
    """Ints as floats where the column is DOUBLE; the rest as it is. Raises InvalidInput where that loses digits."""
    kind, many = column.type.kind, column.type.many
    if kind is Kind.DOUBLE:
        convert = _floats if many else _float
    elif column.type == JSON:
        convert = _finite
    else:
        return values
    if kind is Kind.DOUBLE and not many and int not in set(map(type, values)):
        return values
    return [_apply(convert, column.name, row, value) for row, value in enumerate(values)]


def _apply(convert: Callable[[Any], Any], name: str, row: int, value: Any) -> Any:
    try:
        return convert(value)
    except UnfitError as error:
        raise _unfit(name, row, error) from None


def _float(value: Any) -> Any:
    if type(value) is not int:
        return value
    if int(float(value)) != value:
        raise UnfitError(f"the column holds DOUBLE, which cannot keep every digit of {value}; store it as text")
    return float(value)


def _floats(value: list[Any] | None) -> list[Any] | None:
    return value and [_float(item) for item in value]


def _finite(value: Any) -> Any:
    if type(value) is list and any(type(item) is float and not isfinite(item) for item in value):
        raise UnfitError("the column holds JSON, which has no NaN or infinity; use None")
    return value


def to_arrow(column: Column, values: Sequence[Any]) -> pyarrow.Array | pyarrow.ChunkedArray:
    """Canonical values of one column as Arrow, typed for the insert."""
    import pyarrow as pa

    if column.type == JSON:
        values = [None if value is None else _json_text(value) for value in values]
    return pa.array(values, type=column.type.arrow())


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def from_catalog(column: Column, values: Iterable[Any]) -> list[Any]:
    """Canonical values of one column from what DuckDB gives back: an Arrow array, or Python values.

    DuckDB's own fetch of TIMESTAMPTZ needs pytz, so read such columns as Arrow.
    """
    listed = values.to_pylist() if hasattr(values, "to_pylist") else list(values)
    kind, many = column.type.kind, column.type.many
    if kind is Kind.JSON:
        return [None if value is None else json.loads(value) for value in listed]
    if kind is not Kind.TIMESTAMPTZ:
        return listed
    if not many:
        return [value and value.astimezone(UTC) for value in listed]
    return [value and [item and item.astimezone(UTC) for item in value] for value in listed]


def alterations(old: Sequence[Column], new: Sequence[Column], table: str = "items") -> list[str]:
    """ALTER statements from the old columns to the new ones, to run in the transaction that inserts the batch.

    Widening an int column raises DuckDB's InvalidInputException there when a stored value has too many digits.
    """
    start = f"alter table {quoted(table)}"
    changes = [
        f"{start} alter {quoted(after.name)} set data type {after.type.sql}{_using(before, after)}"
        for before, after in zip(old, new, strict=False)
        if before.type.sql != after.type.sql
    ]
    return changes + [f"{start} add column {column.ddl}" for column in new[len(old) :]]


def _using(before: Column, after: Column) -> str:
    name = quoted(after.name)
    if before.type == NULL:
        return f" using null::{after.type.sql}"
    if after.type == JSON:
        return f" using to_json({name})"
    if after.type.kind is Kind.DOUBLE and before.type.kind is Kind.BIGINT:
        return f" using {_exact_list(name, after.name) if after.type.many else _exact(name, after.name)}"
    return ""


def _exact(operand: str, name: str) -> str:
    """The operand as DOUBLE, or an error when that changes it."""
    reason = (
        f"column {name!r} holds integers with more digits than DOUBLE keeps: it takes no fractions, use another key"
    )
    literal = reason.replace("'", "''")
    kept = f"{operand}::double::hugeint = {operand} or {operand} is null"
    return f"case when {kept} then {operand}::double else error('{literal}') end"


def _exact_list(operand: str, name: str) -> str:
    return f"list_transform({operand}, lambda element: {_exact('element', name)})"


def widener(columns: Sequence[Column]) -> Callable[[list[Any]], list[Any]]:
    """A function that brings the unpacked values of an older row, in place, to today's columns: None for the columns it
    did not know, floats where it holds ints and the column is DOUBLE now. Build it once for many rows.
    """
    width = len(columns)
    doubles = [at for at, column in enumerate(columns) if column.type.kind is Kind.DOUBLE and not column.type.many]
    lists = [at for at, column in enumerate(columns) if column.type.kind is Kind.DOUBLE and column.type.many]

    def widen(values: list[Any]) -> list[Any]:
        if len(values) < width:
            values.extend([None] * (width - len(values)))
        for at in doubles:
            if type(values[at]) is int:
                values[at] = float(values[at])
        for at in lists:
            values[at] = _floats(values[at])
        return values

    return widen
