"""Each of the ten invariants that ARCHITECTURE.md lists has tests that bear its number."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ARCHITECTURE = HERE.parent / "ARCHITECTURE.md"


def _listed() -> list[int]:
    """The numbers under the heading `Invariants`."""
    section = ARCHITECTURE.read_text(encoding="utf-8").split("## Invariants")[1].split("\n## ")[0]
    return [int(number) for number in re.findall(r"^(\d+)\. ", section, flags=re.MULTILINE)]


def _collected() -> dict[int, list[str]]:
    """Number → the tests that pytest collects for it: functions at the top of test modules, and methods of Test classes."""
    found: dict[int, list[str]] = {}
    for path in HERE.rglob("test_*.py"):
        module = ast.parse(path.read_text(encoding="utf-8"))
        classes = [node for node in module.body if isinstance(node, ast.ClassDef) and node.name.startswith("Test")]
        for node in (*module.body, *(inner for one in classes for inner in one.body)):
            match = isinstance(node, ast.FunctionDef) and re.match(r"test_invariant_(\d+)_[a-z]", node.name)
            if match:
                found.setdefault(int(match[1]), []).append(f"{path.name}::{node.name}")  # type: ignore[attr-defined]
    return found


def test_architecture_lists_ten_invariants_in_order() -> None:
    assert _listed() == list(range(1, 11))


@pytest.mark.parametrize("number", _listed())
def test_each_invariant_has_tests_with_its_number(number: int) -> None:
    assert _collected().get(number), f"no test is named test_invariant_{number}_…"


def test_no_test_claims_an_invariant_that_is_not_listed() -> None:
    assert set(_collected()) <= set(_listed())
