"""Texts go into a store as documents and ask it as queries, and what no model reads is said."""

import os
import subprocess
import sys

import numpy as np
import pytest

from latentstore.encoders.text import TextEncoder


def cosine(left, right):
    return left @ right / np.linalg.norm(left) / np.linalg.norm(right)


def test_texts_are_stored_and_asked_with_the_prompts_of_the_model(store, model):
    from sentence_transformers import SentenceTransformer

    texts, original = ["a storm", "fish", "der hund"], SentenceTransformer(str(model), device="cpu")
    collection = store.create("tiny", encoders=[str(model)])
    collection.add(texts, ids=texts)
    documents = original.encode([f"passage : {text}" for text in texts], show_progress_bar=False)
    np.testing.assert_allclose(collection.space().vectors()[1], documents, atol=1e-4)
    query = original.encode("query : fish", show_progress_bar=False)
    hits = collection.search("fish")
    assert hits.ids == [texts[at] for at in np.argsort(-documents @ query)]
    np.testing.assert_allclose(hits.distances, np.sort(-documents @ query), rtol=1e-3)


def test_the_text_encoder_in_a_store_finds_meaning_at_the_cosine_of_its_vectors(store):
    texts = ["A dog sleeps under the table.", "The stock market fell.", "How to bake bread"]
    collection = store.create("texts", encoders=["text"])
    collection.add(texts, ids=["dog", "market", "bread"])
    for question, wanted in [("a puppy having a nap", "dog"), ("share prices", "market"), ("a recipe", "bread")]:
        hits = collection.search(question)
        query, *documents = TextEncoder().encode([question, *texts], role="query")
        own = {
            name: cosine(query, document)
            for name, document in zip(collection.space().vectors()[0], documents, strict=True)
        }
        assert hits.ids == sorted(own, key=own.get, reverse=True) and hits.ids[0] == wanted
        np.testing.assert_allclose(hits.scores, sorted(own.values(), reverse=True), atol=3e-3)


def test_add_warns_of_what_lies_past_the_window_and_keeps_the_whole_text(store):
    collection, long = store.create("texts", encoders=["text"]), "word " * 300
    with pytest.warns(UserWarning, match=r"2 of 3 texts are longer than the 254 tokens.*[Ss]plit"):
        collection.add([long, "short", long], ids=["a", "b", "c"])
    assert collection.get("a")[0].text == long
    collection.add(["word " * 254], ids=["fits"])  # no warning, which would be an error


def test_add_warns_by_the_window_of_the_model_at_hand(store, model):
    collection = store.create("tiny", encoders=[str(model)])
    with pytest.warns(UserWarning, match=r"1 of 2 texts are longer than the 12 tokens"):
        collection.add(["fish " * 13, "fish " * 12])


@pytest.mark.parametrize(
    ("name", "setting", "wanted"),
    [
        ("text", {}, "PASSIVE"),
        pytest.param("text", {"OMP_WAIT_POLICY": "active"}, "ACTIVE", marks=pytest.mark.slow),
        pytest.param("folder", {}, "PASSIVE", marks=pytest.mark.slow),
    ],
)
def test_idle_threads_of_torch_sleep_unless_the_user_says_otherwise(model, name, setting, wanted):
    spec = "text" if name == "text" else str(model)
    script = f"from latentstore.encoders import load; load({spec!r}).encode(['many words here'] * 900)"
    clean = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"}
    told = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=clean | setting | {"OMP_DISPLAY_ENV": "true", "OMP_NUM_THREADS": "1"},
    ).stderr
    policies = [line for line in told.splitlines() if "OMP_WAIT_POLICY" in line]
    assert policies and all(wanted in line for line in policies), told
