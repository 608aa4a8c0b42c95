"""interpolate, sample, traverse, directions, reconstruct, decode: rows, and the files beside them."""

import csv
import io
import json
import wave

import numpy as np
import pytest
from PIL import Image

import latentstore
from latentstore.cli import digits

A, B = "3-0003", "8-0008"


def latents(path, *ids):
    with latentstore.open(path, read_only=True) as store:
        return store.collection("digits").space("main").vectors(list(ids))[1]


def test_a_morph_is_a_table_and_a_strip_that_begins_and_ends_with_the_items(run, scanned, tmp_path):
    told = run("interpolate", scanned, A, B, "--steps", "5")
    assert (told.status, told.err) == (0, "")
    lines = told.out.splitlines()
    assert [line.split()[0] for line in lines[2:7]] == [A, "25%", "50%", "75%", B]
    assert lines[7] == "wrote morph.png"
    with Image.open(tmp_path / "morph.png") as strip:
        assert strip.width > 2 * strip.height


def test_the_rows_of_a_morph_hold_its_points(run, scanned):
    rows = json.loads(run("interpolate", scanned, A, B, "--steps", "3", "--format", "json").out)
    a, b = latents(scanned, A, B)
    assert np.allclose([row["latent"] for row in rows], [a, (a + b) / 2, b], atol=1e-5)
    assert (rows[0]["nearest"], rows[-1]["nearest"]) == (A, B)


def test_the_ending_of_a_file_says_what_is_written(run, scanned, tmp_path):
    assert "wrote film.gif" in run("interpolate", scanned, A, B, "-o", "film.gif").out
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames >= 25


def test_rows_for_a_machine_write_a_file_only_where_one_is_named(run, scanned, tmp_path):
    assert run("sample", scanned, "-n", "3", "--format", "jsonl").err == ""
    assert list(tmp_path.glob("*.png")) == []
    asked = run("sample", scanned, "-n", "3", "--format", "jsonl", "-o", "new.png")
    assert (len(asked.out.splitlines()), asked.err) == (3, "wrote new.png\n")


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_points_that_were_printed_decode_to_what_they_were(run, scanned, tmp_path, form):
    drawn = run("sample", scanned, "-n", "4", "--format", form).out
    (tmp_path / "points").write_text(drawn)
    nearest = {"json": json.loads, "jsonl": lambda text: list(map(json.loads, text.splitlines()))}
    rows = nearest.get(form, lambda text: list(csv.DictReader(io.StringIO(text))))(drawn)
    decoded = json.loads(run("decode", scanned, "points", "--format", "json").out)
    assert [row["nearest"] for row in decoded] == [row["nearest"] for row in rows]
    assert np.allclose([row["distance"] for row in decoded], [float(row["distance"]) for row in rows], atol=1e-4)


def test_an_array_of_points_decodes(run, scanned, tmp_path):
    np.save(tmp_path / "points.npy", latents(scanned, A, B))
    told = run("decode", scanned, "points.npy", "-o", "both.png")
    assert [line.split()[1] for line in told.out.splitlines()[2:4]] == [A, B]
    assert (tmp_path / "both.png").exists()


@pytest.mark.parametrize(
    "text", ["", "[1, 2]", '{"latent": "x"}', '{"latent": [1, 2]}', "nothing\nhere\n", '[{"latent": [1]}, {}]']
)
def test_a_file_without_points_of_the_space_is_refused_in_one_line(run, scanned, tmp_path, text):
    (tmp_path / "points").write_text(text)
    refused = run("decode", scanned, "points")
    assert (refused.status, refused.out, len(refused.lines())) == (1, "", 1)


def test_samples_near_an_item_are_nearer_to_it_than_others(run, scanned):
    (center,) = latents(scanned, A)

    def far(*options):
        rows = json.loads(run("sample", scanned, "-n", "20", "--format", "json", *options).out)
        return np.linalg.norm(np.array([row["latent"] for row in rows]) - center, axis=1).mean()

    assert far("--near", A, "--spread", "0.1") < 0.3 * far()


def test_a_traversal_moves_the_dimensions_that_are_named(run, scanned):
    rows = json.loads(run("traverse", scanned, A, "--dims", "0,2", "--steps", "3", "--format", "json").out)
    points, (start,) = np.array([row["latent"] for row in rows]), latents(scanned, A)
    moved = np.abs(points - start) > 1e-5
    assert len(points) == 6
    assert set(np.flatnonzero(moved[:3].any(axis=0))) == {0}
    assert set(np.flatnonzero(moved[3:].any(axis=0))) == {2}


def test_directions_of_a_column_tell_its_values_apart(run, scanned):
    rows = json.loads(run("directions", scanned, "--by", "digit", "--format", "json").out)
    classes = [row for row in rows if row["kind"] == "class"]
    assert len(classes) == 10
    assert min(row["accuracy"] for row in classes) > 0.8
    assert all(one.startswith("0-") for one in next(row for row in classes if "0" in row["label"])["high"])


def test_an_item_moves_along_a_direction_between_conditions(run, scanned, tmp_path):
    told = run(
        *("directions", scanned, "--towards", "digit = 8", "--away", "digit = 3"),
        *("--move", A, "--amounts", "0,2", "--format", "json", "-o", "moved.png"),
    )
    rows = json.loads(told.out)
    assert (rows[0]["nearest"], told.err) == (A, "wrote moved.png\n")
    assert rows[1]["latent"] != rows[0]["latent"]


def test_reconstructions_name_each_item_and_what_of_it_is_lost(run, scanned):
    rows = json.loads(run("reconstruct", scanned, A, B, "--format", "json").out)
    with latentstore.open(scanned, read_only=True) as store:
        model = store.collection("digits").space("main").latent
    pictures = {item.id: item.image for item in digits.scans()}
    seen = [Image.open(io.BytesIO(pictures[row["id"]])) for row in rows]
    assert sorted(row["id"] for row in rows) == [A, B]
    assert np.allclose([row["error"] for row in rows], model.error(seen), rtol=1e-4)
    assert rows[0]["error"] > rows[1]["error"]


def test_an_item_can_be_named_by_the_path_of_its_file(run, tmp_path):
    (tmp_path / "scans").mkdir()
    for item in digits.scans()[:30]:
        (tmp_path / "scans" / f"{item.id}.png").write_bytes(item.image)
    run("ingest", "s.latent", "scans")
    run("fit", "s.latent", "--model", "pca", "--dim", "3")
    told = run("interpolate", "s.latent", "scans/3-0003.png", "scans/8-0008.png", "--format", "json")
    assert json.loads(told.out)[0]["nearest"] == str(tmp_path / "scans" / "3-0003.png")


def test_a_space_without_a_decoder_answers_with_real_items_and_writes_nothing(run, scanned, tmp_path):
    told = run("interpolate", scanned, A, B, "--space", "image")
    assert told.status == 0
    assert "no decoder" in told.err
    assert "wrote" not in told.out and list(tmp_path.iterdir()) == []
    refused = run("interpolate", scanned, A, B, "--space", "image", "-o", "morph.png")
    assert refused.status == 1


def test_decoded_vectors_stand_in_the_rows(run, tmp_path):
    vectors = np.random.default_rng(0).standard_normal((60, 5), dtype=np.float32)
    with latentstore.open(tmp_path / "v.latent") as store:
        points = store.create("points", metric="l2")
        points.add(vectors=vectors, ids=[f"p{at}" for at in range(60)])
        points.space().fit("pca", 5)
    rows = json.loads(run("interpolate", "v.latent", "p0", "p1", "--steps", "2", "--format", "json").out)
    assert np.allclose([row["decoded"] for row in rows], vectors[:2], atol=1e-4)


def test_sounds_are_written_as_a_sound_and_its_picture(run, tmp_path):
    rate, seconds = 8000, np.arange(4000) / 8000
    with latentstore.open(tmp_path / "tones.latent") as store:
        docs = store.create("docs", encoders=["audio"])
        for at in range(24):
            samples = np.sin(2 * np.pi * (300 + 40 * at) * seconds) * 0.5
            file = io.BytesIO()
            with wave.open(file, "wb") as out:
                out.setnchannels(1), out.setsampwidth(2), out.setframerate(rate)
                out.writeframes((samples * 32767).astype("<i2").tobytes())
            content = file.getvalue()
            docs.add([latentstore.Item(f"t{at}", audio=content, attachments={"content": content})])
        docs.space().fit("pca", 3)
    told = run("interpolate", "tones.latent", "t2", "t20", "--steps", "3")
    assert told.out.splitlines()[-2:] == ["wrote morph.wav", "wrote morph.png"]
    with wave.open(str(tmp_path / "morph.wav")) as sound:
        assert sound.getnframes() > 0.5 * sound.getframerate()


@pytest.mark.parametrize(
    ("arguments", "status", "fragment"),
    [
        (("interpolate", A, "nosuch"), 1, "no item 'nosuch'; name one by its id, as '0-0000'"),
        (("interpolate", A, A), 1, "twice"),
        (("interpolate", A, B, "--steps", "1"), 2, "--steps"),
        (("interpolate", A, B, "-o", "morph.mp4"), 2, "ends in .png, .gif or .wav"),
        (("interpolate", A, B, "-o", "nosuch/morph.png"), 1, "nosuch"),
        (("sample", "--source", "prior"), 1, "prior"),
        (("sample", "-o", "sheet.wav"), 1, ".wav"),
        (("traverse", "--dims", "0,x"), 2, "whole numbers"),
        (("traverse", "--dims", "8"), 1, "from 0 to 7"),
        (("directions", "--by", "nosuch"), 1, "nosuch"),
        (("directions", "--towards", "digit > 90"), 1, "no item"),
        (("directions", "--away", "digit > 5"), 2, "goes with --towards"),
        (("directions", "--by", "digit", "--towards", "digit > 5"), 2, "--by"),
        (("directions", "--move", A), 1, "--along"),
        (("directions", "--amounts", "1,2"), 2, "goes with --move"),
        (("reconstruct", "nosuch"), 1, "no item 'nosuch'"),
        (("decode", "nosuch.npy"), 1, "there is no file nosuch.npy"),
        (("sample", "--space", "nosuch"), 1, "no space 'nosuch'"),
        (("sample", "--space", "image"), 1, "model"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run, scanned, arguments, status, fragment):
    command, *rest = arguments
    refused = run(command, scanned, *rest)
    assert (refused.status, refused.out) == (status, "")
    (line,) = refused.lines()
    assert line.startswith("error: ") and fragment in line


def test_one_of_several_fitted_spaces_has_to_be_named(run, album):
    run("fit", album, "--model", "pca", "--dim", "2")
    refused = run("sample", album)
    assert refused.status == 1
    assert "2 spaces were fitted: main, pca2; name one with --space" in refused.err
    assert run("sample", album, "--space", "pca2", "-n", "4").status == 0
