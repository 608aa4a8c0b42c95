"""Two sets of items of real stores: what was put there differently is found, what was not is not. On real questions."""

import json
from pathlib import Path

import numpy as np
import pytest

import latentstore
from latentstore.encoders import load
from latentstore.errors import EncoderMismatch, InvalidFilter, InvalidInput

BANK = Path(__file__).parents[3].parent / "shared" / "data" / "text" / "banking77" / "test.jsonl"
INTENTS = ["card_arrival", "exchange_rate", "passcode_forgotten", "age_limit", "request_refund", "visa_or_mastercard"]


@pytest.fixture(scope="session")
def questions():
    """(texts, intents, vectors) of 240 real questions, shuffled."""
    if not BANK.is_file():
        pytest.skip(f"real questions are read from {BANK}, which is not there")
    lines = [json.loads(line) for line in BANK.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line["label"] in INTENTS]
    lines = [lines[at] for at in np.random.default_rng(0).permutation(len(lines))]
    texts = [line["text"] for line in lines]
    return texts, np.array([line["label"] for line in lines]), load("text").encode(texts)


@pytest.fixture
def docs(store, questions):
    """All of them, half of each year; no question of an exchange rate before, none of a passcode after."""
    _, intents, _ = questions
    years = np.where(np.arange(len(intents)) % 2, 2025, 2026)
    years[intents == "exchange_rate"] = 2026
    years[intents == "passcode_forgotten"] = 2025
    return fill(store, "docs", questions, np.arange(len(intents)), years)


def fill(store, name, questions, rows, years):
    texts, intents, vectors = questions
    docs = store.create(name, encoders=["text"])
    metadata = [{"year": int(years[at]), "intent": str(intents[at])} for at in rows]
    given = {"vectors": vectors[rows], "fingerprint": docs.space().fingerprint}
    docs.add([texts[at] for at in rows], ids=[f"q{at}" for at in rows], metadata=metadata, **given)
    return docs


def kinds(found, docs):
    """What became of the intent that each changed cluster mostly holds."""
    return {(docs.get(list(one.examples))[0].metadata["intent"], one.kind) for one in found.changed}


def test_topics_that_went_and_came_are_told(docs):
    found = docs.space().compare("year = 2025", "year = 2026")
    assert found.differs and found.p_value == 0.001
    assert kinds(found, docs) == {("passcode_forgotten", "went"), ("exchange_rate", "appeared")}
    assert "passcode" in " ".join(found.a.words)
    assert sum(one.before for one in found.clusters) == found.a.items == docs.count("year = 2025")


def test_halves_at_random_do_not_differ(docs):
    halves = ["even", "odd"]
    ids = [f"q{at}" for at in range(len(docs))]
    docs.update(ids=ids, metadata=[{"half": halves[at]} for at in np.random.default_rng(1).integers(0, 2, len(ids))])
    found = docs.space().compare("half = 'even'")
    assert not found.differs
    assert found.changed == ()
    assert found.a.items + found.b.items == len(docs)


def test_kept_clusters_are_used_and_keep_their_numbers_and_names(docs):
    clustering = docs.space().cluster()
    found = docs.space().compare("year = 2025", keep=False)
    assert found.clustered == clustering.study.id
    assert {one.number: one.name for one in found.clusters} == clustering.names
    docs.add([f"a new question {at}" for at in range(20)], metadata=[{"year": 2026}] * 20)
    assert docs.space().compare("year = 2025", keep=False).clustered is None


def test_a_comparison_is_kept_as_a_study_without_columns(docs):
    found = docs.space().compare("year = 2025", "intent = 'exchange_rate'")
    kept = docs.studies()[-1]
    assert kept.id == found.study.id
    assert (kept.kind, dict(kept.columns)) == ("change", {})
    assert kept.parameters["a"] == "year = 2025"
    assert kept.summary["p_value"] == found.p_value
    assert [one["name"] for one in kept.summary["clusters"]] == [one.name for one in found.clusters]


def test_two_collections_of_one_encoder_compare(store, questions):
    intents = questions[1]
    years = np.zeros(len(intents))
    first = fill(store, "first", questions, np.flatnonzero(intents != "exchange_rate")[::2], years)
    second = fill(store, "second", questions, np.flatnonzero(intents != "passcode_forgotten")[1::2], years)
    found = first.space().compare(other=second.space())
    assert (found.a.items, found.b.items) == (len(first), len(second))
    assert {one.kind for one in found.changed} == {"went", "appeared"}
    appeared = next(one for one in found.changed if one.kind == "appeared")
    assert second.get([appeared.examples[0]])[0].metadata["intent"] == "exchange_rate"


def test_spaces_of_different_encoders_do_not_compare(docs, store):
    other = store.create("other", encoders=["hashing"])
    other.add(["a text"])
    with pytest.raises(EncoderMismatch, match="the same encoder"):
        docs.space().compare(other=other.space())
    with pytest.raises(InvalidInput, match="this very space"):
        docs.space().compare("year = 2025", other=docs.space())


@pytest.mark.parametrize(
    ("a", "b", "told"),
    [
        (None, None, "give it a filter"),
        ("year = 1900", None, "side a has no items"),
        ("year > 2000", None, "side b has no items: there is none left"),
        ("year > 2000", "year = 2026", "items are in both a and b"),
    ],
)
def test_sides_that_cannot_be_compared_are_refused(docs, a, b, told):
    with pytest.raises(InvalidInput, match=told):
        docs.space().compare(a, b)


def test_options_are_checked(docs):
    with pytest.raises(InvalidFilter):
        docs.space().compare("year =")
    with pytest.raises(InvalidInput, match="level must be one of"):
        docs.space().compare("year = 2025", level="wide")
    with pytest.raises(InvalidInput, match="seed must be"):
        docs.space().compare("year = 2025", seed=-1)


def test_a_store_opened_for_reading_is_compared_and_left_alone(docs, store):
    store.close()
    with latentstore.open(store.path, read_only=True) as opened:
        found = opened.collection("docs").space().compare("year = 2025")
        assert found.study is None and found.differs
        assert opened.collection("docs").studies() == []


def test_single_items_compare(points):
    points.add(vectors=np.eye(3, dtype=np.float32)[:2], ids=["a", "b"], metadata=[{"x": 1}, {"x": 2}])
    found = points.space().compare("x = 1")
    assert found.p_value == 1.0
    assert len(found.rows()) == len(found.clusters) >= 1
