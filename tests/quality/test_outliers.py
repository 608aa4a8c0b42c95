"""How well outliers are told from the rest, on sets whose outliers are known, by the method that needs no setting."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import skew
from sklearn.metrics import roc_auc_score

from latentstore.analysis import conformal, outliers
from latentstore.encoders import load
from latentstore.types import Metric

DATA = Path(__file__).parents[2].parent / "shared" / "data"
EMBEDDINGS = sorted((DATA / "outliers").glob("CV_by_*/*.npz"))
TABLES = sorted((DATA / "outliers" / "Classical").glob("*.npz"))
REQUESTS = DATA / "text" / "clinc150" / "test.jsonl"
MOST = 6000  # rows of a table; of more, as many at random, seed 0


def known(path):
    """(vectors, strange) of a set."""
    if not path.is_file():
        pytest.skip(f"sets with known outliers are read from {path}, which is not there")
    with np.load(path) as held:
        vectors, strange = held["X"].astype(np.float32), held["y"].astype(bool)
    rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:MOST])
    return vectors[rows], strange[rows]


def area(vectors, strange, metric, method="auto"):
    return roc_auc_score(strange, outliers.score(vectors, None, metric, method=method).scores)


def ecod(rows):
    """Li et al. 2022: tail probabilities of each column by ranks, summed as logarithms."""
    n = len(rows)
    ordered = np.sort(rows, axis=0)
    pairs = list(zip(ordered.T, rows.T, strict=True))
    low = -np.log(np.array([np.searchsorted(known, column, "right") / n for known, column in pairs]))
    high = -np.log(np.array([1 - np.searchsorted(known, column, "left") / n for known, column in pairs]))
    own = np.where(skew(rows, axis=0)[:, None] < 0, low, high)
    return np.maximum.reduce([low.sum(axis=0), high.sum(axis=0), own.sum(axis=0)])


@pytest.fixture(scope="module")
def requests():
    """(vectors, strange) of requests, those out of scope being strange."""
    if not REQUESTS.is_file():
        pytest.skip(f"requests are read from {REQUESTS}, which is not there")
    lines = [json.loads(line) for line in REQUESTS.read_text(encoding="utf-8").splitlines()]
    vectors = load("text").encode([line["text"] for line in lines])
    return vectors, np.array([line["label"] == "oos" for line in lines])


def test_defects_among_photos_of_bottles_are_strange():
    for name in ("CV_by_ResNet18", "CV_by_ViT"):
        assert area(*known(DATA / "outliers" / name / "MVTec-AD_bottle.npz"), Metric.COSINE) > 0.96


@pytest.mark.slow
def test_embeddings_of_pictures_are_told_better_than_by_their_nearest_neighbours():
    if not EMBEDDINGS:
        pytest.skip(f"embeddings are read from {DATA / 'outliers'}, which is not there")
    sets = [known(path) for path in EMBEDDINGS]
    found = np.mean([area(*one, Metric.COSINE) for one in sets])
    assert found >= 0.835
    assert found > np.mean([area(*one, Metric.COSINE, "knn") for one in sets])


@pytest.mark.slow
def test_requests_out_of_scope_are_strange(requests):
    assert area(*requests, Metric.COSINE) >= 0.915


@pytest.mark.slow
def test_tables_are_told_better_than_by_any_one_detector():
    if not TABLES:
        pytest.skip(f"tables are read from {DATA / 'outliers'}, which is not there")
    sets = [known(path) for path in TABLES]
    rivals = [np.mean([area(*one, Metric.L2, method) for one in sets]) for method in ("knn", "lof", "iforest")]
    rivals.append(np.mean([roc_auc_score(strange, ecod(rows)) for rows, strange in sets]))
    assert np.mean([area(*one, Metric.L2) for one in sets]) > max(rivals)


@pytest.mark.slow
def test_among_requests_in_scope_hardly_any_is_flagged(requests):
    vectors, strange = requests
    rng = np.random.default_rng(0)
    for _ in range(3):
        rows = rng.permutation(np.flatnonzero(~strange))[:2000]
        scores = outliers.score(vectors[rows], None, Metric.COSINE).scores
        assert not conformal.flags(conformal.own(scores), 0.05).any()


@pytest.mark.slow
def test_new_requests_in_scope_have_p_values_that_are_not_too_low(requests):
    vectors, strange = requests
    rows = np.random.default_rng(0).permutation(np.flatnonzero(~strange))
    old, new = rows[:3500], rows[3500:]
    scored = outliers.score(vectors[old], None, Metric.COSINE)
    p = conformal.p_values(
        outliers.judge(scored.model, outliers.reference(scored.model, vectors[old]), vectors[new]), scored.scores
    )
    for level in (0.01, 0.05, 0.1, 0.25):
        assert (p <= level).mean() <= level + 3 * np.sqrt(level / len(new))
