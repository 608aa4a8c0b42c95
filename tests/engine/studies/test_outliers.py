"""Outliers of stores: what is found, what is kept, and how new items are judged by it. On real requests."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import latentstore
from latentstore.analysis import outliers
from latentstore.encoders import load
from latentstore.errors import InvalidInput, NotFinite
from latentstore.types import Metric

REQUESTS = Path(__file__).parents[3].parent / "shared" / "data" / "text" / "clinc150" / "test.jsonl"
INTENTS, STRANGE = 15, 12


@pytest.fixture(scope="session")
def requests():
    """(texts, strange (n,) bool, vectors) of real requests, the last STRANGE of them about nothing that the others are about."""
    if not REQUESTS.is_file():
        pytest.skip(f"real requests are read from {REQUESTS}, which is not there")
    lines = [json.loads(line) for line in REQUESTS.read_text(encoding="utf-8").splitlines()]
    chosen = [name for name in dict.fromkeys(line["label"] for line in lines) if name != "oos"][:INTENTS]
    usual = [line["text"] for line in lines if line["label"] in chosen]
    texts = usual + [line["text"] for line in lines if line["label"] == "oos"][:STRANGE]
    return texts, np.arange(len(texts)) >= len(usual), load("text").encode(texts)


@pytest.fixture
def docs(store, requests):
    texts, _, vectors = requests
    docs = store.create("docs", encoders=["text"])
    docs.add(texts, ids=[f"r{at}" for at in range(len(texts))], vectors=vectors, fingerprint=docs.space().fingerprint)
    return docs


def test_what_the_others_are_not_about_is_stranger(docs, requests):
    found = docs.space().outliers()
    assert found.ids == [f"r{at}" for at in range(len(found))]
    assert roc_auc_score(requests[1], found.scores) > 0.9


def test_findings_are_columns_and_a_study(docs):
    found = docs.space().outliers(fdr=0.3)
    rows = docs.sql("select id, outlier, outlier_score, outlier_p from items order by outlier_score desc")
    assert [row["id"] for row in rows] == [row[0] for row in found.rows().values]
    assert [row["outlier"] for row in rows] == found.flags[np.argsort(-found.scores, kind="stable")].tolist()
    assert np.allclose([row["outlier_p"] for row in rows], np.sort(found.p_values))
    assert found.study.kind == "outliers" and found.study.parameters["fdr"] == 0.3


def test_each_strange_item_is_told_with_the_usual_ones_nearest_to_it(docs, requests):
    found = docs.space().outliers()
    vectors = requests[2]
    for one in found.strangest[:5]:
        alike = vectors @ vectors[int(one.id[1:])]
        alike[[int(one.id[1:]), *np.flatnonzero(found.flags)]] = -1
        assert one.nearest[0] == f"r{alike.argmax()}"


def test_words_of_a_strange_item_are_its_own(docs, requests):
    found = docs.space().outliers()
    assert any(one.words for one in found.strangest[:10])
    for one in found.strangest[:10]:
        text = requests[0][int(one.id[1:])].lower()
        assert all(word.split()[0].lower() in text for word in one.words)


def test_the_cluster_nearest_to_a_strange_item_is_named_where_clusters_are_kept(docs):
    assert docs.space().outliers().strangest[0].cluster is None
    names = set(docs.space().cluster().names.values())
    assert docs.space().outliers().strangest[0].cluster in names


@pytest.mark.parametrize("method", outliers.METHODS)
def test_new_items_are_judged_as_they_would_be_in_the_store(docs, requests, method):
    docs.space().outliers(method=method)
    judged = docs.space().score(requests[2][requests[1]])
    stored = docs.space().score(requests[2][:200])
    assert len(judged) == STRANGE and np.asarray(judged).dtype == np.float64
    assert np.median(judged) > np.median(stored)
    assert np.array_equal(np.asarray(judged), judged.scores) and judged.p_values.min() > 0


def test_a_text_is_judged_through_the_encoder(docs):
    docs.space().outliers()
    judged = docs.space().score(["Quantum chromodynamics binds quarks", "please transfer money to my savings"], fdr=0.2)
    assert judged.scores[0] > judged.scores[1] and judged.p_values[0] < judged.p_values[1]
    assert judged.fdr == 0.2


def test_the_judge_lasts_when_the_store_is_opened_again_and_items_have_gone(docs, requests, tmp_path):
    docs.space().outliers(method="lof")
    before = docs.space().score(requests[2][-3:])
    docs.delete(ids=["r0", "r7"])
    after = docs.space().score(requests[2][-3:])
    assert np.allclose(before.scores, after.scores, rtol=0.2)


def test_without_a_kept_run_there_is_nothing_to_judge_by(docs, requests):
    docs.space().outliers(keep=False)
    with pytest.raises(InvalidInput, match="find them first"):
        docs.space().score(requests[2][:2])


def test_bad_input_is_told_in_a_word(docs, requests):
    space = docs.space()
    for bad in ({"method": "svm"}, {"fdr": 0}, {"fdr": 1.5}, {"fdr": True}, {"seed": -1}):
        with pytest.raises(InvalidInput, match=next(iter(bad))):
            space.outliers(**bad)
    space.outliers()
    with pytest.raises(NotFinite):
        space.score(np.full((1, 384), np.nan, dtype=np.float32))


def test_a_space_without_vectors_has_no_outliers(store):
    empty = store.create("empty", metric="l2")
    with pytest.raises(InvalidInput, match="at least 1 item"):
        empty.space().outliers()


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("metric", list(Metric))
def test_a_few_items_are_scored_and_none_is_flagged(store, rows, metric):
    few = store.create("few", metric=metric)
    few.add(vectors=np.random.default_rng(0).normal(size=(rows, 4)).astype(np.float32))
    found = few.space().outliers()
    assert np.isfinite(found.scores).all() and not found.flags.any()
    assert len(few.space().score(np.ones((3, 4), dtype=np.float32))) == 3


def test_a_store_opened_for_reading_keeps_nothing(docs, store):
    expected = docs.space().outliers(keep=False)
    path = store.path
    store.close()
    with latentstore.open(path, read_only=True) as again:
        found = again.collection("docs").space().outliers()
        assert found.study is None and np.array_equal(found.scores, expected.scores)
