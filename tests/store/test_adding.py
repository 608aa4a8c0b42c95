"""add, get and count: what goes in comes out, whatever shape it had, and a refused batch leaves nothing."""

from __future__ import annotations

import numpy as np
import pytest
from truth import committed, everything, gaussian

from latentstore import Collection, DuplicateId, InvalidInput, Item, ItemNotFound, OnConflict, Store


def test_texts_come_back_under_their_ids_in_the_order_asked(words: Collection) -> None:
    words.add(["a cat", "a dog"], ids=["a", "b"])
    assert words.get(["b", "a"]) == [Item("b", "a dog", None, {}), Item("a", "a cat", None, {})]


def test_items_bring_their_own_id_uri_and_metadata(words: Collection) -> None:
    items = [Item("x", "one", "file:///x", {"year": 1}), Item("y", "two", None, {"lang": "de"})]
    words.add(items)
    assert everything(words, ["x", "y"]) == {
        "x": ("one", "file:///x", {"year": 1, "lang": None}),
        "y": ("two", None, {"year": None, "lang": "de"}),
    }


def test_one_text_or_one_item_is_a_batch_of_one(words: Collection) -> None:
    first, second = words.add("alone"), words.add(Item("z", "with an id"))
    assert (first.inserted, second.ids, len(words)) == (1, ["z"], 2)
    assert words.get(first.ids)[0].text == "alone"


def test_made_up_ids_are_distinct_and_are_returned_in_order(points: Collection) -> None:
    vectors = gaussian(50)
    written = points.add(vectors=vectors)
    assert len(set(written.ids)) == written.inserted == 50
    names, held = points.space().vectors(written.ids)
    assert names == written.ids
    np.testing.assert_array_equal(held, vectors)


def test_vectors_may_stand_beside_texts_that_no_encoder_sees(points: Collection) -> None:
    points.add(["first", "second"], vectors=gaussian(2), ids=["a", "b"])
    assert points.get("b")[0].text == "second"
    assert points.search(gaussian(2)[1], 1).ids == ["b"]


def test_an_empty_batch_changes_nothing(points: Collection) -> None:
    before = committed(points)
    for given in ({"items": []}, {"vectors": np.empty((0, 16), np.float32)}, {"items": [], "metadata": []}):
        written = points.add(**given)
        assert (written.ids, written.inserted, written.replaced, written.skipped) == ([], 0, 0, 0)
    assert committed(points) == before


def test_a_conflict_refuses_the_whole_batch_and_names_the_id(words: Collection) -> None:
    words.add(["old"], ids=["a"], metadata=[{"n": 1}])
    before = committed(words)
    with pytest.raises(DuplicateId, match="'a'"):
        words.add(["new", "other"], ids=["b", "a"], metadata=[{"m": 1}, {"m": 2}])
    assert committed(words) == before
    assert (len(words), "b" in words, list(words.info()["columns"])) == (1, False, ["n"])
    assert words.get("a")[0].text == "old"


def test_skip_keeps_what_is_there_and_adds_the_rest_of_the_batch(words: Collection) -> None:
    words.add(["old"], ids=["a"])
    written = words.add(["new a", "new b", "new c"], ids=["b", "a", "c"], on_conflict="skip")
    assert (written.ids, written.inserted, written.replaced, written.skipped) == (["b", "a", "c"], 2, 0, 1)
    assert [item.text for item in words.get(["a", "b", "c"])] == ["old", "new a", "new c"]


def test_replace_changes_what_is_there_and_adds_the_rest_of_the_batch(words: Collection) -> None:
    words.add(["old", "kept"], ids=["a", "k"], metadata=[{"n": 1, "m": 2}, {"n": 3, "m": 4}])
    written = words.add(["new a", "new b"], ids=["a", "b"], metadata=[{"n": 9}, {"n": 8}], on_conflict="replace")
    assert (written.inserted, written.replaced, written.skipped, len(words)) == (1, 1, 0, 3)
    assert everything(words, ["a", "b", "k"]) == {
        "a": ("new a", None, {"n": 9, "m": None}),
        "b": ("new b", None, {"n": 8, "m": None}),
        "k": ("kept", None, {"n": 3, "m": 4}),
    }


def test_a_skipped_item_brings_no_vector_of_its_own(points: Collection) -> None:
    vectors = gaussian(3)
    points.add(vectors=vectors[:1], ids=["a"])
    points.add(vectors=vectors[1:], ids=["a", "b"], on_conflict=OnConflict.SKIP)
    names, held = points.space().vectors()
    assert names == ["a", "b"]
    np.testing.assert_array_equal(held, vectors[[0, 2]])


@pytest.mark.parametrize("on_conflict", list(OnConflict))
def test_an_id_twice_in_one_batch_is_refused_however_conflicts_are_settled(
    words: Collection, on_conflict: OnConflict
) -> None:
    before = committed(words)
    with pytest.raises(DuplicateId, match="'a' comes twice"):
        words.add(["one", "two"], ids=["a", "a"], on_conflict=on_conflict)
    assert committed(words) == before


def test_rows_are_given_once_and_never_again(words: Collection) -> None:
    words.add(["one", "two"], ids=["a", "b"])
    words.delete(["b"])
    words.add(["three"], ids=["b"])
    words.add(["four"], ids=["a"], on_conflict="replace")
    rows = {row["id"]: row["row"] for row in words.sql("select id, row from items")}
    assert rows == {"b": 2, "a": 3}


def test_ten_thousand_items_come_back_one_for_one(points: Collection) -> None:
    vectors = gaussian(10_000, 8)
    names = [f"item {at}" for at in range(10_000)]
    points.add(names, vectors=vectors, ids=names, metadata=[{"at": at} for at in range(10_000)])
    order = np.random.default_rng(1).permutation(10_000).tolist()
    found = points.get([names[at] for at in order])
    assert [(item.text, item.metadata["at"]) for item in found] == [(names[at], at) for at in order]


def test_ids_of_every_script_and_the_longest_ones_are_kept(words: Collection) -> None:
    names = ["ß", "日本語", "a b\tc\n", "'; drop table items; --", "🜁" * 256, "%_\\", "0", "é", "e\u0301"]
    words.add([f"text {at}" for at in range(len(names))], ids=names)
    assert [item.text for item in words.get(names)] == [f"text {at}" for at in range(len(names))]


def test_numpy_strings_are_as_good_as_any(words: Collection) -> None:
    written = words.add(np.array(["one", "two"]), ids=np.array(["a", "b"]))
    assert [type(name) for name in written.ids] == [str, str]
    assert [type(item.text) for item in words.get(np.array(["b", "a"]))] == [str, str]


def test_membership_asks_for_an_id(words: Collection) -> None:
    words.add(["one"], ids=["1"])
    assert "1" in words
    for absent in ("2", "", 1, None, "\ud800", "a\0"):
        assert absent not in words


def test_getting_an_id_that_is_not_there_names_it(words: Collection) -> None:
    words.add(["one"], ids=["a"])
    with pytest.raises(ItemNotFound, match="'nope'"):
        words.get(["a", "nope"])
    assert words.get([]) == []


def test_the_same_id_may_be_asked_for_twice(words: Collection) -> None:
    words.add(["one"], ids=["a"])
    assert [item.text for item in words.get(["a", "a"])] == ["one", "one"]


def test_collections_of_one_store_share_nothing(store: Store) -> None:
    one, other = store.create("one", encoders=["hashing"]), store.create("other", encoders=["hashing"])
    one.add(["a cat"], ids=["a"], metadata=[{"n": 1}])
    other.add(["a dog"], ids=["a"], metadata=[{"m": "x"}])
    one.delete(["a"])
    assert (len(one), other.get("a")) == (0, [Item("a", "a dog", None, {"m": "x"})])


def test_ids_given_twice_over_are_refused(words: Collection) -> None:
    with pytest.raises(InvalidInput, match="got both"):
        words.add([Item("a", "text")], ids=["b"])
    with pytest.raises(InvalidInput, match="got both"):
        words.add([Item("a", "text", metadata={"n": 1})], metadata=[{"n": 2}])
    assert len(words) == 0
