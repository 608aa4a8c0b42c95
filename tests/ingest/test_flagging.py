"""Flags at the door: new items are judged by the outliers last kept, as `Space.score` would judge them."""

import numpy as np
import pytest

import ingest
import latentstore
from latentstore.errors import InvalidInput

FRUIT = [
    "ripe pears",
    "sweet pears",
    "green pears",
    "pears in syrup",
    "baked pears",
    "pears and plums",
    "a bowl of pears",
]
NEW = ["pears, ripe and sweet", "quarterly tax returns of shipping companies"]


@pytest.fixture
def place(tmp_path):
    """A store of 42 short texts about pears."""
    with latentstore.open(tmp_path / "pile.latent") as store:
        docs = store.create("docs", encoders=["hashing"])
        docs.add([f"{text} {extra}" for text in FRUIT for extra in ("today", "again", "at home", "for two", "now", "")])
    return tmp_path / "pile.latent"


@pytest.fixture
def fresh(tmp_path):
    folder = tmp_path / "fresh"
    folder.mkdir()
    for at, text in enumerate(NEW):
        (folder / f"{at}.txt").write_text(text, encoding="utf-8")
    return folder


def flagged(place, *sources):
    return ingest.run(place, list(sources), options=ingest.Options(flag_outliers=True))


def studied(place):
    with latentstore.open(place) as store:
        store.collection("docs").space().outliers()


def test_new_items_have_the_columns_that_score_gives_them(place, fresh):
    studied(place)
    flagged(place, fresh)
    with latentstore.open(place) as store:
        docs = store.collection("docs")
        rows = list(
            docs.sql("select text, outlier, outlier_score, outlier_p from items where uri is not null order by uri")
        )
        judged = docs.space().score([row["text"] for row in rows])
    assert [row["text"] for row in rows] == NEW
    assert np.allclose([row["outlier_score"] for row in rows], judged.scores)
    assert np.allclose([row["outlier_p"] for row in rows], judged.p_values)
    assert rows[1]["outlier_p"] < rows[0]["outlier_p"]
    assert [row["outlier"] for row in rows] == judged.flags.tolist()


def test_without_outliers_that_were_kept_nothing_is_stored(place, fresh):
    with pytest.raises(InvalidInput, match="find them first"):
        flagged(place, fresh)
    with latentstore.open(place) as store:
        assert len(store.collection("docs")) == 42


def test_findings_about_an_item_do_not_make_it_new(place, fresh):
    ingest.run(place, [fresh])
    studied(place)
    (fresh / "0.txt").touch()
    (fresh / "2.txt").write_text("yet more pears", encoding="utf-8")
    again = ingest.run(place, [fresh])
    assert (again.added, again.replaced, again.updated) == (1, 0, 0)
    with latentstore.open(place) as store:
        assert store.collection("docs").count(where="outlier is not null") == 44
