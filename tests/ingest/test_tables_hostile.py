"""Tables made to do harm, cut off, or larger than memory."""

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingest.chunking import Splitter, WordTokens
from ingest.limits import Limits
from ingest.readers import Passage, Reading
from ingest.readers.arrowfiles import ArrowTable
from ingest.readers.columns import Columns, Roles
from ingest.readers.tables import read
from ingest.results import Problem, Unreadable
from ingest.sources import kind_of, on_disk
from ingest.sources.base import Kind

WORDS = Splitter.fitting(WordTokens(), 256)
LIMITS = Limits()
LONG = 20 << 20


def events(path, limits=LIMITS, **columns):
    document = on_disk(path, kind_of(path.name), True)
    return list(read(document, path, Reading(Columns(**columns), WORDS, WORDS, limits)))


def reasons(found):
    return [one.reason for one in found if isinstance(one, Problem)]


def saved(path, table):
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=100)
    else:
        with pa.ipc.new_file(path, table.schema) as writer:
            writer.write_table(table, 100)
    return path


def test_a_line_of_json_without_end_is_a_problem_and_the_next_is_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "' + "x" * LONG + '"}\n{"text": "b"}\n')
    found = events(path)
    assert reasons(found) == ["record 1 is longer than 16,777,216 characters"]
    assert [(one.item.text, one.item.metadata) for one in found[1:]] == [("b", {"record": 2})]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", f"text,n\n{'x' * 2 * LONG},1\n", "a row longer than 16 MB"),
        ("a.csv", 'text,n\n"' + "x,1\n" * (LONG // 2), "a quote that is never closed"),
        ("a.csv", "x" * LONG, "first row is longer than 16 MB"),
        ("a.json", '[{"text": "' + "x" * LONG + '"}]', "a value longer than 16,777,216"),
    ],
    ids=["row", "quote", "header", "value"],
)
def test_a_row_without_end_is_told(tmp_path, name, content, reason):
    (tmp_path / name).write_text(content)
    with pytest.raises(Unreadable, match=reason):
        events(tmp_path / name)


def test_a_row_longer_than_what_is_parsed_at_a_time_is_read(tmp_path):
    text = "pears " * 1_000_000
    path = tmp_path / "a.csv"
    path.write_text(f"v,note\n1 2,{text}\n3 4,short\n")
    assert [one.item.metadata["note"] for one in events(path, vector="v")] == [text, "short"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_the_limit_of_a_row_can_be_raised(tmp_path, name):
    path, text = tmp_path / name, "pears " * (LONG // 6)
    path.write_text(f"v,note\n1 2,{text}\n" if name == "a.csv" else json.dumps({"v": [1, 2], "note": text}))
    (found,) = events(path, Limits(row=64 << 20), vector="v")
    assert found.item.metadata["note"] == text


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet", "a.arrow"])
def test_more_columns_than_a_collection_holds_are_told(tmp_path, name):
    path, row = tmp_path / name, {"text": "t"} | {f"c{at}": 1 for at in range(1000)}
    if name == "a.csv":
        path.write_text(",".join(row) + "\n")
    elif name.startswith("a.json"):
        path.write_text(json.dumps(row))
    else:
        saved(path, pa.Table.from_pylist([row]))
    with pytest.raises(Unreadable, match=r"has 1,001 columns, more than the 960"):
        events(path)


def test_a_line_nested_without_end_is_a_problem_and_the_next_is_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "x": ' + "[" * 100_000 + "]" * 100_000 + '}\n{"text": "b"}')
    found = events(path)
    assert reasons(found)[0].startswith("record 1 is not JSON: maximum recursion depth")
    assert found[1].item.text == "b"


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.jsonl", "a.json", "a.arrow", "a.feather"])
def test_a_file_that_is_not_what_its_ending_says_is_unreadable(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x89PNG\0\1\2" * 10)
    with pytest.raises(Unreadable):
        events(tmp_path / name)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_a_nul_byte_makes_a_table_no_text(tmp_path, name):
    (tmp_path / name).write_bytes(b'{"text": "a\0b"}\n')
    with pytest.raises(Unreadable, match="a NUL byte at position 11"):
        events(tmp_path / name)


@pytest.fixture(scope="module")
def table():
    n = range(300)
    return pa.table(
        {
            "text": [f"row {at}" for at in n],
            "kind": pa.array([f"k{at % 7}" for at in n]).dictionary_encode(),
            "deep": [{"a": at, "b": [at, None]} for at in n],
            "at": pa.array(n, pa.timestamp("ns", "UTC")),
            "v": pa.array([[float(at), 1.0] for at in n], pa.list_(pa.float32(), 2)),
        }
    )


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_a_cut_file_gives_rows_as_they_were_or_is_unreadable(tmp_path, table, name):
    path = saved(tmp_path / name, table)
    whole = path.read_bytes()
    for share in range(1, 20):
        path.write_bytes(whole[: len(whole) * share // 20])
        with pytest.raises(Unreadable):
            events(path)


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
def test_bytes_changed_at_random_end_in_rows_or_in_unreadable_and_in_nothing_else(tmp_path, table, name):
    path, rng = saved(tmp_path / name, table), random.Random(0)
    whole = path.read_bytes()
    outcomes = set()
    for _ in range(150):
        changed = bytearray(whole)
        start = rng.choice([0, len(whole) - 2000])
        for _ in range(rng.choice([1, 8])):
            changed[rng.randrange(start, len(whole))] = rng.randrange(256)
        path.write_bytes(changed)
        try:
            events(path, vector="v")
            outcomes.add("read")
        except Unreadable:
            outcomes.add("unreadable")
    assert outcomes == {"read", "unreadable"}


def test_a_few_bytes_that_stand_for_billions_of_values_are_left_out(tmp_path):
    huge = pa.FixedSizeListArray.from_arrays(pa.nulls(2 * (2**30 - 1)), 2**30 - 1)
    inside = pa.StructArray.from_arrays([huge], ["a"])
    path = saved(tmp_path / "a.arrow", pa.table({"text": ["a", "b"], "x": huge, "y": inside}))
    assert path.stat().st_size < 5000
    found = events(path)
    assert reasons(found)[0] == "record 1: 'x' is left out: it holds more than 4,194,304 values"
    assert [one.item.metadata for one in found if isinstance(one, Passage)] == [{"record": 1}, {"record": 2}]
    assert reasons(events(path, vector="x"))[-1] == "record 2: 'x' holds more than 4,194,304 values"


def test_rows_that_share_a_long_text_are_decoded_a_few_at_a_time(tmp_path):
    texts = pa.DictionaryArray.from_arrays(pa.array([0, 1] * 3000, pa.int32()), ["x" * 4_000_000, "y"])
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"note": texts}), path, dictionary_pagesize_limit=1 << 30, store_schema=False)
    assert path.stat().st_size < 1 << 20
    block = next(ArrowTable(Kind.PARQUET, path).blocks(Roles()))
    assert len(block.numbers) * 4_000_000 <= 512 << 20
    assert block.columns[0][:2] == ["x" * 4_000_000, "y"]


def test_one_long_run_is_held_once(tmp_path):
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([1500, 3000], pa.int32()), ["x" * (1 << 20), None])
    path = saved(tmp_path / "a.arrow", pa.table({"text": ["t"] * 3000, "x": runs}))
    found = [one.item.metadata.get("x") for one in events(path)]
    assert found == ["x" * (1 << 20)] * 1500 + [None] * 1500


def test_tables_read_at_the_same_time_do_not_disturb_each_other(tmp_path):
    paths = []
    for at, ending in enumerate(["csv", "jsonl", "json", "parquet", "csv", "jsonl"]):
        rows = [{"text": f"{at} {number}", "n": number if at % 2 else f"{number}x"} for number in range(4000)]
        paths.append(tmp_path / f"{at}.{ending}")
        if ending == "parquet":
            saved(paths[-1], pa.Table.from_pylist(rows))
        elif ending == "csv":
            paths[-1].write_text("text,n\n" + "".join(f"{row['text']},{row['n']}\n" for row in rows))
        else:
            paths[-1].write_text(json.dumps(rows) if ending == "json" else "\n".join(map(json.dumps, rows)))
    alone = [events(path) for path in paths]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(events, paths)) == alone


PEAK = """
import resource, sys
from pathlib import Path
from ingest.chunking import Splitter, WordTokens
from ingest.readers import Reading, read
from ingest.readers.columns import Columns
from ingest.sources import kind_of, on_disk
words = Splitter.fitting(WordTokens(), 256)
counts = []
for name in sys.argv[1:]:
    path = Path(name)
    document = on_disk(path, kind_of(path.name), True)
    counts.append(sum(1 for _ in read(document, path, Reading(Columns(), words, words))))
    print(counts[-1], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def written(path: Path, rows: int) -> Path:
    body = "pears and apples and plums " * 8
    if path.suffix == ".parquet":
        one = pa.table({"text": [f"{at}{body}" for at in range(1000)], "n": range(1000)})
        with pq.ParquetWriter(path, one.schema, compression="NONE", use_dictionary=False) as writer:
            writer.write_table(pa.concat_tables([one] * (rows // 1000)), row_group_size=rows)
    else:
        head, line = ("text,n\n", f"{body},1\n") if path.suffix == ".csv" else ("", f'{{"text": "{body}", "n": 1}}\n')
        if path.suffix == ".json":
            head, line = '[{"text": "first"}\n', f', {{"text": "{body}", "n": 1}}\n'
        with path.open("w") as file:
            file.write(head)
            for _ in range(rows // 1000):
                file.write(line * 1000)
            file.write("]" if path.suffix == ".json" else "")
    return path


def peaks(*paths: Path) -> list[tuple[int, int]]:
    """(events, peak memory in KiB) after each, read one behind the other in a process of its own."""
    command = [sys.executable, "-c", PEAK, *map(str, paths)]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600).stdout
    return [(int(count), int(peak)) for count, peak in (line.split() for line in told.splitlines())]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_memory_does_not_grow_with_the_table(tmp_path, ending):
    small, large = written(tmp_path / f"a.{ending}", 20_000), written(tmp_path / f"b.{ending}", 400_000)
    assert large.stat().st_size > 80 << 20
    (few, before), (many, after) = peaks(small, large)
    assert (few, many) == (20_000, 400_000)
    assert after - before < 60 << 10


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "json"])
def test_memory_does_not_grow_with_a_table_of_many_hundred_megabytes(tmp_path, ending):
    small, large = written(tmp_path / f"a.{ending}", 800_000), written(tmp_path / f"b.{ending}", 3_200_000)
    (_, before), (many, after) = peaks(small, large)
    assert many == 3_200_000 + (ending == "json") and large.stat().st_size > 600 << 20
    assert after - before < 120 << 10
