"""Maps of real texts: as true to their neighbours as an independent t-SNE, and as good for what comes later."""

import json
from pathlib import Path

import numpy as np
import pytest

from latentstore.analysis import trust
from latentstore.analysis.neighbors import knn, nearest
from latentstore.analysis.projection import place, project
from latentstore.encoders import load
from latentstore.types import Float32, Metric

pytestmark = pytest.mark.slow
TEXTS = Path(__file__).parents[2].parent / "shared" / "data" / "text" / "banking77" / "test.jsonl"


@pytest.fixture(scope="module")
def vectors() -> Float32:
    if not TEXTS.is_file():
        pytest.skip(f"real questions are read from {TEXTS}, which is not there")
    lines = [json.loads(line) for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    chosen = np.random.default_rng(1).permutation(len(lines))[:1200]
    return load("text").encode([lines[at]["text"] for at in chosen.tolist()])


def test_a_map_of_real_questions_is_as_trustworthy_as_that_of_another_t_sne(vectors: Float32) -> None:
    from openTSNE import TSNE

    ours = project(vectors, knn(vectors, 15, Metric.COSINE), Metric.COSINE)
    theirs = np.asarray(TSNE(initialization="pca", metric="cosine", random_state=0).fit(vectors), dtype=np.float32)
    mine, other = (trust.measure(vectors, places, Metric.COSINE) for places in (ours, theirs))
    assert mine.trustworthiness > other.trustworthiness - 0.005
    assert mine.continuity > other.continuity - 0.01


def test_new_questions_keep_most_of_the_neighbours_that_mapping_them_would_keep(vectors: Float32) -> None:
    order = np.random.default_rng(0).permutation(len(vectors))
    new, old = vectors[order[:300]], vectors[order[300:]]
    places = project(old, knn(old, 15, Metric.COSINE), Metric.COSINE)
    whole = project(vectors[order], knn(vectors[order], 15, Metric.COSINE), Metric.COSINE)
    true, _ = nearest(new, old, 15, Metric.COSINE)
    placed, _ = nearest(place(new, old, places, Metric.COSINE), places, 15, Metric.L2)
    mapped, _ = nearest(whole[:300], whole[300:], 15, Metric.L2)
    shares = [
        np.mean([len(set(a) & set(b)) / 15 for a, b in zip(true, found, strict=True)]) for found in (placed, mapped)
    ]
    assert shares[0] > 0.85 * shares[1]
