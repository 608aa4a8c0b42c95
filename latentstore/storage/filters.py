"""What `where` and `sql` may do: read the table `items` of their own collection, `sql` its `sources` too, and nothing else.

Three walls, each enough for most attacks. The connection is locked down (`CONFIG`, `lock_down`): no files, no network, no
extensions, no Python objects, no settings. The syntax tree is checked against lists of what is allowed; what is unknown is
refused. And the caller runs the query in a read-only transaction.
"""

from __future__ import annotations

import difflib
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb

from latentstore.errors import InvalidFilter
from latentstore.storage.functions import CHANGING, PURE, TABLE_FUNCTIONS, TYPES, WORDS
from latentstore.storage.values import shown

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLE = "items"
TABLES = frozenset({TABLE, "sources"})  # what `sql` may read
MAX_LENGTH = 1_000_000  # characters of a query: some 50,000 ids in a list
CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoload_known_extensions": "false",
    "autoinstall_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "allow_persistent_secrets": "false",
    "python_enable_replacements": "false",
    "python_scan_all_frames": "false",
}
# UTC, so that a time in a filter means the same on every machine.
LOCKDOWN = ("set global TimeZone = 'UTC'", "set lock_configuration = true")

_EXPRESSIONS = frozenset(
    {"BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT", "FUNCTION", "LAMBDA"}
    | {"LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE", "WINDOW"}
)
_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_SOURCES = frozenset({"BASE_TABLE", "SUBQUERY", "JOIN", "TABLE_FUNCTION", "EXPRESSION_LIST", "EMPTY"})
_MODIFIERS = frozenset({"ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"})
_PLACES = ("query_location", "query_location_length")
Names = frozenset[str]


class _Wall(NamedTuple):
    """What a query may use; all names in lower case."""

    columns: Names
    functions: Names
    tables: Names


def lock_down(connection: DuckDBPyConnection) -> None:
    """To be called once on a new connection; its cursors share it. Irreversible for as long as the database is open."""
    try:
        for statement in LOCKDOWN:
            connection.execute(statement)
    except duckdb.InvalidInputException as error:
        # Readers in one process share one database, which the first of them has locked.
        if "configuration has been locked" not in str(error):
            raise


def check_where(cursor: DuckDBPyConnection, expression: str, columns: Sequence[str]) -> str:
    """The expression, fit to stand in `select row from items where (<expression>\\n)`: the line break ends a comment.

    Nothing of the collection is read. Raises InvalidFilter with one readable line.
    """
    _check_text(expression, "where")
    alone, spliced = f"select\n{expression}\n", f"select row from {TABLE} where (\n{expression}\n)"
    first, second = _parse(cursor, [alone, spliced], expression)
    condition = second.get("where_clause")
    # Only what is one whole expression by itself reads the same in both places: `1=1) union select (1` does not.
    if first != _select([condition], {"type": "EMPTY", "alias": "", "sample": None}) or "alias" not in (
        condition or {}
    ):
        raise InvalidFilter(f"where must be one condition over the columns of {TABLE}, got {shown(expression)}")
    if second != _select(second["select_list"], second["from_table"], condition):
        raise InvalidFilter(f"where must be one condition over the columns of {TABLE}, got {shown(expression)}")
    _check_tree(second, wall := _Wall(frozenset(map(str.lower, columns)), PURE, frozenset({TABLE})))
    _check_tables(cursor, spliced, wall.tables)
    _bind(cursor, f"{spliced} limit 0", expression, columns)
    return expression


def check_sql(cursor: DuckDBPyConnection, query: str, columns: Sequence[str]) -> str:
    """The query, when it is one SELECT over `items` and `sources` alone. Nothing is run.

    Raises InvalidFilter with one readable line.
    """
    _check_text(query, "sql")
    tree = _parse(cursor, [query], query)[0]
    _check_tree(tree, _Wall(frozenset(map(str.lower, columns)), PURE | CHANGING, TABLES))
    _check_tables(cursor, query, TABLES)
    return query


def _check_text(text: Any, what: str) -> None:
    if not isinstance(text, str):
        raise InvalidFilter(f"{what} must be text, got {type(text).__name__}")
    if not text.strip():
        raise InvalidFilter(f'{what} is empty; leave it out, or give a condition such as "year > 2000"')
    if len(text) > MAX_LENGTH:
        raise InvalidFilter(f"{what} has {len(text):,} characters, more than {MAX_LENGTH:,}; split it")
    if "\0" in text:
        raise InvalidFilter(f"{what} holds a NUL character, which SQL cannot")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidFilter(f"{what} is not valid Unicode: it holds a lone surrogate") from None


def _parse(cursor: DuckDBPyConnection, queries: list[str], shown_as: str) -> list[dict[str, Any]]:
    """The syntax tree of each query, which must be one SELECT statement, without places in the text."""
    calls = ", ".join(["json_serialize_sql(?::varchar)"] * len(queries))
    try:
        row = cursor.execute(f"select {calls}", queries).fetchone() or ()
        parsed = [json.loads(text, object_hook=_without_places) for text in row]
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        raise InvalidFilter(f"{shown(shown_as)} does not parse: {reason(error)}") from None
    except RecursionError:
        raise InvalidFilter(f"{shown(shown_as)} nests too deeply; simplify it") from None
    return [_statement(tree, shown_as) for tree in parsed]


def _without_places(node: dict[str, Any]) -> dict[str, Any]:
    for place in _PLACES:
        node.pop(place, None)
    return node


def _statement(tree: dict[str, Any], shown_as: str) -> dict[str, Any]:
    if tree["error"]:
        message = tree.get("error_message", "")
        if "Only SELECT" in message:
            raise InvalidFilter(f"only SELECT can be run here, got {shown(shown_as)}")
        if "depth limit" in message:
            raise InvalidFilter(f"{shown(shown_as)} nests too deeply; simplify it")
        raise InvalidFilter(f"{shown(shown_as)} does not parse: {_short(message)}")
    if len(tree["statements"]) != 1:
        raise InvalidFilter(f"expected one SELECT statement, got {len(tree['statements'])} in {shown(shown_as)}")
    statement = tree["statements"][0]
    if statement.get("named_param_map"):
        raise InvalidFilter(
            f"parameters such as $1 or ? have no value here: write the value itself in {shown(shown_as)}"
        )
    return dict(statement["node"])


def _select(wanted: list[Any], source: Any, condition: Any = None) -> dict[str, Any]:
    """The tree of a plain `select <wanted> from <source> where <condition>`."""
    return {
        "type": "SELECT_NODE",
        "modifiers": [],
        "cte_map": {"map": []},
        "select_list": wanted,
        "from_table": source,
        "where_clause": condition,
        "group_expressions": [],
        "group_sets": [],
        "aggregate_handling": "STANDARD_HANDLING",
        "having": None,
        "sample": None,
        "qualify": None,
    }


def _check_tree(tree: dict[str, Any], wall: _Wall) -> None:
    """Raises InvalidFilter at the first thing that is not on a list. Walks without recursion: trees may be deep."""
    todo: list[tuple[Any, Names]] = [(tree, frozenset())]
    while todo:
        node, known = todo.pop()
        if isinstance(node, list):
            todo.extend((item, known) for item in node)
        elif isinstance(node, dict):
            _check_node(node, known, wall)
            todo.extend(_below(node, known))


def _below(node: dict[str, Any], known: Names) -> Iterator[tuple[Any, Names]]:
    """What hangs on a node, each with the CTE names that can be seen from there."""
    for entry in (node.get("cte_map") or {}).get("map", ()):
        name = entry["key"].lower()
        if name in TABLES:
            raise InvalidFilter(f"a WITH query cannot be named {name!r}; choose another name")
        yield entry["value"], known
        known = known | {name}
    if node.get("type") == "RECURSIVE_CTE_NODE":
        # The first part is read before the name exists: there it would mean a table.
        yield node.get("right"), known | {str(node.get("cte_name", "")).lower()}
        yield {key: value for key, value in node.items() if key not in ("type", "right", "cte_map")}, known
        return
    yield from ((value, known) for key, value in node.items() if key != "cte_map")


def _check_node(node: dict[str, Any], known: Names, wall: _Wall) -> None:
    kind = node.get("class")
    if kind is not None:
        _check_expression(kind, node, wall)
    elif node.get("type") == "BASE_TABLE":
        _check_table(node, known, wall.tables)
    elif isinstance(node.get("type"), str):
        _check_shape(node["type"], node)
    elif "table_name" in node:
        _check_table(node, known, wall.tables)
    if node.get("sample") is not None and wall.functions is PURE:
        raise InvalidFilter("where cannot sample: its result must depend on the items alone")


def _check_shape(shape: str, node: dict[str, Any]) -> None:
    if shape.startswith("ORDER_DEFAULT") or shape in ("ASCENDING", "DESCENDING"):
        return
    if shape not in _NODES | _SOURCES | _MODIFIERS:
        raise InvalidFilter(f"{shape.replace('_', ' ').capitalize()} cannot be used here; write a plain SELECT")
    if shape == "TABLE_FUNCTION":
        name = str(node["function"].get("function_name", "")).lower()
        if name not in TABLE_FUNCTIONS:
            allowed = ", ".join(sorted(TABLE_FUNCTIONS))
            raise InvalidFilter(f"table function {shown(name)} cannot be used here; allowed: {allowed}")


def _check_table(node: dict[str, Any], known: Names, tables: Names) -> None:
    name = str(node.get("table_name", ""))
    plain = not (node.get("schema_name") or node.get("catalog_name") or node.get("at_clause"))
    path = (node.get("qualified_name") or {}).get("path", [name])
    if not plain or path != [name] or name.lower() not in known | tables:
        raise _strange(".".join(map(str, path)), tables)


def _strange(name: str, tables: Names) -> InvalidFilter:
    allowed = " and ".join(map(repr, sorted(tables)))
    return InvalidFilter(f"only the table{'s' * (len(tables) > 1)} {allowed} can be read here, got {shown(name)}")


def _check_expression(kind: str, node: dict[str, Any], wall: _Wall) -> None:
    if kind not in _EXPRESSIONS:
        raise InvalidFilter(f"{kind.replace('_', ' ').lower()} expressions cannot be used here")
    if node.get("schema") or node.get("catalog"):
        raise InvalidFilter("functions and types are named without a schema here")
    if kind == "COLUMN_REF":
        _check_word(node["column_names"], wall)
    elif kind == "TYPE":
        _check_type(str(node.get("type_name", "")))
    if "function_name" in node:
        _check_function(str(node["function_name"]), wall.functions)


def _check_word(names: list[str], wall: _Wall) -> None:
    word = names[-1].lower()
    if word in WORDS and word not in wall.columns:
        _check_function(word, wall.functions)


def _check_type(name: str) -> None:
    if name.lower() not in TYPES:
        raise InvalidFilter(f"there is no type {shown(name)} here")


def _check_function(name: str, functions: Names) -> None:
    name = name.lower()
    if name in functions or not re.search(r"\w", name):
        return
    if name in CHANGING:
        raise InvalidFilter(
            f"where cannot use {name}: its result must depend on the items alone; write the value itself"
        )
    near = difflib.get_close_matches(name, functions, 1, 0.8)
    raise InvalidFilter(f"{shown(name)} cannot be used here" + (f"; did you mean {near[0]}?" if near else ""))


def _check_tables(cursor: DuckDBPyConnection, query: str, tables: Names) -> None:
    """DuckDB's own list of the tables that a query names, as a second opinion on `_check_table`."""
    try:
        found = cursor.get_table_names(query)
    except duckdb.Error:
        return  # it cannot tell; binding the query says why
    strange = sorted(name for name in found if name.strip('"').lower() not in tables)
    if strange:
        raise _strange(strange[0], tables)


def _bind(cursor: DuckDBPyConnection, query: str, expression: str, columns: Sequence[str]) -> None:
    try:
        cursor.execute(query).fetchall()
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        raise InvalidFilter(f"{shown(expression)} cannot be evaluated: {reason(error, columns)}") from None


def reason(error: BaseException, columns: Sequence[str] = ()) -> str:
    """What is wrong with a query, in one line without DuckDB's candidates; an unknown column comes with those there are."""
    message = str(error)
    missing = re.search(r'Referenced column "(.*?)" (?:not found|was not found)', message)
    if missing and columns:
        near = difflib.get_close_matches(missing[1], columns, 1)
        hint = f" did you mean {near[0]!r}?" if near else ""
        return f"there is no column {missing[1]!r};{hint} there are {', '.join(columns)}"
    return _short(message)


def _short(message: str) -> str:
    line = (message.splitlines() or ["unknown"])[0]
    line = re.sub(r"^(?:[A-Z][A-Za-z-]* )+Error: ", "", line)
    line = line.partition(". You might need")[0].partition(' Use "SET')[0]
    return line if len(line) <= 200 else line[:197] + "..."


def fetch(found: DuckDBPyConnection) -> list[tuple[Any, ...]]:
    """All rows of an executed query: JSON as Python values, times with a zone in UTC."""
    kinds = [str(column[1]) for column in found.description or []]
    zoned = any("TIME ZONE" in kind for kind in kinds)
    rows = _fetch_by_arrow(found) if zoned else found.fetchall()
    at = [place for place, kind in enumerate(kinds) if kind == "JSON"]
    return [_with_json(row, at) for row in rows] if at else rows


def _fetch_by_arrow(found: DuckDBPyConnection) -> list[tuple[Any, ...]]:
    # DuckDB's own way needs pytz for these, and it warns of the copy that Arrow makes.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        table: Any = found.to_arrow_table()
    return [tuple(map(_in_utc, row)) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]


def _in_utc(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    return [_in_utc(item) for item in value] if isinstance(value, list) else value


def _with_json(row: tuple[Any, ...], at: list[int]) -> tuple[Any, ...]:
    values = list(row)
    for place in at:
        values[place] = None if values[place] is None else json.loads(values[place])
    return tuple(values)
