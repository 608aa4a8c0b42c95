"""Duplicates of stores: what counts as the same, what is kept, and what a filter then finds. On vectors that tell right from wrong."""

import numpy as np
import pytest

import latentstore
from latentstore import Item
from latentstore.errors import InvalidInput

RNG = np.random.default_rng(0)


@pytest.fixture
def docs(store):
    """60 items that lie apart, t0 to t59; copies of the first ten as c0 to c9, of the next five nearly so as n10 to n14."""
    apart = RNG.standard_normal((60, 32)).astype(np.float32)
    near = apart[10:15] + 0.02 * RNG.standard_normal((5, 32)).astype(np.float32)
    made = store.create("docs")
    names = [*(f"t{at}" for at in range(60)), *(f"c{at}" for at in range(10)), *(f"n{at}" for at in range(10, 15))]
    texts = [
        *(f"text {at}" for at in range(60)),
        *(f"text {at}" for at in range(10)),
        *(f"like {at}" for at in range(5)),
    ]
    items = [
        Item(id=name, text=text, metadata={"split": "test" if at % 2 else "train"})
        for at, (name, text) in enumerate(zip(names, texts, strict=True))
    ]
    made.add(items, vectors=np.concatenate([apart, apart[:10], near]))
    return made


WANTED = {**{f"c{at}": f"t{at}" for at in range(10)}, **{f"n{at}": f"t{at}" for at in range(10, 15)}}


def test_copies_are_grouped_under_the_one_added_first(docs):
    found = docs.space().duplicates()
    assert dict(zip(found.ids, found.duplicate_of, strict=True)) == {one: WANTED.get(one) for one in found.ids}
    assert [(group.kept, group.ids, group.kind) for group in found.groups] == [
        (kept, (one,), "exact" if one.startswith("c") else "near") for one, kept in WANTED.items()
    ]
    assert (len(found), found.dropped, len(found.exact), len(found.near)) == (15, 15, 10, 5)
    assert all((group.widest == 0) == (group.kind == "exact") for group in found.groups)


def test_a_filter_finds_what_is_there_once(docs):
    found = docs.space().duplicates()
    assert found.study.columns == {"duplicate_of": "duplicate_of"}
    assert docs.count("duplicate_of IS NULL") == 60
    assert docs.get("c3")[0].metadata["duplicate_of"] == "t3"
    assert [study.kind for study in docs.studies()] == ["duplicates"]


def test_the_study_says_how_it_was_found(docs):
    study = docs.space().duplicates(split="split").study
    assert study.parameters == {"threshold": None, "split": "split", "where": None, "kept": "the one added first"}
    assert (study.rows, study.summary["groups"], study.summary["dropped"]) == (75, 15, 15)
    assert study.summary["curve"] and study.summary["threshold"] > 0


def test_nothing_is_kept_where_nothing_may_be(docs, store, reopen):
    assert docs.space().duplicates(keep=False).study is None
    with pytest.raises(InvalidInput, match="duplicate_of"):
        docs.count("duplicate_of IS NULL")
    path = docs.engine.folder.parent
    store.close()
    with latentstore.open(path, read_only=True) as again:
        found = again.collection("docs").space().duplicates()
        assert (found.study, found.dropped) == (None, 15)


def test_leaks_name_both_items_and_both_splits(docs):
    found = docs.space().duplicates(split="split")
    place = {one: at for at, one in enumerate(found.ids)}
    crossing = {(one, kept) for one, kept in WANTED.items() if (place[one] - place[kept]) % 2}
    both = crossing | {(kept, one) for one, kept in crossing}
    assert {(leak.id, leak.other) for leak in found.leaks} == both
    assert sum(found.leaked.values()) == len(both)
    assert all(leak.split != leak.other_split for leak in found.leaks)


def test_a_threshold_that_is_given_is_used(docs):
    assert docs.space().duplicates(0.0).dropped == 10
    wide = docs.space().duplicates(2.0, keep=False)
    assert (wide.basis, wide.dropped, len(wide.groups)) == ("given", 74, 1)


def test_only_what_passes_the_filter_is_looked_at(docs):
    found = docs.space().duplicates(where="split = 'train'")
    assert found.ids == [one.id for one in docs.get([*found.ids]) if one.metadata["split"] == "train"]
    assert all(one in WANTED for one, kept in zip(found.ids, found.duplicate_of, strict=True) if kept)


def test_pictures_of_one_caption_are_told_apart_by_what_they_hold(store):
    vectors = RNG.standard_normal((40, 8)).astype(np.float32)
    docs = store.create("pictures")
    names = [f"{at % 39:064x}" for at in range(40)]
    docs.add(
        [Item(id=str(at), text="a cat", metadata={"content": name}) for at, name in enumerate(names)],
        vectors=np.concatenate([vectors[:39], vectors[:1]]),
    )
    assert docs.space().duplicates().rows().values == [("39", "0", "exact", 0.0)]


@pytest.mark.parametrize(
    ("threshold", "split", "word"),
    [(-1, None, "threshold"), (float("nan"), None, "threshold"), (None, "spilt", "split")],
)
def test_bad_input_is_refused_in_a_word(docs, threshold, split, word):
    with pytest.raises(InvalidInput, match=word):
        docs.space().duplicates(threshold, split=split)


def test_an_empty_space_has_nothing_to_look_at(store):
    with pytest.raises(InvalidInput, match="at least 1 item"):
        store.create("empty").space().duplicates()


@pytest.mark.parametrize("items", [1, 2, 5])
def test_a_tiny_space_has_no_duplicates(store, items):
    docs = store.create("tiny")
    docs.add([Item(text=str(at)) for at in range(items)], vectors=RNG.standard_normal((items, 6)).astype(np.float32))
    found = docs.space().duplicates()
    assert (len(found.ids), found.groups) == (items, ())


def test_items_that_are_all_equal_are_one_group(store):
    docs = store.create("equal")
    docs.add([Item(id=str(at)) for at in range(300)], vectors=np.ones((300, 4), dtype=np.float32))
    found = docs.space().duplicates()
    assert [(group.kept, len(group), group.kind) for group in found.groups] == [("0", 300, "exact")]
