"""Any metadata that is accepted comes back equal: from packed rows, and from a real DuckDB table through Arrow."""

from __future__ import annotations

from datetime import UTC

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstore.storage.columns import alterations, from_catalog, normalise, quoted
from latentstore.storage.values import unpack

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
INTS = st.integers(-(2**63), 2**63 - 1)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | INTS | FINITE | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
SCALARS = {
    "flag": st.booleans(), "count": INTS, "mark": st.floats(allow_nan=False), "words": WORDS, "raw": st.binary(max_size=9),
    "day": st.dates(), "clock": st.times(), "naive": st.datetimes(), "aware": st.datetimes(timezones=st.just(UTC)),
    "price": st.decimals(-(10**9), 10**9, places=3),
}  # fmt: skip
COLUMNS = {**SCALARS, **{f"{name}s": st.lists(st.none() | one, max_size=4) for name, one in SCALARS.items()}}
ROWS = st.fixed_dictionaries({}, optional={**COLUMNS, "extra": st.dictionaries(WORDS, JSON, max_size=3)})
BATCHES = st.lists(st.lists(ROWS, min_size=1, max_size=4), min_size=1, max_size=3)


@given(BATCHES)
@settings(max_examples=60, deadline=None)
def test_accepted_metadata_comes_back_equal_from_rows_and_from_the_catalog(batches):
    connection = duckdb.connect()
    connection.execute("create table items (row bigint primary key)")
    columns, given_rows = (), []
    for number, rows in enumerate(batches):
        batch = normalise(rows, len(rows), columns)
        for statement in alterations(columns, batch.columns):
            connection.execute(statement)
        assert [unpack(data) for data in batch.packed()] == [list(row) for row in batch.rows()]
        found = batch.arrow()
        numbers = range(len(given_rows), len(given_rows) + len(rows))
        table = pa.table([list(numbers), *found.columns], names=["row", *found.column_names])
        connection.register(f"batch{number}", table)
        connection.execute(f"insert into items by name select * from batch{number}")
        columns, given_rows = batch.columns, given_rows + rows
    assert stored(connection, columns) == {c.name: [row.get(c.name) for row in given_rows] for c in columns}
    connection.close()


def stored(connection, columns):
    names = ", ".join(["row", *(quoted(column.name) for column in columns)])
    table = connection.sql(f"select {names} from items order by row").to_arrow_table()
    return {column.name: from_catalog(column, table.column(at + 1)) for at, column in enumerate(columns)}
