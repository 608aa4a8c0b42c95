"""Every kind of source through a whole job: what the store holds afterwards, and what a second job makes of it."""

import gzip
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

import ingest
import latentstore
from ingest.sources import Table
from tests.ingest.servers import Site, serving

TEXT, OTHER = "All that is known of the amber.", "All that is known of the birch."


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "pile.latent"


def job(place: Path, *sources: object, **more) -> ingest.Result:
    return ingest.run(place, list(sources), encoders=["hashing"], options=ingest.Options(**more))


def held(place: Path) -> dict[str, str]:
    """Texts by id."""
    with latentstore.open(place, read_only=True) as store:
        rows = store.collection("docs").sql("select id, text from items order by row")
        return {row["id"]: row["text"] for row in rows}


def zipped(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.txt"), text)
    return path


def test_members_of_archives_within_archives_are_items_of_their_own(place, tmp_path):
    zipped(tmp_path / "in.zip", a=TEXT)
    (tmp_path / "b.txt").write_text(OTHER)
    with tarfile.open(tmp_path / "out.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "in.zip", "in.zip")
        archive.add(tmp_path / "b.txt", "sub/b.txt")
    out = tmp_path / "out.tar.gz"
    assert job(place, out).added == 2
    assert held(place) == {f"{out}!/in.zip!/a.txt#1": TEXT, f"{out}!/sub/b.txt#1": OTHER}
    second = job(place, out)
    assert (second.files, second.skipped, second.passages) == (0, 1, 0)


def test_a_changed_archive_brings_what_changed_and_loses_what_has_gone(place, tmp_path):
    path = zipped(tmp_path / "x.zip", a=TEXT, b=OTHER, c="third")
    job(place, path)
    zipped(path, a=TEXT, b="changed")
    second = job(place, path)
    assert held(place) == {f"{path}!/a.txt#1": TEXT, f"{path}!/b.txt#1": "changed"}
    assert (second.replaced, second.removed) == (1, 1)


def test_a_broken_archive_keeps_what_it_gave_before(place, tmp_path):
    path = zipped(tmp_path / "x.zip", a=TEXT, b=OTHER)
    job(place, path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert job(place, path).bad == 1
    assert sorted(held(place).values()) == [TEXT, OTHER]
    path.write_bytes(whole)
    assert (again := job(place, path)).bad == 0 and again.passages == 0


def test_a_list_an_address_a_query_and_a_frame_go_into_one_store(place, tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    (tmp_path / "list").write_text("a.txt\nnosuch.txt\n")
    with duckdb.connect(str(tmp_path / "b.db")) as connection:
        connection.execute("create table t as select 'quick' as text")
    frame = Table(pl.DataFrame({"text": ["slow", "slower"]}), "pace")
    with serving(Site({"/b.txt": OTHER.encode()})) as site:
        sources = [f"@{tmp_path}/list", f"{site.address}/b.txt", f"duckdb:{tmp_path}/b.db?from t", frame]
        first, second = job(place, *sources), job(place, *sources)
    assert [first.added, first.bad, second.passages, second.bad] == [5, 1, 0, 1]
    assert held(place) == {
        f"{tmp_path}/a.txt#1": TEXT,
        f"{site.address}/b.txt#1": OTHER,
        f"duckdb:{tmp_path}/b.db?from t#1": "quick",
        "frame:pace#1": "slow",
        "frame:pace#2": "slower",
    }


def test_sync_leaves_what_could_not_be_listed(place, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(TEXT)
    with serving(Site({"/b/b.txt": OTHER.encode()})) as site:
        sources = [tmp_path / "in", f"{site.address}/b/"]
        job(place, *sources)
        site.password = "changed"
        (tmp_path / "in" / "a.txt").unlink()
        job(place, *sources, sync=True)
        assert list(held(place).values()) == [OTHER]
        site.password, site.files = None, {"/b/c.txt": b"third"}
        job(place, *sources, sync=True)
        assert list(held(place).values()) == ["third"]


def test_equal_bytes_of_what_is_no_file_are_not_taken_for_a_move(place):
    rows = pa.table({"text": [TEXT]})
    job(place, Table(rows, "one"))
    job(place, Table(rows, "two"))
    assert held(place) == {"frame:one#1": TEXT, "frame:two#1": TEXT}


def test_a_folder_whose_name_ends_like_an_archive_is_there(place, tmp_path):
    (tmp_path / "wow!").mkdir()
    (tmp_path / "wow!" / "a.txt").write_text(TEXT)
    job(place, tmp_path / "wow!")
    (tmp_path / "b.txt").write_text(TEXT)
    job(place, tmp_path / "b.txt")
    assert sorted(held(place)) == [f"{tmp_path}/b.txt#1", f"{tmp_path}/wow!/a.txt#1"]


def test_the_command_reads_standard_input_and_leaves_no_temporary_file(place, tmp_path):
    (tmp_path / "temporary").mkdir()
    command = [sys.executable, "-m", "latentstore", "ingest", str(place), "-", "--encoder", "hashing"]
    given = gzip.compress(TEXT.encode())
    environment = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
    subprocess.run(command, input=given, env=environment, check=True, capture_output=True)
    (text,) = held(place).values()
    assert text == TEXT
    assert list((tmp_path / "temporary").iterdir()) == []
