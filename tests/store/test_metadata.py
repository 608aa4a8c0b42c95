"""Metadata of every kind comes back as it went in, at every door and after everything that rewrites it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from everykind import FULL, LONG, ROWS, SPARSE, assert_same, same
from truth import committed, gaussian

import latentstore
from latentstore import Collection, ColumnTypeClash, InvalidInput, ReservedName, Store

Reopen = Callable[[], Store]
IDS = ["full", "sparse", "third"]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _check(points: Collection, rows: list[dict[str, Any]]) -> None:
    """Through get, through the hits of a search, and through SQL."""
    for item, row in zip(points.get(IDS), rows, strict=True):
        assert_same(item.metadata, row)  # type: ignore[arg-type]
    for hit in points.search(gaussian(1)[0], 3):
        assert_same(hit.metadata, rows[IDS.index(hit.id)])
    names = ", ".join(map(_quoted, rows[0]))
    for found, row in zip(points.sql(f"select {names} from items order by id").values, rows, strict=True):
        for name, value, given in zip(rows[0], found, row.values(), strict=True):
            if not isinstance(given, dict) and name != "mixed":
                assert value == given, f"{name} from SQL: {value!r:.80}"


def _twice(points: Collection, reopen: Reopen) -> Iterator[Collection]:
    """As it is; then closed, opened, and compacted."""
    yield points
    again = reopen().collection("points")
    again.add(vectors=gaussian(1), ids=["gone"])
    again.delete(["gone"])
    again.optimize()
    yield again


AFTER: dict[str, Callable[[Collection, Reopen], Collection]] = {
    "at once": lambda points, reopen: points,
    "reopening": lambda points, reopen: reopen().collection("points"),
    "an update of another key": lambda points, reopen: (points.update(["third"], [{"flag": False}]), points)[1],
    "compaction": lambda points, reopen: (
        points.add(vectors=gaussian(1), ids=["x"]),
        points.delete(["x"]),
        points.optimize(),
        points,
    )[3],
    "replacing": lambda points, reopen: (
        points.add(vectors=gaussian(3), ids=IDS, metadata=ROWS, on_conflict="replace"),
        points,
    )[1],
}


@pytest.mark.parametrize("after", AFTER)
def test_every_kind_of_value_comes_back_as_it_went_in_after(points: Collection, reopen: Reopen, after: str) -> None:
    points.add(vectors=gaussian(3), ids=IDS, metadata=ROWS)
    points = AFTER[after](points, reopen)
    _check(points, ROWS)
    assert points.verify().ok


def test_every_kind_of_value_survives_a_repair_without_the_catalog(store: Store) -> None:
    store.create("points").add(vectors=gaussian(3), ids=IDS, metadata=ROWS)
    store.close()
    for path in (store.path / "points").glob("catalog.duckdb*"):
        path.unlink()
    assert latentstore.repair(store.path).lost == []
    with latentstore.open(store.path) as mended:
        _check(mended.collection("points"), ROWS)


def test_every_kind_of_value_may_come_by_update(points: Collection) -> None:
    points.add(vectors=gaussian(3), ids=IDS)
    points.update(IDS, ROWS)
    _check(points, ROWS)
    points.update(IDS, [SPARSE, FULL, SPARSE])
    _check(points, [SPARSE, FULL, SPARSE])


def test_tables_of_arrow_and_polars_and_pandas_bring_every_kind(points: Collection) -> None:
    points.add(vectors=gaussian(3), ids=IDS, metadata=ROWS)
    plain = [name for name in FULL if not isinstance(FULL[name], dict) and name not in ("mixed", "none")]
    table = pa.table({name: pa.array([row[name] for row in ROWS]) for name in plain})
    for number, made in enumerate((table, pl.from_arrow(table), table.to_pandas(types_mapper=pd_arrow))):
        names = [f"{name} {number}" for name in IDS]
        points.add(vectors=gaussian(3), ids=names, metadata=made)
        for item, row in zip(points.get(names), ROWS, strict=True):
            for name in plain:
                assert same(item.metadata[name], row[name]), (number, name)


def pd_arrow(kind: pa.DataType) -> Any:
    """pandas columns that keep what Arrow had: its own types would make floats of integers beside a null."""
    import pandas as pd

    return pd.ArrowDtype(kind)


def test_hits_of_every_kind_become_tables(points: Collection) -> None:
    points.add(vectors=gaussian(3), ids=IDS, metadata=ROWS)
    hits = points.search(gaussian(1)[0], 3)
    assert hits.to_arrow().column("most").to_pylist() == [hit.metadata["most"] for hit in hits]
    assert hits.to_pandas()["id"].tolist() == hits.ids
    sql = points.sql('select id, nest, mixed, "select" from items order by id')
    assert sql.to_arrow().column("select").to_pylist() == [4, None, 4]
    assert json.loads(hits.to_arrow().column("mixed")[hits.ids.index("full")].as_py()) == FULL["mixed"]


def test_not_a_number_is_kept_apart_from_nothing(points: Collection, reopen: Reopen) -> None:
    points.add(vectors=gaussian(2), ids=["nan", "null"], metadata=[{"x": float("nan")}, {"x": None}])
    for held in _twice(points, reopen):
        nan, null = held.get(["nan", "null"])
        assert same(nan.metadata["x"], float("nan")) and null.metadata["x"] is None
        assert held.count("isnan(x)") == held.count("x is null") == 1


def test_a_moment_in_any_zone_comes_back_as_that_moment_in_utc(points: Collection) -> None:
    from zoneinfo import ZoneInfo

    noon = datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("America/New_York"))
    points.add(vectors=gaussian(1), ids=["a"], metadata=[{"t": noon}])
    found = points.get("a")[0].metadata["t"]
    assert found == noon and found.tzinfo is UTC and points.count("t = '2024-07-01 16:00:00+00'") == 1
    assert points.sql("select t from items").values == [(noon,)]


def test_a_new_key_is_null_in_the_rows_before_it(points: Collection) -> None:
    points.add(vectors=gaussian(1), ids=["a"], metadata=[{"n": 1}])
    points.add(vectors=gaussian(1), ids=["b"], metadata=[{"m": "x"}])
    assert [item.metadata for item in points.get(["a", "b"])] == [{"n": 1, "m": None}, {"n": None, "m": "x"}]
    assert points.sql("select id from items where m is null").values == [("a",)]


WIDENED = [
    (7, 0.5, 7.0, "DOUBLE"),
    (2**53, 0.5, float(2**53), "DOUBLE"),
    ([1, None], [0.5], [1.0, None], "DOUBLE[]"),
    ([], ["a"], [], "VARCHAR[]"),
    ([], [{"a": 1}], [], "JSON"),
    (None, time(1), None, "TIME"),
    (Decimal("1.5"), Decimal("123456789012345678901.25"), Decimal("1.5"), "DECIMAL(23,2)"),
]


@pytest.mark.parametrize(("first", "second", "kept", "kind"), WIDENED, ids=[kind for *_, kind in WIDENED])
def test_a_column_that_widens_takes_its_earlier_rows_along(
    points: Collection, reopen: Reopen, first: Any, second: Any, kept: Any, kind: str
) -> None:
    points.add(vectors=gaussian(1), ids=["a"], metadata=[{"x": first}])
    points.add(vectors=gaussian(1), ids=["b"], metadata=[{"x": second}])
    assert points.info()["columns"] == {"x": kind}
    for held in _twice(points, reopen):
        a, b = held.get(["a", "b"])
        assert same(a.metadata["x"], kept) and same(b.metadata["x"], second)
        hits = {hit.id: hit.metadata["x"] for hit in held.search(gaussian(1)[0], 2)}
        assert same(hits, {"a": kept, "b": second})
        assert held.verify().ok


@pytest.mark.parametrize("wide", [2**53 + 1, [1, 2**53 + 1]])
def test_integers_that_no_double_holds_refuse_a_fraction_and_nothing_is_stored(points: Collection, wide: Any) -> None:
    fraction = [0.5] if isinstance(wide, list) else 0.5
    points.add(vectors=gaussian(1), ids=["a"], metadata=[{"n": wide}])
    before = committed(points)
    with pytest.raises(ColumnTypeClash, match="'n' holds integers with more digits than DOUBLE keeps"):
        points.add(vectors=gaussian(1), ids=["b"], metadata=[{"n": fraction}])
    with pytest.raises(ColumnTypeClash, match="'n'"):
        points.update(["a"], [{"n": fraction}])
    assert committed(points) == before and points.get("a")[0].metadata == {"n": wide}
    points.add(vectors=gaussian(1), ids=["b"], metadata=[{"n": wide}])
    assert points.verify().ok and len(points) == 2


def test_a_double_column_refuses_an_integer_that_it_cannot_hold(points: Collection) -> None:
    points.add(vectors=gaussian(1), ids=["a"], metadata=[{"n": 0.5}])
    with pytest.raises(InvalidInput, match=r"'n', row 1: .*every digit of 9007199254740993"):
        points.add(vectors=gaussian(2), metadata=[{"n": 2**53}, {"n": 2**53 + 1}])
    assert len(points) == 1


def test_a_clash_stores_nothing_of_the_batch_not_even_its_new_columns(points: Collection) -> None:
    points.add(vectors=gaussian(1), ids=["a"], metadata=[{"year": 1999}])
    before, size = committed(points), len(points.info()["columns"])
    with pytest.raises(ColumnTypeClash, match=r"column 'year' holds BIGINT, row 1 brings VARCHAR \('MM'\)"):
        points.add(vectors=gaussian(2), ids=["b", "c"], metadata=[{"year": 2000, "new": 1}, {"year": "MM"}])
    assert committed(points) == before and len(points.info()["columns"]) == size
    points.add(vectors=gaussian(1), ids=["b"], metadata=[{"new": "of another type"}])
    assert points.get("b")[0].metadata == {"year": None, "new": "of another type"}


@pytest.mark.parametrize("name", ["id", "Row", "TEXT", "uri", "score", "Distance", "rank", "vector", "_x", "Vector:a"])
def test_reserved_names_are_refused_by_add_and_update(points: Collection, name: str) -> None:
    points.add(vectors=gaussian(1), ids=["a"])
    before = committed(points)
    with pytest.raises(ReservedName, match="rename it"):
        points.add(vectors=gaussian(1), metadata=[{name: 1}])
    with pytest.raises(ReservedName, match="rename it"):
        points.update(["a"], [{name: 1}])
    assert committed(points) == before


def test_names_that_differ_in_case_alone_are_one_column_and_the_second_is_told(points: Collection) -> None:
    points.add(vectors=gaussian(1), ids=["a"], metadata=[{"Year": 1}])
    for late in ([{"year": 2}], [{"YEAR": "x"}]):
        with pytest.raises(ColumnTypeClash, match="'Year' in upper and lower case only"):
            points.add(vectors=gaussian(1), metadata=late)
    points.add(vectors=gaussian(1), ids=["b"], metadata=[{"É": 1, "é": 2}])
    assert points.get("b")[0].metadata == {"Year": None, "É": 1, "é": 2}
    assert points.count("year = 1") == points.count('"é" = 2') == 1


def test_very_long_text_is_found_by_a_filter(points: Collection) -> None:
    points.add([LONG, "b"], vectors=gaussian(2), ids=["a", "b"], metadata=[{"s": LONG}, {"s": "b"}])
    assert points.count("length(s) = 2500000") == points.count("length(text) = 2500000") == 1
    assert points.get("a")[0].text == LONG


def test_a_row_of_metadata_is_given_back_as_a_copy(points: Collection, tmp_path: Path) -> None:
    points.add(vectors=gaussian(1), ids=["a"], metadata=[{"nest": {"a": [1]}}])
    points.get("a")[0].metadata["nest"]["a"].append(2)
    assert points.get("a")[0].metadata == {"nest": {"a": [1]}}
