"""Columns of every Arrow type, as metadata, and stored."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ingest
import latentstore
from ingest.chunking import Splitter, WordTokens
from ingest.readers import Passage, Reading
from ingest.readers.columns import Columns
from ingest.readers.tables import read
from ingest.results import Unreadable
from ingest.sources import Kind, on_disk

WORDS = Splitter.fitting(WordTokens(), 256)
AT = datetime(2020, 1, 2, 3, 4, 5, 678)

CASES = {
    "int8": (pa.array([1, None], pa.int8()), [1, None]),
    "uint64": (pa.array([2**63 - 1, None], pa.uint64()), [2**63 - 1, None]),
    "float16": (pa.array([1.5, None], pa.float16()), [1.5, None]),
    "float32": (pa.array([0.5, None], pa.float32()), [0.5, None]),
    "bool": (pa.array([True, None]), [True, None]),
    "large_string": (pa.array(["ü", None], pa.large_string()), ["ü", None]),
    "string_view": (pa.array(["ü", None], pa.string_view()), ["ü", None]),
    "dictionary": (pa.array(["a", None]).dictionary_encode(), ["a", None]),
    "binary": (pa.array([b"\0a", None]), [b"\0a", None]),
    "fixed_binary": (pa.array([b"ab", None], pa.binary(2)), [b"ab", None]),
    "decimal": (pa.array([Decimal("1.50"), None]), [Decimal("1.50"), None]),
    "decimal256": (pa.array([Decimal("1.50"), None], pa.decimal256(60, 2)), ["1.50", None]),
    "date32": (pa.array([date(1, 1, 1), date(9999, 12, 31)]), [date(1, 1, 1), date(9999, 12, 31)]),
    "date64": (pa.array([date(2020, 1, 2), None], pa.date64()), [date(2020, 1, 2), None]),
    "time": (pa.array([time(1, 2, 3, 4), None]), [time(1, 2, 3, 4), None]),
    "time_ns": (pa.array([3_723_000_004_999, None], pa.time64("ns")), [time(1, 2, 3, 4), None]),
    "naive": (pa.array([AT, None], pa.timestamp("us")), [AT, None]),
    "seconds": (pa.array([-1, None], pa.timestamp("s")), [datetime(1969, 12, 31, 23, 59, 59), None]),
    "nanoseconds": (pa.array([1_000_000_123, None], pa.timestamp("ns")), [datetime(1970, 1, 1, 0, 0, 1), None]),
    "zone": (pa.array([0, None], pa.timestamp("ms", "Asia/Tokyo")), [datetime(1970, 1, 1, tzinfo=UTC), None]),
    "duration": (pa.array([1500, None], pa.duration("ms")), [1.5, None]),
    "list": (pa.array([["a", None], None]), [["a", None], None]),
    "list_of_times": (
        pa.array([[1_000_000_123], None], pa.list_(pa.timestamp("ns"))),
        [[datetime(1970, 1, 1, 0, 0, 1)], None],
    ),
    "struct": (
        pa.array([{"at": AT, "n": Decimal("1.5"), "x": float("nan")}, None]),
        [{"at": AT.isoformat(), "n": "1.5", "x": None}, None],
    ),
    "map": (pa.array([[("a", 1), ("b", 2)], None], pa.map_(pa.string(), pa.int64())), [{"a": 1, "b": 2}, None]),
    "nested": (pa.array([[[1], [2, 3]], None]), [[[1], [2, 3]], None]),
    "null": (pa.array([None, None]), [None, None]),
}


def rows(path, **columns):
    kind = Kind.PARQUET if path.suffix == ".parquet" else Kind.ARROW
    return list(read(on_disk(path, kind, True), path, Reading(Columns(**columns), WORDS, WORDS)))


def arrow(path, table):
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    return path


@pytest.mark.parametrize("name", CASES)
def test_a_column_of_any_type_becomes_metadata(tmp_path, name):
    column, expected = CASES[name]
    path = arrow(tmp_path / "a.arrow", pa.table({"text": ["a", "b"], "x": column}))
    found = [one.item.metadata.get("x") for one in rows(path)]
    assert found == expected and list(map(type, found)) == list(map(type, expected))


def test_every_type_is_stored_and_comes_back(tmp_path):
    table = pa.table({"text": ["a", "b"], **{name: column for name, (column, _) in CASES.items()}})
    ingest.run(tmp_path / "pile.latent", [arrow(tmp_path / "a.arrow", table)], encoders=["hashing"])
    with latentstore.open(tmp_path / "pile.latent") as store:
        (item,) = store.collection("docs").get([f"{tmp_path / 'a.arrow'}#1"])
    expected = {name: values[0] for name, (_, values) in CASES.items() if values[0] is not None}
    assert {name: item.metadata[name] for name in expected} == expected


def test_parquet_gives_the_types_that_arrow_gives(tmp_path):
    left_out = {"float16", "string_view", "duration"}
    columns = {name: column for name, (column, _) in CASES.items() if name not in left_out}
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], **columns}), path)
    found = rows(path)[0].item.metadata
    assert found == {"record": 1} | {name: CASES[name][1][0] for name in columns if CASES[name][1][0] is not None}


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pa.array([2**64 - 1, 1], pa.uint64()), "18446744073709551615 is beyond 64 bits"),
        (pa.array([2**40, 0], pa.timestamp("s")), "it is outside the years 1 to 9999"),
        (pa.array([2**30, 0], pa.int32()).cast(pa.date32()), "it is outside the years 1 to 9999"),
        (pa.array([{"a": b"x"}, None]), "it holds bytes among other things"),
        (pa.array([b"\xff", b"a"]).view(pa.string()), "it is not UTF-8: invalid start byte at byte 0"),
    ],
)
def test_a_value_that_no_store_keeps_is_left_out_and_the_row_kept(tmp_path, column, reason):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", "b"], "x": column}), path)
    problem, first, second = rows(path)
    assert problem.reason == f"record 1: 'x' is left out: {reason}"
    assert (first.item.text, first.item.metadata, second.item.text) == ("a", {"record": 1}, "b")


def test_a_column_left_out_of_many_rows_is_told_of_in_few_words(tmp_path):
    path = arrow(tmp_path / "a.arrow", pa.table({"text": ["t"] * 500, "x": [{"a": b"x"}] * 500}))
    told = [one.reason for one in rows(path) if not isinstance(one, Passage)]
    assert len(told) == 21 and told[-1] == "'x' was left out of 480 more records, for the like reasons"


def test_a_long_text_that_many_rows_share_is_held_once(tmp_path):
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 1000, pa.int32()), ["x" * (1 << 20), "short"])
    path = arrow(tmp_path / "a.arrow", pa.table({"text": ["t"] * 2000, "x": column}))
    found = [one.item.metadata["x"] for one in rows(path)]
    assert found[1] == "short" and found[0] == "x" * (1 << 20)
    assert len({id(text) for text in found[:100]}) == 2


def test_text_and_ids_of_other_types_are_read_as_they_are_written(tmp_path):
    table = pa.table({"body": [7, 8], "day": [date(2020, 1, 2), date(2020, 1, 3)]})
    found = rows(arrow(tmp_path / "a.arrow", table), text="body", id="day")
    assert [(one.item.id, one.item.text) for one in found] == [("2020-01-02", "7"), ("2020-01-03", "8")]


def test_a_text_column_that_holds_no_text_is_a_problem_for_each_row(tmp_path):
    found = rows(arrow(tmp_path / "a.arrow", pa.table({"text": [["a"], None]})))
    assert [one.reason for one in found] == ["record 1: 'text' holds list, not text"]


def test_json_that_no_store_keeps_is_left_out_and_the_row_kept(tmp_path):
    path = tmp_path / "a.jsonl"
    deep = json.loads("[" * 100 + "]" * 100)
    path.write_text(
        "\n".join(map(json.dumps, [{"text": "a", "x": deep}, {"text": "b", "y": "\ud800"}, {"text": "\ud800"}]))
    )
    found = list(read(on_disk(path, Kind.JSONL, True), path, Reading(Columns(), WORDS, WORDS)))
    assert [one.reason for one in found if not isinstance(one, Passage)] == [
        "record 1: 'x' is left out: it nests deeper than 60 levels",
        "record 2: 'y' is left out: it is not valid Unicode: a lone surrogate at character 0",
        "record 3: 'text' is no text: it is not valid Unicode: a lone surrogate at character 0",
    ]
    assert [one.item.metadata for one in found if isinstance(one, Passage)] == [{"record": 1}, {"record": 2}]


def test_a_feather_file_of_the_first_version_is_told_to_be_written_again(tmp_path):
    path = tmp_path / "a.feather"
    path.write_bytes(b"FEA1" + b"\0" * 64)
    with pytest.raises(Unreadable, match="write it again as version 2"):
        rows(path)
