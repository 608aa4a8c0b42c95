"""Attacks on `where` and `sql`, each against a real locked DuckDB beside a secret file and a secret table."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from latentstore.errors import InvalidFilter
from latentstore.storage import filters

COLUMNS = ["row", "id", "text", "year", "tags", "extra", "seen"]
SECRET = "rosebud"


@pytest.fixture
def cursor(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("secret.csv").write_text(f"word\n{SECRET}\n")
    connection = duckdb.connect(str(tmp_path / "catalog.duckdb"), config=filters.CONFIG)
    connection.execute(
        "create table items (row bigint, id varchar primary key, text varchar, year bigint, tags varchar[], extra json, "
        "seen timestamptz)"
    )
    connection.execute("create table state (word varchar)")
    connection.execute("create table sources (uri varchar primary key, items bigint)")
    connection.execute("insert into sources values ('file', 2)")
    connection.execute(f"insert into state values ('{SECRET}')")
    connection.execute("create sequence counter")
    connection.execute("""insert into items values
        (0, 'a', 'one', 1999, ['x', 'y'], '{"n": 1}', '2020-01-01 00:00:00+00'), (1, 'b', 'two)', 2004, [], null, null)""")
    filters.lock_down(connection)
    yield connection.cursor()
    connection.close()


def passing(cursor, expression):
    checked = filters.check_where(cursor, expression, COLUMNS)
    return [row for (row,) in cursor.execute(f"select row from items where ({checked}\n) order by row").fetchall()]


def untouched(cursor, folder):
    tables = {name for (name,) in cursor.execute("select table_name from duckdb_tables()").fetchall()}
    files = {path.name for path in folder.iterdir()}
    return (
        tables == {"items", "sources", "state"}
        and cursor.execute("select count(*), min(word) from state").fetchall() == [(1, SECRET)]
        and cursor.execute("select count(*) from items").fetchall() == [(2,)]
        and cursor.execute("select * from sources").fetchall() == [("file", 2)]
        and files <= {"secret.csv", "catalog.duckdb", "catalog.duckdb.wal"}
    )


RIGHT = [
    ("year > 2000", [1]),
    ("year between 1990 and 2000", [0]),
    ("id in ('a', 'z')", [0]),
    ("text like 'tw%'", [1]),
    ("text = 'two)'", [1]),
    ("text ilike 'ONE'", [0]),
    ("regexp_matches(text, '^o')", [0]),
    ("list_contains(tags, 'x')", [0]),
    ("'y' in tags", [0]),
    ("tags[1] = 'x'", [0]),
    ("len(list_filter(tags, lambda t: t = 'x')) = 1", [0]),
    ("extra->>'n' = '1'", [0]),
    ("json_extract(extra, '$.n') = 1", [0]),
    ("extra is null", [1]),
    ("year::double / 2 > 1000", [1]),
    ("try_cast(text as integer) is null", [0, 1]),
    ("seen + interval 1 day > '2020-01-01'", [0]),
    ("extract(year from seen) = 2020", [0]),
    ("case when year > 2000 then true else false end", [1]),
    ("year = (select max(year) from items)", [1]),
    ("id in (with old as (select id from items where year < 2000) select id from old)", [0]),
    ("exists (select 1 from items i where i.year > items.year)", [0]),
    ("year in (select unnest([1999, 3]))", [0]),
    ("year > 2000 -- the new ones", [1]),
    ("year /* of print */ > 2000", [1]),
    ("text = '--'", []),
    ('"year" = 1999 or "YEAR" = 3', [0]),
    ("text collate nocase = 'ONE'", [0]),
]


@pytest.mark.parametrize(("expression", "rows"), RIGHT)
def test_an_honest_expression_finds_its_rows(cursor, expression, rows):
    assert passing(cursor, expression) == rows


BREAKOUTS = [
    "1=1) union select (1",
    "true) union select row from items --",
    "true) or (true",
    "true\n) or (\ntrue",
    "true; drop table items",
    "true); drop table items; --",
    "true limit 1",
    "true group by year",
    "true order by 1",
    "true qualify true",
    "select true",
    "from items",
    "true as x",
    "",
    " \n",
    "-- nothing",
    "/* open",
    "true /* open",
    "(",
    ")",
    "'",
    "year >",
    "*",
    "$1 = year",
    "? = year",
    "$name = year",
    "id = '\0'",
    "id = \u2018a\u2019",
    "id = '\ud800'",
    "foo = 1",
    "other.year = 1",
    "(" * 5000 + "true" + ")" * 5000,
    "not " * 100_000 + "true",
    "1" + "+1" * 5000 + " > 0",
    "case when true then " * 2000 + "true" + " end" * 2000,
    "true or " * 200_000 + "true",
    "rowid = 0",
    "now() > seen",
    "current_date > seen",
    "random() < .5",
    "exists (select 1 from items tablesample 10%)",
]
REACHES = [
    "(select word from state) = 'rosebud'",
    "exists (from state)",
    "exists (select 1 from items, state)",
    "exists (select 1 from items positional join state)",
    "exists (select 1 from items, lateral (select word from state))",
    "exists (with state as (from state) from state)",
    "exists (with recursive state as (from state union all from state) from state)",
    "exists (with s as (from late), late as (from state) from s)",
    "exists (select 1 from (with state as (select 1) from state), state)",
    "exists (with items as (from state) from items)",
    "exists (with sources as (from state) from sources)",
    "exists (with recursive sources as (select 1 a union all from sources) from sources)",
    "exists (from main.sources)",
    "exists (from sources at (version => 1))",
    "exists (from sources, state)",
    "exists (from main.items)",
    "exists (from catalog.main.state)",
    'exists (from "STATE")',
    "exists (from items at (version => 1))",
    "exists (from 'secret.csv')",
    "exists (from items, 'secret.csv')",
    "exists (from read_text('secret.csv'))",
    "exists (from read_csv('secret.csv'))",
    "exists (from glob('*'))",
    "exists (from query('from state'))",
    "exists (from query_table(['state']))",
    "exists (from json_execute_serialized_sql(json_serialize_sql('from state')))",
    "json_serialize_plan('from state') is not null",
    "exists (from duckdb_settings())",
    "exists (from duckdb_tables())",
    "exists (from pragma_table_info('state'))",
    "exists (from information_schema.tables)",
    "exists (from sqlite_master)",
    "exists (from (describe state))",
    "exists (from (show tables))",
    "exists (from (summarize state))",
    "exists (from (pivot items on year using count(*)))",
    "exists (from (unpivot items on year))",
    "exists (values (getenv('HOME')))",
    "getenv('HOME') is not null",
    "getvariable('x') is null",
    "current_setting('TimeZone') = 'UTC'",
    "current_database() = 'catalog'",
    "current_user = 'x'",
    "user = 'x'",
    "version() is not null",
    "nextval('counter') > 0",
    "currval('counter') > 0",
    "setseed(.5) is null",
    "write_log('x') is null",
    "sleep_ms(10) is null",
    "pg_sleep(1) is null",
    "main.lower(text) = 'x'",
    "system.main.lower(text) = 'x'",
    "text.getenv() is not null",
    "list_transform(['HOME'], lambda v: getenv(v)) is not null",
    "'state'::regclass is not null",
    "1::nosuch = 1",
]


LEDGER = [
    "exists (from sources)",
    'exists (from "SOURCES" s where s.items = row)',
    "id in (select uri from sources)",
    "exists (with s as (from sources) from s)",
    "exists (select 1 from items i join sources s on i.id = s.uri)",
    "exists (select 1 from items i, lateral (from sources))",
]


@pytest.mark.parametrize(
    "expression", BREAKOUTS + REACHES + LEDGER, ids=lambda text: text[:60].encode("ascii", "replace").decode()
)
def test_where_is_refused_in_one_line_and_nothing_happens(cursor, tmp_path, expression):
    with pytest.raises(InvalidFilter) as refusal:
        filters.check_where(cursor, expression, COLUMNS)
    message = str(refusal.value)
    assert "\n" not in message and len(message) < 400
    assert (
        "Candidate" not in message
        and "Did you mean" not in message
        and SECRET not in message.replace(expression[:40], "")
    )
    assert untouched(cursor, tmp_path)


STATEMENTS = [
    "select 1; select 2",
    "drop table items",
    "drop table sources",
    "delete from sources",
    "update sources set items = 1",
    "insert into sources values ('z', 1)",
    "from sources union all from state",
    "delete from items",
    "update items set year = 1",
    "insert into items (id) values ('z')",
    "create table x as from items",
    "create macro f() as 1",
    "copy items to 'out.csv'",
    "copy items from 'secret.csv'",
    "export database 'out'",
    "attach 'other.duckdb'",
    "detach catalog",
    "install httpfs",
    "load httpfs",
    "set threads = 1",
    "reset threads",
    "set variable x = 1",
    "pragma database_list",
    "call pragma_version()",
    "describe items",
    "show tables",
    "summarize items",
    "explain select 1",
    "explain analyze delete from items",
    "prepare p as select 1",
    "execute p",
    "begin",
    "commit",
    "checkpoint",
    "vacuum",
    "use memory",
    "pivot items on year using count(*)",
    "select 1 into x",
    "select $1",
    "with x as (delete from items returning *) from x",
    "with x as materialized (from state) from x",
    "from items union all from state",
    "from items order by (select word from state)",
    "from items limit (select count(*) from state)",
    "select max(year) over (order by (select word from state)) from items",
    "select * replace ((select word from state) as text) from items",
    "select columns(c -> getenv(c) is null) from items",
    "select year from items having exists (from state)",
    "values ((select word from state))",
    "from range((select count(*) from state))",
]


@pytest.mark.parametrize("query", STATEMENTS + [f"select 1 from items where {one}" for one in REACHES])
def test_sql_is_refused_in_one_line_and_nothing_happens(cursor, tmp_path, query):
    with pytest.raises(InvalidFilter) as refusal:
        filters.check_sql(cursor, query, COLUMNS)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 400
    assert untouched(cursor, tmp_path)


QUERIES = [
    ("select year, count(*) from items group by year order by year", [(1999, 1), (2004, 1)]),
    ("select id, row_number() over (order by year desc) from items order by id;", [("a", 2), ("b", 1)]),
    ("with a as (from items), b as (select id from a) select * from b order by all limit 1", [("a",)]),
    ("with recursive r as (select 1 n union all select n + 1 from r where n < 3) select * from r", [(1,), (2,), (3,)]),
    ("select * from range(2)", [(0,), (1,)]),
    ("values (1)", [(1,)]),
    ("select sum(year) filter (year > 2000), string_agg(id, ',' order by id) from items", [(2004, "a,b")]),
    ("select * exclude (text, tags, extra, seen) from items where year < 2000", [(0, "a", 1999)]),
    ("select extra from items order by row", [({"n": 1},), (None,)]),
    ("select uri, sources.items from sources join items on row = 0", [("file", 2)]),
    ("with s as (from Sources) select s.uri from s where items > 1", [("file",)]),
    ("select now() is not null, random() < 2", [(True, True)]),
]


@pytest.mark.parametrize(("query", "rows"), QUERIES)
def test_an_honest_query_gets_its_rows(cursor, query, rows):
    assert filters.fetch(cursor.execute(filters.check_sql(cursor, query, COLUMNS))) == rows


def test_times_with_a_zone_come_back_in_utc(cursor):
    rows = filters.fetch(cursor.execute("select seen from items order by row"))
    assert rows[0][0].isoformat() == "2020-01-01T00:00:00+00:00" and rows[1] == (None,)


def test_an_unknown_column_is_named_with_those_there_are(cursor):
    with pytest.raises(InvalidFilter, match=r"no column 'yaer'; did you mean 'year'\? there are row, id, text, year"):
        filters.check_where(cursor, "yaer > 1", COLUMNS)


@pytest.mark.parametrize(
    "statement", ["set threads = 1", "from 'secret.csv'", "attach 'x.duckdb'", "copy items to 'x'", "load httpfs"]
)
def test_the_connection_refuses_by_itself_what_the_check_would_refuse(cursor, tmp_path, statement):
    with pytest.raises(duckdb.Error):
        cursor.execute(statement).fetchall()
    assert untouched(cursor, tmp_path)
