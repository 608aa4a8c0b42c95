"""A real process, killed at a time that nobody chose, while it writes as fast as it can and builds indexes beside."""

import random
from pathlib import Path

import pytest

from crash.killing import Case
from crash.workload import Act, Scenario, ids

# Past 4,096 vectors without an index the background builds one; past half dead it compacts.
BULK = [Act("add", ids(0, 4500), "a")]


def busy(rounds: int) -> list[Act]:
    """Adds, replacements, updates and deletions that wake the background again and again."""
    acts = []
    for at in range(rounds):
        low = 10_000 + at * 60
        acts += [Act("add", ids(low, low + 60), f"n{at}"), Act("replace", ids(at * 90, at * 90 + 90), f"r{at}")]
        acts += [Act("update", ids(low, low + 9), f"w{at % 3}"), Act("delete", ids(low + 9, low + 30), "")]
        acts += [Act("delete", ids(at * 500, at * 500 + 450), "")] if at < 9 else []
    return acts


def interrupted(worker, case: Case, seconds: float) -> int:
    """Kill a fresh run after a time, judge, and return how much had been acknowledged."""
    case.fresh()
    worker.interrupt(seconds, "run", **case.job(case.root, case.scenario.acts))
    case.judge(case.root, case.acknowledged)
    return case.acknowledged


def test_invariant_1_a_kill_at_any_time_loses_nothing_acknowledged(worker, tmp_path: Path):
    case, chance = Case(worker, Scenario(BULK, busy(40), index="hnsw"), tmp_path), random.Random(1)
    reached = [interrupted(worker, case, chance.uniform(0.1, 2)) for _ in range(4)]
    assert max(reached) > 3, "no kill came while the store was being written"


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["hnsw", "ivf", None])
def test_invariant_1_many_kills_at_any_time_lose_nothing_acknowledged(worker, tmp_path: Path, kind):
    case, chance = Case(worker, Scenario(BULK, busy(60), index=kind), tmp_path), random.Random(str(kind))
    reached = [interrupted(worker, case, chance.uniform(0.05, 6)) for _ in range(40)]
    assert len(set(reached)) > 5, f"the kills came at few different moments: {reached}"


def test_invariant_2_a_store_killed_again_and_again_while_opening_still_opens(worker, tmp_path: Path):
    case, chance = Case(worker, Scenario(BULK, busy(40), index="hnsw"), tmp_path), random.Random(2)
    case.fresh()
    worker.interrupt(1.5, "run", **case.job(case.root, case.scenario.acts))
    acknowledged = case.acknowledged
    for _ in range(6):
        worker.interrupt(chance.uniform(0.01, 0.15), "look", store=str(case.root / "pile"))
    case.judge(case.root, acknowledged)
