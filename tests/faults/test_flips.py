"""Flipped bits, in every file of a store: a right answer or an error of ours, and a repair that loses no more than it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stores
import verdicts

Look = Callable[..., dict[str, Any]]

# Each file of a store, beside how many more places to flip than its head, middle and tail.
CLOSED = ("store.json", "{}/committed", "{}/outline.json", "{}/catalog.duckdb", "{}/records-*.bin", "{}/records-*.at")
SPACES = ("vectors-*.f32", "rows-*.i64", "sums-*.u64", "space.json", "index-*.faiss")
FILES = [*CLOSED, *(f"{{}}/spaces/*/{name}" for name in SPACES)]
KILLED = ["lock", "{}/catalog.duckdb.wal", "{}/catalog.duckdb"]
# In these a flipped bit may be one that nobody needs: free blocks, the places of deleted rows, a note on who writes.
SPARE = ("catalog.duckdb", ".at", "lock")


def _file(store: Path, kind: str, pattern: str) -> Path:
    return next(iter(store.glob(pattern.format(kind))))


def _flipped(look: Look, name: str, pattern: str, at: int, mask: int) -> None:
    def damage(store: Path) -> None:
        stores.flip(_file(store, name.removesuffix("-killed"), pattern), at, mask)

    found = look(name, damage)
    verdicts.sound(found)
    assert verdicts.noticed(found) or pattern.endswith(SPARE)
    verdicts.mended(look(name, damage, repair=True))


def _sweep(look: Look, folder: Path, name: str, pattern: str, n: int, masks: tuple[int, ...]) -> None:
    size = _file(folder / name, name.removesuffix("-killed"), pattern).stat().st_size
    for number, at in enumerate(stores.spots(size, n)):
        _flipped(look, name, pattern, at, masks[number % len(masks)])


@pytest.mark.parametrize("pattern", FILES)
def test_invariant_10_a_flipped_bit_is_noticed_and_mended(look: Look, originals: Any, pattern: str) -> None:
    size = _file(originals.folder / "graph", "graph", pattern).stat().st_size
    for at, mask in ((size // 3, 1), (size - 1, 128)):
        _flipped(look, "graph", pattern, at, mask)


@pytest.mark.parametrize("pattern", KILLED)
def test_invariant_10_a_bit_flipped_in_what_a_killed_process_left_is_noticed_and_mended(
    look: Look, originals: Any, pattern: str
) -> None:
    size = _file(originals.folder / "graph-killed", "graph", pattern).stat().st_size
    for at, mask in ((size // 3, 1), (size - 1, 16)):
        _flipped(look, "graph-killed", pattern, at, mask)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("pattern", FILES)
@pytest.mark.parametrize("kind", stores.KINDS)
def test_invariant_10_bits_flipped_all_over_a_file_are_noticed_and_mended(
    look: Look, originals: Any, kind: str, pattern: str
) -> None:
    if list((originals.folder / kind).glob(pattern.format(kind))):
        _sweep(look, originals.folder, kind, pattern, 10, (1, 128, 16, 255))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("pattern", KILLED)
@pytest.mark.parametrize("kind", stores.KINDS)
def test_invariant_10_bits_flipped_all_over_a_log_are_noticed_and_mended(
    look: Look, originals: Any, kind: str, pattern: str
) -> None:
    _sweep(look, originals.folder, f"{kind}-killed", pattern, 10, (1, 128, 16, 255))


@pytest.mark.parametrize("row", [10, 19, 29])
def test_a_row_that_still_ascends_but_is_another_is_noticed_at_open(look: Look, row: int) -> None:
    """The slot before a stretch of deleted rows may point into it, and no order is broken."""

    def damage(store: Path) -> None:
        stores.flip(_file(store, "graph", "graph/spaces/*/rows-*.i64"), 9 * 8, 9 ^ row)

    found = look("graph", damage)
    verdicts.sound(found)
    assert "refused: Corrupted" in found["read: graph"] and "refused: Corrupted" in found["write: graph"]
    verdicts.mended(look("graph", damage, repair=True))
