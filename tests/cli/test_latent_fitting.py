"""fit, versions, switch, rollback, backfill: what they print, and what they leave in the store."""

import csv
import io
import json
import shlex

import pytest
from PIL import Image

import latentstore
from latentstore.cli import digits


def versions(run, store):
    return json.loads(run("versions", store, "--format", "json").out)


def test_a_fit_says_what_it_learnt_from_how_much_it_loses_and_how_to_go_on(run, album):
    made = run("fit", album, "--model", "vae", "--dim", "4", "--epochs", "5")
    assert made.status == 0
    assert all(line.startswith("fit: ") for line in made.lines())
    assert "vae4, version 1: vae of 4 dimensions" in made.out
    assert "400 items of space image, as 8 x 8 grey pictures; 40 of them held out" in made.out
    assert "PCA of the same size" in made.out
    assert "on cpu, 5 epochs" in made.out
    assert "loss by epoch" in made.out
    assert "go on with:" in made.out


def test_what_a_fit_advises_runs(run, album, tmp_path):
    told = run("fit", album, "--model", "pca", "--dim", "4").out
    advised = [line for line in told.splitlines() if line.startswith("  latentstore ") and " report " not in line]
    assert len(advised) == 4
    for line in advised:
        assert (line, run(*shlex.split(line)[1:]).status) == (line, 0)
    assert {path.name for path in tmp_path.glob("*.png")} == {
        *("morph.png", "sample.png", "reconstruct.png", "traverse.png")
    }


def test_a_fit_gives_machines_its_whole_record(run, album):
    (row,) = json.loads(run("fit", album, "--model", "pca", "--dim", "4", "--format", "json").out)
    with latentstore.open(album, read_only=True) as store:
        record = store.collection("digits").space("pca4").record
    assert row["record"] == record
    assert (row["space"], row["version"], row["active"], row["error"]) == ("pca4", 1, True, record["error"]["mean"])


def test_a_fit_in_csv_is_one_line_of_figures(run, album):
    (row,) = csv.DictReader(io.StringIO(run("fit", album, "--model", "pca", "--dim", "4", "--format", "csv").out))
    assert (row["kind"], row["dim"], row["items"], row["held_out"]) == ("pca", "4", "400", "40")


def test_a_second_fit_waits_until_it_is_switched_to_and_can_be_rolled_back(run, album):
    again = run("fit", album, "--model", "pca", "--dim", "6", "--name", "main")
    assert f"main still stands for version 1; to change over: latentstore switch {album} main" in again.out
    assert [one["active"] for one in versions(run, album)] == [True, False]
    assert run("switch", album).out == "main stands for version 2, no longer for version 1\n"
    assert [(one["dim"], one["active"]) for one in versions(run, album)] == [(8, False), (6, True)]
    assert run("rollback", album, "main").out == "main stands for version 1, no longer for version 2\n"
    assert run("switch", album, "--version", "1").out == "main stands for version 1, as before\n"


def test_versions_are_a_table_for_people(run, scanned):
    shown = run("versions", scanned)
    assert shown.out.split()[:4] == ["space", "version", "active", "kind"]
    assert shown.out.splitlines()[2].split()[:6] == ["main", "1", "yes", "pca", "8", "400"]


def test_a_space_that_lags_is_brought_up_to_date(run, album):
    model = album / "digits" / "spaces" / "main@1" / "model"
    model.rename(album / "away")
    with latentstore.open(album) as store:
        store.collection("digits").add(digits.scans()[400:410])
    (album / "away").rename(model)
    assert versions(run, album)[0]["lag"] == 10
    assert run("backfill", album).out == "main, version 1: 10 items got a place; 410 are in it\n"
    assert versions(run, album)[0]["lag"] == 0


@pytest.mark.parametrize(
    ("arguments", "status", "fragment"),
    [
        (("fit", "--model", "gpt"), 2, "'gpt'"),
        (("fit", "--dim", "0"), 2, "--dim"),
        (("fit", "--model", "pca", "--dim", "65"), 1, "at most 64"),
        (("fit", "--model", "pca", "--name", "a b"), 1, "got 'a b'"),
        (("fit", "--space", "nosuch"), 1, "no space 'nosuch'"),
        (("fit", "--where", "nosuch = 1"), 1, "no column 'nosuch'"),
        (("fit", "--source", "audio"), 1, "no sound"),
        (("switch", "--version", "7"), 1, "no version 7"),
        (("switch", "image"), 1, "was not fitted"),
        (("rollback",), 1, "the oldest"),
        (("versions", "nosuch"), 1, "no space 'nosuch'"),
        (("backfill", "image"), 1, "was not fitted"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(run, scanned, arguments, status, fragment):
    command, *rest = arguments
    refused = run(command, scanned, *rest)
    assert (refused.status, refused.out) == (status, "")
    (line,) = refused.lines()
    assert line.startswith("error: ") and fragment in line


@pytest.mark.parametrize("command", ["switch", "rollback", "versions", "backfill"])
def test_without_a_fitted_space_a_command_says_how_to_make_one(run, own, command):
    refused = run(command, own)
    assert refused.status == 1
    assert "latentstore fit STORE --model vae" in refused.err


def test_too_few_items_are_refused_in_one_line(run, tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    run("ingest", "few.latent", "a.png")
    refused = run("fit", "few.latent")
    assert (refused.status, refused.out) == (1, "")
    assert "a model needs at least 10 items to learn from, there are 1" in refused.err
