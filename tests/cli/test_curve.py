"""Curves in characters: each value where the axis says, the first fall out of the way."""

import numpy as np
import pytest

from latentstore.cli.curve import plot


def marks(lines, mark):
    """column → line, from the top."""
    return {
        column - lines[0].index("|") - 1: line
        for line, text in enumerate(lines)
        for column, drawn in enumerate(text)
        if drawn == mark
    }


def test_values_stand_where_the_axis_says():
    lines = plot({"o": [4, 3, 2, 1, 0]}, height=5)
    assert marks(lines, "o") == {0: 0, 1: 1, 2: 2, 3: 3, 4: 4}
    assert (lines[0].split()[0], lines[4].split()[0], lines[5].split()) == ("4", "0", ["1", "5"])


def test_many_values_are_drawn_as_means_of_stretches():
    values = np.repeat([3.0, 1.0, 0.0], 40) + np.tile([0.5, -0.5], 60)
    lines = plot({"o": values}, width=3, height=4)
    assert marks(lines, "o") == {0: 0, 1: 2, 2: 3}
    assert lines[-1].split() == ["1", "120"]


def test_the_first_fall_does_not_flatten_the_rest():
    lines = plot({"o": [1000.0, 10.0, *np.linspace(3, 0, 28)]}, height=4)
    assert marks(lines, "o")[0] == marks(lines, "o")[3] == 0
    assert float(lines[0].split()[0]) == pytest.approx(3, abs=0.4)


def test_a_later_curve_is_drawn_over_an_earlier_one():
    lines = plot({".": [2, 1, 0], "o": [2, 2, 0]}, height=3)
    assert (marks(lines, "o"), marks(lines, ".")) == ({0: 0, 1: 0, 2: 2}, {1: 1})


def test_one_value_and_equal_values_are_drawn_too():
    assert marks(plot({"o": [0.3]}), "o") == {0: 7}
    assert marks(plot({"o": [0.3, 0.3]}), "o") == {0: 7, 1: 7}
