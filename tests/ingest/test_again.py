"""A job that is run again: what is skipped, what is read, and where vectors come from."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import ingest
import latentstore

WORDS = ["amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "src"
    made.mkdir()
    for name in WORDS[:4]:
        (made / f"{name}.txt").write_text(f"All that is known of the {name}.")
        age(made / f"{name}.txt")
    return made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "pile.latent"


def age(path: Path, seconds: float = 3600) -> None:
    """As if nobody had touched the file for an hour."""
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def job(place: Path, *sources: Path, **more) -> ingest.Result:
    return ingest.run(place, list(sources), encoders=["hashing"], options=ingest.Options(**more))


def look(place: Path) -> tuple[dict[str, latentstore.Item], dict[str, np.ndarray], dict[str, dict]]:
    """Items, vectors, and lines of the ledger."""
    with latentstore.open(place, read_only=True) as store:
        docs = store.collection("docs")
        ids, vectors = docs.space().vectors()
        assert docs.verify().ok
        return (
            {item.id: item for item in docs.get(ids)},
            dict(zip(ids, vectors, strict=True)),
            {row["uri"]: row for row in docs.sql("select * from sources")},
        )


def test_the_ledger_knows_each_source(place, folder):
    job(place, folder)
    ledger = look(place)[2]
    path = folder / "amber.txt"
    line = ledger[str(path)]
    assert sorted(ledger) == sorted(str(one) for one in folder.iterdir())
    assert (line["size"], line["modified"], line["items"], line["error"]) == (
        path.stat().st_size,
        path.stat().st_mtime,
        1,
        None,
    )
    assert line["digest"] == ingest.ledger.digest_of(path)


def test_a_touched_file_is_known_by_its_digest_and_not_decoded(place, folder):
    job(place, folder)
    age(folder / "amber.txt", -60)
    again = job(place, folder)
    assert (again.skipped, again.files, again.passages) == (4, 0, 0)
    assert look(place)[2][str(folder / "amber.txt")]["modified"] == (folder / "amber.txt").stat().st_mtime


def test_a_change_that_keeps_size_and_times_is_still_seen(place, folder):
    path = folder / "amber.txt"
    job(place, folder)
    before = path.stat()
    path.write_text(path.read_text().replace("amber", "ochre"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert job(place, folder).replaced == 1
    assert "ochre" in look(place)[0][f"{path}#1"].text


def test_a_moved_file_keeps_its_vectors(place, folder):
    job(place, folder)
    _, before, _ = look(place)
    (folder / "amber.txt").rename(folder / "gem.txt")
    again = job(place, folder)
    items, vectors, ledger = look(place)
    assert (again.moved, again.encoded, again.reused, again.removed) == (1, 0, 1, 0)
    assert str(folder / "amber.txt") not in ledger and len(items) == 4
    assert np.array_equal(vectors[f"{folder / 'gem.txt'}#1"], before[f"{folder / 'amber.txt'}#1"])


def test_a_copied_file_is_encoded_once_within_a_run_and_across_runs(place, folder):
    shutil.copy(folder / "amber.txt", folder / "copy.txt")
    assert job(place, folder).encoded == 4
    shutil.copy(folder / "birch.txt", folder / "other.txt")
    again = job(place, folder)
    assert (again.added, again.encoded, again.reused, again.moved) == (1, 0, 1, 0)


def test_content_that_comes_again_batches_later_is_not_encoded_again(place, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("text\n" + "".join(f"row {n % 7}\n" for n in range(100)))
    result = job(place, path, batch=3)
    assert (result.added, result.encoded, result.reused) == (100, 7, 93)


def test_what_replaced_a_text_lends_its_vector_and_what_was_replaced_does_not(place, folder):
    path = folder / "amber.txt"
    job(place, folder)
    for text in ("first", "second", "first"):
        path.write_text(text)
        job(place, folder)
    (folder / "new.txt").write_text("first")
    assert job(place, folder).encoded == 0
    items, vectors, _ = look(place)
    assert np.array_equal(vectors[f"{path}#1"], vectors[f"{folder / 'new.txt'}#1"])
    assert items[f"{path}#1"].text == "first"


def test_items_of_a_file_that_has_gone_stay_until_sync_removes_them(place, folder):
    job(place, folder)
    (folder / "amber.txt").unlink()
    assert job(place, folder).removed == 0 and len(look(place)[0]) == 4
    again = job(place, folder, sync=True)
    items, _, ledger = look(place)
    assert (again.gone, again.removed) == (1, 1)
    assert len(items) == len(ledger) == 3


def test_sync_removes_nothing_outside_the_sources_named(place, folder, tmp_path):
    other = tmp_path / "src-other"
    other.mkdir()
    (other / "elm.txt").write_text("An elm.")
    job(place, folder, other)
    shutil.rmtree(other)
    assert job(place, folder, sync=True).gone == 0
    assert len(look(place)[0]) == 5


def test_a_file_that_cannot_be_read_is_tried_again_and_leaves_the_ledger_clean(place, folder):
    path = folder / "amber.txt"
    good = path.read_text()
    path.write_bytes(b"a\0b")
    assert job(place, folder).bad == 1
    assert "NUL" in look(place)[2][str(path)]["error"]
    assert job(place, folder).bad == 1
    path.write_text(good)
    assert (job(place, folder).added, look(place)[2][str(path)]["error"]) == (1, None)


def test_a_file_that_turned_bad_keeps_what_it_gave_before(place, folder):
    path = folder / "amber.txt"
    job(place, folder)
    path.write_bytes(b"a\0b")
    assert job(place, folder, sync=True).bad == 1
    items, _, ledger = look(place)
    assert len(items) == 4 and ledger[str(path)]["items"] == 1


def test_a_bad_row_is_told_in_the_ledger_and_its_table_is_not_read_again(place, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "one"}\nnonsense\n{"text": "two"}\n')
    age(path)
    assert (job(place, path).added, job(place, path).skipped) == (2, 1)
    assert "record 2" in look(place)[2][str(path)]["error"]


def test_a_strict_job_stops_at_the_first_problem_and_keeps_what_came_before(place, folder):
    (folder / "bad.txt").write_bytes(b"a\0b")
    with pytest.raises(ingest.Stopped, match=r"bad\.txt.*NUL"):
        job(place, folder, strict=True, batch=1)
    assert f"{folder / 'amber.txt'}#1" in look(place)[0]


def test_other_options_read_the_files_anew_and_encode_only_what_is_new(place, folder):
    (folder / "long.txt").write_text("\n\n".join(f"The {word} is old and wide and far away." for word in WORDS))
    job(place, folder)
    again = job(place, folder, chunk_tokens=12)
    assert again.skipped == 0 and again.files == 5
    assert again.encoded == again.passages - 4


def test_a_changed_file_is_replaced_in_one_commit(place, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("nr,text\n" + "".join(f"{n},old {n}\n" for n in range(200)))
    columns = ingest.Columns(id="nr")
    ingest.run(place, [path], encoders=["hashing"], options=ingest.Options(columns, batch=16))
    path.write_text("nr,text\n" + "".join(f"{n},new {n}\n" for n in range(150)))
    with latentstore.open(place) as store:
        seen = []
        ingest.run(
            store,
            [path],
            options=ingest.Options(columns, batch=16),
            progress=lambda told: seen.append(store.collection("docs").count("text like 'new%'")),
        )
    assert set(seen) <= {0, 150}


def test_a_file_written_to_while_it_is_read_is_read_again_next_time(place, folder):
    path = folder / "grown.jsonl"
    path.write_text("".join(f'{{"text": "row {n}"}}\n' for n in range(40)))
    age(path)

    def grow(told: ingest.Progress) -> None:
        if told.passages < 40:
            with path.open("a") as file:
                file.write('{"text": "one more"}\n')

    first = ingest.run(place, [path], encoders=["hashing"], options=ingest.Options(batch=4), progress=grow)
    assert "changed while it was read" in first.problems[0].reason
    second = job(place, path)
    lines = path.read_text().splitlines()
    assert len(look(place)[0]) == len(lines) and second.encoded <= 1
