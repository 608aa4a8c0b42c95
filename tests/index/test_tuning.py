"""Which index is chosen, and when a measured recall is believed."""

from __future__ import annotations

import numpy as np

from latentstore.distance import exact
from latentstore.index import tuning
from latentstore.index.base import ArrayVectors, Effort, Kind, choose
from latentstore.index.tuning import Rung
from latentstore.types import Float32, Int64, Metric


def test_small_is_exact_large_is_a_graph_and_tight_memory_takes_lists() -> None:
    assert choose(1000, 384, 1 << 30).is_exact
    assert choose(100_000, 384, 1 << 30).kind is Kind.HNSW
    assert choose(100_000, 384, 50 << 20).kind is Kind.IVF
    assert choose(10, 4, 1, kind="ivf").kind is Kind.IVF


def test_the_least_effort_that_is_sure_is_taken() -> None:
    rungs = [Rung(Effort(10, 10), 0.93, 0.92), Rung(Effort(20, 20), 0.97, 0.96), Rung(Effort(40, 20), 0.991, 0.989)]
    assert tuning.least(rungs, 0.95, 10) == Effort(20, 20)
    assert tuning.least(rungs, 0.99, 10) is None
    assert tuning.least(rungs, 0.9, 100) == Effort(150, 150)


def test_a_measured_recall_is_the_share_of_true_neighbours_by_distance() -> None:
    vectors = np.random.default_rng(0).standard_normal((200, 4)).astype(np.float32)
    queries = vectors[:50] + 0.01
    far = np.array([exact(one, vectors, Metric.L2) for one in queries])
    order = np.argsort(far, axis=1)

    def half(asked: Float32, effort: Effort) -> Int64:
        return np.where(np.arange(10) < effort.width, order[:, :10], order[:, -10:])

    kth = np.take_along_axis(far, order, 1)[:, 9]
    rungs = tuning.measure(half, queries, kth, ArrayVectors(vectors), Metric.L2, [Effort(5, 10), Effort(10, 10)])
    assert [rung.recall for rung in rungs] == [0.5, 1.0]
    assert rungs[0].sure < 0.5 and 0.99 < rungs[1].sure < 1.0


def test_two_measurements_promise_the_lower() -> None:
    one, other = Rung(Effort(10, 10), 0.9, 0.88), Rung(Effort(10, 10), 0.8, 0.79)
    assert tuning.merged([one, Rung(Effort(20, 20), 1, 1)], [other]) == [other]
