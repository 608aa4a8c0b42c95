"""What a report says of a collection, held against the findings themselves and against what was put in."""

from collections import Counter

import numpy as np
import pytest
from sklearn.decomposition import PCA

from latentstore import InvalidInput, Item, SpaceNotFound
from latentstore.distance import unit
from latentstore.engine.studies import keep
from latentstore.reports import page
from latentstore.reports.collect import collect
from latentstore.reports.model import check
from latentstore.reports.studied import Options
from tests.reports.conftest import around, fill

UNKEPT = Options(keep=False)


def section(collection, options=UNKEPT):
    (found,) = collect(collection, options).page.sections
    return found


def test_a_report_has_a_point_for_each_item_with_its_text_and_its_place(reported):
    (found,) = reported.report.page.sections
    items = reported.collection.get(list(found.points.ids))
    assert (found.items, len(found.points)) == (122, 122)
    assert list(found.points.texts) == [item.text for item in items]
    assert (found.modality, found.metric, found.dim) == ("text", "cosine", 16)
    assert np.isfinite(found.points.coordinates).all()


def test_the_topics_that_were_put_in_are_its_groups(reported):
    (found,) = reported.report.page.sections
    items = reported.collection.get(list(found.points.ids))
    level = found.levels[0]
    for cluster in level.clusters[:3]:
        members = [items[at].metadata["topic"] for at in np.flatnonzero(level.labels == cluster.number)]
        assert Counter(members).most_common(1)[0][1] >= 0.95 * len(members)
        assert cluster.size == len(members)
        assert {level.labels[at] for at in cluster.exemplars} == {cluster.number}


def test_items_of_a_topic_lie_together_on_the_map(reported):
    (found,) = reported.report.page.sections
    topics = np.array([item.metadata["topic"] for item in reported.collection.get(list(found.points.ids))])
    apart = np.linalg.norm(found.points.coordinates[:, None] - found.points.coordinates[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    assert (topics[apart.argmin(axis=1)] == topics).mean() > 0.95
    assert 0.5 < found.map.trustworthiness <= 1


def test_the_copy_that_was_put_in_is_listed_with_what_it_repeats(reported):
    (found,) = reported.report.page.sections
    ids = found.points.ids
    named = {(ids[group.kept], *(ids[at] for at in group.others)) for group in found.duplicates.listed}
    assert ("rent-0", "twin") in named
    assert found.duplicates.exact == 1


def test_the_stranger_that_was_put_in_is_the_strangest_and_has_its_reasons(reported):
    (found,) = reported.report.page.sections
    first = found.outliers.listed[0]
    assert found.points.ids[first.point] == "stranger"
    assert found.outliers.scores.argmax() == first.point
    assert "times as far from its neighbours as is usual" in first.reason
    assert len(first.nearest) == 3


def test_metadata_that_says_something_of_groups_is_shown_with_its_values(reported):
    (found,) = reported.report.page.sections
    columns = {column.name: column for column in found.columns}
    assert (columns["topic"].kind, columns["year"].kind) == ("category", "number")
    items = reported.collection.get(list(found.points.ids))
    assert list(columns["year"].values) == [item.metadata["year"] for item in items]


def test_the_shape_of_the_space_is_that_of_its_vectors(reported):
    (found,) = reported.report.page.sections
    _, vectors = reported.collection.space().vectors(list(found.points.ids))
    oracle = PCA().fit(unit(vectors).astype(np.float64))
    assert np.allclose(found.shape.shares, oracle.explained_variance_ratio_, atol=1e-6)
    along = oracle.transform(unit(vectors))[:, 0]
    ends = {frozenset(found.shape.axes[0].low), frozenset(found.shape.axes[0].high)}
    assert ends == {frozenset(along.argsort()[:4].tolist()), frozenset(along.argsort()[-4:].tolist())}
    assert dict(found.shape.needed)[0.9] == int((oracle.explained_variance_ratio_.cumsum() < 0.9).sum()) + 1


def test_the_topics_that_part_the_items_lie_at_the_ends_of_its_axes_and_no_axis_of_noise_has_any(reported):
    (found,) = reported.report.page.sections
    first, second, *rest = found.shape.axes
    assert {tie.column for tie in first.ties} == {"topic", "year"}
    ends = {
        value
        for axis in (first, second)
        for tie in axis.ties
        if tie.column == "topic"
        for value in (*tie.low, *tie.high)
    }
    assert ends == {"rent", "parrots", "soup"}
    items = reported.collection.get([found.points.ids[at] for at in first.low])
    (topic,) = [tie for tie in first.ties if tie.column == "topic"]
    assert {item.metadata["topic"] for item in items} <= set(topic.low)
    assert min(first.steadiness, second.steadiness) > 0.95
    assert [axis.ties for axis in rest] == [[]] * 3
    assert {axis.number for axis in found.shape.axes} == {1, 2, 3, 4, 5}


def test_the_summary_speaks_of_the_page_it_stands_on(reported):
    made = reported.report.page
    assert made.summary[0].text == "There are 122 texts here."
    assert {one.space for one in made.summary[1:]} == {made.sections[0].space}
    assert 5 <= len(made.summary) <= 9


def test_method_and_seed_of_every_part_are_told(reported):
    (found,) = reported.report.page.sections
    assert {"Neighbours", "Groups", "Outliers", "Duplicates", "Shape", "Map"} <= {
        method.what for method in found.methods
    }
    assert {method.seed for method in found.methods} == {7}
    assert all(method.seconds >= 0 for method in found.methods)


def test_what_was_not_to_be_kept_is_not(reported):
    assert keep.history(reported.collection.engine) == []
    assert reported.collection.info()["columns"].keys() == {"topic", "year"}


def test_what_is_kept_filters_and_is_no_column_of_the_next_report(topics):
    first = section(topics, Options())
    kept = {study.kind for study in keep.history(topics.engine)}
    assert {"clusters", "duplicates", "report"} <= kept
    names = {cluster.name: cluster.size for cluster in first.shown.clusters}
    assert {name: topics.count(f"cluster = '{name}'") for name in names} == names
    again = section(topics, Options())
    assert [column.name for column in again.columns] == [column.name for column in first.columns]


def test_the_next_report_says_what_came_and_went(topics):
    assert section(topics, Options()).changes is None
    topics.delete(["parrots-1", "parrots-2"])
    rng = np.random.default_rng(9)
    topics.add(
        [f"the choir sang hymn {at}" for at in range(40)],
        vectors=around(5, 40, rng),
        ids=[f"n{at}" for at in range(40)],
    )
    found = section(topics, Options())
    changes = found.changes
    assert (changes.before, changes.now, changes.added, changes.removed) == (122, 160, 40, 2)
    assert changes.p_value <= 0.01
    choir = next(c for c in found.shown.clusters if found.points.ids[c.exemplars[0]].startswith("n"))
    assert (choir.number, None) in {(one.number, one.before) for one in changes.clusters}


def test_nothing_new_is_said_to_be_so(topics):
    section(topics, Options())
    changes = section(topics, Options()).changes
    assert (changes.added, changes.removed, list(changes.clusters), changes.p_value) == (0, 0, [], None)


def test_a_report_of_a_filter_is_of_those_items_and_not_compared_with_one_of_all(topics):
    section(topics, Options())
    made = collect(topics, Options(where="topic = 'soup'")).page
    assert (made.items, made.sections[0].items, made.sections[0].changes) == (40, 40, None)
    assert made.notes == ["only items where topic = 'soup'"]


def test_the_same_seed_gives_the_same_findings(reported):
    (one,), (two,) = (
        reported.report.page.sections,
        collect(reported.collection, Options(seed=7, keep=False)).page.sections,
    )
    assert np.array_equal(one.points.coordinates, two.points.coordinates)
    assert [level.clusters for level in one.levels] == [level.clusters for level in two.levels]
    assert (one.duplicates, one.outliers.listed) == (two.duplicates, two.outliers.listed)


def test_every_space_with_items_has_a_section_and_the_fullest_comes_first(store):
    both = store.create("both", encoders=["hashing", "image"])
    both.add([f"text {at}" for at in range(6)])
    both.add([Item(image=np.full((40, 40, 3), at * 20, np.uint8)) for at in range(8)])
    made = collect(both, UNKEPT).page
    assert [(one.space, one.modality, one.items) for one in made.sections] == [
        ("image", "image", 8),
        ("hashing", "text", 6),
    ]
    assert made.summary[0].text == "There are 14 items here: 8 pictures and 6 texts."


def test_a_space_can_be_named_and_one_that_is_not_there_is_refused(store):
    both = store.create("both", encoders=["hashing", "image"])
    both.add([f"text {at}" for at in range(6)])
    assert [one.space for one in collect(both, Options(spaces=["hashing"], keep=False)).page.sections] == ["hashing"]
    assert collect(both, Options(spaces=["image"], keep=False)).page.notes == ["space 'image' has no vector"]
    with pytest.raises(SpaceNotFound):
        collect(both, Options(spaces=["nowhere"]))


def test_a_column_that_is_not_there_is_a_clear_word(topics):
    with pytest.raises(InvalidInput, match="nowhere"):
        collect(topics, Options(where="nowhere = 1"))


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_of_few_items_a_report_is_still_a_report(points, count):
    if count:
        points.add([f"text {at}" for at in range(count)], vectors=np.eye(8, dtype=np.float32)[:count])
    made = collect(points, Options()).page
    check(made)
    assert made.items == count
    assert [len(one.points) for one in made.sections] == [count] * bool(count)
    assert "</html>" in page.render(made)


def test_of_equal_items_a_report_is_still_a_report(points):
    points.add(["the same"] * 30, vectors=np.ones((30, 4), np.float32))
    found = section(points, Options())
    assert found.duplicates.exact == 29
    assert (len(found.shape.shares), found.shape.axes, found.shape.dimension) == (0, [], None)
    assert [cluster.size for cluster in found.levels[0].clusters] == [30]


def test_of_too_many_items_a_sample_is_shown_and_counts_are_those_of_all(reported):
    found = section(reported.collection, Options(keep=False, most=60))
    assert 60 <= len(found.points) < 122
    whole = reported.report.page.sections[0]
    named = [[part.points.ids[at] for at in part.shape.axes[0].low] for part in (found, whole)]
    assert named[0] == named[1]
    assert sum(cluster.size for cluster in found.shown.clusters) == 122
    assert any(f"shows {len(found.points)} of 122 items" in note for note in found.notes)


def test_leaks_between_splits_are_found_by_the_name_of_the_column(store):
    docs = fill(store.create("docs"))
    docs.update([f"rent-{at}" for at in range(40)], [{"split": "train"}] * 40)
    docs.update(["twin"], [{"split": "test"}])
    (leak,) = section(docs).duplicates.leaks
    assert (leak.column, leak.a, leak.b, leak.pairs) == ("split", "test", "train", 1)
