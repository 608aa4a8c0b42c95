import json
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.readers.columns import KEPT, Columns, MissingColumn
from ingest.readers.tables import column_names, records
from ingest.results import Problem, Unreadable
from ingest.sources import Patterns, find
from latentstore.storage.columns import RESERVED


def read(path, text="text", id=None):
    (document,) = find([path], Patterns())
    return list(records(document, path, Columns(text, id)))


def write(tmp_path, name, content, encoding="utf-8"):
    path = tmp_path / name
    path.write_text(content, encoding=encoding)
    return path


def test_the_names_a_store_keeps_are_the_names_that_ingest_knows():
    assert KEPT == RESERVED


def test_csv_rows_carry_their_other_columns_with_types(tmp_path):
    path = write(tmp_path, "a.csv", 'text,year,ok,at\n"one, two",1999,true,2020-01-02 03:04:05\nthree,,false,\n')
    first, second = read(path)
    assert (first.text, first.metadata) == ("one, two", {"year": 1999, "ok": True, "at": datetime(2020, 1, 2, 3, 4, 5)})
    assert (second.number, second.metadata) == (2, {"ok": False})


def test_a_column_whose_type_fails_far_down_becomes_wider_for_the_whole_file(tmp_path):
    rows = "".join(f"t{n},{n},{n}\n" for n in range(5))
    found = read(write(tmp_path, "a.csv", f"text,a,b\n{rows}last,1.5,many\n"))
    assert [record.metadata["a"] for record in found] == [0.0, 1.0, 2.0, 3.0, 4.0, 1.5]
    assert [record.metadata["b"] for record in found] == ["0", "1", "2", "3", "4", "many"]


def test_ids_and_texts_that_look_like_numbers_stay_as_written(tmp_path):
    (record,) = read(write(tmp_path, "a.csv", "text,nr\n3.10,007\n"), id="nr")
    assert (record.text, record.id) == ("3.10", "007")


def test_a_row_of_the_wrong_length_is_a_problem_and_the_rest_is_read(tmp_path):
    found = read(write(tmp_path, "a.csv", "text,b\none,1\ntwo,2,3\nthree,3\n"))
    assert sorted(type(one).__name__ for one in found) == ["Problem", "Record", "Record"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_csv_in_other_encodings_is_read(tmp_path, encoding):
    (record,) = read(write(tmp_path, "a.csv", "text,ort\nGrüße,Köln\n", encoding))
    assert (record.text, record.metadata) == ("Grüße", {"ort": "Köln"})


def test_tabs_part_the_columns_of_tsv(tmp_path):
    (record,) = read(write(tmp_path, "a.tsv", "text\tn\na, b\t1\n"))
    assert (record.text, record.metadata) == ("a, b", {"n": 1})


def test_names_that_the_store_keeps_and_names_differing_in_case_come_in_under_others(tmp_path):
    (record,) = read(write(tmp_path, "a.csv", "text,id,score,Year,year,_x,start\nt,1,2,3,4,5,6\n"))
    assert record.metadata == {
        "column_id": 1,
        "column_score": 2,
        "Year": 3,
        "column_year": 4,
        "column__x": 5,
        "column_start": 6,
    }


def test_a_missing_column_is_told_with_those_there_are(tmp_path):
    path = write(tmp_path, "a.csv", "body,n\nt,1\n")
    with pytest.raises(MissingColumn, match=r"no column 'text'; its columns are body, n; .* --text-column"):
        read(path)


def test_lines_of_json_may_differ_in_their_keys(tmp_path):
    lines = [{"text": "a", "n": 1}, {"text": "b", "tags": ["x"]}, {"text": "c", "deep": {"k": None}}]
    found = read(write(tmp_path, "a.jsonl", "\n".join(json.dumps(line) for line in lines)))
    assert [record.metadata for record in found] == [{"n": 1}, {"tags": ["x"]}, {"deep": {"k": None}}]


def test_a_line_that_is_no_json_object_is_a_problem_with_its_number(tmp_path):
    found = read(write(tmp_path, "a.jsonl", '{"text": "a"}\nnope\n[1]\n{"text": "b"}\n'))
    reasons = [one.reason for one in found if isinstance(one, Problem)]
    assert reasons[0].startswith("record 2 is not JSON") and reasons[1].startswith("record 3 is a JSON list")


def test_parquet_columns_keep_their_types_and_times_come_to_the_microsecond(tmp_path):
    path = tmp_path / "a.parquet"
    at = pa.array([1_000_000_123], pa.timestamp("ns"))
    pq.write_table(pa.table({"text": ["t"], "at": at, "tags": [["a", "b"]], "deep": [{"k": 1}]}), path)
    (record,) = read(path)
    assert record.metadata == {"at": datetime(1970, 1, 1, 0, 0, 1), "tags": ["a", "b"], "deep": {"k": 1}}


def test_rows_without_text_are_left_out(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [None, "", "t"]}), path)
    assert [record.number for record in read(path)] == [3]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl"])
def test_a_file_that_is_not_what_its_ending_says_is_unreadable(tmp_path, name):
    (tmp_path / name).write_bytes(b"\0\1\2\3" * 10)
    with pytest.raises(Unreadable):
        read(tmp_path / name)


def test_column_names_are_read_from_the_head(tmp_path):
    path = write(tmp_path, "a.csv", "x,y\n1,2\n")
    (document,) = find([path], Patterns())
    assert column_names(document, path) == ["x", "y"]
