"""One open commit: the statements that a write may make. The catalog begins and ends it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from latentstore.errors import ColumnTypeClash
from latentstore.storage.columns import Batch, Column, alterations, quoted
from latentstore.types import Int64, Source

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from latentstore.storage.catalog import IndexRow
    from latentstore.storage.spaces import SpaceRow

# Batches of fewer slots than this are merged with the one before, so that single-row adds do not make a row each.
MERGE_BELOW = 4096
SOURCE_FIELDS = tuple(field.name for field in fields(Source))  # the columns of the ledger


class Transaction:
    def __init__(self, cursor: DuckDBPyConnection) -> None:
        self._cursor = cursor

    def set_columns(self, old: Sequence[Column], new: Sequence[Column]) -> None:
        if list(old) == list(new):
            return
        import duckdb

        for statement in alterations(old, new):
            try:
                self._cursor.execute(statement)
            except duckdb.InvalidInputException as error:
                # A stored integer has more digits than the wider column keeps; the message names the column.
                reason = str(error).splitlines()[0].partition("Error: ")[2]
                raise ColumnTypeClash(f"{reason}; nothing of the batch was stored") from error
        self._cursor.execute("delete from columns")
        rows = [(position, column.name, str(column.type)) for position, column in enumerate(new)]
        self._cursor.executemany("insert into columns values (?, ?, ?)", rows)

    def insert(self, rows: Int64, ids: list[str], texts: list[Any], uris: list[Any], metadata: Batch) -> None:
        import pyarrow as pa

        head = [
            ("row", rows, pa.int64()),
            ("id", ids, pa.string()),
            ("text", texts, pa.string()),
            ("uri", uris, pa.string()),
        ]
        table = pa.table({name: pa.array(values, type=kind) for name, values, kind in head})
        for column in metadata.arrow().itercolumns() if metadata.columns else ():
            table = table.append_column(metadata.columns[table.num_columns - len(head)].name, column)
        self.with_table(table, "insert into items by name select * from batch")

    def update(self, rows: Int64, names: Sequence[str], metadata: Batch) -> None:
        """Set the named metadata columns of the given rows."""
        import pyarrow as pa

        table = metadata.arrow().select(list(names)).add_column(0, "row", pa.array(rows))
        settings = ", ".join(f"{quoted(name)} = batch.{quoted(name)}" for name in names)
        self.with_table(table, f"update items set {settings} from batch where items.row = batch.row")

    def delete(self, rows: Int64, *, attached: bool = True) -> None:
        """Items, and what they had attached; attached: False where it is known that nothing ever was."""
        import pyarrow as pa

        table = pa.table({"row": pa.array(rows)})
        for name in ("items", "attachments") if attached else ("items",):
            self.with_table(table, f"delete from {name} where row in (select batch.row from batch)")

    def put_sources(self, sources: Sequence[Source]) -> None:
        """Write lines of the ledger, each in place of the one that its uri had."""
        import pyarrow as pa

        kinds = {"size": pa.int64(), "modified": pa.float64(), "items": pa.int64()}
        columns = {
            name: pa.array([getattr(source, name) for source in sources], kinds.get(name, pa.string()))
            for name in SOURCE_FIELDS
        }
        settings = ", ".join(f"{name} = excluded.{name}" for name in SOURCE_FIELDS[1:])
        self.with_table(
            pa.table(columns),
            f"insert into sources by name select * from batch on conflict (uri) do update set {settings}",
        )

    def forget_sources(self, uris: Sequence[str]) -> None:
        """Remove lines of the ledger; unknown ones are passed over."""
        import pyarrow as pa

        self.with_table(
            pa.table({"uri": pa.array(list(uris), pa.string())}),
            "delete from sources where uri in (select batch.uri from batch)",
        )

    def execute(self, statement: str, values: Sequence[Any] = ()) -> None:
        self._cursor.execute(statement, list(values))

    def with_table(self, table: Any, statement: str) -> None:
        """Run a statement that reads an Arrow table as `batch`."""
        self._cursor.register("batch", table)
        try:
            self._cursor.execute(statement)
        finally:
            self._cursor.unregister("batch")

    def set_state(self, **values: int) -> None:
        """state columns by name; `seq` of each commit is one more than the last."""
        settings = ", ".join(f"{name} = {int(value)}" for name, value in values.items())
        self._cursor.execute(f"update state set {settings}")

    def add_space(self, space: SpaceRow) -> None:
        names = ", ".join(space._fields)
        marks = ", ".join("?" * len(space))
        self._cursor.execute(
            f"insert into spaces (position, {names}) select coalesce(max(position), -1) + 1, {marks} from spaces",
            [*space[:3], str(space.metric), *space[4:]],
        )

    def drop_space(self, name: str) -> None:
        """A space with its batches, its index and its studies."""
        self._cursor.execute("delete from spaces where name = ?", [name])
        for table in ("batches", "indexes", "studies"):
            self._cursor.execute(f"delete from {table} where space = ?", [name])

    def follow(self, spaces: Mapping[str, int]) -> None:
        """For each latent space the last row that was offered to its model."""
        for name, row in spaces.items():
            self._cursor.execute("update spaces set upto = ? where name = ?", [row, name])

    def activate(self, name: str, others: Sequence[str]) -> None:
        """Let the bare name of a latent space stand for this version of it."""
        for one in (name, *others):
            self._cursor.execute("update spaces set active = ? where name = ?", [one == name, one])

    def set_space(self, name: str, *, dim: int, generation: int, slots: int, upto: int | None = None) -> None:
        """upto: as `follow`, where it changes too."""
        self._cursor.execute(
            "update spaces set dim = ?, generation = ?, slots = ?, upto = coalesce(?, upto) where name = ?",
            [dim, generation, slots, upto, name],
        )

    def add_batch(self, space: str, first: int, slots: int, checksum: int) -> None:
        self._cursor.execute("insert into batches values (?, ?, ?, ?)", [space, first, slots, checksum])

    def drop_batches(self, space: str, first: int = 0) -> None:
        self._cursor.execute("delete from batches where space = ? and first_slot >= ?", [space, first])

    def set_index(self, index: IndexRow | None, space: str) -> None:
        self._cursor.execute("delete from indexes where space = ?", [space])
        if index is not None:
            self._cursor.execute("insert into indexes values (?, ?, ?, ?, ?, ?)", list(index))

    def add_moves(self, moves: dict[int, int]) -> None:
        import pyarrow as pa

        table = pa.table(
            {"row": pa.array(list(moves), pa.int64()), "start": pa.array(list(moves.values()), pa.int64())}
        )
        self.with_table(table, "delete from moves where row in (select batch.row from batch)")
        self.with_table(table, "insert into moves select * from batch")

    def drop_moves(self) -> None:
        self._cursor.execute("delete from moves")
