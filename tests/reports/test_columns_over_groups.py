"""Which metadata a report shows, and as what."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from latentstore.reports import columns
from latentstore.reports.model import Column


def parsed(values):
    return columns.parsed("c", values)


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        (["a", None, "b", "a"], "category", ["a", None, "b", "a"]),
        ([True, False, True], "category", [True, False, True]),
        ([1, 2, 2, None], "category", ["1", "2", "2", None]),
        ([1.5, None, 2.0], "number", [1.5, None, 2.0]),
        ([Decimal("1.5"), Decimal("2")], "number", [1.5, 2.0]),
        ([1.0, float("nan"), 2.0], "number", [1.0, None, 2.0]),
        ([date(1970, 1, 2), date(1970, 1, 3)], "time", [86400.0, 172800.0]),
        ([datetime(1970, 1, 1, 1), datetime(1970, 1, 1, 2, tzinfo=UTC)], "time", [3600.0, 7200.0]),
    ],
)
def test_values_become_what_a_page_can_show(values, kind, shown):
    assert parsed(values) == Column("c", kind, shown)


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([None, None], "one value at most"),
        (["a", "a", None], "one value at most"),
        ([["a"], ["b"]], "lists"),
        ([{"a": 1}, {"a": 2}], "lists"),
        (["a", "b", "c"], "of its own"),
        ([f"{at // 2 if at > 50 else at}" for at in range(100)], "of its own"),
    ],
)
def test_columns_that_say_nothing_of_groups_are_left_out_with_a_reason(values, why):
    assert why in parsed(values)


def test_many_whole_numbers_are_a_number_and_not_classes():
    assert parsed(list(range(100))).kind == "number"


def test_what_studies_wrote_and_places_in_files_are_no_columns():
    values = {"kind": ["a", "b", "a"], "cluster": ["x", "y", "x"], "start": [0, 5, 9], "uid": ["1", "2", "3"]}
    chosen = columns.choose(values, [None] * 3, written={"cluster"})
    assert [column.name for column in chosen.columns] == ["kind"]
    assert sorted(chosen.left_out) == ["start", "uid"]


def test_no_more_columns_are_shown_than_a_page_can_hold_and_the_rest_is_named():
    chosen = columns.choose({f"c{at:02}": ["a", "b", "a"] for at in range(20)}, [None] * 3, ())
    assert len(chosen.columns) == columns.MOST
    assert list(chosen.left_out) == ["c16", "c17", "c18", "c19"]


def test_folders_and_files_that_hold_several_items_are_columns():
    uris = [f"https://a.org/docs/{folder}/x{at // 6}.md" for folder in "pq" for at in range(12)]
    folder, file = columns.origins(uris)
    assert (folder.name, folder.values[0], folder.values[-1]) == ("folder", "p", "q")
    assert (file.name, file.values[0], file.values[-1]) == ("file", "p/x0.md", "q/x1.md")


def test_one_folder_of_single_items_is_no_column():
    assert columns.origins([f"/data/a/{at}.jpg" for at in range(10)]) == []
    assert columns.origins([None] * 10) == []
