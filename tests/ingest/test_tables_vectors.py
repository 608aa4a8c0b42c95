"""Columns of vectors."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ingest
import latentstore
from ingest.chunking import Splitter, WordTokens
from ingest.readers import Passage, Reading
from ingest.readers.columns import Columns
from ingest.readers.tables import read
from ingest.sources import kind_of, on_disk

WORDS = Splitter.fitting(WordTokens(), 256)
RNG = np.random.default_rng(0)


def rows(path, **columns):
    document = on_disk(path, kind_of(path.name), True)
    return list(read(document, path, Reading(Columns(vector="v", **columns), WORDS, WORDS)))


def vectors(found):
    return np.array([one.vector for one in found if isinstance(one, Passage)])


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64(), pa.int16()])
@pytest.mark.parametrize("width", [-1, 8])
@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_lists_of_numbers_become_float32_vectors(tmp_path, kind, width, ending):
    numbers = RNG.integers(-100, 100, (2500, 8)).astype(np.int16)
    flat = pa.array(numbers.ravel()).cast(kind)
    column = pa.FixedSizeListArray.from_arrays(flat, 8) if width == 8 else pa.array(numbers.tolist(), pa.list_(kind))
    path, table = tmp_path / f"a.{ending}", pa.table({"v": column})
    if ending == "parquet":
        pq.write_table(table, path)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table)
    found = rows(path)
    assert vectors(found).dtype == np.float32
    assert np.array_equal(vectors(found), numbers.astype(np.float32))


@pytest.mark.parametrize("written", ["[1, 2.5, -3e-1]", "1 2.5 -0.3", "1,2.5,-0.3", "(1;2.5;-0.3)"])
def test_a_vector_is_written_in_csv_as_people_write_one(tmp_path, written):
    path = tmp_path / "a.csv"
    path.write_text(f'v,n\n"{written}",1\n')
    (found,) = rows(path)
    assert found.vector.tolist() == np.array([1, 2.5, -0.3], np.float32).tolist()
    assert (found.item.text, found.item.metadata) == (None, {"record": 1, "n": 1})


BAD = [[1.0], [1.0, 2.0, 3.0], [float("nan"), 1.0], [None, 1.0], [1e300, 1.0], []]
REASONS = ["holds 1 numbers, where", "holds 3 numbers, where", *["finite in 32 bits"] * 3, "holds no numbers"]


@pytest.mark.parametrize("ending", ["parquet", "jsonl"])
def test_what_is_no_vector_like_the_others_is_a_problem_for_its_record(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    table = pa.table({"v": [[1.0, 2.0], [3.0, 4.0], [0.0, 1.0], *BAD]})
    if ending == "parquet":
        pq.write_table(table, path)
    else:
        path.write_text("\n".join(map(json.dumps, table.to_pylist())))
    found = rows(path)
    told = [one.reason for one in found if not isinstance(one, Passage)]
    assert vectors(found).tolist() == [[1, 2], [3, 4], [0, 1]] and len(told) == len(BAD)
    for number, (reason, expected) in enumerate(zip(told, REASONS, strict=True), 4):
        assert reason.startswith(f"record {number}: 'v' ") and expected in reason


@pytest.mark.parametrize("cell", ['"x y"', '{"a": 1}', "[true, false]", '["1", "2"]', "3"])
def test_what_is_no_list_of_numbers_is_a_problem_and_the_rest_is_read(tmp_path, cell):
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"v": [1, 2]}}\n{{"v": {cell}}}\n{{"v": [3, 4]}}\n')
    found = rows(path)
    assert vectors(found).tolist() == [[1, 2], [3, 4]]
    assert [one.reason.startswith("record 2: 'v' holds") for one in found if not isinstance(one, Passage)] == [True]


def test_a_row_without_vector_and_text_is_passed_over_and_one_with_text_kept(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"v": null, "text": "t"}\n{"v": null}\n{"v": [1], "text": "u"}\n')
    assert [(one.item.text, one.vector is None) for one in rows(path)] == [("t", True), ("u", False)]


def test_a_text_beside_a_vector_is_not_taken_apart(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"v": [1, 2], "text": "Pears are sweet. " * 200}))
    (found,) = rows(path)
    assert found.item.text == "Pears are sweet. " * 200 and found.vector.tolist() == [1, 2]


def test_vectors_of_a_table_are_those_that_the_store_holds(tmp_path):
    numbers = RNG.normal(size=(300, 16)).astype(np.float32)
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"v": numbers.tolist(), "nr": [f"n{at}" for at in range(300)]}), path)
    ingest.run(tmp_path / "pile.latent", [path], options=ingest.Options(ingest.Columns(vector="v", id="nr")))
    with latentstore.open(tmp_path / "pile.latent") as store:
        names, held = store.collection("docs").space().vectors([f"n{at}" for at in range(300)])
    assert list(names) == [f"n{at}" for at in range(300)] and np.array_equal(held, numbers)
