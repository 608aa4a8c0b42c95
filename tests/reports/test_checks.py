"""Which columns a report holds against the vectors by itself."""

import numpy as np
import pytest

from latentstore.analysis.neighbors import knn
from latentstore.reports import checks
from latentstore.reports.model import Column
from latentstore.types import Metric

RNG = np.random.default_rng(2)
CODES = RNG.integers(0, 3, 150)
VECTORS = (np.eye(3)[CODES] + RNG.normal(0, 0.1, (150, 3))).astype(np.float32)
GRAPH = knn(VECTORS, 20, Metric.L2)


def column(name, values):
    return Column(name, "category", list(map(str, values)))


def test_agreement_is_one_for_what_the_space_tells_apart_and_zero_for_chance():
    assert checks.agreement(column("code", CODES), GRAPH) == pytest.approx(1, abs=0.02)
    chance = [checks.agreement(column("c", RNG.permutation(CODES)), GRAPH) for _ in range(20)]
    assert np.mean(chance) == pytest.approx(0, abs=0.03)


def test_missing_values_neither_agree_nor_disagree():
    holed = [None if at % 2 else str(code) for at, code in enumerate(CODES)]
    assert checks.agreement(Column("c", "category", holed), GRAPH) == pytest.approx(1, abs=0.02)
    assert checks.agreement(Column("c", "category", [None] * 150), GRAPH) == 0


def test_the_columns_that_are_told_apart_best_are_chosen_and_two_at_most():
    noisy = np.where(RNG.random(150) < 0.3, RNG.integers(0, 3, 150), CODES)
    columns = [
        column("noise", RNG.permutation(CODES)),
        column("noisy", noisy),
        column("code", CODES),
        column("same", CODES),
    ]
    assert checks.candidates(columns, GRAPH) == ["code", "same"]
    assert checks.candidates(columns[:2], GRAPH) == ["noisy"]


def test_numbers_single_values_and_too_many_values_are_no_candidates():
    many = column("many", np.arange(150) // 2)
    number = Column("number", "number", CODES.astype(float).tolist())
    few = Column("few", "category", [str(c) if at < 40 else None for at, c in enumerate(CODES)])
    assert checks.candidates([many, number, few], GRAPH) == []
