"""The command labels: what it prints of a store with one wrong label and one missing."""

import json

import numpy as np
import pytest

import latentstore


@pytest.fixture
def fruit(tmp_path):
    rng = np.random.default_rng(0)
    kind = np.arange(60) % 2
    vectors = (rng.normal(size=(2, 8))[kind] + 0.2 * rng.normal(size=(60, 8))).astype(np.float32)
    told = ["pear", *np.array(["apple", "pear"])[kind[1:59]].tolist(), None]
    with latentstore.open(tmp_path / "fruit.latent") as store:
        docs = store.create("docs")
        docs.add(vectors=vectors, ids=[f"i{at}" for at in range(60)], metadata=[{"kind": one} for one in told])
    return tmp_path / "fruit.latent"


def test_the_table_says_how_well_values_are_told_apart_and_which_look_wrong(run, fruit):
    shown = run("labels", fruit, "kind")
    assert shown.status == 0
    assert "kind: 2 values of 59 items" in shown.out
    assert "98.3% of 59 labels read right" in shown.out
    assert "1 value looks wrong" in shown.out
    assert "1 item without a value got a suggestion" in shown.out
    assert "(kind_suggested, kind_confidence)" in shown.err


def test_rows_are_what_looks_wrong_and_what_is_suggested(run, fruit):
    rows = json.loads(run("labels", fruit, "kind", "--no-keep", "--format", "json").out)
    assert [(row["id"], row["label"], row["suggested"]) for row in rows] == [
        ("i0", "pear", "apple"),
        ("i59", None, "pear"),
    ]


def test_a_column_that_is_not_there_is_one_line(run, fruit):
    refused = run("labels", fruit, "kin")
    assert refused.status == 1
    assert "did you mean 'kind'?" in refused.lines()[-1]
