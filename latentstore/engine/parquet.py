"""Export and import as Parquet: id, text, uri, a column for each metadata key, and `vector:<space>` as fixed-size lists.

The schema's own metadata carries each space's encoder, fingerprint, metric and dimension, and each column's type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from latentstore.distance import prepare
from latentstore.engine import check, read, write
from latentstore.engine.core import Engine
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.errors import AlreadyExists, EncoderMismatch, InvalidInput, NotFound
from latentstore.fileio import storage_errors, sync_file, sync_folder
from latentstore.storage.columns import MODALITY, Column, from_catalog, to_arrow
from latentstore.storage.kinds import ColumnType
from latentstore.storage.vectors import VectorView
from latentstore.types import Float32, Int64, OnConflict

if TYPE_CHECKING:
    import pyarrow as pa

_PREFIX = "vector:"
_KEY = b"latentstore"
_STEP = 8192


def export(engine: Engine, path: Path, where: str | None) -> int:
    """Write the items of one moment, in the order added. Raises AlreadyExists, StorageFailure."""
    import pyarrow.parquet as pq

    if path.exists():
        raise AlreadyExists(f"{path} exists; choose another name or remove it first")
    if where is None:
        # Rows and snapshot must be of one commit, or an item replaced in between would be in neither.
        snapshot, rows = read.rows_where(engine, "true")
    else:
        snapshot, rows = read.rows_where(engine, where)
    temporary = path.with_name(path.name + ".tmp")
    with storage_errors(path):
        try:
            with pq.ParquetWriter(temporary, _schema(snapshot), compression="zstd") as writer:
                for at in range(0, len(rows), _STEP):
                    writer.write_table(_table(snapshot, rows[at : at + _STEP]))
            sync_file(temporary)
            temporary.rename(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)
    return len(rows)


def _schema(snapshot: Snapshot) -> pa.Schema:
    import pyarrow as pa

    about = {
        "spaces": {
            name: {"encoder": view.row.encoder, "fingerprint": view.row.fingerprint, "metric": str(view.row.metric)}
            for name, view in _exported(snapshot)
        },
        "columns": {column.name: str(column.type) for column in snapshot.columns},
    }
    fields = [pa.field(name, pa.string()) for name in ("id", "text", "uri")]
    fields += [pa.field(column.name, column.type.arrow()) for column in snapshot.columns]
    fields += [
        pa.field(_PREFIX + name, pa.list_(pa.float32(), view.row.dim or 1)) for name, view in _exported(snapshot)
    ]
    return pa.schema(fields, metadata={_KEY: json.dumps(about).encode()})


def _table(snapshot: Snapshot, rows: Int64) -> pa.Table:
    import pyarrow as pa

    found = [snapshot.details(raw) for raw in snapshot.records.read(rows)]
    arrays: list[Any] = [pa.array([item[at] for item in found], pa.string()) for at in range(3)]
    arrays += [to_arrow(column, [item[3][column.name] for item in found]) for column in snapshot.columns]
    arrays += [_vector_array(view.vectors, view.row.dim or 1, rows) for _, view in _exported(snapshot)]
    return pa.table(arrays, schema=_schema(snapshot))


def _exported(snapshot: Snapshot) -> list[tuple[str, SpaceView]]:
    """Not the latent spaces: their vectors say nothing without the model, which no table can hold."""
    return [(view.row.name, view) for view in snapshot.own]


def _vector_array(vectors: VectorView, dim: int, rows: Int64) -> Any:
    import pyarrow as pa

    slots = vectors.slots_of(rows)
    filled = np.zeros((len(rows), dim), dtype=np.float32)
    if (slots >= 0).any():
        filled[slots >= 0] = vectors.gather(slots[slots >= 0])
    return pa.FixedSizeListArray.from_arrays(pa.array(filled.reshape(-1)), dim, mask=pa.array(slots < 0))


def load(engine: Engine, path: Path, on_conflict: OnConflict, size: int) -> int:
    """Add the rows of a file that `export` wrote, `size` at a time; a refused batch leaves those before it in place.

    Raises NotFound, InvalidInput, EncoderMismatch, and whatever `write.add` does.
    """
    import pyarrow.parquet as pq

    if not isinstance(size, int) or size < 1:
        raise InvalidInput(f"batch is a whole number of at least 1, got {size!r}")
    about = _about(engine.space, path)
    total = 0
    with pq.ParquetFile(path) as file:
        for part in _parts(file, path, size):
            write.add(engine, _incoming(engine, part, about), on_conflict)
            total += part.num_rows
    return total


def settings(path: Path) -> dict[str, Any]:
    """What `Store.create` takes to make a collection that `load` can fill from this file. Raises NotFound, InvalidInput."""
    schema = _read_schema(path)
    about = _origin(path, schema)
    encoders = [space["encoder"] for space in about["spaces"].values() if space["encoder"] is not None]
    if encoders:
        return {"encoders": encoders}
    name, space = next(iter(about["spaces"].items()))
    return {"metric": space["metric"], "dim": schema.field(_PREFIX + name).type.list_size}


def _parts(file: Any, path: Path, size: int) -> Iterator[pa.RecordBatch]:
    import pyarrow as pa

    parts = file.iter_batches(batch_size=size)
    while True:
        try:
            part = next(parts, None)
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput(f"{path} is damaged: {error}; export it again, or bring a whole copy") from error
        if part is None:
            return
        yield part


def _read_schema(path: Path) -> pa.Schema:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        raise NotFound(f"there is no file {path}")
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise InvalidInput(f"{path} is not a Parquet file that can be read: {error}") from error


def _about(space_of: Callable[[str], SpaceView], path: Path) -> dict[str, Any]:
    """What the file says of itself, held against the spaces of the collection."""
    about = _origin(path, _read_schema(path))
    for name, space in about["spaces"].items():
        held = space_of(name).row
        if held.fingerprint != space["fingerprint"]:
            raise EncoderMismatch(
                f"space {name!r} of {path} was made by {space['encoder']} ({space['fingerprint']}), the collection's by "
                f"{held.encoder} ({held.fingerprint}); import into a collection with the same encoder"
            )
        if held.metric != space["metric"]:
            raise EncoderMismatch(
                f"space {name!r} of {path} is measured by {space['metric']}, the collection's by {held.metric}; "
                f"import into a collection made with metric={space['metric']!r}"
            )
    return about


def _origin(path: Path, schema: pa.Schema) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((schema.metadata or {}).get(_KEY, b"{}"))
    if not about:
        raise InvalidInput(
            f"{path} was not written by 'latentstore export'; bring other Parquet files in with 'latentstore ingest'"
        )
    wanted = ["id", "text", "uri", *about["columns"], *(_PREFIX + name for name in about["spaces"])]
    missing = [name for name in wanted if name not in schema.names]
    if missing:
        raise InvalidInput(f"{path} was changed after its export: column {missing[0]!r} is missing; export it again")
    return about


def _incoming(engine: Engine, part: pa.RecordBatch, about: dict[str, Any]) -> write.Incoming:
    columns = [Column(name, ColumnType.parse(kind)) for name, kind in about["columns"].items()]
    values = {column.name: from_catalog(column, part.column(column.name)) for column in columns}
    kinds = values.pop(MODALITY, None)
    rows = zip(*values.values(), strict=True)
    metadata = [dict(zip(values, row, strict=True)) for row in rows] if values else None
    vectors = {name: _vectors(engine, name, part.column(_PREFIX + name)) for name in about["spaces"]}
    names, texts, uris = (part.column(name).to_pylist() for name in ("id", "text", "uri"))
    filled = {name: given for name, given in vectors.items() if given[0].size}
    return write.Incoming(check.ids(names), texts, uris, metadata, filled, kinds=kinds)


def _vectors(engine: Engine, name: str, column: Any) -> tuple[Int64, Float32]:
    at = np.flatnonzero(np.asarray(column.is_valid()))
    values = column.drop_null().flatten().to_numpy(zero_copy_only=False).reshape(len(at), column.type.list_size)
    return at, prepare(values, engine.space(name).row.dim if at.size else None)
