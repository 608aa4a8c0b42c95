"""Arrow columns as Python values, whole columns at a time where their type allows.

Times come to the microsecond and with a zone in UTC; what lies outside the years 1 to 9999 is left out, as are integers
beyond 64 bits. Dictionaries, views and run-ends are opened; structs and maps become dicts, durations seconds.
"""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from ingest.readers.blocks import INT64, Faults, fitted

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST, _LAST = -62_135_596_800, 253_402_300_799  # seconds of the years 1 to 9999
_LISTS = (pa.ListArray, pa.LargeListArray, pa.FixedSizeListArray, pa.ListViewArray, pa.LargeListViewArray)
LARGEST = 1 << 22  # values within the lists of one block, or of one row
_DIGITS = 38  # of the longest decimal that a store keeps


def values(array: Any) -> tuple[list[Any], Faults]:
    """As many values as the array has, each fit for a store, and why some are None."""
    kind = array.type
    if isinstance(array, pa.ExtensionArray):
        return _extension(array)
    if types.is_dictionary(kind):
        return _coded(array)
    if types.is_run_end_encoded(kind):
        return _runs(array)
    if types.is_null(kind):
        return [None] * len(array), {}
    if types.is_boolean(kind) or _bytes(kind):
        return array.to_numpy(zero_copy_only=False).tolist(), {}
    if _text(kind):
        return _texts(array)
    if types.is_integer(kind) or types.is_floating(kind):
        return _numbers(array)
    return _others(array)


def _others(array: Any) -> tuple[list[Any], Faults]:
    kind = array.type
    if types.is_timestamp(kind) or types.is_date(kind):
        return _moments(array)
    if types.is_time(kind):
        return array.cast(pa.time64("us"), safe=False).to_pylist(), {}
    if types.is_duration(kind):
        ticks = array.cast(pa.int64()).to_pylist()
        return [None if tick is None else tick / _PER_SECOND[kind.unit] for tick in ticks], {}
    if types.is_decimal(kind) and kind.precision > _DIGITS:
        return [None if value is None else _shortest(value) for value in array.to_pylist()], {}
    found, faults = unfolded(array)
    fit, more = fitted(found)
    return fit, faults | more


def unfolded(array: Any) -> tuple[list[Any], Faults]:
    """Python's own lists and dicts. A few bytes can stand for billions of values, of which none is made."""
    if _weight(array) <= LARGEST:
        return array.to_pylist(), {}
    rows = [array.slice(row, 1) for row in range(len(array))]
    faults = {row: f"it holds more than {LARGEST:,} values" for row, one in enumerate(rows) if _weight(one) > LARGEST}
    return [None if row in faults else one[0].as_py() for row, one in enumerate(rows)], faults


def _weight(array: Any) -> int:
    """How many values it is, those within others counted."""
    if isinstance(array, pa.ExtensionArray):
        return _weight(array.storage)
    if types.is_struct(array.type):
        return len(array) + sum(_weight(array.field(at)) for at in range(array.type.num_fields))
    if types.is_map(array.type):
        first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
        return len(array) + sum(_weight(part.slice(first, last - first)) for part in (array.keys, array.items))
    if isinstance(array, _LISTS):
        return len(array) + _weight(array.flatten())
    return len(array)


def _shortest(value: Decimal) -> str:
    return f"{value:f}"


def _bytes(kind: Any) -> bool:
    return bool(
        types.is_binary(kind)
        or types.is_large_binary(kind)
        or types.is_fixed_size_binary(kind)
        or types.is_binary_view(kind)
    )


def _text(kind: Any) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _extension(array: Any) -> tuple[list[Any], Faults]:
    """A UUID as text; of other types what they are stored as."""
    if array.type.extension_name == "arrow.uuid":
        return [None if value is None else str(value) for value in array.to_pylist()], {}
    return values(array.storage)


def _coded(array: Any) -> tuple[list[Any], Faults]:
    """Each entry of the dictionary once, however long and often it stands in the column."""
    codes = array.indices
    used = pc.drop_null(codes.unique())
    entries, faults = values(array.dictionary.take(used))
    places = {code: place for place, code in enumerate(used.to_pylist())}
    wanted = [None if code is None else places[code] for code in codes.to_pylist()]
    bad = {row: faults[place] for row, place in enumerate(wanted) if place in faults} if faults else {}
    return [None if place is None else entries[place] for place in wanted], bad


def _runs(array: Any) -> tuple[list[Any], Faults]:
    """Each run once, however long it is."""
    first, count = array.find_physical_offset(), array.find_physical_length()
    entries, faults = values(array.values.slice(first, count))
    ends = np.minimum(array.run_ends.slice(first, count).to_numpy() - array.offset, len(array))
    runs = np.repeat(np.arange(count), np.diff(ends, prepend=0)).tolist()
    bad = {row: faults[run] for row, run in enumerate(runs) if run in faults} if faults else {}
    return [entries[run] for run in runs], bad


def _texts(array: Any) -> tuple[list[Any], Faults]:
    try:
        return array.to_numpy(zero_copy_only=False).tolist(), {}
    except (pa.ArrowException, UnicodeDecodeError):
        pass  # some of it is no UTF-8
    found: list[Any] = []
    faults: Faults = {}
    for row, raw in enumerate(array.cast(pa.large_binary()).to_pylist()):
        try:
            found.append(None if raw is None else raw.decode())
        except UnicodeDecodeError as cause:
            found.append(None)
            faults[row] = f"it is not UTF-8: {cause.reason} at byte {cause.start}"
    return found, faults


def _numbers(array: Any) -> tuple[list[Any], Faults]:
    whole = types.is_integer(array.type)
    plain = array.fill_null(0) if array.null_count else array
    found = plain.to_numpy(zero_copy_only=False).tolist()
    if array.null_count:
        found = [value if there else None for value, there in zip(found, array.is_valid().to_pylist(), strict=True)]
    return fitted(found) if whole and types.is_uint64(array.type) else (found, {})


def _moments(array: Any) -> tuple[list[Any], Faults]:
    """Dates and times. A time with a zone comes out in UTC."""
    dates = types.is_date(array.type)
    ticks = array.cast(pa.timestamp("ms") if types.is_date64(array.type) else pa.timestamp("s")) if dates else array
    unit = _PER_SECOND[ticks.type.unit]
    raw = ticks.cast(pa.int64())
    outside = pc.or_(pc.less(raw, _FIRST * unit if _FIRST * unit in INT64 else INT64[0]), pc.greater(raw, _most(unit)))
    faults: Faults = {}
    if pc.any(outside).as_py():
        rows = np.flatnonzero(pc.fill_null(outside, False).to_numpy(zero_copy_only=False)).tolist()
        faults = dict.fromkeys(rows, "it is outside the years 1 to 9999")
        raw = pc.if_else(outside, None, raw)
    return _told(raw, ticks.type, dates), faults


def _most(unit: int) -> int:
    return min(_LAST * unit + unit - 1, INT64[-1])


def _told(raw: Any, kind: Any, dates: bool) -> list[Any]:
    valid = raw.fill_null(0).to_numpy(zero_copy_only=False).astype(f"datetime64[{kind.unit}]")
    found = valid.astype("datetime64[D]" if dates else "datetime64[us]").tolist()
    if kind.tz is not None:
        found = [moment.replace(tzinfo=UTC) for moment in found]
    if raw.null_count:
        return [moment if there else None for moment, there in zip(found, raw.is_valid().to_pylist(), strict=True)]
    return found  # type: ignore[no-any-return]
