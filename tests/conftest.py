"""What every test may ask for: an empty store in a folder of its own, and a way to close it and open it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

import latentstore
from latentstore import Collection, Store
from latentstore.encoders.base import let_idle_threads_sleep

hypothesis.settings.register_profile(
    "here", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.load_profile("here")
let_idle_threads_sleep()  # for the tests that import torch themselves


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with latentstore.open(tmp_path / "pile.latent") as opened:
        yield opened


@pytest.fixture
def words(store: Store) -> Collection:
    """Texts, through the hashing encoder of 64 dimensions."""
    return store.create("words", encoders=["hashing"])


@pytest.fixture
def points(store: Store) -> Collection:
    """Vectors from elsewhere, under cosine."""
    return store.create("points")


@pytest.fixture
def reopen(store: Store) -> Iterator[Callable[[], Store]]:
    """Close the store and open it again, as another process would find it."""
    opened = [store]

    def again() -> Store:
        opened[-1].close()
        opened.append(latentstore.open(store.path, create=False))
        return opened[-1]

    yield again
    opened[-1].close()
