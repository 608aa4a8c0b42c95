import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import LeaveOneOut, cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from latentstore.analysis.labels import propagate, separability, suspects
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Int64, Metric

RNG = np.random.default_rng(0)


def _groups(n: int, spread: float = 1.0, k: int = 4) -> tuple[Float32, Int64]:
    labels = np.arange(n) % k
    centers = np.random.default_rng(1).normal(size=(k, 12))
    return (centers[labels] + spread * np.random.default_rng(2).normal(size=(n, 12))).astype(np.float32), labels


def test_neighbours_read_labels_as_scikit_learn_does() -> None:
    vectors, labels = _groups(200)
    found = separability(vectors, labels, Metric.L2)
    oracle = cross_val_score(KNeighborsClassifier(10), vectors, labels, cv=LeaveOneOut()).mean()
    assert (found.by_neighbors == labels).mean() == pytest.approx(oracle, abs=0.02)


def test_the_probe_reads_labels_as_a_ridge_classifier_does() -> None:
    vectors, labels = _groups(600)
    found = separability(vectors, labels, Metric.L2)
    oracle = cross_val_score(RidgeClassifier(1.0), vectors, labels, cv=5).mean()
    assert (found.by_probe == labels).mean() == pytest.approx(oracle, abs=0.03)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, atol=1e-5)


def test_labels_that_mean_nothing_are_read_no_better_than_by_chance() -> None:
    vectors, _ = _groups(800)
    found = separability(vectors, RNG.integers(4, size=800), Metric.L2)
    labels = np.random.default_rng(5).integers(4, size=800)
    assert (found.by_probe == labels).mean() == pytest.approx(0.25, abs=0.06)


def test_the_order_of_rows_changes_nothing() -> None:
    vectors, labels = _groups(300)
    order = np.random.default_rng(3).permutation(300)
    one, other = (
        separability(vectors, labels, Metric.COSINE),
        separability(vectors[order], labels[order], Metric.COSINE),
    )
    np.testing.assert_allclose(other.probabilities, one.probabilities[order], atol=1e-4)


def test_probabilities_are_as_often_right_as_they_say() -> None:
    vectors, labels = _groups(2000, spread=1.6)
    found = separability(vectors, labels, Metric.L2)
    likely, right = found.probabilities.max(axis=1), found.probabilities.argmax(axis=1) == labels
    assert likely.mean() == pytest.approx(right.mean(), abs=0.08)


def test_planted_wrong_labels_are_found_with_what_they_should_be() -> None:
    vectors, labels = _groups(600, spread=0.5)
    given = labels.copy()
    wrong = np.random.default_rng(4).permutation(600)[:30]
    given[wrong] = (given[wrong] + 1) % 4
    found = suspects(separability(vectors, given, Metric.L2), given)
    assert np.isin(found.rows, wrong).mean() > 0.95
    assert np.isin(wrong, found.rows).mean() > 0.7
    assert (found.looks_like == labels[found.rows]).mean() > 0.95
    assert (np.diff(found.probability) <= 0).all()


def test_given_labels_are_as_often_right_as_was_asked_and_the_rest_is_left_open() -> None:
    vectors, labels = _groups(3000, spread=1.6)
    read = separability(vectors[:1500], labels[:1500], Metric.L2)
    found = propagate(vectors[1500:], vectors[:1500], labels[:1500], read, Metric.L2, accuracy=0.9)
    given, right = found.labels >= 0, found.best == labels[1500:]
    assert 0.2 < given.mean() < 0.98
    assert right[given].mean() > 0.87
    assert right[given].mean() > right[~given].mean() + 0.1
    assert found.confidence.mean() == pytest.approx(right.mean(), abs=0.05)


def test_too_little_to_read_is_refused() -> None:
    vectors, labels = _groups(20)
    with pytest.raises(InvalidInput, match="at least two"):
        separability(vectors, np.zeros(20, dtype=np.int64), Metric.L2)
    with pytest.raises(InvalidInput, match="two items each"):
        separability(vectors[:5], labels[:5], Metric.L2)


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
def test_rows_that_are_all_equal_tell_nothing_and_break_nothing(metric: Metric) -> None:
    labels = np.arange(40) % 2
    found = separability(np.ones((40, 3), dtype=np.float32), labels, metric)
    assert np.isfinite(found.probabilities).all()
    assert len(suspects(found, labels).rows) <= 20


TEXTS = Path(__file__).parents[2].parent / "shared" / "data" / "text" / "banking77" / "test.jsonl"


@pytest.fixture(scope="module")
def bank() -> tuple[Float32, Int64]:
    """Real questions of 20 intents, 40 each."""
    if not TEXTS.is_file():
        pytest.skip(f"real questions are read from {TEXTS}, which is not there")
    from latentstore.encoders import load

    lines = [json.loads(line) for line in TEXTS.read_text(encoding="utf-8").splitlines()]
    names = list(dict.fromkeys(line["label"] for line in lines))[:20]
    lines = [line for line in lines if line["label"] in names]
    return load("text").encode([line["text"] for line in lines]), np.array([names.index(one["label"]) for one in lines])


def test_wrong_labels_of_real_questions_are_found(bank: tuple[Float32, Int64]) -> None:
    vectors, labels = bank
    given, rng = labels.copy(), np.random.default_rng(0)
    wrong = rng.permutation(len(labels))[: len(labels) // 20]
    given[wrong] = (given[wrong] + rng.integers(1, 20, len(wrong))) % 20
    found = suspects(separability(vectors, given, Metric.COSINE), given)
    hits = np.isin(found.rows, wrong)
    assert hits.mean() > 0.6
    assert hits.sum() > 0.8 * len(wrong)


def test_a_third_of_real_questions_gives_the_others_their_labels(bank: tuple[Float32, Int64]) -> None:
    vectors, labels = bank
    some = np.random.default_rng(0).permutation(len(labels)) < len(labels) // 3
    read = separability(vectors[some], labels[some], Metric.COSINE)
    found = propagate(vectors[~some], vectors[some], labels[some], read, Metric.COSINE, accuracy=0.95)
    given = found.labels >= 0
    assert given.mean() > 0.4
    assert (found.labels[given] == labels[~some][given]).mean() > 0.9
