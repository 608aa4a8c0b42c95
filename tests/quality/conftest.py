"""Real vectors, encoded once and kept in pytest's cache."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.quality.real import Real, real


@pytest.fixture(scope="session")
def texts_of(request: pytest.FixtureRequest) -> Callable[[int], Real]:
    """n real texts as vectors; the same ones for the same n."""
    kept: dict[int, Real] = {}
    cache = request.config.cache.mkdir("latentstore-real")

    def some(n: int) -> Real:
        if n not in kept:
            kept[n] = real(n, cache)
        return kept[n]

    return some
