import json
import threading
from pathlib import Path

import pytest

import ingest
import latentstore
from ingest.readers.columns import MissingColumn
from ingest.seen import Seen
from latentstore import InvalidInput, NotFound


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "src"
    made.mkdir()
    (made / "a.md").write_text("# Apples\n\n" + "Apples grow on trees. " * 40 + "\n\n# Pears\n\nPears are sweet.\n")
    (made / "b.txt").write_text("One short text.")
    return made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "pile.latent"


def job(place: Path, *sources: Path, **more) -> ingest.Result:
    columns = ingest.Columns(id=more.pop("id_column", None))
    options = ingest.Options(columns, **({"chunk_tokens": 40} | more))
    return ingest.run(place, list(sources), encoders=["hashing"], options=options)


def items(place: Path) -> dict[str, latentstore.Item]:
    with latentstore.open(place, read_only=True) as store:
        docs = store.collection("docs")
        return {item.id: item for item in docs.get([row["id"] for row in docs.sql("select id from items")])}


def errors(place: Path) -> set[str]:
    with latentstore.open(place, read_only=True) as store:
        return {row["uri"] for row in store.collection("docs").sql("select uri from sources where error is not null")}


def test_each_passage_is_the_slice_of_its_file_that_its_metadata_names(place, folder):
    job(place, folder)
    for item in items(place).values():
        text = Path(item.uri).read_text()
        assert item.text == text[item.metadata["start"] : item.metadata["end"]]
        assert item.metadata["line"] == text[: item.metadata["start"]].count("\n") + 1


def test_passages_know_the_heading_above_them(place, folder):
    job(place, folder)
    titles = [item.metadata["title"] for item in items(place).values() if item.uri.endswith("a.md")]
    assert set(titles) == {"Apples", "Pears"}


def test_a_second_run_finds_everything_unchanged(place, folder):
    first, second = job(place, folder), job(place, folder)
    assert first.added == first.passages > 3 and first.files == second.skipped == 2
    assert (second.passages, second.added, second.replaced, second.updated, second.removed) == (0, 0, 0, 0, 0)


def test_a_changed_file_is_brought_up_to_date_and_what_it_lost_is_removed(place, folder):
    before = job(place, folder).passages
    (folder / "a.md").write_text("# Apples\n\nApples are gone.\n")
    result = job(place, folder)
    assert (result.replaced, result.skipped, result.removed) == (1, 1, before - 2)
    assert {item.text for item in items(place).values()} == {"# Apples\n\nApples are gone.", "One short text."}


def test_a_passage_that_only_moved_is_not_encoded_again(place, folder):
    job(place, folder)
    (folder / "b.txt").write_text("\n\nOne short text.")
    result = job(place, folder)
    assert (result.updated, result.replaced, result.encoded) == (1, 0, 0)
    assert items(place)[f"{(folder / 'b.txt').resolve()}#1"].metadata["line"] == 3


def test_an_emptied_file_loses_its_passages(place, folder):
    job(place, folder)
    (folder / "b.txt").write_text("")
    assert job(place, folder).removed == 1


def test_a_bad_file_is_recorded_with_its_reason_and_the_job_goes_on(place, folder):
    (folder / "a0.txt").write_bytes(b"a\0b")
    result = job(place, folder)
    assert result.files == 2 and result.bad == 1
    assert "NUL byte" in result.problems[0].reason and result.problems[0].source.endswith("a0.txt")


def test_a_key_that_clashes_with_its_column_is_left_out_and_the_rows_stay(place, tmp_path):
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    first.write_text("".join(f'{{"text": "row {n}", "n": {n}}}\n' for n in range(19)))
    second.write_text("".join(f'{{"text": "late {n}", "n": "many", "m": {n}}}\n' for n in range(3)))
    result = job(place, first, second)
    assert (result.added, result.bad) == (22, 1)
    assert "column 'n' holds BIGINT" in result.problems[0].reason
    assert items(place)[f"{second}#2"].metadata | {"record": None} == {"record": None, "n": None, "m": 1}
    assert errors(place) == {str(second)}


def test_a_key_of_another_case_is_spelt_as_the_column_that_is_there(place, tmp_path):
    for name, key in (("a.jsonl", "year"), ("b.jsonl", "Year"), ("c.jsonl", "YEAR")):
        (tmp_path / name).write_text(json.dumps({"text": name, key: 1999}))
    result = job(place, tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "c.jsonl")
    assert (result.added, result.bad) == (3, 0)
    assert [item.metadata["year"] for item in items(place).values()] == [1999] * 3


def test_a_row_that_the_collection_refuses_costs_that_row_only(place, tmp_path):
    for name, vector in (("a.jsonl", [1, 2]), ("b.jsonl", [1, 2, 3]), ("c.jsonl", [3, 4])):
        (tmp_path / name).write_text("".join(json.dumps({"v": vector}) + "\n" for _ in range(3)))
    options = ingest.Options(ingest.Columns(vector="v"))
    result = ingest.run(place, [tmp_path], options=options)
    assert (result.added, result.bad) == (6, 3)
    assert "b.jsonl#1: expected vectors of 2 dimensions, got 3" in result.problems[0].reason
    assert errors(place) == {str(tmp_path / "b.jsonl")}


def test_rows_take_their_ids_from_the_id_column_and_a_second_one_is_a_problem(place, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("nr,text\nx,first\ny,second\nx,third\n")
    result = job(place, path, id_column="nr")
    assert sorted(items(place)) == ["x", "y"]
    assert "'x' came before" in result.problems[0].reason


def test_a_row_that_left_its_table_leaves_the_store(place, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("nr,text\nx,first\ny,second\n")
    job(place, path, id_column="nr")
    path.write_text("nr,text\ny,second\n")
    assert job(place, path, id_column="nr").removed == 1
    assert sorted(items(place)) == ["y"]


def test_a_long_row_becomes_several_passages_and_none_is_lost(place, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(f"nr,text\nx,{'word ' * 100}\n")
    job(place, path, id_column="nr", chunk_tokens=30)
    found = items(place)
    assert sorted(found) == ["x", "x#2", "x#3", "x#4"]
    assert sum(item.text.count("word") for item in found.values()) == 100


def test_a_stopped_job_keeps_whole_batches_and_goes_on_when_run_again(place, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text\n" + "".join(f"row {n}\n" for n in range(100)))
    stop = threading.Event()
    stop.set()
    options = ingest.Options(batch=10)
    first = ingest.run(place, [path], encoders=["hashing"], options=options, stop=stop)
    assert first.stopped and len(items(place)) == 10
    second = ingest.run(place, [path], options=options)
    assert (second.unchanged, second.added, len(items(place))) == (10, 90, 100)


def test_progress_rises_to_the_whole(place, folder):
    told = []
    ingest.run(place, [folder], encoders=["hashing"], options=ingest.Options(batch=2), progress=told.append)
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert told[-1].done == told[-1].total == sum(path.stat().st_size for path in folder.iterdir())


def test_nothing_is_made_for_a_source_that_is_not_there(place, tmp_path):
    with pytest.raises(NotFound):
        job(place, tmp_path / "nosuch")
    assert not place.exists()


def test_nothing_is_made_for_a_table_without_its_column(place, tmp_path):
    (tmp_path / "a.csv").write_text("body\nt\n")
    with pytest.raises(MissingColumn, match="body"):
        job(place, tmp_path / "a.csv")
    assert not place.exists()


def test_another_encoder_than_the_collections_is_refused(place, folder):
    job(place, folder)
    with pytest.raises(InvalidInput, match="made with the encoders hashing"):
        ingest.run(place, [folder], encoders=["hashing:128"])


def test_one_path_in_place_of_a_list_is_refused(place, folder):
    with pytest.raises(InvalidInput, match="sources are a list"):
        ingest.run(place, str(folder))


def test_a_store_inside_its_own_source_is_passed_over(folder):
    place = folder / "pile.latent"
    assert [job(place, folder).files, job(place, folder).files] == [2, 0]


def test_seen_agrees_with_a_set():
    seen, names = Seen(), [f"id {n % 15_000}" for n in range(30_000)]
    new = [seen.add(name) for name in names]
    assert new == [n < 15_000 for n in range(30_000)]
    assert "id 14999" in seen and "id 15000" not in seen
