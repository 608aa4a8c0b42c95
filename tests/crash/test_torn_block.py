"""A crash inside the write of one block of the catalog's file, while a checkpoint folds the log in.

DuckDB rewrites a block of its own bookkeeping in place, under one checksum for 256 kB, so a write that stops in its
first pages leaves a file that DuckDB refuses. The only state that a crash can leave which does not open by itself: it is
refused in one line, and repair brings back every item.
"""

import pytest

from crash.killing import BLOCK, Case, Strike
from crash.workload import SCENARIOS

PAGE = 4096


def torn(case: Case, pages: tuple[int, ...]) -> list[str | None]:
    """What the store says after each tear; judged whole once it has opened or has been repaired."""
    blocks = [at for at, step in enumerate(case.play()) if step.is_block]
    said = []
    for strike in [Strike(at, count * PAGE / BLOCK) for at in blocks for count in pages]:
        case.play(strike)
        said.append(case.worker.mend(case.root / "pile", case.folder / "said"))
        case.judge(case.root, case.acknowledged)
    assert said
    return said


def test_a_block_of_the_catalog_torn_by_a_crash_costs_at_most_a_repair(watcher, tmp_path):
    said = torn(Case(watcher, SCENARIOS["deleting"], tmp_path), (1, 8))
    assert all("run 'latentstore repair'" in line for line in said if line is not None)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", ["adding batches", "replacing", "updating", "compacting", "recovering"])
def test_any_block_of_the_catalog_torn_by_a_crash_costs_at_most_a_repair(watcher, tmp_path, name):
    said = torn(Case(watcher, SCENARIOS[name], tmp_path), (1, 2, 4, 8, 16, 32, 63))
    assert all("run 'latentstore repair'" in line for line in said if line is not None)
