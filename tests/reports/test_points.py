"""Which items a map shows."""

import numpy as np
import pytest

from latentstore.errors import InvalidInput
from latentstore.reports import points


def test_all_items_are_points_while_a_page_can_show_them():
    shown = points.choose(5, [3], seed=0)
    assert (shown.positions.tolist(), shown.whole, shown.of("abcde")) == ([0, 1, 2, 3, 4], True, list("abcde"))


def test_of_too_many_a_sample_is_shown_with_everything_that_is_named():
    named = [7, 990, 7, 31]
    shown = points.choose(1000, named, seed=1, most=50)
    assert len(shown) == 50
    assert shown.positions.tolist() == sorted(set(shown.positions.tolist()))
    assert [shown.positions[shown.point(at)] for at in named] == named
    assert shown.of(range(1000)) == shown.positions.tolist()


def test_the_sample_is_spread_over_all_items_and_the_same_for_the_same_seed():
    one, same, other = (points.choose(10_000, [], seed=seed, most=2000).positions for seed in (3, 3, 4))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)
    assert np.histogram(one, bins=10, range=(0, 10_000))[0].min() > 150


def test_more_named_items_than_points_are_all_shown():
    assert len(points.choose(100, range(30), seed=0, most=10)) == 30


def test_an_item_that_is_no_point_is_refused_by_name():
    shown = points.choose(100, [1], seed=0, most=1)
    with pytest.raises(InvalidInput, match="item 2 is named and no point"):
        shown.point(2)


def test_long_texts_are_cut_at_a_word_and_short_ones_left():
    cut = points.shortened("word " * 200)
    assert cut.endswith("word …")
    assert 440 < len(cut) <= points.TEXT
    assert points.shortened("x" * 900) == "x" * 498 + " …"
    assert [points.shortened(text) for text in (None, " short\n")] == ["", "short"]
