"""Tables in memory and queries, as Arrow files. The oracle is the table itself."""

import subprocess
import sys
from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from ingest.results import Unreadable
from ingest.sources import Document, Kind, Patterns, Table, find, scratch, survey
from latentstore.errors import InvalidInput, NotFound

ROWS = [
    {"id": "a", "text": "first", "year": 1999, "vector": [1.0, 2.0]},
    {"id": "b", "text": None, "year": None, "vector": [3.0, 4.0]},
    {"id": "c", "text": "third", "year": 2004, "vector": [5.0, 6.0]},
]


@pytest.fixture(autouse=True)
def job() -> Iterator[None]:
    with scratch():
        yield


def rows_of(document: Document) -> list[dict[str, object]]:
    with document.local() as path, pa.ipc.open_file(path) as file:
        return file.read_all().to_pylist()


FRAMES = {
    "pandas": lambda: pd.DataFrame(ROWS).convert_dtypes(),
    "polars": lambda: pl.DataFrame(ROWS),
    "lazy polars": lambda: pl.LazyFrame(ROWS).filter(pl.lit(True)),
    "an Arrow table": lambda: pa.Table.from_pylist(ROWS),
    "an Arrow reader": lambda: pa.Table.from_pylist(ROWS).to_reader(max_chunksize=2),
    "an Arrow batch": lambda: pa.RecordBatch.from_pylist(ROWS),
    "a DuckDB relation": lambda: duckdb.connect().from_arrow(pa.Table.from_pylist(ROWS)),
}


@pytest.mark.parametrize("what", FRAMES)
def test_a_frame_of_any_kind_is_a_document_with_its_rows_as_often_as_it_is_opened(what):
    (document,) = find([Table(FRAMES[what](), "books")], Patterns())
    assert (document.uri, document.kind, document.named) == ("frame:books", Kind.ARROW, True)
    assert rows_of(document) == ROWS
    assert rows_of(document) == ROWS


def test_a_reader_that_gives_its_rows_once_survives_being_found_twice():
    table = Table(FRAMES["an Arrow reader"](), "books")
    assert survey([table], Patterns()).files == 1
    assert [rows_of(*find([table], Patterns())) for _ in range(2)] == [ROWS, ROWS]


def test_equal_frames_have_equal_bytes():
    one, two = (next(iter(find([Table(FRAMES["polars"](), name)], Patterns()))) for name in "ab")
    with one.local() as first, two.local() as second:
        assert first != second and first.read_bytes() == second.read_bytes()


def test_pandas_columns_that_begin_with_thousands_of_nothings_keep_their_type():
    frame = pd.DataFrame({"text": pd.Series([None] * 20_000 + ["x"], dtype=object), 7: np.arange(20_001)})
    rows = rows_of(*find([Table(frame, "late")], Patterns()))
    assert rows[0] == {"text": None, "7": 0}
    assert rows[-1] == {"text": "x", "7": 20_000}


def test_a_pandas_index_is_a_column_when_it_has_a_name():
    frame = pd.DataFrame({"text": ["x", "y"]}, index=pd.Index(["a", "b"], name="key"))
    assert rows_of(*find([Table(frame, "named")], Patterns())) == [{"key": "a", "text": "x"}, {"key": "b", "text": "y"}]
    assert rows_of(*find([Table(frame.rename_axis(None), "bare")], Patterns())) == [{"text": "x"}, {"text": "y"}]


def test_categories_that_differ_from_batch_to_batch_become_what_they_stand_for():
    batches = [pa.table({"text": pa.array(words).dictionary_encode()}) for words in (["a", "b"], ["c", "a"])]
    (document,) = find([Table(pa.concat_tables(batches), "words")], Patterns())
    assert [row["text"] for row in rows_of(document)] == ["a", "b", "c", "a"]


def test_large_batches_are_cut_so_that_a_reader_holds_few_rows():
    (document,) = find([Table(pa.table({"n": range(100_000)}), "numbers")], Patterns())
    with document.local() as path, pa.ipc.open_file(path) as file:
        assert max(len(file.get_batch(at)) for at in range(file.num_record_batches)) <= 8192
        assert file.read_all()["n"].to_pylist() == list(range(100_000))


def test_a_frame_without_a_name_is_told_how_to_get_one():
    with pytest.raises(InvalidInput, match=r"a DataFrame needs a name: give ingest.Table\(frame, name='…'\)"):
        survey([pl.DataFrame(ROWS)], Patterns())
    with pytest.raises(InvalidInput, match="needs a name"):
        Table(pl.DataFrame(ROWS), "")


def test_what_is_no_table_is_refused():
    with pytest.raises(InvalidInput, match="expected a pandas, polars or Arrow table or a DuckDB relation, got list"):
        Table(ROWS, "rows")


def test_a_column_that_mixes_types_is_named():
    (document,) = find([Table(pd.DataFrame({"odd": ["x", 3.5, b"y"]}), "mixed")], Patterns())
    with pytest.raises(Unreadable, match="odd"), document.local():
        pass


@pytest.fixture
def database(tmp_path) -> str:
    with duckdb.connect(str(tmp_path / "my books.db")) as connection:
        connection.execute("create table books as select * from (values (1, 'first'), (2, 'second?')) t(id, body)")
    return str(tmp_path / "my books.db")


def test_a_query_of_a_duckdb_file_gives_its_rows(database):
    source = f"duckdb:{database}?select id, body as text from books where body like '%?' "
    (document,) = find([source], Patterns())
    assert document.uri == source.strip()
    assert rows_of(document) == [{"id": 2, "text": "second?"}]


def test_a_query_cannot_write_the_file_it_reads(database):
    (document,) = find([f"duckdb:{database}?insert into books values (3, 'x') returning *"], Patterns())
    with pytest.raises(Unreadable, match="read-only"), document.local():
        pass


def test_a_query_that_is_wrong_says_so_in_duckdbs_words(database):
    (document,) = find([f"duckdb:{database}?select nosuch from books"], Patterns())
    with pytest.raises(Unreadable, match="nosuch"), document.local():
        pass


def test_a_query_without_a_file_or_without_sql_is_refused(tmp_path):
    with pytest.raises(NotFound, match="nosuch"):
        survey([f"duckdb:{tmp_path}/nosuch.db?select 1"], Patterns())
    with pytest.raises(InvalidInput, match=r"expected duckdb:FILE\?SQL"):
        survey(["duckdb:books.db"], Patterns())


BIG = """
import resource, duckdb, pyarrow
from ingest.sources import *
rows = duckdb.sql("select range as id, repeat('x', 1000) as text from range(300000)")
with scratch():
    (document,) = find([Table(rows, "big")], Patterns())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with document.local() as path:
        print(path.stat().st_size >> 20, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before >> 10)
"""


def test_a_large_query_is_written_out_in_little_memory():
    done = subprocess.run([sys.executable, "-c", BIG], capture_output=True, text=True, check=True)
    megabytes, grown = map(int, done.stdout.split()[-2:])
    assert megabytes > 250
    assert grown < 150
