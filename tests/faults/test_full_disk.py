"""A full disk: one StorageFailure, a store that goes on, and nothing lost; whichever file is the one that cannot grow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import starving
import verdicts

KB = 1024
MB = 1024 * KB
# How long a file may grow, so that with each operation another one fails first.
LIMITS = {
    "add": (6_000, 60_000, 88_000),
    "replace": (8_700,),
    "update": (8_700,),
    "delete": (0,),
    "optimize": (0, 20_000),
    "backup": (0, 30_000),
    "export": (0,),
    "create": (30_000,),
    "open": (0,),
}
# How many bytes are free.
ROOM = {
    "add": (200 * KB,),
    "optimize": (20 * KB,),
    "backup": (20 * KB,),
    "create": (20 * KB,),
    "delete": (0,),
    "open": (0,),
}


def _starved(
    probe: Any, originals: Any, folder: Path, by: str, operation: str, amount: int, kind: str = "graph"
) -> Any:
    found = probe.ask(
        **{"from": originals.folder / kind},
        store=folder / "starved",
        model=originals.model(kind),
        by=by,
        operation=operation,
        amount=amount,
    )
    if "skipped" in found:
        pytest.skip(f"this process may not mount a file system: {found['skipped']}")
    return found


def _went_on(found: dict[str, Any]) -> None:
    """One clear error at most, nothing left behind, and all questions answered right at once, later, and elsewhere."""
    refused = verdicts.refusals(found)
    assert set(refused) <= {"operation"}, refused
    assert all(said.startswith("refused: StorageFailure: ") for said in refused.values())
    assert all("limit set for this process" in said or "free some space" in said for said in refused.values())
    verdicts.sound(found)
    assert not verdicts.problems(found) and not found.get("leftovers")


@pytest.mark.parametrize(("operation", "limit"), [(name, limit) for name, limits in LIMITS.items() for limit in limits])
def test_a_file_that_may_not_grow_is_one_error_and_the_store_goes_on(
    probe: Any, originals: Any, tmp_path: Path, operation: str, limit: int
) -> None:
    found = _starved(probe, originals, tmp_path, "limit", operation, limit)
    _went_on(found)
    assert operation == "open" or "StorageFailure" in found["operation"]


@pytest.mark.parametrize(("operation", "free"), [(name, free) for name, sizes in ROOM.items() for free in sizes])
def test_a_file_system_without_room_is_one_error_and_the_store_goes_on(
    probe: Any, originals: Any, tmp_path: Path, operation: str, free: int
) -> None:
    found = _starved(probe, originals, tmp_path, "space", operation, free)
    _went_on(found)
    assert operation == "open" or "StorageFailure" in found["operation"]


def test_a_few_kilobytes_are_room_enough_to_delete(probe: Any, originals: Any, tmp_path: Path) -> None:
    found = _starved(probe, originals, tmp_path, "space", "delete", 20 * KB)
    _went_on(found)
    assert found["operation"] == "right"


def test_what_a_killed_process_left_opens_on_a_full_disk(probe: Any, originals: Any, tmp_path: Path) -> None:
    found = _starved(probe, originals, tmp_path, "space", "open", 0, kind="graph-killed")
    _went_on(found)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("by", ["limit", "space"])
@pytest.mark.parametrize("operation", [*starving.OPERATIONS, "open"])
def test_wherever_the_disk_fills_up_the_store_goes_on(
    probe: Any, originals: Any, tmp_path: Path, operation: str, by: str
) -> None:
    pages = [*range(0, 48 * KB, 8 * KB), *range(64 * KB, 512 * KB, 64 * KB), MB, 3 * MB]
    sizes = pages if by == "space" else [0, 1_000, 1_500, 5_700, 8_700, 12_000, 13_500, *pages[3:]]
    for kind in ("graph", "graph-killed"):
        for number, size in enumerate(sizes):
            _went_on(_starved(probe, originals, tmp_path / f"{kind}{number}", by, operation, size, kind))
