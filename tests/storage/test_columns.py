"""Metadata typing: what is inferred, what widens, what is refused, and that tables say the same as dicts."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from latentstore.errors import ColumnTypeClash, InvalidInput, ReservedName
from latentstore.storage.columns import alterations, normalise, widener
from latentstore.storage.kinds import ColumnType


def types(batch):
    return {column.name: str(column.type) for column in batch.columns}


TYPED = [
    (True, "BOOLEAN"), (3, "BIGINT"), (2.5, "DOUBLE"), ("é😀\0", "VARCHAR"), (b"\0a", "BLOB"), (date(1, 1, 1), "DATE"),
    (time(23, 59, 59, 999999), "TIME"), (datetime(2020, 1, 1), "TIMESTAMP"), (datetime(2020, 1, 1, tzinfo=UTC), "TIMESTAMPTZ"),
    (Decimal("1.10"), "DECIMAL(18,2)"), ([1, None], "BIGINT[]"), ([1, 2.5], "DOUBLE[]"), (["a"], "VARCHAR[]"), ([], "NULL[]"),
    ({"a": [1]}, "JSON"), ([1, "a"], "JSON"), ([[1], [2]], "JSON"), (None, "NULL"), ("x" * 1_000_000, "VARCHAR"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "kind"), TYPED, ids=[kind for _, kind in TYPED])
def test_a_value_gives_its_column_a_type_and_stays_equal(value, kind):
    batch = normalise([{"x": value}], 1, ())
    assert types(batch) == {"x": kind} and batch.values == [[value]]
    assert ColumnType.parse(kind) == batch.columns[0].type


FOREIGN = [
    (np.int8(3), 3), (np.float32(0.5), 0.5), (np.str_("a"), "a"), (np.bool_(True), True), (np.array([1, 2]), [1, 2]), (("a",), ["a"]),
    (pd.NA, None), (pd.NaT, None), (pd.Timestamp("2020-01-01"), datetime(2020, 1, 1)), (pa.scalar(4), 4),
    (np.datetime64("2020-01-01T00:00:00"), datetime(2020, 1, 1)), (bytearray(b"a"), b"a"),
    (datetime(2020, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), datetime(2020, 1, 1, tzinfo=UTC)),
]  # fmt: skip


@pytest.mark.parametrize(("value", "kept"), FOREIGN, ids=[type(value).__name__ for value, _ in FOREIGN])
def test_values_of_other_libraries_are_converted_at_the_edge(value, kept):
    (found,) = normalise([{"x": value}], 1, ()).values[0]
    assert found == kept and type(found) is type(kept)


UNFIT = [
    2**63,
    "\ud800",
    {1: 2},
    {"a": float("nan")},
    {"a": date(2020, 1, 1)},
    1j,
    {1, 2},
    object(),
    Decimal("NaN"),
    timedelta(1),
]


@pytest.mark.parametrize("value", UNFIT, ids=lambda value: type(value).__name__)
def test_what_cannot_be_kept_is_refused_with_column_and_row(value):
    with pytest.raises(InvalidInput, match=r"column 'x', row 1: .*nothing of the batch was stored"):
        normalise([{}, {"x": value}], 2, ())


def test_a_nest_without_end_is_refused():
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(InvalidInput, match="deeper than 64 levels"):
        normalise([{"x": loop}], 1, ())


def test_a_clash_names_column_row_and_both_types():
    held = normalise([{"year": 1}], 1, ()).columns
    with pytest.raises(ColumnTypeClash, match=r"column 'year' holds BIGINT, row 2 brings VARCHAR \('abc'\)"):
        normalise([{"year": 1}, {}, {"year": "abc"}], 3, held)


@pytest.mark.parametrize(
    "pair", [(1, True), (1, "a"), ("a", {"b": 1}), (date(2020, 1, 1), datetime(2020, 1, 1)), ([1], 1)]
)
def test_types_that_do_not_join_clash_within_a_batch_too(pair):
    with pytest.raises(ColumnTypeClash, match="row 1 brings"):
        normalise([{"x": one} for one in pair], 2, ())


@pytest.mark.parametrize("name", ["id", "Text", "ROW", "rowid", "score", "_hidden"])
def test_reserved_names_are_refused(name):
    with pytest.raises(ReservedName, match="reserved"):
        normalise([{name: 1}], 1, ())


@pytest.mark.parametrize("name", ["", " ", "a\0b", "a\nb", 3, "\ud800", "x" * 201])
def test_names_that_cannot_be_columns_are_refused(name):
    with pytest.raises(InvalidInput, match="metadata key"):
        normalise([{name: 1}], 1, ())


def test_a_key_that_differs_in_case_only_is_refused():
    with pytest.raises(ColumnTypeClash, match="upper and lower case only"):
        normalise([{"Year": 1}], 1, normalise([{"year": 1}], 1, ()).columns)


@pytest.mark.parametrize("metadata", [[{}], "ab", {"a": [1, 2]}, 5, [{}, 3]])
def test_metadata_of_another_shape_is_refused(metadata):
    with pytest.raises(InvalidInput, match="metadata"):
        normalise(metadata, 2, ())


def test_tables_say_the_same_as_dicts():
    rows = [
        {"n": 1, "t": "a", "f": 0.5, "w": datetime(2020, 1, 1), "l": ["x"]},
        {"n": 2, "t": None, "f": None, "w": None, "l": []},
    ]
    wanted = normalise(rows, 2, ())
    table = wanted.arrow()
    for other in (table, table.to_batches()[0], table.to_pandas(), pl.from_arrow(table)):
        found = normalise(other, 2, ())
        assert (found.columns, found.values) == (wanted.columns, wanted.values)


def test_missing_is_none_and_nan_stays_where_the_library_tells_them_apart():
    assert normalise(pd.DataFrame({"x": [1.0, np.nan]}), 2, ()).values == [[1.0, None]]
    assert np.isnan(normalise(pl.DataFrame({"x": [1.0, float("nan")]}), 2, ()).values[0][1])
    assert np.isnan(normalise([{"x": float("nan")}], 1, ()).values[0][0])


def test_categories_and_odd_units_of_time_are_read():
    frame = pd.DataFrame({"c": pd.Categorical(["a", "b"]), "t": pd.to_datetime(["2020-01-01", None]).as_unit("ns")})
    assert normalise(frame, 2, ()).values == [["a", "b"], [datetime(2020, 1, 1), None]]
    with pytest.raises(InvalidInput, match="column 't'"):
        normalise(pa.table({"t": pa.array([1], pa.timestamp("ns"))}), 1, ())


WIDENINGS = [
    (None, 3, None), (None, {"a": 1}, None), ([], ["a"], []), ([], [{"a": 1}], []), (1, 2.5, 1.0), ([1], [0.5], [1.0]),
    (Decimal("1.1"), Decimal("0.0000000000000000001"), Decimal("1.1")), (None, datetime(2020, 1, 1, tzinfo=UTC), None),
]  # fmt: skip


@pytest.mark.parametrize(("first", "second", "kept"), WIDENINGS)
def test_a_stored_column_widens_in_the_table_and_in_old_rows(first, second, kept):
    old = normalise([{"x": first}], 1, ())
    new = normalise([{"x": second, "y": 1}], 1, old.columns)
    connection = duckdb.connect()
    connection.execute(f"create table items ({old.columns[0].ddl})")
    for number, (batch, before) in enumerate([(old, old.columns), (new, old.columns)]):
        for statement in alterations(before, batch.columns):
            connection.execute(statement)
        connection.register(f"b{number}", batch.arrow())
        connection.execute(f"insert into items by name from b{number}")
    assert connection.execute("select count(*) from items").fetchall() == [(2,)]
    assert widener(new.columns)([first]) == [kept, None]


def test_widening_never_loses_a_digit():
    old = normalise([{"x": 2**53 + 1}], 1, ())
    new = normalise([{"x": 0.5}], 1, old.columns)
    connection = duckdb.connect()
    connection.execute(f"create table items as select {2**53 + 1}::bigint as x")
    with pytest.raises(duckdb.InvalidInputException, match="more digits than DOUBLE keeps"):
        connection.execute(alterations(old.columns, new.columns)[0])
    with pytest.raises(InvalidInput, match="every digit"):
        normalise([{"x": 2**53 + 1}], 1, new.columns)
