"""Filters on real texts: recall at every selectivity, after a third of the rows died, and where what passes lies far away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latentstore import Store
from tests.quality.real import Model, Real
from tests.truth import Array

QUERIES = 100
SIZES = [pytest.param(6000, id="6000"), pytest.param(24_000, id="24000", marks=pytest.mark.slow)]
FILTERS = {
    "u < .5": lambda model: model.u < 0.5,
    "u < .1": lambda model: model.u < 0.1,
    "u < .01": lambda model: model.u < 0.01,
    "u < .001": lambda model: model.u < 0.001,
    "domain = 'bank'": lambda model: model.domains == "bank",
    "domain = 'bank' and u < .3": lambda model: (model.domains == "bank") & (model.u < 0.3),
    "domain != 'programming'": lambda model: model.domains != "programming",
}


@pytest.fixture(params=["hnsw", "ivf"])
def model(request: pytest.FixtureRequest, store: Store) -> Model:
    return Model(store.create("texts", index=request.param))


def held_out(rows: Real) -> tuple[Array, Array]:
    """Queries of all domains, and queries of programmers alone, far from what the bank's customers ask."""
    last = rows[np.arange(len(rows) - 3000, len(rows))]
    return last.vectors[:QUERIES], last.vectors[last.domains == "programming"][:QUERIES]


def check(model: Model, rows: Real) -> None:
    for where, test in FILTERS.items():
        passing = test(model)
        for queries in held_out(rows):
            hits = model.collection.search(queries, 10, where=where)
            shares = model.recall(hits, queries, 10, passing)
            assert shares.mean() >= 0.99, f"{where} finds {shares.mean():.4f}, {shares.min():.1f} at worst"


@pytest.mark.parametrize("size", SIZES)
def test_a_filter_keeps_its_recall_also_after_deletes_replacements_and_compaction(
    model: Model, texts_of: Callable[[int], Real], size: int
) -> None:
    rows = texts_of(size + 3000)
    model.add(rows[:size])
    model.collection.optimize()
    check(model, rows)
    model.delete(0.3)
    model.replace(0.1, rows[np.arange(size, size + 1000)])
    check(model, rows)
    model.collection.optimize()
    assert model.collection.info()["spaces"][0]["dead"] == 0
    check(model, rows)


def test_no_filter_delete_or_k_ever_gives_too_few(model: Model, texts_of: Callable[[int], Real]) -> None:
    rows = texts_of(9000)
    queries, _ = held_out(rows)
    model.add(rows[:2000])

    @settings(max_examples=25)
    @given(
        low=st.floats(0, 1),
        width=st.sampled_from([0, 0.001, 0.01, 0.1, 0.5, 1]),
        domain=st.sampled_from(["bank", "assistant", "programming", "nothing"]),
        k=st.sampled_from([1, 3, 10, 100, 1500, 5000]),
        change=st.sampled_from(["nothing", "delete", "replace", "add", "optimize"]),
        at=st.integers(0, QUERIES - 3),
    )
    def holds(low: float, width: float, domain: str, k: int, change: str, at: int) -> None:
        if change == "delete":
            model.delete(0.1)
        elif change == "replace":
            model.replace(0.05, rows[2000:2100])
        elif change == "add":
            model.add(rows[2100:2400])
        elif change == "optimize":
            model.collection.optimize()
        where = f"u >= {low!r} and u < {low + width!r} and domain != '{domain}'"
        passing = (model.u >= low) & (model.u < low + width) & (model.domains != domain)
        asked = queries[at : at + 3]
        model.recall(model.collection.search(asked, k, where=where), asked, k, passing)
        model.recall(model.collection.search(asked, k), asked, k)

    holds()
