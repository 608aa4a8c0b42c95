"""Names of real clusters: they say what the people who labelled the texts said, and no two are the same."""

import json
from collections import Counter

import numpy as np
import pytest
from sklearn.cluster import KMeans

from latentstore.analysis import naming
from latentstore.analysis.words import stems
from latentstore.encoders import load
from tests.quality.real import SHARED

GENERIC = stems("card account my get") | {"not"}


@pytest.fixture(scope="session")
def bank():
    """(texts, labels, vectors) of 3,080 customers' questions of 77 intents."""
    if not (SHARED / "banking77").is_dir():
        pytest.skip(f"real questions are read from {SHARED}, which is not there")
    lines = [json.loads(line) for line in (SHARED / "banking77/test.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [line["text"] for line in lines]
    return texts, np.array([line["label"] for line in lines]), load("text").encode(texts)


def named(texts, vectors, groups):
    centers = np.stack([vectors[groups == at].mean(axis=0) for at in range(groups.max() + 1)])
    return naming.names(texts, groups, encode=load("text").encode, centers=centers)


def agreeing(names, labels):
    """Share of the names that have a word of the label."""
    return np.mean(
        [bool(stems(one.name) & stems(label.replace("_", " "))) for one, label in zip(names, labels, strict=True)]
    )


def test_names_of_true_intents_say_a_word_of_the_intent_and_are_distinct(bank):
    texts, labels, vectors = bank
    intents, groups = np.unique(labels, return_inverse=True)
    names = named(texts, vectors, groups)
    assert len({one.name for one in names}) == 77
    assert agreeing(names, intents.tolist()) >= 0.9  # .95 measured
    assert agreeing(names, np.roll(intents, 31).tolist()) <= 0.5


def test_names_are_short_and_begin_with_words_that_mean_something(bank):
    texts, labels, vectors = bank
    names = named(texts, vectors, np.unique(labels, return_inverse=True)[1])
    assert max(len(one.name.split()) for one in names) <= 6
    assert {one.source for one in names} == {"words"}
    assert sum(bool(one.words) for one in names) >= 70
    assert not {one.name.split()[0] for one in names} & {"the", "to", "my", "a", "i", "is"}
    assert np.mean([stems(one.name) <= GENERIC for one in names]) <= 0.03


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_names_of_found_clusters_say_a_word_of_their_main_intent(bank, seed):
    texts, labels, vectors = bank
    groups = KMeans(77, n_init=1, random_state=seed).fit_predict(vectors).astype(np.int64)
    mostly = [Counter(labels[groups == at]).most_common(1)[0][0] for at in range(77)]
    names = named(texts, vectors, groups)
    assert len({one.name for one in names}) == 77
    assert agreeing(names, mostly) >= 0.8  # .87 measured


def test_names_do_not_depend_on_row_order(bank):
    texts, labels, _ = bank
    groups = np.unique(labels, return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(texts))
    assert naming.names(texts, groups) == naming.names([texts[at] for at in order], groups[order])
