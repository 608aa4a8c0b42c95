"""The table that the embedding-atlas tool opens: `embedding-atlas atlas.parquet --text text --x projection_x --y projection_y
--neighbors neighbors`.

A row is an item with a place on the map. neighbors: {"ids": [...], "distances": [...]}, ids being rows of this table, closest first,
the item itself left out. Pictures are {"bytes": ...}, a thumbnail. What else was found, and the metadata, are ordinary columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from latentstore.reports.studied import Studied
from latentstore.types import Int64, Modality

if TYPE_CHECKING:
    import pyarrow as pa

NEIGHBORS = 15
_FOUND = ("text", "projection_x", "projection_y", "neighbors", "image")


def table(studied: Studied, items: pa.Table) -> pa.Table:
    """The table of one space. items: its rows of items.parquet, in the sample's order."""
    import pyarrow as pa

    coordinates = studied.coordinates
    rows = np.flatnonzero(np.isfinite(coordinates).all(axis=1))
    columns: dict[str, Any] = {
        "text": pa.array([studied.sample.texts[at] for at in rows.tolist()], pa.string()),
        "projection_x": coordinates[rows, 0].astype(np.float64),
        "projection_y": coordinates[rows, 1].astype(np.float64),
        "neighbors": _neighbors(studied, rows),
    }
    if studied.modality == Modality.IMAGE:
        columns["image"] = pa.array(_pictures(studied, rows), pa.struct([("bytes", pa.binary())]))
    rest = items.take(rows)
    kept = [name for name in rest.column_names if name not in {*_FOUND, "x", "y", "space"}]
    return pa.table({**columns, **{name: rest[name] for name in kept}})


def _neighbors(studied: Studied, rows: Int64) -> pa.Array:
    """Neighbours by their rows in the table; those without a place are passed over."""
    import pyarrow as pa

    graph = studied.sample.graph(NEIGHBORS)
    at = np.full(len(studied.sample) + 1, -1, dtype=np.int64)
    at[rows] = np.arange(len(rows))
    ids = at[graph.neighbors[rows]]
    there = ids >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))]).astype(np.int32)
    listed = pa.ListArray.from_arrays(starts, pa.array(ids[there]))
    far = pa.ListArray.from_arrays(starts, pa.array(graph.distances[rows][there].astype(np.float64)))
    return pa.StructArray.from_arrays([listed, far], ["ids", "distances"])


def _pictures(studied: Studied, rows: Int64) -> list[dict[str, bytes] | None]:
    kept = studied.sample.attachments(rows, "thumbnail")
    return [None if one is None else {"bytes": one} for one in kept]
