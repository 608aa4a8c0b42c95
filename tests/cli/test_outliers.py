"""The outliers command: a table that says why, rows for machines, and what is kept."""

import json

import pytest

import latentstore

USUAL = [
    f"{kind} pears {end}" for kind in ("ripe", "sweet", "green", "baked", "small") for end in ("today", "here", "again")
]
STRANGE = "quarterly tax returns of shipping companies"


@pytest.fixture
def pile(tmp_path):
    with latentstore.open(tmp_path / "pile.latent") as store:
        store.create("docs", encoders=["hashing"]).add(
            [*USUAL * 2, STRANGE],
            ids=[*(f"p{at}" for at in range(30)), "tax"],
            metadata=[{"n": at} for at in range(31)],
        )
    return tmp_path / "pile.latent"


def test_the_strangest_comes_first_with_what_only_it_says(run, pile):
    done = run("outliers", pile, "-n", "3")
    lines = [line for line in done.out.splitlines() if line.strip()]
    assert "of 31 items of space hashing" in lines[0]
    assert STRANGE[:30] in lines[3] and "nearest usual item" in lines[1]
    assert "kept as study 1" in done.err


def test_rows_for_machines_are_every_item_strangest_first(run, pile):
    rows = json.loads(run("outliers", pile, "--no-keep", "--format", "json").out)
    assert len(rows) == 31 and rows[0]["id"] == "tax"
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)


def test_what_was_kept_is_a_condition(run, pile):
    run("outliers", pile, "--method", "knn")
    found = json.loads(
        run("sql", pile, "select id from items order by outlier_score desc limit 1", "--format", "json").out
    )
    assert found == [{"id": "tax"}]


def test_a_filter_says_which_items_are_looked_at(run, pile):
    assert len(json.loads(run("outliers", pile, "--where", "n < 10", "--format", "json").out)) == 10


def test_a_rate_that_is_none_is_refused(run, pile):
    done = run("outliers", pile, "--fdr", "2")
    assert done.status == 1 and "between 0 and 1" in done.err and "Traceback" not in done.err
