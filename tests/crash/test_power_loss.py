"""The power goes out at a step: only what was synced is left, or that and some of the rest, chosen by chance."""

import random

import pytest

from crash.killing import Case, Strike
from crash.powercut import Disk, unlucky
from crash.workload import SCENARIOS, UNLIKE


def cut(case: Case, strike: Strike, luck) -> None:
    """Play until a step, take the power away there, and judge what the disk then holds."""
    case.fresh()
    disk = Disk(case.root)
    steps = case.worker.watch(case.root, "run", strike, disk.see, **case.job(case.root, case.scenario.acts))
    image = case.folder / "image"
    try:
        disk.image(image, luck)
        case.judge(image, case.acknowledged)
    except AssertionError as fault:
        raise AssertionError(f"the power went out at {strike} after {steps[-3:]}: {fault}") from fault
    finally:
        disk.close()
        case.clear(image)


def moments(case: Case) -> list[Strike]:
    """Where something has just been acknowledged: at the first step after each act."""
    done = [step.done for step in case.play()]
    return [Strike(done.index(count)) for count in sorted(set(done)) if count > 1] + [Strike(len(done))]


@pytest.mark.parametrize("name", [name for name in UNLIKE if name != "recovering"])
def test_invariant_1_what_was_acknowledged_is_there_when_all_that_was_not_synced_is_lost(watcher, tmp_path, name):
    case = Case(watcher, SCENARIOS[name], tmp_path)
    for strike in moments(case):
        cut(case, strike, unlucky)


@pytest.mark.parametrize("name", ["adding batches", "updating", "compacting"])
def test_invariant_1_power_lost_at_a_random_step_leaves_a_prefix_of_the_commits(watcher, tmp_path, name):
    case, chance = Case(watcher, SCENARIOS[name], tmp_path), random.Random(name)
    steps = len(case.play())
    for at in sorted(chance.sample(range(steps), 5)):
        cut(case, Strike(at), lambda: chance.random() < 0.5)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_invariant_1_power_lost_at_any_step_leaves_a_prefix_of_the_commits(watcher, tmp_path, name):
    case, chance = Case(watcher, SCENARIOS[name], tmp_path), random.Random(name)
    for at in range(len(case.play()) + 1):
        cut(case, Strike(at), unlucky)
        cut(case, Strike(at), lambda: chance.random() < 0.5)
