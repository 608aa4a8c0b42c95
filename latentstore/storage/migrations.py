"""The catalog's schema, one step a version. A step and the record that it was taken commit together."""

from __future__ import annotations

import duckdb

from latentstore.errors import Corrupted, FormatTooNew, ReadOnlyStore

# Step n brings version n to version n + 1. Never edit a step that has shipped: add one.
STEPS: tuple[tuple[str, ...], ...] = (
    (
        "create table state (version bigint, seq bigint, next_row bigint, "
        "records_generation bigint, records_bytes bigint, attachments_generation bigint, attachments_bytes bigint, "
        "index_seq bigint)",
        "insert into state values (0, 0, 0, 0, 0, 0, 0, 0)",
        "create table columns (position bigint, name varchar, type varchar)",
        "create table spaces (position bigint, name varchar, encoder varchar, fingerprint varchar, "
        "metric varchar, dim bigint, generation bigint, slots bigint, index_kind varchar)",
        "create table batches (space varchar, first_slot bigint, slots bigint, checksum ubigint)",
        "create table indexes (space varchar, seq bigint, generation bigint, bytes bigint, checksum ubigint, "
        "settings varchar)",
        "create table moves (row bigint, start bigint)",
        "create table items (row bigint not null, id varchar primary key, text varchar, uri varchar)",
        "create table sources (uri varchar primary key, size bigint, modified double, stamp varchar, digest varchar, "
        "reading varchar, items bigint not null, error varchar)",
        "create table blobs (digest blob primary key, start bigint not null, length bigint not null)",
        "create table attachments (row bigint not null, name varchar not null, digest blob not null)",
    ),
    (
        "create table studies (id bigint primary key, kind varchar not null, space varchar not null, parameters varchar not null, "
        "seed bigint, rows bigint not null, made double not null, seconds double not null, columns varchar not null, "
        "summary varchar not null, arrays blob)",
    ),
    (
        "alter table spaces add column source varchar",
        "alter table spaces add column upto bigint",
        "alter table spaces add column active boolean default true",
    ),
)
VERSION = len(STEPS)


def migrate(connection: duckdb.DuckDBPyConnection, *, read_only: bool, fresh: bool = False) -> None:
    """Bring the catalog to VERSION; only a fresh one may begin empty.

    Raises FormatTooNew for a later one, ReadOnlyStore when it may not be changed, Corrupted when it is no catalog.
    """
    found = version(connection)
    if not found and not fresh:
        # An empty catalog names nothing as committed, and opening it would clear away all there is.
        raise Corrupted("this is not the catalog of a collection; 'latentstore repair' rebuilds it from the records")
    if found > VERSION:
        raise FormatTooNew(
            f"the catalog has version {found}, this latentstore knows up to {VERSION}: upgrade latentstore to open it"
        )
    if found < VERSION and read_only:
        raise ReadOnlyStore(
            f"the catalog has version {found} and must become {VERSION}: open the store once for writing"
        )
    for step in range(found, VERSION):
        connection.execute("begin")
        for statement in STEPS[step]:
            connection.execute(statement)
        connection.execute("update state set version = ?", [step + 1])
        connection.execute("commit")


def version(connection: duckdb.DuckDBPyConnection) -> int:
    # Asking DuckDB which tables there are takes ten times longer than all else that opening asks it.
    try:
        found = connection.execute("select version from state").fetchone()
    except duckdb.CatalogException:
        return 0
    return int(found[0]) if found else 0
