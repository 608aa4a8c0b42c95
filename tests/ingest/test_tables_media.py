"""Columns of pictures and sounds."""

import base64
import hashlib
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile
from PIL import Image

import ingest
import latentstore
from ingest.chunking import Splitter, WordTokens
from ingest.readers import Passage, Reading
from ingest.readers.columns import Columns
from ingest.readers.tables import read
from ingest.sources import kind_of, on_disk
from latentstore import Item
from latentstore.media import images, sounds

WORDS = Splitter.fitting(WordTokens(), 256)
RATE = 8000


def rows(path, **columns):
    document = on_disk(path, kind_of(path.name), True)
    return list(read(document, path, Reading(Columns(**columns), WORDS, WORDS, window=1.0)))


def png(colour, size=(20, 10)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def wav(seconds, pitch=0.2):
    file = io.BytesIO()
    tone = np.sin(np.arange(round(seconds * RATE)) * pitch) * 0.5
    soundfile.write(file, tone.astype(np.float32), RATE, format="WAV", subtype="FLOAT")
    return file.getvalue()


RED, BLUE = png("red"), png("blue")


@pytest.fixture
def parquet(tmp_path):
    def write(**columns):
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table(columns), path)
        return path

    return write


def same_picture(passage, file):
    return np.array_equal(np.asarray(passage.item.image), np.asarray(images.load(file)))


def test_bytes_in_a_column_become_pictures_named_by_their_digest(parquet):
    first, second = rows(parquet(picture=[RED, BLUE], n=[1, 2]), image="picture")
    assert same_picture(first, RED) and same_picture(second, BLUE)
    assert first.key == hashlib.sha256(RED).hexdigest()
    facts = {"width": 20, "height": 10, "format": "PNG"}
    assert first.item.metadata == {"record": 1, "n": 1, **facts} and first.item.text is None
    assert first.item.attachments == {"thumbnail": images.thumbnail(images.load(RED))}


def test_paths_start_at_the_folder_of_the_table_and_are_kept(tmp_path):
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "red.png").write_bytes(RED)
    (tmp_path / "blue.png").write_bytes(BLUE)
    path = tmp_path / "a.csv"
    path.write_text(f"text,file\nr,pics/red.png\nb,{tmp_path / 'blue.png'}\n")
    first, second = rows(path, image="file")
    assert same_picture(first, RED) and same_picture(second, BLUE)
    assert (first.item.text, first.item.metadata["file"]) == ("r", "pics/red.png")


def test_a_struct_of_bytes_and_path_is_a_picture_as_hugging_face_has_it(tmp_path, parquet):
    (tmp_path / "blue.png").write_bytes(BLUE)
    cells = [{"bytes": RED, "path": "red.png"}, {"bytes": None, "path": "blue.png"}, {"bytes": None, "path": None}]
    first, second = rows(parquet(image=cells), image="image")
    assert same_picture(first, RED) and same_picture(second, BLUE)
    assert first.item.metadata["image"] == "red.png"


def test_a_data_address_is_a_picture(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"image": "data:image/png;base64," + base64.b64encode(RED).decode()}))
    (found,) = rows(path, image="image")
    assert same_picture(found, RED) and "image" not in found.item.metadata


def test_what_is_known_of_a_picture_gives_way_to_the_columns_of_the_table(parquet):
    (found,) = rows(parquet(image=[RED], Width=["wide"], format=[None]), image="image")
    assert found.item.metadata == {"record": 1, "height": 10, "Width": "wide"}


BAD = {
    "gone.png": "names 'gone.png', and there is no such file",
    "https://example.org/a.png": "holds the address 'https://example.org/a.png'; fetch the files first",
    "data:image/png;base64,???": "that is not base64",
    "data:,x": "expected a picture file",
    "data:nothing": "without data",
    "bad.png": "expected a picture file",
    "cut.png": "breaks off or is damaged",
    ".": "there is no such file",
}


@pytest.mark.parametrize("cell", BAD)
def test_a_picture_that_cannot_be_had_is_a_problem_and_a_row_with_text_is_kept_without_it(tmp_path, cell):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    (tmp_path / "cut.png").write_bytes(png("red", (300, 300))[:200])
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, [{"text": "t", "image": cell}, {"image": cell}])))
    kept, item, lost = rows(path, image="image")
    assert kept.reason.startswith("record 1: 'image'") and BAD[cell] in kept.reason
    assert kept.reason.endswith("; kept without it") and not lost.reason.endswith("without it")
    assert (item.item.text, item.item.image, item.key) == ("t", None, None)


@pytest.mark.parametrize("cell", [7, ["a"], {"a": 1}, {"bytes": "x"}])
def test_a_cell_of_another_kind_is_a_problem(tmp_path, cell):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"image": cell}))
    (found,) = rows(path, image="image")
    assert found.reason.startswith("record 1: 'image' holds")


def test_paths_in_a_table_within_an_archive_are_not_followed(tmp_path):
    import zipfile

    (tmp_path / "red.png").write_bytes(RED)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.csv", f"text,image\nt,{tmp_path / 'red.png'}\nu,red.png\n")
    options = ingest.Options(ingest.Columns(image="image"))
    result = ingest.run(tmp_path / "pile.latent", [tmp_path / "a.zip"], encoders=["hashing"], options=options)
    assert result.added == 2 and result.bad == 2
    assert all("is no file beside which it could lie" in problem.reason for problem in result.problems)


def test_a_frame_brings_paths_and_bytes(tmp_path, monkeypatch):
    (tmp_path / "red.png").write_bytes(RED)
    monkeypatch.chdir(tmp_path)
    frame = ingest.Table(pa.table({"text": ["t"], "image": ["red.png"]}), "pics")
    options = ingest.Options(ingest.Columns(image="image"))
    result = ingest.run(tmp_path / "pile.latent", [frame], encoders=["hashing"], options=options)
    assert (result.added, result.bad) == (1, 0)


def test_a_sound_comes_whole_or_in_windows_of_which_the_first_has_the_text(parquet):
    found = rows(parquet(text=["short", "long"], audio=[wav(1.2), wav(3.0)], nr=["a", "b"]), audio="audio", id="nr")
    assert [(one.item.id, one.item.text) for one in found] == [
        ("a", "short"),
        ("b", "long"),
        ("b#2", None),
        ("b#3", None),
    ]
    joined = np.concatenate([one.item.audio.samples for one in found[1:]])
    assert np.array_equal(joined, sounds.load(wav(3.0)).samples)
    digest = hashlib.sha256(wav(3.0)).hexdigest()
    assert [one.key for one in found[1:]] == [f"{digest}#0.0-1.0", f"{digest}#1.0-2.0", f"{digest}#2.0-3.0"]
    assert found[2].item.metadata["start"] == 1.0 and found[2].item.metadata["rate"] == RATE


def test_a_sound_that_cannot_be_had_is_a_problem(parquet):
    problem, kept = rows(parquet(text=["t"], audio=[b"no sound"]), audio="audio")
    assert problem.reason.startswith("record 1: 'audio': expected a sound file") and kept.item.audio is None


def test_a_row_may_have_text_picture_sound_and_vector(parquet):
    (found,) = rows(
        parquet(text=["t"], image=[RED], audio=[wav(1.0)], v=[[1.0, 2.0]]), image="image", audio="audio", vector="v"
    )
    assert isinstance(found, Passage) and same_picture(found, RED) and found.item.text == "t"
    assert len(found.item.audio.samples) == RATE and found.vector.tolist() == [1, 2]
    assert found.key == f"{hashlib.sha256(RED).hexdigest()}+{hashlib.sha256(wav(1.0)).hexdigest()}"


def test_sounds_of_a_table_have_the_vectors_that_their_files_have(tmp_path, parquet):
    tones = [wav(0.5, pitch) for pitch in np.linspace(0.05, 1.5, 12)]
    options = ingest.Options(ingest.Columns(audio="audio", id="nr"))
    path = parquet(audio=tones, nr=[f"n{at}" for at in range(12)])
    result = ingest.run(tmp_path / "pile.latent", [path], encoders=["audio"], options=options)
    assert (result.added, result.encoded, result.bad) == (12, 12, 0)
    with latentstore.open(tmp_path / "pile.latent") as store:
        space = store.collection("docs").space()
        expected = space.encode([Item(audio=sounds.load(tone)) for tone in tones])
        _, held = space.vectors([f"n{at}" for at in range(12)])
    assert np.allclose(held, expected, atol=1e-6) and len(np.unique(held, axis=0)) == 12
