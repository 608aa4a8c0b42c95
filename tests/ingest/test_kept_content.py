"""What a store keeps of files beside their vectors: thumbnails always, the bytes themselves where that is asked for."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

import ingest
import latentstore
from latentstore import Origin


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "src"
    made.mkdir()
    (made / "a.txt").write_text("A text that is kept. " * 60)
    (made / "b.txt").write_text("A text that is kept. " * 60)
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 300, 3), np.uint8)).save(made / "p.png")
    soundfile.write(made / "s.wav", np.sin(np.arange(40_000) / 9) * 0.5, 16_000)
    return made


@pytest.fixture
def kept(tmp_path: Path, folder: Path) -> Path:
    place = tmp_path / "pile.latent"
    ingest.run(place, [folder], options=ingest.Options(keep_content=True, chunk_tokens=60))
    return place


def attached(place: Path, name: str) -> dict[str, list[bytes | None]]:
    """File name → what its items have under that name."""
    with latentstore.open(place, read_only=True) as store:
        docs = store.collection("docs")
        rows = list(docs.sql("select id, uri from items order by id"))
        found: dict[str, list[bytes | None]] = {}
        for row, one in zip(rows, docs.attachments([row["id"] for row in rows], name), strict=True):
            found.setdefault(Path(row["uri"]).name, []).append(one)
        return found


def test_the_bytes_of_every_file_are_kept_with_each_of_its_items(kept, folder):
    found = attached(kept, "content")
    assert len(found["a.txt"]) > 3
    assert all(one == (folder / name).read_bytes() for name, many in found.items() for one in many)


def test_equal_bytes_are_stored_once(kept, folder):
    distinct = {path.read_bytes() for path in folder.iterdir()}
    with latentstore.open(kept, read_only=True) as store:
        told = store.collection("docs").info()["attachments"]
    assert told["contents"] == len(distinct) + 2  # and two thumbnails


def test_content_outlives_its_file_which_is_told_to_be_gone(kept, folder):
    wanted = (folder / "p.png").read_bytes()
    (folder / "p.png").unlink()
    (folder / "a.txt").write_text("changed")
    with latentstore.open(kept, read_only=True) as store:
        uris = [str(folder / name) for name in ("a.txt", "b.txt", "p.png")]
        assert store.collection("docs").origins(uris) == [Origin.CHANGED, Origin.THERE, Origin.GONE]
    assert attached(kept, "content")["p.png"] == [wanted]


def test_pictures_and_sounds_have_small_pictures_to_show(kept):
    found = attached(kept, "thumbnail")
    photo = Image.open(io.BytesIO(found["p.png"][0]))
    assert max(photo.size) == 160 and photo.size[0] > 3 * photo.size[1] - 5
    assert Image.open(io.BytesIO(found["s.wav"][0])).format == "PNG"
    assert found["a.txt"][0] is None


def test_without_being_asked_to_no_content_is_kept(tmp_path, folder):
    place = tmp_path / "other.latent"
    ingest.run(place, [folder])
    assert all(one is None for many in attached(place, "content").values() for one in many)


def test_asking_for_it_later_reads_the_files_again_and_encodes_nothing(tmp_path, folder):
    place = tmp_path / "other.latent"
    ingest.run(place, [folder])
    again = ingest.run(place, [folder], options=ingest.Options(keep_content=True))
    assert (again.files, again.encoded) == (4, 0)
    assert attached(place, "content")["p.png"] == [(folder / "p.png").read_bytes()]


def test_a_file_too_long_to_be_kept_is_told_and_its_items_stay(tmp_path, folder, monkeypatch):
    monkeypatch.setattr("ingest.documents.LONGEST_KEPT", 1000)
    (folder / "p.png").unlink()
    (folder / "s.wav").unlink()
    (folder / "b.txt").write_text("short")
    result = ingest.run(tmp_path / "other.latent", [folder], options=ingest.Options(keep_content=True))
    assert [Path(problem.source).name for problem in result.problems] == ["a.txt"]
    assert "not kept" in result.problems[0].reason
    found = attached(tmp_path / "other.latent", "content")
    assert (set(found["a.txt"]), found["b.txt"]) == ({None}, [b"short"])
