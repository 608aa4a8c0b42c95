"""Collections that a report can be made of in a second or two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

import latentstore
from latentstore import Collection, Store
from latentstore.reports.collect import Report, collect
from latentstore.reports.studied import Options
from latentstore.types import Float32

TOPICS = {
    "rent": "the landlord asked for more rent of the flat in {} street",
    "parrots": "a green parrot called {} learned to whistle in its cage",
    "soup": "boil the carrots and leeks for the soup of aunt {}",
}
NAMES = ["anna", "bert", "clara", "dora", "emil", "fritz", "greta", "hugo", "ida", "jan", "karl", "lena"]


def around(centre: int, n: int, rng: np.random.Generator) -> Float32:
    """(n, 16) float32 close to one axis."""
    vectors = rng.normal(0, 0.12, (n, 16))
    vectors[:, centre] += 1
    return vectors.astype(np.float32)


def fill(collection: Collection, each: int = 40, seed: int = 0) -> Collection:
    """Three topics, `each` texts of each, with vectors of their own; topic and year as metadata, one copy and one stranger."""
    rng = np.random.default_rng(seed)
    for at, (topic, text) in enumerate(TOPICS.items()):
        texts = [f"{text.format(NAMES[i % 12])} and {NAMES[i // 12 % 12]}, {i}" for i in range(each)]
        metadata = [{"topic": topic, "year": 1990 + 10 * at + i % 7} for i in range(each)]
        ids = [f"{topic}-{i}" for i in range(each)]
        collection.add(texts, vectors=around(at, each, rng), ids=ids, metadata=metadata)
    twin = collection.space().vectors(["rent-0"])[1]
    collection.add(
        collection.get(["rent-0"])[0].text, vectors=twin, ids=["twin"], metadata=[{"topic": "rent", "year": 1990}]
    )
    stranger = np.zeros((1, 16), np.float32)
    stranger[0, 12] = 1
    collection.add(["Zyx wvu."], vectors=stranger, ids=["stranger"], metadata=[{"topic": "rent", "year": 1990}])
    return collection


@pytest.fixture
def topics(store: Store) -> Collection:
    return fill(store.create("topics"))


class Reported(NamedTuple):
    """A collection and a report of it that was not kept; both are shared by tests, which only read them."""

    collection: Collection
    report: Report


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reported]:
    with latentstore.open(tmp_path_factory.mktemp("reported") / "pile.latent") as store:
        collection = fill(store.create("topics"))
        yield Reported(collection, collect(collection, Options(seed=7, keep=False)))
