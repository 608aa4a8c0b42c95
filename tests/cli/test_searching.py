"""search and similar: the right hits, told whole in every format, and where each stands."""

import csv
import io
import json

import numpy as np
import pytest

import latentstore
from tests.truth import distances

FRUIT = ["search", "--where", "record is not null"]


def rows(out, form):
    if form == "csv":
        return list(csv.DictReader(io.StringIO(out)))
    return json.loads(out) if form == "json" else [json.loads(line) for line in out.splitlines()]


def nearest(path, vector, leave_out=None):
    """(id, distance) of every item, closest first, by numpy."""
    with latentstore.open(path, read_only=True) as store:
        ids, vectors = store.collection("docs").space().vectors()
    pairs = zip(distances(vector, vectors, "cosine"), ids, strict=True)
    return [(name, distance) for distance, name in sorted(pairs) if name != leave_out]


def vector_of(path, *, text=None, item=None):
    with latentstore.open(path, read_only=True) as store:
        space = store.collection("docs").space()
        return space.encode([text])[0] if text else space.vectors(ids=[item])[1][0]


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_search_gives_what_numpy_finds_in_every_format(run, stored, form):
    expected = nearest(stored, vector_of(stored, text="sweet pears"))
    found = rows(run("search", stored, "sweet pears", "--format", form).out, form)
    assert [row["id"] for row in found] == [name for name, _ in expected]
    assert [float(row["distance"]) for row in found] == pytest.approx([d for _, d in expected], abs=1e-6)


def test_similar_gives_what_numpy_finds_without_the_item_itself(run, stored):
    item = f"{stored.parent}/t.csv#1"
    expected = nearest(stored, vector_of(stored, item=item), leave_out=item)
    found = rows(run("similar", stored, item, "--format", "json").out, "json")
    assert [row["id"] for row in found] == [name for name, _ in expected]


def test_k_and_where_narrow_the_hits(run, stored):
    found = rows(run("search", stored, "fruit", "-k", 1, "--where", "year > 2000", "--format", "json").out, "json")
    assert [(row["text"], row["metadata"]["year"]) for row in found] == [("Plums are blue", 2004)]


def test_columns_chooses_the_metadata(run, stored):
    found = rows(run("search", stored, "plums blue", "--columns", "year", "--format", "json").out, "json")
    assert found[0]["metadata"] == {"year": 2004}


def test_a_passage_is_shown_with_its_file_line_and_characters(run, stored):
    shown = run("search", stored, "Carrots grow in the earth", "-k", 1)
    start, end = (text := (stored.parent / "a.md").read_text()).index("# Roots"), len(text) - 1
    assert "# Roots Carrots grow in the earth." in shown.out
    place = f"{stored.parent}/a.md#2 · line 5 · characters {start}-{end} · title: Roots"
    assert place in " ".join(shown.out.split())
    assert (shown.status, shown.err) == (0, "")


def test_a_row_is_shown_with_its_file_record_and_columns(run, stored):
    shown = run("search", stored, "Plums are blue", "-k", 1)
    assert f"{stored.parent}/t.csv#2 · record 2 · year: 2004" in " ".join(shown.out.split())


def test_explain_tells_the_plan_on_standard_error_and_leaves_the_hits_alone(run, stored):
    plain = run("search", stored, "pears", "--format", "jsonl")
    told = run("search", stored, "pears", "--format", "jsonl", "--explain")
    assert told.out == plain.out
    assert " ms  exact: every vector was looked at (4)" in told.err


def test_no_hits_are_an_empty_array_or_a_note(run, stored):
    nothing = ("search", stored, "pears", "--where", "year > 3000")
    assert run(*nothing, "--format", "json").out == "[]\n"
    shown = run(*nothing)
    assert (shown.status, shown.out, shown.err) == (0, "", "no hits\n")


@pytest.mark.parametrize("columns", ["40", "60", "100"])
def test_tables_keep_to_the_width_of_the_terminal(run, stored, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    shown = run("search", stored, "pears")
    assert max(map(len, shown.out.splitlines())) <= int(columns)
    assert "Pears are sweet" in shown.out


def test_exact_and_recall_are_taken(run, stored):
    exact = run("search", stored, "pears", "--exact", "--format", "jsonl")
    assert run("search", stored, "pears", "--recall", "0.9", "--format", "jsonl").out == exact.out


@pytest.fixture(scope="module")
def pictured(tmp_path_factory):
    """A store of two texts, seen by two encoders, and of two pictures."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("pictured")
    rng = np.random.default_rng(0)
    for name in ("first", "second"):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save(folder / f"{name}.png")
    with latentstore.open(folder / "p.latent") as store:
        made = store.create("docs", encoders=["hashing", "hashing:128", "image"])
        made.add([latentstore.Item(f"picture {name}", image=folder / f"{name}.png") for name in ("first", "second")])
        made.add(["sweet pears", "blue plums"], ids=["pears", "plums"])
    return folder


def test_a_picture_is_looked_for_by_its_file(run, pictured):
    shown = run("search", pictured / "p.latent", "--image", pictured / "second.png", "--format", "jsonl")
    assert [row["id"] for row in rows(shown.out, "jsonl")] == ["picture second", "picture first"]
    assert "space" not in shown.out


def test_a_hit_without_text_shows_where_it_comes_from(run, pictured):
    shown = run("search", pictured / "p.latent", "--image", pictured / "first.png", "-k", 1)
    assert f"{pictured}/first.png · id picture first" in " ".join(shown.out.split())


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_hits_of_several_spaces_say_which_one_found_them(run, pictured, form):
    found = rows(run("search", pictured / "p.latent", "pears", "--format", form).out, form)
    assert {row["id"] for row in found} == {"pears", "plums"}
    assert {row["space"] for row in found} <= {"hashing", "hashing-128"}


def test_the_table_has_a_column_of_spaces_only_where_several_answer(run, pictured):
    assert "space" in run("search", pictured / "p.latent", "pears").out.splitlines()[0]
    assert "space" not in run("search", pictured / "p.latent", "pears", "--space", "hashing").out.splitlines()[0]


@pytest.mark.parametrize(
    "query", [[], ["pears", "--image", "first.png"], ["--image", "first.png", "--audio", "first.png"]]
)
def test_a_query_is_given_in_one_way(run, pictured, monkeypatch, query):
    monkeypatch.chdir(pictured)
    told = run("search", "p.latent", *query)
    assert told.status == 2 and "takes one of QUERY, --image and --audio" in " ".join(told.err.split())


def test_a_picture_that_is_not_there_is_one_clear_line(run, pictured):
    told = run("search", pictured / "p.latent", "--image", "gone.jpg")
    assert told.status == 1 and len(told.lines()) == 1 and "gone.jpg" in told.err


def test_a_hit_tells_what_has_become_of_its_file(run, tmp_path):
    for name in ("gone", "changed", "there"):
        (tmp_path / f"{name}.txt").write_text(f"a text that is {name}")
    run("ingest", "s.latent", "gone.txt", "changed.txt", "there.txt", "--encoder", "hashing")
    (tmp_path / "gone.txt").unlink()
    (tmp_path / "changed.txt").write_text("other words")
    found = json.loads(run("search", "s.latent", "a text", "--format", "json").out)
    assert {hit["text"].split()[-1]: hit["origin"] for hit in found} == {
        name: name for name in ("gone", "changed", "there")
    }
    told = " ".join(run("search", "s.latent", "a text").out.split())
    assert told.count("its file is gone") == told.count("its file has changed since") == 1
