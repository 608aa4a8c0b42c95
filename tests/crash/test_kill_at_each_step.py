"""A real process, killed by the kernel before and inside every call by which it changes a file of the store.

By default each kind of call is struck once, and each kind of write once inside, in scenarios that have no steps in common with
another; the slow tests play all of them, strike every call, and each write thrice.
"""

import pytest

from crash.killing import Case, sweep
from crash.workload import SCENARIOS, UNLIKE


@pytest.mark.parametrize("name", UNLIKE)
def test_invariant_2_a_kill_at_any_step_leaves_a_prefix_of_the_commits(watcher, tmp_path, name):
    sweep(Case(watcher, SCENARIOS[name], tmp_path), every=False)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SCENARIOS)
def test_invariant_2_a_kill_at_every_call_and_within_leaves_a_prefix_of_the_commits(watcher, tmp_path, name):
    sweep(Case(watcher, SCENARIOS[name], tmp_path), every=True)
