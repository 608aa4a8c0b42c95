"""The cluster command: a table worth reading, rows for machines, and what is told of the run before."""

import json

import pytest

import latentstore

ASKS = {
    "rent": [
        "lower the rent",
        "the rent is due",
        "rent for the flat",
        "pay the rent late",
        "raise the rent",
        "rent and deposit",
    ],
    "pears": ["pears are sweet", "ripe pears", "a bowl of pears", "green pears", "pears in syrup", "baked pears"],
    "trains": [
        "trains run late",
        "night trains",
        "fast trains",
        "trains to Oslo",
        "two trains met",
        "trains and rails",
    ],
}


@pytest.fixture
def pile(tmp_path):
    """18 short texts of three kinds, through the hashing encoder, which tells words apart."""
    with latentstore.open(tmp_path / "pile.latent") as store:
        docs = store.create("docs", encoders=["hashing"])
        for kind, texts in ASKS.items():
            docs.add(texts, ids=[f"{kind}{at}" for at in range(6)], metadata=[{"kind": kind}] * 6)
    return tmp_path / "pile.latent"


def clusters(run, path, *arguments):
    return json.loads(run("cluster", path, "--format", "json", *arguments).out)


def test_rows_for_machines_are_those_that_python_gives(run, pile):
    rows = clusters(run, pile, "--no-keep")
    with latentstore.open(pile, read_only=True) as store:
        found = store.collection("docs").space().cluster()
    assert [(row["number"], row["name"], row["size"]) for row in rows] == [
        (one.number, one.name, one.size) for one in found.clusters
    ]
    assert [row["exemplars"] for row in rows] == [list(one.exemplars) for one in found.clusters]


def test_the_table_names_every_cluster_and_shows_a_text_of_it(run, pile):
    shown = run("cluster", pile)
    rows = clusters(run, pile)
    texts = [text for some in ASKS.values() for text in some]
    assert shown.out.startswith("18 items of space hashing in ")
    for row in rows:
        line = next(line for line in shown.out.splitlines() if line.startswith(f"{row['number']:>2} "))
        assert row["name"] in line
        assert f" {row['size']} " in line
        assert any(line.endswith(text) for text in texts)
    assert max(map(len, shown.out.splitlines())) <= 120


def test_what_is_kept_can_be_asked_for_by_the_line_that_is_shown(run, pile):
    told = run("cluster", pile).err
    condition = told[told.index('--where "') + 9 :].rsplit('"', 1)[0]
    hits = json.loads(run("search", pile, "pears", "-k", 99, "--where", condition, "--format", "json").out)
    assert len(hits) == clusters(run, pile)[0]["size"]


def test_no_keep_leaves_the_store_as_it_was(run, pile):
    assert "nothing was kept" in run("cluster", pile, "--no-keep").err
    info = json.loads(run("info", pile, "--format", "json").out)[0]
    assert "cluster" not in info["columns"]


def test_a_row_an_item_is_what_the_columns_hold(run, pile):
    items = run("cluster", pile, "--items", "--format", "csv").out
    kept = run("sql", pile, "select id, cluster from items order by row", "--format", "csv").out
    assert [line.split(",")[0] for line in items.splitlines()] == [line.split(",")[0] for line in kept.splitlines()]
    assert [line.split(",")[2] for line in items.splitlines()[1:]] == [
        line.split(",")[1] for line in kept.splitlines()[1:]
    ]


def test_a_second_run_says_that_nothing_changed(run, pile):
    run("cluster", pile)
    shown = run("cluster", pile).out
    count = len(clusters(run, pile, "--no-keep"))
    assert f"(study 1), the same items: all {count} clusters are those of then" in shown


def test_a_run_after_new_items_says_what_is_new(run, pile):
    run("cluster", pile)
    with latentstore.open(pile) as store:
        whales = [f"whales sing {word}" for word in ("low", "far", "at night", "in spring", "for hours", "alone")]
        store.collection("docs").add(whales, ids=[f"whale{at}" for at in range(6)])
    shown = run("cluster", pile).out
    assert "6 new items" in shown
    assert any(line.split()[0] == "new" and "whale" in line for line in shown.splitlines() if line.startswith("  "))


@pytest.mark.parametrize("level", ["coarse", "fine"])
def test_the_level_that_is_asked_for_is_shown_and_kept(run, pile, level):
    rows = clusters(run, pile, "--level", level)
    kept = json.loads(run("sql", pile, "select distinct cluster from items", "--format", "json").out)
    assert {row["cluster"] for row in kept} == {row["name"] for row in rows}


def test_as_many_clusters_as_asked_for(run, pile):
    assert len(clusters(run, pile, "-k", 3)) == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-k", "99"], "99"),
        (["--where", "kind = 'none'"], "clusters need at least 1 item"),
        (["--space", "image"], "image"),
        (["--where", "nothing = 1"], "nothing"),
    ],
)
def test_what_cannot_be_is_one_line(run, pile, arguments, told):
    failed = run("cluster", pile, *arguments)
    assert (failed.status, failed.out, len(failed.lines())) == (1, "", 1)
    assert told in failed.err
