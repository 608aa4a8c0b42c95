"""The vectors of a space as features for other tools: an Arrow table, a torch Dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from latentstore.encoders.base import let_idle_threads_sleep
from latentstore.engine import read
from latentstore.engine.core import Engine
from latentstore.storage.columns import to_arrow
from latentstore.types import Float32

if TYPE_CHECKING:
    import pyarrow as pa

    from latentstore.latent.dataset import Vectors


def table(engine: Engine, space: str, where: str | None) -> pa.Table:
    """id, vector (fixed-size list of float32) and a column for each metadata key, of one moment, in the order added."""
    import pyarrow as pa

    snapshot, view, allowed = read.moment(engine, space, where)
    slots = view.all_live() if allowed is None else allowed.slots
    raw = read.records(engine, snapshot, view.vectors.rows[slots])
    ids, _, _, metadata = zip(*map(snapshot.details, raw), strict=True) if raw else ((), (), (), ())
    flat = pa.array(view.vectors.gather(slots).reshape(-1), pa.float32())
    arrays: dict[str, Any] = {
        "id": pa.array(ids, pa.string()),
        "vector": pa.FixedSizeListArray.from_arrays(flat, view.row.dim or 1),
    }
    for column in snapshot.columns:
        arrays[column.name] = to_arrow(column, [one[column.name] for one in metadata])
    return pa.table(arrays)


def dataset(ids: list[str], vectors: Float32) -> Vectors:
    """ids, vectors: as `read.vectors` gives them."""
    let_idle_threads_sleep()
    from latentstore.latent.dataset import Vectors

    return Vectors(ids, vectors)
