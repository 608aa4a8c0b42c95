"""The recall that is promised is the recall that fresh queries get, and the plan of a search says what was done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from latentstore import Collection, Store
from tests.quality.real import Model, Real
from tests.truth import Array, agrees

TARGETS = (0.9, 0.95, 0.99)
QUERIES = 500
SIZES = [pytest.param(7000, id="7000"), pytest.param(25_000, id="25000", marks=pytest.mark.slow)]


@pytest.fixture(params=["hnsw", "ivf"])
def model(request: pytest.FixtureRequest, store: Store) -> Model:
    return Model(store.create("texts", index=request.param))


def check(model: Model, queries: Array) -> None:
    index = model.collection.info()["spaces"][0]["index"]
    assert index["covered"] + index["searched_exactly"] >= len(model.ids)
    for target in TARGETS:
        shares = model.recall(model.collection.search(queries, recall=target), queries, 10)
        error = shares.std() / len(shares) ** 0.5
        assert shares.mean() >= target - 3 * error, f"promised {target}, found {shares.mean():.4f}"
        promised = index["recall"][str(target)]
        assert promised is None or promised["measured"] >= target


@pytest.mark.parametrize("size", SIZES)
def test_fresh_queries_get_the_recall_that_was_measured_when_built_grown_and_added_to(
    model: Model, texts_of: Callable[[int], Real], size: int
) -> None:
    rows = texts_of(size + 2000)
    queries = rows.vectors[-QUERIES:]
    model.add(rows[: size // 2])
    model.collection.optimize()
    check(model, queries)
    model.add(rows[size // 2 : size])  # many: the index grows or is built anew
    model.collection.optimize()
    assert model.collection.info()["spaces"][0]["index"]["covered"] == size
    check(model, queries)
    for at in range(size, size + 1200, 40):  # few at a time: they stay in the tail
        model.add(rows[at : at + 40])
    check(model, queries)


def searched(collection: Collection, query: Array, **how: object) -> list[tuple[str, int, float]]:
    return [(step.step, step.count, step.ms) for step in collection.search(query, explain=True, **how).plan]


def test_the_plan_of_a_search_counts_and_times_its_steps(model: Model, texts_of: Callable[[int], Real]) -> None:
    rows = texts_of(9000)
    model.add(rows[:6000])
    model.collection.optimize()
    query, passing = rows.vectors[-1], int((model.u < 0.01).sum())
    steps = searched(model.collection, query, recall=0.9)
    assert [name for name, _, _ in steps] == ["index", "measure", "fetch"] and steps[-1][1] == 10
    steps = searched(model.collection, query, where="u < .01")
    assert [(name, count) for name, count, _ in steps] == [("filter", passing), ("gather", passing), ("fetch", 10)]
    steps = searched(model.collection, query, exact=True)
    assert [(name, count) for name, count, _ in steps] == [("exact", 6000), ("fetch", 10)]
    assert all(ms > 0 for _, _, ms in steps)
    assert model.collection.search(query).plan is None


def test_an_exact_search_is_numpys_whatever_the_index(model: Model, texts_of: Callable[[int], Real]) -> None:
    rows = texts_of(9000)
    model.add(rows[:4000])
    model.collection.optimize()
    model.add(rows[4000:4100])
    everything = dict(zip(model.ids, model.vectors, strict=True))
    for query in rows.vectors[-5:]:
        for how in ({"exact": True}, {"recall": 1}):
            agrees(model.collection.search(query, 20, **how), query, everything, "cosine", 20)


def test_an_index_read_back_from_disk_promises_and_finds_the_same(
    model: Model, texts_of: Callable[[int], Real], reopen: Callable[[], Store]
) -> None:
    rows = texts_of(9000)
    model.add(rows[:4000])
    model.collection.optimize()
    queries = rows.vectors[-50:]
    before, index = model.collection.search(queries), model.collection.info()["spaces"][0]["index"]
    again = reopen().collection("texts")
    assert again.info()["spaces"][0]["index"] == index
    assert [hits.ids for hits in again.search(queries)] == [hits.ids for hits in before]
