"""Files cut short, grown, missing, or another collection's: a right answer or an error of ours, and a repair that says what is lost."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stores
import verdicts

Look = Callable[..., dict[str, Any]]

TRUTH = ("vectors-*.f32", "rows-*.i64", "sums-*.u64")
FILES = ["catalog.duckdb", "records-*.bin", "records-*.at", *(f"spaces/*/{name}" for name in TRUTH)]
SMALL = ["committed", "outline.json", "spaces/*/space.json"]


def _file(store: Path, pattern: str) -> Path:
    return next(store.glob(f"*/{pattern}"))


def _checked(look: Look, name: str, damage: Callable[[Path], Any], *, told: bool = True) -> dict[str, Any]:
    """Sound, noticed, and mended. Returns what the repair said."""
    found = look(name, damage)
    verdicts.sound(found)
    assert verdicts.noticed(found) or not told
    after = look(name, damage, repair=True)
    verdicts.mended(after)
    return after


@pytest.mark.parametrize("pattern", FILES)
def test_a_file_cut_short_is_noticed_and_mended(look: Look, originals: Any, pattern: str) -> None:
    size = _file(originals.folder / "graph", pattern).stat().st_size
    for length in (size // 3, size - 1):
        _checked(look, "graph", lambda store, length=length: stores.cut(_file(store, pattern), length))


@pytest.mark.parametrize("pattern", [*FILES, *SMALL])
def test_a_missing_file_is_noticed_and_mended(look: Look, pattern: str) -> None:
    _checked(look, "graph", lambda store: _file(store, pattern).unlink(), told=pattern != "committed")


@pytest.mark.parametrize("pattern", [*FILES, *SMALL])
def test_bytes_behind_the_end_of_a_file_change_nothing(look: Look, pattern: str) -> None:
    found = look("graph", lambda store: stores.grow(_file(store, pattern), 1000))
    verdicts.right(found)
    assert not verdicts.problems(found) or pattern in SMALL
    if pattern in SMALL:
        verdicts.mended(look("graph", lambda store: stores.grow(_file(store, pattern), 1000), repair=True))


@pytest.mark.parametrize("pattern", [*FILES, *SMALL])
def test_a_file_of_another_collection_is_noticed_and_mended(look: Look, originals: Any, pattern: str) -> None:
    def damage(store: Path) -> None:
        shutil.copy(_file(originals.folder / "lists", pattern), _file(store, pattern))

    _checked(look, "graph", damage, told=pattern != "committed")


def test_invariant_10_a_catalog_of_another_collection_costs_no_item(look: Look, originals: Any) -> None:
    other = _file(originals.folder / "lists", "catalog.duckdb")
    after = _checked(look, "graph", lambda store: shutil.copy(other, _file(store, "catalog.duckdb")))
    assert not after["repair: lost"]


@pytest.mark.parametrize("length", [0, 3, 0.3, 0.7, -1])
def test_a_log_cut_short_is_noticed_and_mended_without_loss(look: Look, originals: Any, length: float) -> None:
    size = _file(originals.folder / "graph-killed", "catalog.duckdb.wal").stat().st_size
    kept = {0: 0, 3: 3, -1: size - 1}.get(int(length) if length == int(length) else 9, int(size * length))
    after = _checked(look, "graph-killed", lambda store: stores.cut(_file(store, "catalog.duckdb.wal"), kept))
    assert not after["repair: lost"]


def test_a_missing_log_is_noticed_and_mended_without_loss(look: Look) -> None:
    after = _checked(look, "graph-killed", lambda store: _file(store, "catalog.duckdb.wal").unlink())
    assert not after["repair: lost"]


@pytest.mark.parametrize("name", ["graph", "lists", "words"])
def test_invariant_10_a_lost_catalog_is_rebuilt_without_loss(look: Look, name: str) -> None:
    after = _checked(look, name, lambda store: _file(store, "catalog.duckdb").unlink())
    assert not after["repair: lost"] and not after["repair: problems"]


def test_invariant_10_vectors_of_texts_are_encoded_anew(look: Look) -> None:
    after = _checked(look, "words", lambda store: _file(store, "spaces/*/vectors-*.f32").unlink())
    assert not after["repair: lost"]


def test_invariant_10_what_cannot_be_made_again_is_named(look: Look, originals: Any) -> None:
    size = _file(originals.folder / "graph", "spaces/*/vectors-*.f32").stat().st_size
    after = _checked(look, "graph", lambda store: stores.cut(_file(store, "spaces/*/vectors-*.f32"), size - 3 * 32))
    assert len(after["repair: lost"]) == 3 and all(line.startswith("graph: i") for line in after["repair: lost"])


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("pattern", [*FILES, *SMALL])
@pytest.mark.parametrize("kind", stores.KINDS)
def test_wherever_a_file_is_cut_it_is_noticed_and_mended(look: Look, originals: Any, kind: str, pattern: str) -> None:
    size = _file(originals.folder / kind, pattern).stat().st_size
    for length in stores.lengths(size, 6):
        _checked(look, kind, lambda store, length=length: stores.cut(_file(store, pattern), length))
