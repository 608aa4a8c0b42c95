"""Isolation forest (Liu, Ting & Zhou 2008): how few random cuts of single columns set a row apart.

A tree is four arrays of its nodes in breadth-first order, so that it is kept and read without pickling anything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latentstore.analysis.order import canonical
from latentstore.types import Float32, Float64, Int64

TREES = 200
ROWS = 256  # drawn for each tree
_DEPTH = 8  # log2(ROWS)
_NODES = 2 ** (_DEPTH + 1) - 1  # a full tree: the children of node i are 2i + 1 and 2i + 2
_BLOCK = 8192

Forest = dict[str, NDArray[np.float32] | NDArray[np.int32]]


def grow(vectors: Float32, seed: int) -> Forest:
    """columns, cuts, depths: (TREES, nodes) each. columns: what a node cuts, -1 at a leaf; depths: the path length of a leaf."""
    rng = np.random.default_rng(seed)
    order = canonical(vectors)
    forest: Forest = {
        "columns": np.full((TREES, _NODES), -1, dtype=np.int32),
        "cuts": np.zeros((TREES, _NODES), dtype=np.float32),
        "depths": np.zeros((TREES, _NODES), dtype=np.float32),
    }
    for tree in range(TREES):
        drawn = vectors[order[rng.permutation(len(order))[:ROWS]]]
        _split(forest, tree, 0, 0, drawn, rng)
    return forest


def _split(forest: Forest, tree: int, node: int, depth: int, rows: Float32, rng: np.random.Generator) -> None:
    low, high = rows.min(axis=0), rows.max(axis=0)
    wide = np.flatnonzero(high > low)
    if depth == _DEPTH or len(rows) < 2 or not len(wide):
        forest["depths"][tree, node] = depth + _expected(len(rows))
        return
    column = int(rng.choice(wide))
    cut = np.float32(rng.uniform(low[column], high[column]))
    below = rows[:, column] < cut
    if below.all() or not below.any():  # float32 has no number between the two
        cut, below = high[column], rows[:, column] < high[column]
    forest["columns"][tree, node], forest["cuts"][tree, node] = column, cut
    _split(forest, tree, 2 * node + 1, depth + 1, rows[below], rng)
    _split(forest, tree, 2 * node + 2, depth + 1, rows[~below], rng)


def _expected(n: int) -> float:
    """Mean path length of an unsuccessful search in a binary tree of n rows."""
    if n < 2:
        return 0.0
    return 2 * (float(np.log(n - 1)) + np.euler_gamma) - 2 * (n - 1) / n if n > 2 else 1.0


def scores(forest: Forest, vectors: Float32, rows: int) -> Float64:
    """(n,) float64 in 0..1, higher is stranger. rows: how many the forest was grown on."""
    usual = max(_expected(min(rows, ROWS)), 1.0)
    out = np.empty(len(vectors))
    for at in range(0, len(vectors), _BLOCK):
        block = np.ascontiguousarray(vectors[at : at + _BLOCK].T)
        paths = sum(_path(forest, tree, block) for tree in range(TREES))
        out[at : at + _BLOCK] = 2.0 ** (-np.asarray(paths) / TREES / usual)
    return out


def _path(forest: Forest, tree: int, block: Float32) -> Float64:
    columns, cuts = forest["columns"][tree], forest["cuts"][tree]
    node: Int64 = np.zeros(block.shape[1], dtype=np.int64)
    lanes = np.arange(block.shape[1])
    for _ in range(_DEPTH):
        column = columns[node]
        inner = column >= 0
        right = block[np.maximum(column, 0), lanes] >= cuts[node]
        node = np.where(inner, 2 * node + 1 + right, node)
    return np.asarray(forest["depths"][tree][node], dtype=np.float64)
