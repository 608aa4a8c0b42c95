"""A graph that did not compare every pair holds the neighbours that it says it does, of real texts, in whatever order they come."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest

from latentstore.analysis.neighbors import RECALL, Graph, knn, nearest
from latentstore.types import Metric
from tests.quality.real import Real
from tests.truth import Array

SIZES = [pytest.param(9000, id="9000"), pytest.param(27_000, id="27000", marks=pytest.mark.slow)]


def share(graph: Graph, vectors: Array, rows: Array) -> float:
    """Of the true neighbours of some rows, those that the graph has."""
    true = nearest(vectors[rows], vectors, graph.k + 1, graph.metric)[1][:, -1:]
    return float(np.mean(graph.distances[rows] <= true * (1 + 1e-5) + 1e-7))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("k", [30, 50])
def test_a_graph_of_real_texts_holds_the_share_of_neighbours_that_is_aimed_at(
    texts_of: Callable[[int], Real], size: int, k: int
) -> None:
    vectors = texts_of(size).vectors
    graph = knn(vectors, k, Metric.COSINE, exact=False)
    others = np.random.default_rng(1).permutation(size)[:2000]
    assert graph.recall >= RECALL
    assert share(graph, vectors, others) == pytest.approx(graph.recall, abs=0.01)
    assert share(graph, vectors, others) >= RECALL


def test_neither_the_order_of_rows_nor_the_number_of_threads_changes_an_approximate_graph(
    texts_of: Callable[[int], Real], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = texts_of(9000).vectors
    order = np.random.default_rng(1).permutation(len(vectors))
    one, shuffled = (knn(rows, 30, Metric.COSINE, exact=False) for rows in (vectors, vectors[order]))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(7))
    threaded = knn(vectors, 30, Metric.COSINE, exact=False)
    assert np.array_equal(one.distances[order], shuffled.distances)
    assert np.array_equal(one.neighbors, threaded.neighbors)
