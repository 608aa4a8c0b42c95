"""Metadata that comes as a pandas or polars DataFrame or an Arrow table: its columns as lists of Python values.

What the library itself takes for missing becomes None: null in Arrow and polars; NaN, NaT and NA in pandas.
NaN in Arrow and polars stays.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from latentstore.errors import InvalidInput

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

Lists = tuple[int, dict[str, list[Any]]]


def as_lists(table: Any) -> Lists | None:
    """(number of rows, column name → values), or None for no table: a library that is not loaded made none."""
    pandas, polars, pyarrow = (sys.modules.get(name) for name in ("pandas", "polars", "pyarrow"))
    if pandas and isinstance(table, pandas.DataFrame):
        return len(table), _pandas_lists(table)
    if polars and isinstance(table, polars.DataFrame):
        return table.height, {name: _polars_list(name, table[name]) for name in table.columns}
    if polars and isinstance(table, polars.LazyFrame):
        raise InvalidInput("metadata must be a polars DataFrame, got a LazyFrame; collect() it first")
    if pyarrow and isinstance(table, pyarrow.Table | pyarrow.RecordBatch):
        _check_unique(table.column_names)
        return table.num_rows, {name: arrow_list(name, table.column(name)) for name in table.column_names}
    return None


def _check_unique(names: list[Any]) -> None:
    twice = sorted({str(name) for name in names if names.count(name) > 1})
    if twice:
        raise InvalidInput(f"metadata has the column {twice[0]!r} more than once; give each column one name")


def _pandas_lists(table: pandas.DataFrame) -> dict[str, list[Any]]:
    names = list(table.columns)
    _check_unique(names)
    return {name: _pandas_list(name, table[name]) for name in names}


def _pandas_list(name: str, series: pandas.Series) -> list[Any]:
    import pyarrow as pa

    if series.dtype == object:
        return [None if type(value) is float and value != value else value for value in series.tolist()]
    try:
        array = pa.array(series, from_pandas=True)
    except (pa.ArrowException, TypeError, ValueError):
        return list(series)
    return arrow_list(name, array)


def _polars_list(name: str, series: polars.Series) -> list[Any]:
    import polars

    if series.dtype in (polars.Object, polars.Int128):
        return list(series.to_list())
    return arrow_list(name, series.to_arrow())


def _dates(array: pyarrow.Array | pyarrow.ChunkedArray) -> list[Any] | None:
    """Days and microseconds by way of numpy, forty times faster than one by one; None where that way is not the same."""
    import pyarrow as pa

    if array.type not in (pa.date32(), pa.timestamp("us")):
        return None
    listed: list[Any] = (array.to_numpy() if isinstance(array, pa.ChunkedArray) else array.to_numpy(False)).tolist()
    # Beyond the years 1 to 9999 numpy gives a number, and for one number of all a null, where Arrow refuses.
    whole = int not in set(map(type, listed)) and listed.count(None) == array.null_count
    return listed if whole else None


def arrow_list(name: str, array: pyarrow.Array | pyarrow.ChunkedArray) -> list[Any]:
    """Python values of an Arrow column. Raises InvalidInput for what Python's dates and times cannot hold."""
    import pyarrow as pa

    kind = array.type
    try:
        if pa.types.is_dictionary(kind):
            return arrow_list(name, array.cast(kind.value_type))
        if pa.types.is_timestamp(kind):
            array = array.cast(pa.timestamp("us", tz=kind.tz and "UTC"))
        elif pa.types.is_time64(kind):
            array = array.cast(pa.time64("us"))
        return _dates(array) or array.to_pylist(maps_as_pydicts="strict")
    except (pa.ArrowException, ValueError, OverflowError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(
            f"column {name!r} of Arrow type {kind} has a value that metadata cannot hold: {reason}; "
            "round times to microseconds within the years 1 to 9999"
        ) from error
