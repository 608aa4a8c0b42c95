"""Curves in characters that every terminal has: how a loss fell, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from latentstore.types import Float64

WIDTH, HEIGHT = 64, 8  # characters


def plot(curves: Mapping[str, Sequence[float]], width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    """Lines of text. curves: one character → its values, at least one, all as many; later curves are drawn over earlier ones.

    More values than there are columns are drawn as means of stretches. The axis ends at the largest value after the first
    tenth of each curve, whose fall would flatten all that follows; what lies above is drawn at the top.
    """
    shown = {mark: _stretches(np.asarray(values, np.float64), width) for mark, values in curves.items()}
    settled = np.concatenate([values[len(values) // 10 :] for values in shown.values()])
    low, high = float(settled.min()), float(settled.max())
    columns = len(next(iter(shown.values())))
    grid = [[" "] * columns for _ in range(height)]
    for mark, values in shown.items():
        for x, y in enumerate(_lines(values, low, high, height)):
            grid[y][x] = mark
    labels = [f"{high:.4g}", *[""] * (height - 2), f"{low:.4g}"]
    margin = max(map(len, labels))
    drawn = [f"{label:>{margin}} |{''.join(row)}".rstrip() for label, row in zip(labels, grid, strict=True)]
    return [*drawn, f"{'':>{margin}}  1{_last(len(next(iter(curves.values()))), columns)}"]


def _stretches(values: Float64, width: int) -> Float64:
    return np.array([part.mean() for part in np.array_split(values, min(width, len(values)))])


def _lines(values: Float64, low: float, high: float, height: int) -> list[int]:
    """The line of the grid on which each value stands, 0 at the top."""
    share = (high - values) / (high - low) if high > low else np.ones(len(values))
    return [int(line) for line in np.rint(np.clip(share, 0, 1) * (height - 1))]


def _last(count: int, columns: int) -> str:
    """The number below the last column, where there is more than one."""
    return "" if count == 1 else f" {count:,}".rjust(columns - 1)
