"""duplicates: the table for people, rows for machines, the curve, leaks, and what is kept."""

import csv
import io
import json

import numpy as np
import pytest

import latentstore
from latentstore import Item


@pytest.fixture
def pile(tmp_path):
    """30 items that lie apart, the first three there twice, the first in the other split."""
    apart = np.random.default_rng(0).standard_normal((30, 16)).astype(np.float32)
    with latentstore.open(tmp_path / "pile.latent") as store:
        texts = [f"a sentence about {at}" for at in [*range(30), 0, 1, 2]]
        splits = ["train"] * 30 + ["test", "train", "train"]
        items = [Item(id=f"i{at}", text=text, metadata={"split": splits[at]}) for at, text in enumerate(texts)]
        store.create("docs").add(items, vectors=np.concatenate([apart, apart[:3]]))
    return tmp_path / "pile.latent"


WANTED = [("i30", "i0"), ("i31", "i1"), ("i32", "i2")]


def test_a_table_tells_how_many_and_which(run, pile):
    ended = run("duplicates", pile)
    assert ended.status == 0
    assert ended.out.startswith(
        "3 of 33 items of space vectors are there more than once, in 3 groups: 3 of the same content"
    )
    assert [line.split()[:3] for line in ended.out.splitlines() if "exact" in line] == [
        ["2", "exact", kept] for _, kept in WANTED
    ]
    assert "duplicate_of IS NOT NULL" in ended.err
    assert max(map(len, ended.out.splitlines())) <= 120


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_machines_get_a_row_a_duplicate(run, pile, form):
    out = run("duplicates", pile, "--format", form).out
    lines = {"csv": lambda: list(csv.DictReader(io.StringIO(out))), "json": lambda: json.loads(out)}
    rows = lines.get(form, lambda: [json.loads(line) for line in out.splitlines()])()
    assert [(row["id"], row["duplicate_of"], row["kind"], float(row["distance"])) for row in rows] == [
        (*pair, "exact", 0.0) for pair in WANTED
    ]


def test_what_is_kept_can_be_filtered_by(run, pile):
    assert run("duplicates", pile).status == 0
    found = run("sql", pile, "SELECT id FROM items WHERE duplicate_of IS NOT NULL ORDER BY id", "--format", "csv").out
    assert found.split() == ["id", "i30", "i31", "i32"]


def test_without_keeping_the_store_is_only_read(run, pile):
    ended = run("duplicates", pile, "--no-keep")
    assert ended.status == 0 and "nothing was kept" in ended.err
    with latentstore.open(pile, read_only=True) as store:
        assert store.collection("docs").studies() == []


def test_leaks_are_told_split_by_split(run, pile):
    out = run("duplicates", pile, "--split", "split").out
    assert (
        "1 item of split train has a duplicate in test" in out
        and "1 item of split test has a duplicate in train" in out
    )
    leaks = json.loads(run("duplicates", pile, "--split", "split", "--format", "json").out)
    assert [(leak["id"], leak["other"], leak["kind"]) for leak in leaks] == [
        ("i0", "i30", "exact"),
        ("i30", "i0", "exact"),
    ]


def test_the_curve_shows_other_thresholds(run, pile):
    points = json.loads(run("duplicates", pile, "--curve", "--format", "json").out)
    assert [point["threshold"] for point in points] == sorted(point["threshold"] for point in points)
    assert "expected" in run("duplicates", pile, "--curve").out


def test_where_there_is_none_a_line_says_so(run, pile):
    out = run("duplicates", pile, "--where", "split = 'test'", "--split", "split").out
    assert out.startswith("0 of 1 item") and "no item of one split has a duplicate in another" in out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--split", "splt"), "split"),
        (("--threshold", "-1"), "--threshold"),
        (("--where", "split = 'no'"), "at least 1"),
    ],
)
def test_bad_input_ends_in_one_line(run, pile, arguments, word):
    ended = run("duplicates", pile, *arguments)
    assert ended.status != 0 and word in ended.err and "Traceback" not in ended.err
