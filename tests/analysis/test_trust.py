import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from latentstore.analysis import trust
from latentstore.distance import unit
from latentstore.types import Metric

_RNG = np.random.default_rng(0)
_VECTORS = _RNG.normal(size=(300, 16)).astype(np.float32)
_PLACES = (_VECTORS[:, :2] + 0.3 * _RNG.normal(size=(300, 2))).astype(np.float32)


@pytest.mark.parametrize("metric", [Metric.COSINE, Metric.L2])
def test_both_measures_are_those_of_scikit_learn(metric: Metric) -> None:
    ready = unit(_VECTORS) if metric is Metric.COSINE else _VECTORS
    found = trust.measure(_VECTORS, _PLACES, metric)
    assert (found.k, found.asked) == (15, 300)
    assert found.trustworthiness == pytest.approx(trustworthiness(ready, _PLACES, n_neighbors=15), abs=1e-4)
    assert found.continuity == pytest.approx(trustworthiness(_PLACES, ready, n_neighbors=15), abs=1e-4)


def test_a_sample_of_rows_tells_about_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trust.measure(_VECTORS, _PLACES, Metric.L2)
    monkeypatch.setattr(trust, "_ALL", 100)
    monkeypatch.setattr(trust, "_SAMPLE", 150)
    some = trust.measure(_VECTORS, _PLACES, Metric.L2)
    assert some.asked == 150
    assert some.trustworthiness == pytest.approx(whole.trustworthiness, abs=0.02)


def test_a_true_copy_is_fully_trusted_and_random_places_are_not() -> None:
    assert trust.measure(_PLACES, _PLACES, Metric.L2) == trust.Trust(1.0, 1.0, 15, 300)
    thrown = trust.measure(_VECTORS, _RNG.normal(size=(300, 2)).astype(np.float32), Metric.L2)
    assert thrown.trustworthiness == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("n", [0, 1, 3, 4])
def test_few_rows_have_nothing_or_little_to_confuse(n: int) -> None:
    found = trust.measure(_PLACES[:n], _PLACES[:n], Metric.L2)
    assert (found.trustworthiness, found.continuity) == (1.0, 1.0)


def test_rows_that_are_all_equal_are_shown_as_they_are() -> None:
    same = np.ones((40, 2), dtype=np.float32)
    assert trust.measure(same, same, Metric.COSINE).trustworthiness == 1.0
