"""A row of metadata for every kind of value that the store keeps, extremes and odd column names included."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

LONG = "ß" * 2_500_000  # 5 MB as UTF-8
FULL: dict[str, Any] = {
    "flag": True,
    "least": -(2**63),
    "most": 2**63 - 1,
    "real": -0.1,
    "tiny": 5e-324,
    "endless": float("-inf"),
    "words": "Ω日本\n\t\"quoted\" 'single' \\ 🜁 e\u0301 \0",
    "nothing": "",
    "long": LONG,
    "raw": b"\0\xff",
    "day": date(1, 1, 1),
    "clock": time(23, 59, 59, 999_999),
    "moment": datetime(9999, 12, 31, 23, 59, 59, 999_999),
    "instant": datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    "price": Decimal("-12345678901234567890.123456789"),
    "flags": [True, None, False],
    "counts": [2**63 - 1, None, -(2**63)],
    "reals": [0.5, float("inf")],
    "names": ["a", "", None, "🜁"],
    "days": [date(2024, 2, 29)],
    "none": [],
    "nest": {"a": [1, {"b": None}], "c": 2.5, "d": True, "ключ": "значение", "": {}},
    "mixed": [1, "a", None, [2.5], {}],
    "empty": {},
    "a b": 1,
    'say "hi"': 2,
    "it's; drop table items; --": 3,
    "select": 4,
    "Straße": 5,
    "STRASSE": 6,
    "größe.cm/日": 7,
    "x" * 200: 8,
}
SPARSE: dict[str, Any] = dict.fromkeys(FULL)
ROWS = [FULL, SPARSE, FULL | {"flag": False, "nest": {"other": "shape"}, "words": "b", "none": [], "long": "short"}]


def same(found: Any, given: Any) -> bool:
    """Equal, and of the same types all the way down."""
    if type(found) is not type(given):
        return False
    if isinstance(given, dict):
        return found.keys() == given.keys() and all(same(found[key], given[key]) for key in given)
    if isinstance(given, list):
        return len(found) == len(given) and all(map(same, found, given))
    return bool(found == given) or (found != found and given != given)


def assert_same(found: dict[str, Any], given: dict[str, Any]) -> None:
    assert list(found) == list(given)
    for name, value in given.items():
        assert same(found[name], value), f"{name}: {value!r:.80} came back as {found[name]!r:.80}"
