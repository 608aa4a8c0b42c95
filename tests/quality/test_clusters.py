"""Clusters of real texts, as MiniLM sees them, against the labels that people gave them: adjusted Rand index, higher is better.

Three random draws of at most 4,500 texts of each set; no number of clusters, no noise, one rule for all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from latentstore.analysis.clusters import LEVELS, WIDE, Partition, partition
from latentstore.analysis.neighbors import knn
from latentstore.encoders import load
from latentstore.types import Metric
from tests.quality.real import SHARED

Labelled = Callable[[str, int], tuple[np.ndarray, np.ndarray]]
FILES = {
    "banking77": "banking77/test.jsonl",
    "clinc150": "clinc150/test.jsonl",
    "stackoverflow": "stackoverflow.jsonl",
    "search_snippets": "search_snippets.jsonl",
}
FLOORS = {"banking77": 0.58, "clinc150": 0.73, "stackoverflow": 0.64, "search_snippets": 0.55}
# What k-means++ reaches on the vectors themselves, given the number of labels.
PLAIN = {"banking77": 0.505, "clinc150": 0.664, "stackoverflow": 0.562, "search_snippets": 0.546}
DRAWN = 4500

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason="needs the labelled texts in ../shared/data/text")


@pytest.fixture(scope="module")
def labelled(request: pytest.FixtureRequest) -> Labelled:
    """(vectors, labels) of a set, drawn by a seed. Out-of-scope requests have no label and are left out."""
    cache = request.config.cache.mkdir("latentstore-real")

    def draw(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
        lines = [json.loads(line) for line in (SHARED / FILES[name]).read_text(encoding="utf-8").splitlines()]
        kept = [line for line in lines if line["label"] != "oos"]
        rows = np.random.default_rng(seed).permutation(len(kept))[:DRAWN]
        file = cache / f"{name}-{seed}-{load('text').fingerprint.replace(':', '-')}.npy"
        if not file.exists():
            # Another worker may be at it too: whoever is done last puts the same bytes in place.
            part = file.with_name(f"{os.getpid()}-{file.name}")
            np.save(part, load("text").encode([kept[at]["text"] for at in rows]))
            part.replace(file)
        return np.load(file), np.array([kept[at]["label"] for at in rows])

    return draw


def cut(vectors: np.ndarray, **asked: object) -> Partition:
    return partition(vectors, knn(vectors, WIDE, Metric.COSINE), Metric.COSINE, **asked)


def test_intents_of_bank_customers_are_found_without_a_number(labelled):
    vectors, labels = labelled("banking77", 0)
    found = cut(vectors)
    assert adjusted_rand_score(labels, found.levels["medium"]) >= FLOORS["banking77"]
    assert all(found.levels[name].min() == 0 for name in LEVELS)


def test_real_texts_in_another_order_get_the_same_clusters(labelled):
    vectors, _ = labelled("banking77", 0)
    shuffle = np.random.default_rng(1).permutation(len(vectors))
    first, second = cut(vectors), cut(vectors[shuffle])
    assert all(np.array_equal(first.levels[name][shuffle], second.levels[name]) for name in LEVELS)


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOORS)
def test_people_s_labels_are_found_without_a_number(name, labelled):
    draws = [labelled(name, seed) for seed in range(3)]
    scores = [adjusted_rand_score(labels, cut(vectors).levels["medium"]) for vectors, labels in draws]
    assert np.mean(scores) >= FLOORS[name], scores


@pytest.mark.slow
@pytest.mark.parametrize("name", FLOORS)
def test_the_number_of_labels_helps_more_than_it_does_plain_k_means(name, labelled):
    draws = [labelled(name, seed) for seed in range(3)]
    scores = [
        adjusted_rand_score(labels, cut(vectors, k=len(np.unique(labels))).levels["medium"])
        for vectors, labels in draws
    ]
    assert np.mean(scores) >= PLAIN[name] + 0.03, scores
