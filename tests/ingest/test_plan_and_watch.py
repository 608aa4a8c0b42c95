"""Saying what a job would do, and keeping a store in step with a folder."""

import threading
import time
from pathlib import Path

import pytest

import ingest
import latentstore
from ingest import plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "src"
    made.mkdir()
    for n in range(30):
        (made / f"{n}.txt").write_text(f"Text number {n}. " * 20)
    (made / "rows.csv").write_text("text,n\n" + "".join(f"a row of words {n},{n}\n" for n in range(2000)))
    return made


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "pile.latent"


def test_a_plan_is_near_what_the_job_then_does_and_stores_nothing(place, folder):
    told = plan(place, [folder], encoders=["hashing"])
    assert not place.exists()
    done = ingest.run(place, [folder], encoders=["hashing"])
    grown = sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
    assert (told.new, told.changed, told.unchanged, told.bytes) == (31, 0, 0, done.bytes)
    assert told.items == pytest.approx(done.passages, rel=0.1)
    assert grown / 3 < told.growth < grown * 3


def test_a_plan_tells_new_changed_and_unchanged_apart(place, folder):
    ingest.run(place, [folder], encoders=["hashing"])
    (folder / "0.txt").write_text("something else")
    (folder / "new.txt").write_text("something new")
    told = plan(place, [folder])
    assert (told.new, told.changed, told.unchanged, told.items) == (1, 1, 29 + 1 - 1 + 1, 2)
    again = ingest.run(place, [folder])
    assert (again.added, again.replaced) == (1, 1)


def test_a_plan_names_what_cannot_be_read(place, folder):
    (folder / "bad.txt").write_bytes(b"a\0b")
    told = plan(place, [folder], encoders=["hashing"], options=ingest.Options(patterns=ingest.Patterns(("*.txt",))))
    assert told.new == 31 and all("NUL" in problem.reason for problem in told.problems)


def test_a_watched_folder_and_its_store_stay_in_step(place, folder):
    stop, results = threading.Event(), []
    watching = threading.Thread(
        target=ingest.watch,
        args=(place, [folder]),
        kwargs={"encoders": ["hashing"], "told": results.append, "stop": stop},
    )
    watching.start()
    try:
        wait(lambda: len(results) == 1)
        (folder / "late.txt").write_text("a late text")
        (folder / "0.txt").unlink()
        wait(lambda: sum(result.added for result in results[1:]) and sum(result.removed for result in results[1:]))
        assert texts(place) >= {"a late text"}
    finally:
        stop.set()
        watching.join()
    assert not any(text.startswith("Text number 0.") for text in texts(place))


def test_a_watched_source_must_be_there(place, tmp_path):
    with pytest.raises(latentstore.InvalidInput, match="no such folder"):
        ingest.watch(place, [tmp_path / "nosuch"])


def wait(until, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < end, "nothing happened for a minute"
        time.sleep(0.05)


def texts(place: Path) -> set[str]:
    with latentstore.open(place, read_only=True) as store:
        return {row["text"] for row in store.collection("docs").sql("select text from items")}
