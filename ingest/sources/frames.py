"""Tables that are in memory or behind a query, as documents: their rows are written to a temporary Arrow file, some at a time."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ingest.results import Unreadable
from ingest.sources.base import Document, Kind, expanded, uri_of
from ingest.sources.temporary import kept
from latentstore.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    import pyarrow

ROWS = 8192  # in a batch of the file, which is what a reader holds at a time


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A table as a source: its rows are named `frame:<name>#<record>`, so another table of the same name takes their place.

    frame: a pandas or polars frame (lazy ones too), an Arrow table or record batch reader, a DuckDB relation, or whatever
    else speaks Arrow's C stream. What can be read only once is, for a job. Raises InvalidInput for anything else.
    """

    frame: Any
    name: str

    def __post_init__(self) -> None:
        if not is_frame(self.frame):
            raise InvalidInput(
                f"expected a pandas, polars or Arrow table or a DuckDB relation, got {type(self.frame).__name__}"
            )
        if not isinstance(self.name, str) or not self.name or "\0" in self.name:
            raise InvalidInput(f"a table needs a name by which its rows are known, got {self.name!r}")

    @property
    def uri(self) -> str:
        return f"frame:{self.name}"

    def document(self) -> Document:
        return _document(self.uri, self.name, lambda: kept(self, ".arrow", lambda path: _write(self.frame, path)))


@dataclass(frozen=True, slots=True)
class Query:
    """What a SELECT gives from a DuckDB file, which is opened for reading only."""

    file: Path
    sql: str
    PREFIX: ClassVar[str] = "duckdb:"

    @classmethod
    def parsed(cls, source: str) -> Query:
        """`duckdb:FILE?SQL`. Raises InvalidInput or NotFound."""
        file, _, sql = source.removeprefix(cls.PREFIX).partition("?")
        if not file or not sql.strip():
            raise InvalidInput(
                f"expected duckdb:FILE?SQL, as 'duckdb:books.duckdb?select id, body from books', got {source!r}"
            )
        path = expanded(file).resolve()
        if not path.is_file():
            raise NotFound(f"there is no DuckDB file {path}")
        return cls(path, sql.strip())

    @property
    def uri(self) -> str:
        return f"{self.PREFIX}{uri_of(self.file)}?{self.sql}"

    def document(self) -> Document:
        return _document(self.uri, self.file.name, lambda: kept(self, ".arrow", self._write))

    def _write(self, path: Path) -> None:
        import duckdb

        try:
            with duckdb.connect(self.file, read_only=True) as connection:
                connection.execute("set enable_progress_bar = false")
                relation = connection.sql(self.sql)
                if relation is None:
                    raise Unreadable("the query gives no rows: expected a SELECT")
                _write(relation, path)
        except duckdb.Error as cause:
            raise Unreadable(f"cannot be queried: {cause}") from cause


_PANDAS = {("pandas", "DataFrame"), ("pandas.core.frame", "DataFrame")}


def is_frame(source: object) -> bool:
    return hasattr(source, "__arrow_c_stream__") or hasattr(source, "sink_ipc") or _is_pandas(source)


def _document(uri: str, name: str, spool: Callable[[], Path]) -> Document:
    @contextmanager
    def local() -> Iterator[Path]:
        yield spool()

    return Document(uri, name, Kind.ARROW, None, None, None, True, local)


def _is_pandas(source: object) -> bool:
    # Told by the class alone: another thread may be in the midst of importing pandas.
    return any((kind.__module__, kind.__name__) in _PANDAS for kind in type(source).__mro__)


def _write(frame: Any, path: Path) -> None:
    """Raises Unreadable for columns that Arrow has no type for."""
    import pyarrow

    try:
        if hasattr(frame, "sink_ipc"):  # a lazy frame of polars; later Arrow types are not read everywhere
            frame.sink_ipc(path, compat_level=sys.modules["polars"].CompatLevel.oldest())
        else:
            schema, batches = _pandas(frame) if _is_pandas(frame) else _stream(frame)
            _write_batches(schema, batches, path)
    except (pyarrow.ArrowException, TypeError, ValueError) as cause:
        raise Unreadable(f"cannot be written as Arrow: {cause}") from cause


def _stream(frame: Any) -> tuple[pyarrow.Schema, Iterable[pyarrow.RecordBatch]]:
    import pyarrow

    # DuckDB gives its rows one batch at a time only when asked in its own way.
    asked = getattr(frame, "to_arrow_reader", None)
    reader = asked(ROWS) if asked is not None else pyarrow.RecordBatchReader.from_stream(frame)
    return reader.schema, reader


def _pandas(frame: Any) -> tuple[pyarrow.Schema, Iterable[pyarrow.RecordBatch]]:
    import pyarrow

    if any(name is not None for name in frame.index.names):
        frame = frame.reset_index()
    if not all(isinstance(name, str) for name in frame.columns):
        frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    # From the whole: the first rows of a column may all be missing.
    schema = pyarrow.schema([_field(frame.iloc[:, [at]]) for at in range(frame.shape[1])])
    return schema, (
        pyarrow.RecordBatch.from_pandas(frame.iloc[at : at + ROWS], schema, preserve_index=False)
        for at in range(0, len(frame), ROWS)
    )


def _field(column: Any) -> pyarrow.Field:
    import pyarrow

    try:
        return pyarrow.Schema.from_pandas(column, preserve_index=False).field(0)
    except (pyarrow.ArrowException, TypeError, ValueError) as cause:
        raise Unreadable(
            f"column {column.columns[0]!r} has values that no Arrow type holds together: {cause}"
        ) from cause


def _write_batches(schema: pyarrow.Schema, batches: Iterable[pyarrow.RecordBatch], path: Path) -> None:
    import pyarrow

    plain = pyarrow.schema([_plain(field) for field in schema])
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_file(file, plain) as writer:
        for batch in batches:
            for at in range(0, len(batch), ROWS):
                writer.write_batch(batch.slice(at, ROWS).cast(plain))


def _plain(field: pyarrow.Field) -> pyarrow.Field:
    """Without dictionaries, which may differ from batch to batch, and without the views that few readers know."""
    import pyarrow

    kind = field.type
    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    if pyarrow.types.is_string_view(kind):
        kind = pyarrow.large_string()
    elif pyarrow.types.is_binary_view(kind):
        kind = pyarrow.large_binary()
    return pyarrow.field(field.name, kind, field.nullable)
