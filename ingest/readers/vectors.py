"""Cells of a table as vectors: (dim,) float32, finite, or the reason why one is none."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from latentstore.types import Float32

Vector = Float32 | str | None  # a str is a reason; None: an empty cell

_NUMBERS = frozenset({int, float})
_SIGNS = str.maketrans("[](){},;", " " * 8)


def from_arrow(array: Any) -> list[Vector]:
    """Of an Arrow array: lists of numbers all those of one length at once, anything else one by one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from ingest.readers.arrowcells import unfolded

    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if not _lists(array.type) or not _numbers(array.type.value_type):
        found, faults = unfolded(array)
        return [faults.get(row, "").removeprefix("it ") or _one(cell) for row, cell in enumerate(found)]
    lengths = pc.fill_null(pc.list_value_length(array), -1).to_numpy(zero_copy_only=False)
    made: list[Vector] = [None] * len(array)
    for length in np.unique(lengths).tolist():
        at = np.flatnonzero(lengths == length)
        if length >= 0:
            alike = array if len(at) == len(array) else array.take(pa.array(at))
            for row, vector in zip(at.tolist(), _rows(alike.flatten(), length, len(at)), strict=True):
                made[row] = vector
    return made


def from_values(cells: Iterable[Any]) -> list[Vector]:
    """Of lists of numbers, and of texts as `[1, 2, 3]` or `1 2 3`."""
    return [_one(cell) for cell in cells]


def _lists(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _numbers(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _rows(flat: Any, length: int, count: int) -> list[Vector]:
    if not length:
        return ["holds no numbers"] * count
    matrix = _narrow(flat.to_numpy(zero_copy_only=False)).reshape(count, length)
    finite = np.asarray(np.isfinite(matrix).all(axis=1)).tolist()
    return [row if fine else _not_finite(length) for row, fine in zip(matrix, finite, strict=True)]


def _narrow(numbers: Any) -> Float32:
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(numbers).astype(np.float32)


def _not_finite(length: int) -> str:
    return f"holds {length} numbers, not all of which are there and finite in 32 bits"


def _one(cell: Any) -> Vector:
    if cell is None:
        return None
    parts = cell.translate(_SIGNS).split() if isinstance(cell, str) else cell
    if isinstance(cell, str) and not parts and not cell.strip():
        return None
    if not isinstance(parts, list):
        return f"holds {type(cell).__name__}, not a list of numbers"
    if not parts:
        return "holds no numbers"
    if not isinstance(cell, str) and not set(map(type, parts)) <= _NUMBERS:
        return _not_finite(len(parts)) if None in parts else "holds a list of other things than numbers"
    try:
        vector = _narrow(np.array(parts, np.float64))
    except (ValueError, OverflowError):
        return f"holds {cell[:60]!r}, not numbers" if isinstance(cell, str) else _not_finite(len(parts))
    return vector if np.isfinite(vector).all() else _not_finite(len(parts))
