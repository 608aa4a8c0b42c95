"""p-values and flags: against ranks, against SciPy's Benjamini-Hochberg, and the rates that they promise."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from latentstore.analysis import conformal, outliers
from latentstore.types import Metric


def usual(rng, n):
    """Six clusters of a plane in ten dimensions."""
    centers = np.random.default_rng(99).normal(size=(6, 10)) * 4
    plane = np.random.default_rng(98).normal(size=(3, 10))
    rows = centers[rng.integers(6, size=n)] + rng.normal(size=(n, 3)) @ plane + 0.2 * rng.normal(size=(n, 10))
    return rows.astype(np.float32)


def scores(rows, metric=Metric.COSINE):
    return outliers.score(rows, None, metric).scores


def test_in_the_bulk_a_p_value_is_the_share_of_known_scores_that_are_as_high():
    rng = np.random.default_rng(0)
    known = rng.normal(size=999)
    new = np.quantile(known, rng.uniform(0, 0.9, size=200))
    expected = [(1 + (known >= one).sum()) / 1000 for one in new]
    assert np.allclose(conformal.p_values(new, known), expected)


def test_a_higher_score_never_has_a_higher_p_value():
    known = np.random.default_rng(0).exponential(size=500)
    new = np.linspace(-1, 30, 2000)
    assert (np.diff(conformal.p_values(new, known)) <= 1e-12).all()


def test_of_a_few_scores_the_p_values_are_ranks_alone():
    assert np.allclose(conformal.own(np.array([3.0, 1.0, 100.0])), [2 / 3, 1, 1 / 3])


def test_scores_that_are_all_equal_have_a_p_value_of_one():
    assert (conformal.own(np.ones(50)) == 1).all() and not conformal.flags(conformal.own(np.ones(50))).any()


@pytest.mark.parametrize("fdr", [0.01, 0.05, 0.3])
def test_flags_are_those_of_benjamini_and_hochberg(fdr):
    rng = np.random.default_rng(0)
    p = np.concatenate([rng.uniform(size=300), rng.uniform(size=40) ** 6])
    assert (conformal.flags(p, fdr) == (false_discovery_control(p) <= fdr)).all()


def test_flags_of_nothing_are_nothing():
    assert len(conformal.flags(np.empty(0))) == 0


# Exponential: as heavy as the tail is let; normal and uniform: lighter.
@pytest.mark.parametrize("draw", ["exponential", "normal", "uniform"])
def test_without_outliers_a_false_alarm_is_as_rare_as_the_rate_says(draw):
    rng = np.random.default_rng(0)
    alarms = [conformal.flags(conformal.own(getattr(rng, draw)(size=400)), 0.1).any() for _ in range(400)]
    # 400 trials of a chance of .1 have a standard error of .015.
    assert np.mean(alarms) <= 0.1 + 0.045


def test_without_outliers_hardly_a_set_of_vectors_has_an_item_flagged():
    rng = np.random.default_rng(0)
    alarms = [conformal.flags(conformal.own(scores(usual(rng, 300))), 0.1).any() for _ in range(25)]
    assert np.mean(alarms) <= 0.2


def test_with_outliers_those_that_are_far_are_found_and_few_others():
    rng = np.random.default_rng(1)
    wrong, found = [], []
    for _ in range(8):
        strange = rng.normal(size=(8, 10)).astype(np.float32) * 8
        flags = conformal.flags(conformal.own(scores(np.vstack([usual(rng, 400), strange]))), 0.1)
        wrong.append(flags[:400].sum() / max(1, flags.sum()))
        found.append(flags[400:].mean())
    assert np.mean(wrong) <= 0.1 and np.mean(found) > 0.5


def test_p_values_of_new_rows_that_are_like_the_rest_are_uniform_or_higher():
    rng = np.random.default_rng(2)
    below = []
    for _ in range(6):
        old, new = usual(rng, 500), usual(rng, 300)
        scored = outliers.score(old, None, Metric.COSINE)
        p = conformal.p_values(outliers.judge(scored.model, outliers.reference(scored.model, old), new), scored.scores)
        below.append([(p <= level).mean() for level in (0.05, 0.1, 0.25, 0.5)])
    # Six known sets of 500 leave the shares a standard error of about a tenth of themselves and more.
    assert (np.mean(below, axis=0) <= np.array([0.05, 0.1, 0.25, 0.5]) * 1.3).all()
