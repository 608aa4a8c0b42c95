"""What the catalog knows of attachments: `blobs`, where each content stands, and `attachments`, which item has which under what name.

A blob that no item has any more stays until the file is written anew; an item that brings the same content revives it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Sequence
from typing import NamedTuple

from latentstore.errors import ItemNotFound
from latentstore.storage.attachments import Blob, Ref
from latentstore.storage.catalog import Catalog, among
from latentstore.storage.transaction import Transaction

_MANY = 10_000  # rows fetched at a time
_LIVE = "digest in (select digest from attachments)"


class Totals(NamedTuple):
    """Of all items: how many attachments, how many distinct contents, and their bytes; `dead`: bytes that no item has."""

    attachments: int
    contents: int
    bytes: int
    dead: int


def totals(catalog: Catalog) -> Totals:
    counts = f"count(*) filter ({_LIVE}), coalesce(sum(length) filter ({_LIVE}), 0), coalesce(sum(length), 0)"
    with catalog.reading() as cursor:
        refs = cursor.execute("select count(*) from attachments").fetchall()[0][0]
        contents, live, whole = cursor.execute(f"select {counts} from blobs").fetchall()[0]
    return Totals(refs, contents, int(live), int(whole) - int(live))


def held(catalog: Catalog, digests: Sequence[bytes]) -> set[bytes]:
    """Those of the digests whose content is there."""
    with catalog.reading() as cursor:
        return {digest for (digest,) in among(cursor, "select digest from blobs where digest in", digests)}


def find(catalog: Catalog, ids: Sequence[str], name: str) -> tuple[int, list[Blob | None]]:
    """The file's generation, and for each id the content under that name, None where it has none. Raises ItemNotFound."""
    with catalog.reading() as cursor:
        generation = cursor.execute("select attachments_generation from state").fetchall()[0][0]
        rows = dict(among(cursor, "select id, row from items where id in", ids))
        missing = [one for one in ids if one not in rows]
        if missing:
            raise ItemNotFound(
                f"{len(missing)} of {len(ids)} ids are not in the collection, the first is {missing[0]!r}"
            )
        # Joined: DuckDB passes over blocks without such rows, where it looks through all of them for a list of numbers.
        joined = "select row, digest from attachments where name = ? and row in (select unnest(?))"
        of_row = dict(cursor.execute(joined, [name, list(rows.values())]).fetchall())
        wanted = list(set(of_row.values()))
        blobs = {blob[0]: Blob(*blob) for blob in among(cursor, "select * from blobs where digest in", wanted)}
    return int(generation), [blobs.get(of_row.get(rows[one], b"")) for one in ids]


def of_rows(catalog: Catalog, rows: Sequence[int], name: str) -> tuple[int, list[Blob | None]]:
    """The file's generation, and for each row the content under that name; None where it has none, or is no longer there."""
    joined = (
        "select row, blobs.digest, start, length from attachments join blobs using (digest) "
        "where name = ? and row in (select unnest(?))"
    )
    with catalog.reading() as cursor:
        generation = cursor.execute("select attachments_generation from state").fetchall()[0][0]
        found = {row: Blob(*blob) for row, *blob in cursor.execute(joined, [name, list(rows)]).fetchall()}
    return int(generation), [found.get(row) for row in rows]


def listed(catalog: Catalog, *, live: bool = False) -> list[Blob]:
    """All contents, or those that an item has, in the order in which they stand in the file."""
    condition = _LIVE if live else "true"
    with catalog.reading() as cursor:
        found = cursor.execute(f"select digest, start, length from blobs where {condition} order by start").fetchall()
    return [Blob(*row) for row in found]


def refs(catalog: Catalog, first_row: int = 0, stop_row: int = 2**62) -> Generator[list[Ref], None, None]:
    """What the items of first_row..stop_row have, ascending by row, 10,000 at a time."""
    condition = f"row >= {int(first_row)} and row < {int(stop_row)}"
    query = f"select row, name, digest from attachments where {condition} order by row, name"
    with catalog.reading() as cursor, contextlib.closing(cursor.sql(query).to_arrow_reader(_MANY)) as reader:
        for batch in reader:
            yield [Ref(*row) for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)]


def insert(tx: Transaction, blobs: Sequence[Blob], refs: Sequence[Ref]) -> None:
    import pyarrow as pa

    if blobs:
        tx.with_table(_table(blobs), "insert into blobs by name select * from batch")
    if refs:
        rows, names, digests = zip(*refs, strict=True)
        columns = {"row": pa.array(rows, pa.int64()), "name": pa.array(names, pa.string())}
        table = pa.table({**columns, "digest": pa.array(digests, pa.binary())})
        tx.with_table(table, "insert into attachments by name select * from batch")


def move(tx: Transaction, blobs: Sequence[Blob]) -> None:
    """These are all contents there are now, and stand elsewhere; what items had of others is gone."""
    table = _table(blobs)
    tx.with_table(table, "delete from blobs where digest not in (select batch.digest from batch)")
    tx.with_table(table, "delete from attachments where digest not in (select batch.digest from batch)")
    tx.with_table(table, "update blobs set start = batch.start from batch where blobs.digest = batch.digest")


def _table(blobs: Sequence[Blob]) -> object:
    import pyarrow as pa

    return pa.table(
        {
            "digest": pa.array([blob.digest for blob in blobs], pa.binary()),
            "start": pa.array([blob.start for blob in blobs], pa.int64()),
            "length": pa.array([blob.length for blob in blobs], pa.int64()),
        }
    )
