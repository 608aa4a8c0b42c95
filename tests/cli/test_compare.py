"""compare on the command line: a verdict and a table for people, rows for machines."""

import json

import numpy as np
import pytest

import latentstore


@pytest.fixture
def pile(tmp_path, monkeypatch):
    """A store of 60 made points in three heaps, the third there in b alone; another of one heap."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    heaps = np.repeat([0, 1, 2], 20)
    vectors = (np.eye(3)[heaps] + rng.normal(scale=0.05, size=(60, 3))).astype(np.float32)
    side = np.where((np.arange(60) % 2 == 0) & (heaps < 2), "a", "b")
    texts = [f"{('red house', 'blue tree', 'green car')[heap]} {at}" for at, heap in enumerate(heaps)]
    for name, rows in (("pile.latent", range(60)), ("last-year.latent", range(20))):
        with latentstore.open(name) as store:
            docs = store.create("docs")
            docs.add(
                [texts[at] for at in rows],
                vectors=vectors[rows],
                metadata=[{"side": str(side[at]), "kind": "topic" if at < 9 else "rest"} for at in rows],
            )
    return tmp_path / "pile.latent"


def test_the_table_says_whether_the_sides_differ_and_in_which_clusters(run, pile):
    told = run("compare", pile, "--a", "side = 'a'")
    assert told.status == 0
    assert "a: 20 items, where side = 'a'" in told.out
    assert "the two differ beyond chance: p = 0.001" in told.out
    assert "appeared" in told.out and "green car" in told.out
    assert "kept as study 1" in told.err


def test_sides_alike_are_said_to_be_alike(run, pile):
    told = run("compare", pile, "--a", "side = 'a'", "--b", "side = 'b' and text not like 'green%'", "--no-keep")
    assert "no difference beyond chance" in told.out
    assert "nothing was kept" in told.err


def test_machines_get_a_row_a_cluster(run, pile):
    told = run("compare", pile, "--a", "side = 'a'", "--no-keep", "--format", "json")
    rows = json.loads(told.out)
    assert sum(row["before"] for row in rows) == 20
    assert sum(row["after"] for row in rows) == 40
    assert {row["kind"] for row in rows} >= {"appeared"}


def test_another_store_is_compared_with(run, pile):
    told = run("compare", pile, "--other", "last-year.latent", "--no-keep")
    assert "b: 20 items, of the other collection" in told.out
    assert "went" in told.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "give it a filter"),
        (("--a", "side = 'x'"), "side a has no items"),
        (("--other", "missing.latent"), "there is no store at missing.latent"),
        (("--a", "side = 'a'", "--space", "nope"), "nope"),
    ],
)
def test_what_cannot_be_compared_is_one_clear_line(run, pile, options, told):
    outcome = run("compare", pile, *options)
    assert outcome.status == 1
    assert told in outcome.err.splitlines()[-1]
    assert outcome.out == ""


@pytest.mark.parametrize(
    "options", [("--a", "kind = 'topic'", "--format", "jsonl"), ("--other", "last-year.latent", "--no-keep")]
)
def test_the_examples_of_its_help_run(run, pile, options):
    assert run("compare", "pile.latent", *options).status == 0
