import json
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from ingest.chunking import Splitter, WordTokens
from ingest.readers import Passage, Reading
from ingest.readers.columns import KEPT, Columns, MissingColumn
from ingest.readers.tables import column_names, read
from ingest.results import Problem, Unreadable
from ingest.sources import Kind, kind_of, on_disk
from latentstore.storage.columns import RESERVED

WORDS = Splitter.fitting(WordTokens(), 256)


def document(path: Path):
    return on_disk(path, kind_of(path.name) or Kind.TEXT, named=True)


def events(path: Path, **columns: str) -> list[Passage | Problem]:
    return list(read(document(path), path, Reading(Columns(**columns), WORDS, WORDS)))


def items(path: Path, **columns: str):
    return [one.item for one in events(path, **columns) if isinstance(one, Passage)]


def told(path: Path, **columns: str) -> list[dict]:
    """Metadata, the number of the record left out."""
    return [{key: value for key, value in one.metadata.items() if key != "record"} for one in items(path, **columns)]


def problems(path: Path, **columns: str) -> list[str]:
    return [one.reason for one in events(path, **columns) if isinstance(one, Problem)]


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: str | bytes, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def test_the_names_a_store_keeps_are_the_names_that_ingest_knows():
    assert KEPT == RESERVED


def test_csv_rows_carry_their_other_columns_with_types(write):
    path = write("a.csv", 'text,year,ok,at\n"one, two",1999,true,2020-01-02 03:04:05\nthree,,false,\n')
    first, second = items(path)
    at = datetime(2020, 1, 2, 3, 4, 5)
    assert (first.text, first.metadata) == ("one, two", {"record": 1, "year": 1999, "ok": True, "at": at})
    assert second.metadata == {"record": 2, "ok": False}


def test_a_row_is_named_by_its_table_and_its_number(write):
    path = write("a.csv", "text\na\nb\n")
    assert [(item.id, item.uri) for item in items(path)] == [(f"{path}#1", str(path)), (f"{path}#2", str(path))]


def test_a_column_whose_type_fails_far_down_becomes_wider_for_the_whole_file(write):
    rows = "".join(f"t{n},{n},{n}\n" for n in range(5))
    found = told(write("a.csv", f"text,a,b\n{rows}last,1.5,many\n"))
    assert [row["a"] for row in found] == [0.0, 1.0, 2.0, 3.0, 4.0, 1.5]
    assert [row["b"] for row in found] == ["0", "1", "2", "3", "4", "many"]


def test_whole_numbers_beyond_64_bits_keep_every_digit(write):
    long = "12345678901234567890"
    assert told(write("a.csv", f"text,a,b\nx,{long},1\ny,1,{long}\n"))[0] == {"a": long, "b": "1"}
    assert told(write("a.jsonl", f'{{"text":"x","a":{long}}}\n{{"text":"y","a":1}}')) == [{"a": long}, {"a": "1"}]


def test_ids_and_texts_that_look_like_numbers_stay_as_written(write):
    (item,) = items(write("a.csv", "text,nr\n3.10,007\n"), id="nr")
    assert (item.text, item.id) == ("3.10", "007")


def test_a_row_of_the_wrong_length_is_a_problem_and_the_rest_is_read(write):
    path = write("a.csv", "text,b\none,1\ntwo,2,3\nthree,3\n")
    assert [item.text for item in items(path)] == ["one", "three"]
    assert problems(path) == ["a row has 3 cells where 2 were expected: 'two,2,3'"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_csv_in_other_encodings_is_read(write, encoding):
    (item,) = items(write("a.csv", "text,ort\nGrüße,Köln\n", encoding))
    assert (item.text, item.metadata["ort"]) == ("Grüße", "Köln")


@pytest.mark.parametrize(("name", "sign"), [("a.tsv", "\t"), ("a.csv", ";"), ("a.csv", "\t"), ("a.csv", "|")])
def test_what_parts_the_columns_is_found_out(write, name, sign):
    (item,) = items(write(name, f'text{sign}n\n"a, b"{sign}1\n'))
    assert (item.text, item.metadata["n"]) == ("a, b", 1)


def test_one_column_of_sentences_is_not_taken_apart_at_their_semicolons(write):
    assert [item.text for item in items(write("a.csv", "text\none; two\nthree; four\n"))] == ["one; two", "three; four"]


def test_a_quoted_line_end_is_part_of_its_cell(write):
    assert [item.text for item in items(write("a.csv", 'text,n\n"a\nb",1\n"say ""hi""",2\n'))] == ["a\nb", 'say "hi"']


def test_times_with_zones_come_in_as_utc(write):
    path = write("a.csv", "text,at\na,2020-01-01T01:00:00+02:00\nb,2020-01-01T00:00:00Z\n")
    at = [row["at"] for row in told(path)]
    assert at == [datetime(2019, 12, 31, 23, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)]


def test_names_that_the_store_keeps_and_names_differing_in_case_come_in_under_others(write):
    (found,) = told(write("a.csv", "text,id,score,Year,year,_x,start,,vector:a\nt,1,2,3,4,5,6,7,8\n"))
    assert found == {
        "column_id": 1,
        "column_score": 2,
        "Year": 3,
        "column_year": 4,
        "column__x": 5,
        "column_start": 6,
        "column_": 7,
        "column_vector:a": 8,
    }


def test_of_columns_with_one_name_none_is_lost(write):
    path = write("a.csv", "text,n,n,text,n\nx,1,2,y,3\n")
    assert items(path)[0].text == "x"
    assert told(path) == [{"n": 1, "column_n": 2, "column_text": "y", "column_n_2": 3}]


@pytest.mark.parametrize("role", ["text", "image", "audio", "vector", "id"])
def test_a_missing_column_is_told_with_those_there_are_and_the_option_that_names_it(write, role):
    path = write("a.csv", "text,n\nt,1\n")
    with pytest.raises(MissingColumn, match=rf"no column 'gone'; its columns are text, n; .* --{role}-column"):
        events(path, **{role: "gone"})


def test_a_table_without_any_content_column_is_told_how_to_name_one(write):
    path = write("a.csv", "body,n\nt,1\n")
    with pytest.raises(MissingColumn, match=r"no column 'text'; its columns are body, n; .* --text-column, --image"):
        events(path)


def test_lines_of_json_may_differ_in_their_keys(write):
    lines = [{"text": "a", "n": 1}, {"text": "b", "tags": ["x"]}, {"text": "c", "deep": {"k": None}}]
    assert told(write("a.jsonl", "\n".join(map(json.dumps, lines)))) == [
        {"n": 1},
        {"tags": ["x"]},
        {"deep": {"k": None}},
    ]


def test_a_column_of_json_that_mixes_types_becomes_text_for_the_whole_file(write):
    lines = [{"text": "t", "a": value} for value in (1999, "n.d.", None, [1, 2], True)]
    found = told(write("a.jsonl", "\n".join(map(json.dumps, lines))))
    assert found == [{"a": "1999"}, {"a": "n.d."}, {}, {"a": "[1, 2]"}, {"a": "true"}]


def test_whole_and_broken_numbers_are_one_type(write):
    assert told(write("a.jsonl", '{"text":"t","a":1}\n{"text":"t","a":1.5}')) == [{"a": 1}, {"a": 1.5}]


def test_a_line_that_is_no_json_object_is_a_problem_with_its_number(write):
    path = write("a.jsonl", '{"text": "a"}\nnope\n\n[1]\n{"text": "b"}\n')
    assert problems(path) == [
        "record 2 is not JSON: Expecting value: line 1 column 1 (char 0)",
        "record 4 is a JSON list, not an object",
    ]
    assert [(item.text, item.metadata["record"]) for item in items(path)] == [("a", 1), ("b", 5)]


@pytest.mark.parametrize(
    "content",
    [
        '[{"text": "a", "n": 1}, {"text": "b", "n": 2}]',
        '{"about": {"n": [1]}, "sizes": [1, 2], "rows": [{"text": "a", "n": 1}, {"text": "b", "n": 2}], "end": 1}',
        '{"text": "a", "n": 1}\n{"text": "b", "n": 2}\n',
        '\ufeff[\n  {\n "text": "a",\n "n": 1\n },\n {"text": "b", "n": 2}\n]\n',
    ],
    ids=["array", "array within", "one behind the other", "indented"],
)
def test_json_is_an_array_of_objects_wherever_it_stands(write, content):
    assert [(item.text, item.metadata) for item in items(write("a.json", content))] == [
        ("a", {"record": 1, "n": 1}),
        ("b", {"record": 2, "n": 2}),
    ]


def test_an_object_with_the_columns_asked_for_is_a_row_whatever_arrays_it_has(write):
    (item,) = items(write("a.json", '{"text": "t", "authors": [{"name": "x"}, {"name": "y"}]}'))
    assert item.metadata["authors"] == [{"name": "x"}, {"name": "y"}]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"a": [{"x": 1}], "b": [{"y": 1}]}', "2 arrays of objects, a, b"),
        ('[{"text": "a"}, {"te', "breaks off early"),
        ('[{"text": "a"}] 1', "behind the end"),
        ('[{"text": "a"} {"text": "b"}]', "expected ']', got '{'"),
        ("[1, 2]", "holds no JSON object: record 1 is a JSON int"),
        ("12", "neither an array nor an object"),
        ("", "neither an array nor an object"),
        ('[{"text": ' + "[" * 100_000, "nests too deep"),
    ],
)
def test_json_that_is_no_table_is_unreadable_and_told_why(write, content, reason):
    with pytest.raises(Unreadable, match=reason):
        events(write("a.json", content))


@pytest.mark.parametrize("content", ['{"name": "x"}', '{"a": [{"x": 1}], "b": [{"y": 1}]}', '{"files": [{"x": 1}]}'])
def test_settings_found_in_a_folder_are_a_text_and_no_table(write, content):
    path = write("a.json", content)
    found = on_disk(path, Kind.JSON, named=False)
    (passage,) = read(found, path, Reading(Columns(), WORDS, WORDS))
    assert (passage.item.text, passage.item.id) == (content, f"{path}#1")


@pytest.mark.parametrize("content", ['[{"name": "x"}]', '{"name": "' + "x" * (1 << 20) + '"}'])
def test_a_json_table_found_in_a_folder_is_told_what_it_lacks(write, content):
    path = write("a.json", content)
    with pytest.raises(MissingColumn, match="its columns are name"):
        list(read(on_disk(path, Kind.JSON, named=False), path, Reading(Columns(), WORDS, WORDS)))


@pytest.mark.parametrize(("name", "content"), [("a.json", "[]"), ("a.jsonl", ""), ("a.csv", "text,n\n")])
def test_a_table_without_rows_has_no_items_and_no_problem(write, name, content):
    assert events(write(name, content)) == []


def test_json_in_pieces_gives_what_json_at_once_does(write, monkeypatch):
    rows = [{"text": f"ü {n}", "n": n, "deep": {"k": [n, "x" * n]}} for n in range(60)]
    path = write("a.json", json.dumps(rows, ensure_ascii=False, indent=1))
    monkeypatch.setattr("ingest.readers.jsontext.PIECE", 7)
    assert [{"text": item.text, **told} for item, told in zip(items(path), told(path), strict=True)] == rows


def test_a_row_too_long_for_the_encoder_becomes_several_passages(write):
    text = "Pears are sweet. " * 200
    path = write("a.jsonl", json.dumps({"text": text, "n": 1, "nr": "x"}))
    found = items(path, id="nr")
    assert [item.id for item in found] == ["x", *(f"x#{part}" for part in range(2, len(found) + 1))] and len(found) > 2
    for item in found:
        assert item.text == text[item.metadata["start"] : item.metadata["end"]] and item.metadata["n"] == 1


@pytest.mark.parametrize("value", ['""', "null", '"  "'])
def test_rows_without_text_are_left_out(write, value):
    assert [item.text for item in items(write("a.jsonl", f'{{"text": {value}}}\n{{"text": "t"}}'))] == ["t"]


def test_an_id_that_is_none_or_came_before_is_a_problem(write):
    rows = [("a", 1), ("b", 1), ("c", None), ("d", [1]), ("e", 2.5), ("f", "x\0y"), ("g", "y" * 2000), ("h", 2)]
    path = write("a.jsonl", "\n".join(json.dumps({"text": text, "nr": nr}) for text, nr in rows))
    assert [(item.text, item.id) for item in items(path, id="nr")] == [("a", "1"), ("h", "2")]
    assert problems(path, id="nr")[0] == "record 2: the id '1' came before in this file"
    assert problems(path, id="nr")[1] == "record 3: 'nr' holds None, which is no id"


def test_column_names_are_read_from_the_head(write):
    for name, content in (("a.csv", "x,y\n1,2\n"), ("a.jsonl", '{"x": 1}\n{"y": 2}'), ("a.json", '[{"x": 1, "y": 2}]')):
        path = write(name, content)
        assert column_names(document(path), path) == ["x", "y"]
    path = write("b.json", '{"count": 2, "rows": [{"x": 1, "y": 2}], "end": 1}')
    assert column_names(document(path), path) == ["count", "rows", "x", "y"]


TABLE = pa.table({"text": ["a", "b", None], "n": [1, None, 3], "day": [date(2020, 1, 2), None, None]})


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.arrows", "a.feather", "b.feather"])
def test_the_formats_of_arrow_hold_the_same_rows(tmp_path, name):
    path = tmp_path / name
    save(TABLE, path, lz4=name.startswith("b"))
    assert [item.text for item in items(path)] == ["a", "b"]
    assert told(path) == [{"n": 1, "day": date(2020, 1, 2)}, {}]
    assert column_names(document(path), path) == ["text", "n", "day"]


def save(table: pa.Table, path: Path, lz4: bool = False) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".feather":
        pyarrow.feather.write_feather(table, path, "lz4" if lz4 else "uncompressed")
    else:
        opened = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
        with opened(path, table.schema) as writer:
            writer.write_table(table)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv", "a.jsonl"])
def test_records_are_numbered_through_all_blocks_and_the_share_done_grows(tmp_path, name):
    path, n = tmp_path / name, 3000
    table = pa.table({"text": [f"t{at}" for at in range(n)], "n": range(n)})
    if name == "a.csv":
        path.write_text("text,n\n" + "".join(f"t{at},{at}\n" for at in range(n)))
    elif name == "a.jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        save(table, path)
    found = events(path)
    assert [one.item.metadata for one in found] == [{"record": at + 1, "n": at} for at in range(n)]
    shares = [one.done for one in found]
    assert shares == sorted(shares) and 0 < shares[0] < 1 and shares[-1] == 1
