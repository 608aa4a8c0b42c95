"""update and delete; and that what was deleted or replaced is gone for good (invariant 5)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from truth import committed, everything, gaussian

from latentstore import Collection, ColumnTypeClash, DuplicateId, Item, ItemNotFound, Store

Reopen = Callable[[], Store]


def _gone(points: Collection, vectors: np.ndarray, dead: set[str]) -> None:  # type: ignore[type-arg]
    """No door shows a dead item, though each query is the very vector of one."""
    for at in sorted(dead):
        query = vectors[int(at)]
        assert not dead & set(points.search(query, 30).ids)
        assert not dead & set(points.search(query, 30, exact=True).ids)
        assert not dead & set(points.search(query, 30, where="n >= 0").ids)
        assert at not in points
    assert not dead & set(points.space().vectors()[0])
    assert not dead & {row["id"] for row in points.sql("select id from items")}


@pytest.mark.parametrize("then", ["at once", "after optimize", "after reopening", "after both"])
def test_invariant_5_deleted_items_never_come_back(points: Collection, reopen: Reopen, then: str) -> None:
    vectors = gaussian(100)
    points.add(vectors=vectors, ids=[str(at) for at in range(100)], metadata=[{"n": at} for at in range(100)])
    assert points.delete(["3", "unknown", "50"]) == 2
    assert points.delete(where="n >= 90") == 10
    if then in ("after optimize", "after both"):
        points.optimize()
    if then in ("after reopening", "after both"):
        points = reopen().collection("points")
    _gone(points, vectors, {"3", "50", *(str(at) for at in range(90, 100))})
    assert len(points) == points.count("true") == 88
    assert points.verify().ok


@pytest.mark.parametrize("then", ["at once", "after optimize", "after reopening", "after both"])
def test_invariant_5_replaced_items_never_come_back(points: Collection, reopen: Reopen, then: str) -> None:
    names, old, new = [str(at) for at in range(40)], gaussian(40, seed=1), gaussian(40, seed=2)
    points.add([f"old {name}" for name in names], vectors=old, ids=names)
    points.add([f"new {name}" for name in names], vectors=new, ids=names, on_conflict="replace")
    if then in ("after optimize", "after both"):
        points.optimize()
    if then in ("after reopening", "after both"):
        points = reopen().collection("points")
    for at, query in enumerate(old):
        hits = points.search(query, 40)
        assert all(hit.text == f"new {hit.id}" for hit in hits) and len(set(hits.ids)) == 40
        assert points.search(new[at], 1).ids == [str(at)]
    held = dict(zip(*points.space().vectors(), strict=True))
    assert all((held[name] == new[at]).all() for at, name in enumerate(names))


def test_invariant_5_holds_while_an_index_covers_the_dead(store: Store) -> None:
    points = store.create("points", index="hnsw")
    vectors, names = gaussian(6000), [str(at) for at in range(6000)]
    points.add(vectors=vectors, ids=names, metadata=[{"n": at} for at in range(6000)])
    points.optimize()
    dead = {str(at) for at in range(0, 6000, 7)}
    points.delete(sorted(dead))
    found = points.search(vectors[:700:7], 20)
    assert not dead & {name for hits in found for name in hits.ids}
    assert all(len(hits) == 20 for hits in found)


def test_an_id_may_be_used_again_after_its_item_was_deleted(words: Collection) -> None:
    words.add(["first life"], ids=["a"], metadata=[{"n": 1}])
    words.delete(["a"])
    words.add(["second life"], ids=["a"])
    assert words.get("a") == [Item("a", "second life", None, {"n": None})]


def test_deleting_nothing_is_no_commit(words: Collection) -> None:
    words.add(["one"], ids=["a"], metadata=[{"n": 1}])
    before = committed(words)
    assert (words.delete([]), words.delete(["nope"]), words.delete(where="n > 5")) == (0, 0, 0)
    assert committed(words) == before


def test_everything_may_be_deleted_and_the_collection_used_again(points: Collection, reopen: Reopen) -> None:
    points.add(vectors=gaussian(20))
    assert points.delete(where="true") == 20
    points.optimize()
    assert (len(points), points.search(gaussian(1)[0]).ids, points.space().vectors()[0]) == (0, [], [])
    points = reopen().collection("points")
    points.add(vectors=gaussian(1), ids=["again"])
    assert points.search(gaussian(1)[0]).ids == ["again"] and points.verify().ok


def test_update_sets_the_keys_given_and_leaves_the_rest(points: Collection, reopen: Reopen) -> None:
    vectors = gaussian(2)
    points.add(["t1", "t2"], vectors=vectors, ids=["a", "b"], metadata=[{"n": 1, "s": "x"}, {"n": 2, "s": "y"}])
    assert points.update(["b", "a"], [{"n": 20}, {"s": None, "new": True}]) == 2
    expected = {
        "a": ("t1", None, {"n": 1, "s": None, "new": True}),
        "b": ("t2", None, {"n": 20, "s": "y", "new": None}),
    }
    assert everything(points, ["a", "b"]) == expected
    points = reopen().collection("points")
    assert everything(points, ["a", "b"]) == expected
    np.testing.assert_array_equal(points.space().vectors(["a", "b"])[1], vectors)


def test_update_shows_at_every_door(words: Collection) -> None:
    words.add(["a cat", "a dog"], ids=["a", "b"], metadata=[{"n": 1}, {"n": 2}])
    words.update(["a"], [{"n": 2.5}])
    assert words.search("cat", 1)[0].metadata == {"n": 2.5}
    assert words.sql("select id, n from items order by id").values == [("a", 2.5), ("b", 2.0)]
    assert words.count("n > 2") == 1 and words.search("dog", 5, where="n > 2").ids == ["a"]
    assert [type(item.metadata["n"]) for item in words.get(["a", "b"])] == [float, float]
    assert words.info()["columns"] == {"n": "DOUBLE"}


def test_update_takes_tables_and_a_dict_for_one_item(words: Collection) -> None:
    import polars as pl
    import pyarrow as pa

    words.add(["one", "two"], ids=["long id", "b"], metadata=[{"n": 1, "s": "x"}, {"n": 2, "s": "y"}])
    words.update("long id", {"n": 10})
    words.update(["b", "long id"], pl.DataFrame({"s": ["q", None]}))
    words.update(["b"], pa.table({"n": pa.array([7], pa.int8())}))
    found = {item.id: item.metadata for item in words.get(["long id", "b"])}
    assert found == {"long id": {"n": 10, "s": None}, "b": {"n": 7, "s": "q"}}


def test_a_refused_update_changes_nothing(words: Collection) -> None:
    words.add(["one", "two"], ids=["a", "b"], metadata=[{"n": 1}, {"n": 2}])
    before = committed(words)
    with pytest.raises(ItemNotFound, match="'c'"):
        words.update(["a", "c"], [{"n": 5}, {"n": 6}])
    with pytest.raises(ColumnTypeClash, match=r"'n'.*row 1.*VARCHAR"):
        words.update(["a", "b"], [{"n": 5}, {"n": "six"}])
    with pytest.raises(DuplicateId, match="'a'"):
        words.update(["a", "a"], [{"n": 5}, {"n": 6}])
    assert committed(words) == before
    assert [item.metadata for item in words.get(["a", "b"])] == [{"n": 1}, {"n": 2}]


def test_an_item_may_be_updated_many_times_then_replaced_and_compacted(words: Collection, reopen: Reopen) -> None:
    words.add(["one", "two"], ids=["a", "b"], metadata=[{"n": 0}, {"n": 0}])
    for n in range(1, 30):
        words.update(["a", "b"], [{"n": n}, {"n": -n}])
    words.add(["three"], ids=["b"], metadata=[{"n": 5}], on_conflict="replace")
    expected = {"a": ("one", None, {"n": 29}), "b": ("three", None, {"n": 5})}
    assert everything(words, ["a", "b"]) == expected
    words.optimize()
    assert everything(words, ["a", "b"]) == expected
    words = reopen().collection("words")
    assert everything(words, ["a", "b"]) == expected and words.verify().ok
