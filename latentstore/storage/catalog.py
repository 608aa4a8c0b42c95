"""The catalog: one DuckDB file a collection, the only truth about what is committed.

One cursor a thread: a connection shared by threads gives silently wrong rows. Reads run in read-only transactions on a
locked-down connection. A commit is one transaction; the engine serialises them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np

from latentstore.errors import (
    Corrupted,
    InvalidFilter,
    InvalidInput,
    LatentstoreError,
    StorageFailure,
    StoreClosed,
    StoreLocked,
)
from latentstore.fileio import refused, storage_errors, sync_folder
from latentstore.storage import filters, migrations
from latentstore.storage.columns import Column, from_catalog, quoted
from latentstore.storage.gate import Gate
from latentstore.storage.kinds import ColumnType
from latentstore.storage.records import Record
from latentstore.storage.spaces import SpaceRow
from latentstore.storage.transaction import SOURCE_FIELDS, Transaction
from latentstore.types import Int64, Metric, Source

# After one of these DuckDB refuses all further work on the open database.
_FATAL = (duckdb.FatalException, duckdb.InternalException, duckdb.IOException)
# One of these means that a value does not fit where it should go; DuckDB has undone the statement.
_UNFIT = (duckdb.DataError, duckdb.InvalidInputException)


class IndexRow(NamedTuple):
    space: str
    seq: int
    generation: int
    bytes: int
    checksum: int
    settings: str  # JSON


class BatchRow(NamedTuple):
    first: int
    slots: int
    checksum: int


class State(NamedTuple):
    """Everything that is committed, but for the items themselves."""

    seq: int
    next_row: int
    records_generation: int
    records_bytes: int
    attachments_generation: int
    attachments_bytes: int
    index_seq: int
    items: int
    columns: tuple[Column, ...]
    spaces: tuple[SpaceRow, ...]
    indexes: dict[str, IndexRow]
    moves: dict[int, int]


_NUMBERS = State._fields[: State._fields.index("items")]  # the columns of the table `state`, but for its version


class Catalog:
    def __init__(self, path: Path, *, read_only: bool, fresh: bool = False) -> None:
        """fresh: make it. Raises Corrupted where there is none, or it cannot be read; FormatTooNew, StoreLocked."""
        if not fresh and not path.exists():
            raise Corrupted(f"{path} is missing; 'latentstore repair' rebuilds it from the records")
        self.path = path
        self._fresh = fresh
        self.read_only = read_only
        self._cursors = threading.local()
        self._busy: list[duckdb.DuckDBPyConnection] = []
        self._gate = Gate()
        self._closed = False
        self._opened = 0
        self._named_log: int | None = None  # inode of the write-ahead log whose name is known to be durable
        self._connection = self._connect()

    def _connect(self) -> duckdb.DuckDBPyConnection:
        with _mapped(self.path):
            connection = duckdb.connect(str(self.path), read_only=self.read_only, config=filters.CONFIG)
            filters.lock_down(connection)
            migrations.migrate(connection, read_only=self.read_only, fresh=self._fresh)
        self._opened += 1
        return connection

    @contextlib.contextmanager
    def _using(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """This thread's own cursor, on a database that stays open during the block. Raises StoreClosed."""
        with self._gate.inside():
            if self._closed:
                raise StoreClosed(f"collection {self.path.parent.name!r} is closed; open the store again")
            mine = getattr(self._cursors, "mine", None)
            if mine is None or mine[0] != self._opened:
                mine = self._cursors.mine = (self._opened, self._connection.cursor())
            self._busy.append(mine[1])
            try:
                yield mine[1]
            except duckdb.InterruptException as error:
                raise StoreClosed(f"collection {self.path.parent.name!r} was closed meanwhile") from error
            finally:
                self._busy.remove(mine[1])

    def close(self) -> None:
        """Queries that run in other threads end with StoreClosed. Safe to call twice."""
        with self._gate.alone(hurry=self._interrupt):
            self._closed = True
            self._connection.close()

    def abandon(self) -> None:
        """In a forked child: be closed, but never end the database. Ending it would write to a file that the parent holds."""
        self._closed = True
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._connection))

    def _interrupt(self) -> None:
        for cursor in list(self._busy):
            cursor.interrupt()

    def reopen(self) -> None:
        """Start over after a failure that left DuckDB unusable; what was committed is still there."""
        with self._gate.alone():
            with contextlib.suppress(duckdb.Error):
                self._connection.close()
            self._connection = self._connect()

    def checkpoint(self) -> None:
        """Fold the write-ahead log into the catalog's file. Readers in other threads only postpone it. Raises StorageFailure."""
        try:
            with self._using() as cursor:
                cursor.execute("checkpoint")
            self._named_log = None  # the next log is another file, perhaps of the same inode
        except duckdb.TransactionException:
            return
        except duckdb.Error as error:
            self.reopen()
            raise refused(self.path, _first_line(error)) or StorageFailure(
                f"{self.path} could not be brought up to date: {_first_line(error)}; nothing that was committed is affected"
            ) from error

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All or nothing: what the block did is durable when it ends, and undone when it raises.

        Raises InvalidInput for a value that does not fit where it should go, StorageFailure, Corrupted.
        """
        try:
            with self._using() as cursor, _undone_unless_whole(cursor):
                yield Transaction(cursor)
            self._name_log()
        except duckdb.Error as error:
            if isinstance(error, _FATAL):
                self.reopen()
            if _is_damage(error):
                raise Corrupted(_unreadable(self.path, error)) from error
            if isinstance(error, _UNFIT):
                raise InvalidInput(f"a value cannot be kept: {_first_line(error)}; nothing was changed") from error
            raise refused(self.path, _first_line(error)) or StorageFailure(
                f"{self.path}: the commit failed and was undone: {_first_line(error)}"
            ) from error

    def _name_log(self) -> None:
        """DuckDB syncs its log but not the folder that it makes it in, and a log that lost its name is lost with it."""
        log = self.path.with_name(self.path.name + ".wal")
        with storage_errors(log):
            try:
                found = os.stat(log).st_ino  # noqa: PTH116 - five times faster, at every commit
            except FileNotFoundError:
                return  # this commit has folded it in
            if found != self._named_log:
                sync_folder(log.parent)
                self._named_log = found

    @contextlib.contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor inside one read-only transaction: everything read in the block belongs to one commit."""
        with _mapped(self.path), self._using() as cursor:
            cursor.execute("begin transaction read only")
            try:
                yield cursor
            finally:
                with contextlib.suppress(duckdb.Error):
                    cursor.execute("rollback")

    def state(self) -> State:
        with self.reading() as cursor:
            numbers = _one(cursor, f"select {', '.join(_NUMBERS)} from state")
            items = _one(cursor, "select count(*) from items")[0]
            columns = cursor.execute("select name, type from columns order by position").fetchall()
            spaces = cursor.execute(f"select {', '.join(SpaceRow._fields)} from spaces order by position").fetchall()
            indexes = cursor.execute("select space, seq, generation, bytes, checksum, settings from indexes").fetchall()
            moves = cursor.execute("select row, start from moves").fetchall()
        return State(
            **dict(zip(_NUMBERS, numbers, strict=True)),
            items=items,
            columns=tuple(Column(name, ColumnType.parse(kind)) for name, kind in columns),
            spaces=tuple(SpaceRow(*space)._replace(metric=Metric(space[3])) for space in spaces),
            indexes={index[0]: IndexRow(*index) for index in indexes},
            moves=dict(moves),
        )

    def batches(self, space: str) -> list[BatchRow]:
        with self.reading() as cursor:
            found = cursor.execute(
                "select first_slot, slots, checksum from batches where space = ? order by first_slot", [space]
            ).fetchall()
        return [BatchRow(*row) for row in found]

    def live_rows(self) -> Int64:
        """The rows of all items there are, ascending."""
        with self.reading() as cursor:
            return _rows(cursor.execute("select row from items"))

    def rows_of(self, ids: Sequence[str]) -> tuple[int, dict[str, int]]:
        """The commit seen, and the row of each id that is there."""
        with self.reading() as cursor:
            seq = _one(cursor, "select seq from state")[0]
            found = among(cursor, "select id, row from items where id in", ids)
        return int(seq), dict(found)

    def rows_where(self, expression: str, columns: Sequence[Column]) -> tuple[int, Int64]:
        """The commit seen, and the rows that pass a filter, ascending. Raises InvalidFilter."""
        with self._using() as cursor:
            checked = filters.check_where(cursor, expression, item_columns(columns))
        with self.reading() as cursor, _filter_errors(expression):
            seq = _one(cursor, "select seq from state")[0]
            rows = _rows(cursor.execute(f"select row from items where ({checked}\n)"))
        return int(seq), rows

    def query(self, text: str, columns: Sequence[Column]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and rows of a SELECT over `items` and `sources`. Raises InvalidFilter."""
        with self._using() as cursor:
            checked = filters.check_sql(cursor, text, [*item_columns(columns), *SOURCE_FIELDS])
        with self.reading() as cursor, _filter_errors(text):
            found = cursor.execute(checked)
            names = [column[0] for column in found.description or []]
            return names, filters.fetch(found)

    def records(self, columns: Sequence[Column], condition: str = "true") -> Generator[Record, None, None]:
        """Items straight from the truth, ascending by row, 10,000 at a time."""
        names = ", ".join(["row", "id", "text", "uri", *(quoted(column.name) for column in columns)])
        with self.reading() as cursor:
            found = cursor.sql(f"select {names} from items where {condition} order by row")
            # Whoever stops early leaves a result behind that would keep the transaction from ending.
            with contextlib.closing(found.to_arrow_reader(10_000)) as reader:
                for batch in reader:
                    head = [batch.column(at).to_pylist() for at in range(4)]
                    rest = [from_catalog(column, batch.column(4 + at)) for at, column in enumerate(columns)]
                    for row, name, text, uri, *values in zip(*head, *rest, strict=True):
                        yield Record(row, name, text, uri, values)

    def sources_of(self, uris: Sequence[str]) -> dict[str, Source]:
        """The ledger's line of each uri that has one."""
        wanted = f"select {', '.join(SOURCE_FIELDS)} from sources where uri in"
        with self.reading() as cursor:
            found = among(cursor, wanted, uris)
        return {line[0]: Source(*line) for line in found}

    def count_sources(self) -> int:
        with self.reading() as cursor:
            return int(_one(cursor, "select count(*) from sources")[0])

    def sources(self) -> Generator[list[Source], None, None]:
        """The ledger, 10,000 lines at a time."""
        with self.reading() as cursor:
            found = cursor.sql(f"select {', '.join(SOURCE_FIELDS)} from sources order by uri")
            with contextlib.closing(found.to_arrow_reader(10_000)) as reader:
                for batch in reader:
                    yield [Source(**line) for line in batch.to_pylist()]


def item_columns(columns: Sequence[Column]) -> list[str]:
    """The names that `where` and `sql` may use."""
    return ["row", "id", "text", "uri", *(column.name for column in columns)]


def _rows(found: Any) -> Int64:
    rows = np.asarray(found.fetchnumpy()["row"], dtype=np.int64)
    return rows if rows.size < 2 or bool((rows[1:] > rows[:-1]).all()) else np.sort(rows)


def among(cursor: duckdb.DuckDBPyConnection, wanted: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """A query that ends with `in`, for these values. DuckDB looks few up in its index."""
    if len(values) > 32:
        return cursor.execute(f"{wanted} (select unnest(?))", [list(values)]).fetchall()
    marks = ", ".join("?" * len(values))
    return cursor.execute(f"{wanted} ({marks})", list(values)).fetchall() if values else []


def _one(cursor: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    found = cursor.execute(query).fetchone()
    if found is None:
        raise Corrupted("the catalog has lost its state; run 'latentstore repair'")
    return tuple(found)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _undone_unless_whole(cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
    try:
        cursor.execute("begin transaction")
        yield
        cursor.execute("commit")
    except BaseException:
        with contextlib.suppress(duckdb.Error):
            cursor.execute("rollback")
        raise


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[None]:
    """DuckDB's errors about the file itself, as ours."""
    try:
        yield
    except LatentstoreError:
        raise
    except duckdb.Error as error:
        reason = _first_line(error)
        if "lock on file" in reason:
            raise StoreLocked(f"{path} is open in another program; close it there first ({reason})") from error
        if isinstance(error, duckdb.ConnectionException):
            raise StorageFailure(f"{path} was closed, or opened anew after a failure; try again ({reason})") from error
        raise refused(path, reason) or Corrupted(_unreadable(path, error)) from error


def _unreadable(path: Path, error: BaseException) -> str:
    return f"{path} cannot be read: {_first_line(error)}; run 'latentstore repair' to mend what can be mended"


def _is_damage(error: BaseException) -> bool:
    """DuckDB has no class of its own for a block that differs from its checksum."""
    return isinstance(error, duckdb.Error) and "orrupt" in _first_line(error)


@contextlib.contextmanager
def _filter_errors(expression: str) -> Iterator[None]:
    try:
        yield
    except _FATAL:
        raise
    except duckdb.Error as error:
        if _is_damage(error) or isinstance(error, duckdb.ConnectionException | duckdb.InterruptException):
            raise
        raise InvalidFilter(f"{expression!r} cannot be evaluated: {_first_line(error)}") from error
