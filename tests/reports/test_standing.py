"""What stands out in metadata over clusters, against scipy."""

import numpy as np
from scipy.stats import chi2_contingency, mannwhitneyu

from latentstore.reports import standing
from latentstore.reports.model import Cluster, Column, Level

RNG = np.random.default_rng(5)
LABELS = RNG.integers(0, 4, 400) + 10
LEVEL = Level("medium", LABELS, [Cluster(number, f"c{number}", 100) for number in range(10, 14)])


def category(share):
    """A column whose value 'a' is `share` in cluster 12 and 10 % elsewhere."""
    return Column(
        "kind", "category", ["a" if RNG.random() < (share if at == 12 else 0.1) else "b" for at in LABELS.tolist()]
    )


def test_a_value_that_a_cluster_has_more_often_is_found_with_its_counts_and_chi_square():
    column = category(0.8)
    (found,) = standing.find([column], LEVEL)
    inside, has = LABELS == 12, np.array(column.values) == "a"
    table = [[(x & y).sum() for y in (has, ~has)] for x in (inside, ~inside)]
    assert (found.number, found.value, found.inside, found.outside) == (12, "a", table[0][0], table[1][0])
    assert (found.members, found.others) == (inside.sum(), (~inside).sum())
    assert np.isclose(found.p_value, chi2_contingency(table, correction=True).pvalue * 8, rtol=1e-6)


def test_numbers_are_held_against_the_mann_whitney_test():
    values = np.round(RNG.normal(0, 1, 400) + 1.5 * (LABELS == 11), 1)
    (found,) = standing.find([Column("x", "number", values.tolist())], LEVEL)
    inside = LABELS == 11
    expected = mannwhitneyu(values[inside], values[~inside], use_continuity=False, method="asymptotic").pvalue * 4
    assert (found.number, found.value) == (11, None)
    assert (found.inside, found.outside) == (np.median(values[inside]), np.median(values[~inside]))
    assert np.isclose(found.p_value, expected, rtol=1e-6)


def test_chance_is_not_told():
    told = [
        standing.find([Column("k", "category", list(map(str, np.random.default_rng(seed).integers(0, 9, 400))))], LEVEL)
        for seed in range(100, 140)
    ]
    assert sum(map(len, told)) == 0


def test_the_stronger_column_comes_first_and_missing_values_are_passed_over():
    weak, strong = category(0.45), category(0.95)
    holed = Column("holed", "category", [None if at % 3 else value for at, value in enumerate(strong.values)])
    found = standing.find([weak, strong, holed], LEVEL)
    assert found[0].column is strong
    (thin,) = [one for one in found if one.column is holed]
    assert thin.members + thin.others == 134


def test_one_cluster_alone_has_nothing_to_stand_out_from():
    level = Level("medium", np.full(400, 3), [Cluster(3, "all", 400)])
    assert standing.find([category(0.5), Column("x", "number", LABELS.astype(float).tolist())], level) == []
