"""Invariant 3: whatever is committed is found at once, however far the index is behind; and it finds itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from truth import agrees, gaussian

from latentstore import Collection, Store


@pytest.fixture(params=["hnsw", "ivf"])
def indexed(request: pytest.FixtureRequest, store: Store) -> Iterator[Collection]:
    """3,000 points that an index covers, and upkeep held still so that whatever comes stays uncovered."""
    points = store.create("points", index=request.param)
    points.add(vectors=gaussian(3000), ids=[str(at) for at in range(3000)], metadata=[{"n": at} for at in range(3000)])
    points.optimize()
    with points.engine.upkeep:
        yield points


def _uncovered(points: Collection) -> int:
    view = points.engine.snapshot.spaces["vectors"]
    assert view.index is not None
    return view.uncovered


def test_invariant_3_each_add_is_found_when_it_has_returned(indexed: Collection) -> None:
    late = gaussian(60, seed=7)
    for at, vector in enumerate(late):
        indexed.add(vectors=vector[None], ids=[f"late {at}"], metadata=[{"n": -1}])
        assert _uncovered(indexed) == at + 1
        assert indexed.search(vector, 1).ids == indexed.search(vector, 1, where="n < 5").ids == [f"late {at}"]
        assert indexed.similar(f"late {at}", 1).ids != [f"late {at}"]
    assert indexed.count("n = -1") == 60


def test_invariant_3_a_tail_longer_than_what_the_index_covers_is_searched_too(indexed: Collection) -> None:
    late = gaussian(4000, seed=8)
    indexed.add(vectors=late, ids=[f"late {at}" for at in range(4000)])
    assert _uncovered(indexed) == 4000
    found = indexed.search(late[::40], 1)
    assert [hits.ids for hits in found] == [[f"late {at}"] for at in range(0, 4000, 40)]
    held = {f"late {at}": vector for at, vector in enumerate(late)}
    held |= {str(at): vector for at, vector in enumerate(gaussian(3000))}
    agrees(indexed.search(late[0], 12, exact=True), late[0], held, "cosine", 12)


def test_invariant_3_a_replaced_item_is_found_where_it_is_now(indexed: Collection) -> None:
    new = gaussian(50, seed=9)
    names = [str(at) for at in range(0, 3000, 60)]
    indexed.add(vectors=new, ids=names, on_conflict="replace")
    for name, vector in zip(names, new, strict=True):
        assert indexed.search(vector, 1).ids == [name]
    old = gaussian(3000)[::60]
    for name, hits in zip(names, indexed.search(old, 1), strict=True):
        assert hits.ids != [name] or hits.distances[0] > 1e-3


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_invariant_3_holds_after_reopening_with_an_index_that_lags(
    store: Store, reopen: Callable[[], Store], kind: str
) -> None:
    points = store.create("points", index=kind)
    points.add(vectors=gaussian(2000))
    points.optimize()
    late = gaussian(500, seed=4)
    with points.engine.upkeep:
        points.add(vectors=late, ids=[f"late {at}" for at in range(500)])
    again = reopen().collection("points")
    assert _uncovered(again) == 500
    found = [hits.ids[0] for hits in again.search(late, 1)]
    np.testing.assert_array_equal(found, [f"late {at}" for at in range(500)])
