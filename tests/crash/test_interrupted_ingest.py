"""An ingest job that is killed and run again ends as one that was left alone: no passage twice, none missing."""

import random
import shutil
from pathlib import Path

import pytest

from crash.killing import Worker, every_strike


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    folder = tmp_path / "sources"
    folder.mkdir()
    chance = random.Random(7)
    for at in range(12):
        words = [chance.choice(["apple", "pear", "plum", "fig", "grape"]) + str(at) for _ in range(150)]
        (folder / f"{at}.txt").write_text(". ".join(" ".join(words[x : x + 9]) for x in range(0, 150, 9)))
    return folder


@pytest.fixture
def alone(worker: Worker, tmp_path: Path, sources: Path) -> dict:
    """What a run that nobody interrupts brings in."""
    worker.do("take", **job(tmp_path / "alone", sources))
    return contents(worker, tmp_path / "alone")


def job(root: Path, sources: Path) -> dict:
    return {"store": str(root / "pile"), "sources": [str(sources)], "batch": 8}


def contents(worker: Worker, root: Path) -> dict:
    found = worker.look(root / "pile", root.parent / "look")
    assert not found["problems"]
    return found["items"]["docs"]


def resumed(worker: Worker, root: Path, sources: Path, alone: dict) -> int:
    """Judge what a kill left, run the job again, judge again, and return how much the kill had left."""
    left = contents(worker, root) if (root / "pile" / "docs").exists() else {}
    assert left.items() <= alone.items()
    worker.do("take", **job(root, sources))
    assert contents(worker, root) == alone
    return len(left)


def test_invariant_1_a_job_killed_between_and_inside_its_commits_goes_on_where_it_stopped(
    watcher, tmp_path, sources, alone
):
    root = tmp_path / "root"
    root.mkdir()
    all_strikes = list(every_strike(watcher.watch(root, "take", **job(root, sources))))
    left = []
    for strike in sorted(random.Random(3).sample(all_strikes, 6)):
        shutil.rmtree(root)
        root.mkdir()
        watcher.watch(root, "take", strike, **job(root, sources))
        left.append(resumed(watcher, root, sources, alone))
    assert max(left) > 0 and min(left) < len(alone)


@pytest.mark.slow
def test_invariant_1_a_job_killed_again_and_again_still_ends(worker, tmp_path, sources, alone):
    chance, root = random.Random(4), tmp_path / "root"
    root.mkdir()
    for _ in range(25):
        worker.interrupt(chance.uniform(0.05, 0.6), "take", **job(root, sources))
    resumed(worker, root, sources, alone)
