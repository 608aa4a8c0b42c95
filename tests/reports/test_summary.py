"""The summary says what the sections hold, in numbers that are theirs."""

import numpy as np

from latentstore.reports import summary
from latentstore.reports.model import (
    Changes,
    Cluster,
    ClusterChange,
    Column,
    DuplicateGroup,
    Duplicates,
    LabelCheck,
    Leak,
    Level,
    MapQuality,
    Outlier,
    Outliers,
    Points,
    Section,
)
from latentstore.reports.shapes import Axis, Shape, Tie

N = 200
LABELS = np.repeat([4, 7], [150, 50])
CLUSTERS = [Cluster(4, "rent", 150, stability=0.9), Cluster(7, "parrots", 50, stability=0.4)]


def section(space="text", modality="text", **parts):
    given = {
        "levels": [Level("coarse", LABELS, CLUSTERS)],
        "level": "coarse",
        "points": Points(
            [f"/d/{at}" for at in range(N)], np.zeros((N, 2), np.float32), [f"text {at}" for at in range(N)]
        ),
    }
    return Section(space, modality, "cosine", 8, N, **{**given, **parts})


def told(*sections, items=N, part=None):
    found = summary.summarise(items, sections)
    return found if part is None else next(one for one in found if one.part == part)


def test_an_empty_collection_has_nothing_to_sum_up():
    assert summary.summarise(0, []) == []


def test_items_without_vectors_are_counted_and_said_to_be_unstudied():
    assert [one.text for one in told(items=3)] == ["There are 3 items here, and none has a vector to study."]


def test_it_opens_with_how_many_items_of_what_kind():
    assert told(section())[0].text == "There are 200 texts here."
    both = told(section(), section("image", "image"), items=390)
    assert both[0].text == "There are 390 items here: 200 texts and 200 pictures."


def test_subjects_are_named_with_their_shares_and_their_steadiness():
    one = told(section(), part="clusters")
    assert one.text == "It is about “rent” (75 %) and “parrots” (25 %)."
    assert (one.sureness, "78\N{NO-BREAK SPACE}%" in one.because) == ("sure", True)


def test_what_is_no_text_falls_into_groups_and_of_a_single_one_there_is_nothing_to_name():
    pictures = told(section("image", "image"), part="clusters")
    assert pictures.text == "It falls into the groups “rent” (75 %) and “parrots” (25 %)."
    one = section(levels=[Level("coarse", LABELS, [Cluster(4, "rent", 200)])])
    assert told(one, part="clusters").text == "It falls into no groups: nothing parts it clearly."


def test_groups_that_do_not_come_back_make_it_unsure():
    shaky = [Cluster(4, "rent", 150, stability=0.3), Cluster(7, "parrots", 50, stability=0.2)]
    assert told(section(levels=[Level("coarse", LABELS, shaky)]), part="clusters").sureness == "unsure"


def test_strange_items_are_counted_and_the_strangest_is_quoted():
    found = Outliers("knn", 0.05, N, 3, np.zeros(N), np.zeros(N, bool), [Outlier(9, 2.0)])
    assert told(section(outliers=found), part="outliers").text == (
        "3 items (2 %) do not belong to the rest; the strangest: “text 9”."
    )


def test_where_none_can_be_called_strange_the_strangest_are_quoted_all_the_same():
    none = Outliers("knn", 0.05, N, 0, np.zeros(N), np.zeros(N, bool), [Outlier(9, 2.0), Outlier(4, 1.9)])
    assert told(section(outliers=none), part="outliers").text == (
        "No item is so strange that it must be out of place; the strangest: “text 9” and “text 4”."
    )


def test_copies_are_counted_and_the_most_repeated_is_quoted():
    groups = [DuplicateGroup("exact", 3, [5], 2), DuplicateGroup("near", 8, [1, 2], 4, 0.1)]
    one = told(section(duplicates=Duplicates(1, 3, 1, 1, 0.1, "the first", groups)), part="duplicates")
    assert one.text == (
        "4 items (2 %) repeat others: 1 exact and 3 nearly so; the most repeated, 4 times in all, is “text 8”."
    )
    assert (
        told(section(duplicates=Duplicates(0, 0, 0, 0, 0.1, "")), part="duplicates").text == "Nothing is there twice."
    )


def test_leaks_between_splits_are_told():
    found = Duplicates(0, 2, 0, 2, 0.1, "", leaks=[Leak("split", "test", "train", 2)])
    texts = [one.text for one in told(section(duplicates=found))]
    assert "2 items of split “test” are in “train” as well, or nearly." in texts


def test_a_column_that_stands_out_is_told_with_counts_but_not_one_that_gave_the_name():
    owner = Column("owner", "category", ["anna"] * 150 + ["bert"] * 45 + ["anna"] * 5)
    subject = Column("subject", "category", ["rent"] * 150 + ["parrots"] * 50)
    one = told(section(columns=[subject, owner]), part="columns")
    assert one.text == "In “rent”, 100 % have owner = anna (150 of 150), against 10 % elsewhere."
    assert one.sureness == "sure"


def test_numbers_that_stand_out_are_told_by_their_medians():
    year = Column("year", "number", [2000.0 + at % 7 for at in range(150)] + [1950.0] * 50)
    one = told(section(columns=[year]), part="columns")
    assert one.text == "In “rent”, year is higher: 2,003 in the middle, against 1,950 elsewhere."


def test_labels_are_held_against_guessing():
    check = LabelCheck("owner", 0.9, 0.8, 0.5, [("a", 120, 0.9), ("b", 80, 0.9)], suspected=2)
    one = told(section(labels=[check]), part="labels")
    assert "90\N{NO-BREAK SPACE}% are recognised, 50\N{NO-BREAK SPACE}% would be" in one.text
    assert (one.sureness, one.because) == ("sure", "cross-validated over 200 items")


def test_what_parts_the_ends_of_the_widest_axis_is_told():
    number = Tie("year", "number", 0.8, 1e-9, 1990.0, 2001.0, 0.9)
    owner = Tie("owner", "category", 0.5, 1e-9, ["anna"], ["carl", "dora", "emil", "fritz"])
    shape = Shape(np.array([0.6, 0.4]), axes=[Axis(1, 0.6, 0.99, ties=[number, owner])])
    one = told(section(shape=shape), part="shape")
    assert (
        one.text
        == "What sets items apart most goes along with owner: anna at one end, carl, dora and emil at the other."
    )
    assert "60\N{NO-BREAK SPACE}% of the variance, and owner accounts for 50\N{NO-BREAK SPACE}%" in one.because
    for silent in (Shape(np.empty(0)), Shape(np.ones(1), axes=[Axis(1, 1.0, ties=[number])])):
        assert all(said.part != "shape" for said in told(section(shape=silent)))


def test_changes_since_the_last_report_are_told_with_the_test():
    went = [ClusterChange("new", "parrots", 7, None, 50), ClusterChange("gone", "owls", None, 9, None)]
    one = told(section(changes=Changes(86400.0, 150, 200, 60, 10, went, 0.0001)), part="changes")
    assert one.text == (
        "Since the last report, of 1970-01-02, 60 came and 10 went; groups: 1 new and 1 gone; the new ones are unlike the old."
    )
    assert (one.sureness, one.because) == ("sure", "two-sample test: p < 0.001")
    same = told(section(changes=Changes(86400.0, 200, 200, 0, 0)), part="changes")
    assert same.text.endswith("nothing came and nothing went.")


def test_a_map_that_is_not_to_be_trusted_is_said_to_be_so():
    assert "rough guide" in told(section(map=MapQuality("tsne", 0.7, 0.8, 10, 200)), part="map").text
    assert [one for one in told(section(map=MapQuality("tsne", 0.97, 0.9, 10, 200))) if one.part == "map"] == []


def test_with_many_spaces_there_are_nine_sentences_at_most_and_each_space_has_one():
    found = Outliers("knn", 0.05, N, 3, np.zeros(N), np.zeros(N, bool), [Outlier(9, 2.0)])
    copies = Duplicates(0, 0, 0, 0, 0.1, "")
    spaces = [section(f"s{at}", "text", outliers=found, duplicates=copies) for at in range(5)]
    statements = told(*spaces, items=1000)
    assert len(statements) == summary.MOST
    assert {one.space for one in statements[1:]} == {f"s{at}" for at in range(5)}
    assert all(one.text.startswith("Texts: ") for one in statements[1:])
