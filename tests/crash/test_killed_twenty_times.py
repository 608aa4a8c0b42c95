"""Texts, pictures and sound going into one store, killed at twenty random moments: it ends as if nobody had."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import latentstore

DATA = Path(__file__).parents[3] / "shared" / "data"
KILLS = 20

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="needs the real data in ../shared/data")


def pile(folder: Path, rows: int, files: int) -> Path:
    """A folder of real things of every kind."""
    folder.mkdir()
    with (DATA / "text" / "search_snippets.jsonl").open() as lines:
        (folder / "snippets.jsonl").write_text("".join(line for line, _ in zip(lines, range(rows), strict=False)))
    for name in ("images/photos", "audio/spoken_digits"):
        (folder / name).mkdir(parents=True)
        for path in sorted((DATA / name).iterdir())[:files]:
            shutil.copy(path, folder / name)
    return folder


def command(place: Path, source: Path, encoder: str) -> list[str]:
    spaces = [part for name in (encoder, "image", "audio") for part in ("--encoder", name)]
    return [sys.executable, "-m", "latentstore", "ingest", str(place), str(source), *spaces, "--batch", "16"]


def contents(place: Path) -> dict[str, Any]:
    """All that a person could ask of a store, vectors apart."""
    with latentstore.open(place, read_only=True) as store:
        docs = store.collection("docs")
        assert docs.verify().ok
        ids = [row["id"] for row in docs.sql("select id from items order by id")]
        ledger = docs.sql("select uri, size, digest, reading, items, error from sources order by uri").values
        thumbnails = dict(zip(ids, docs.attachments(ids, "thumbnail"), strict=True))
        return {"items": docs.get(ids), "ledger": ledger, "thumbnails": thumbnails}


def vectors(place: Path) -> dict[tuple[str, str], np.ndarray]:
    with latentstore.open(place, read_only=True) as store:
        docs = store.collection("docs")
        spaces = {name: docs.space(name).vectors() for name in docs.spaces()}
        return {(name, id): one for name, (ids, made) in spaces.items() for id, one in zip(ids, made, strict=True)}


def killed(job: list[str], chance: random.Random, seconds: float) -> bool:
    """Start the job and kill it at a random moment; whether it was still running then."""
    child = subprocess.Popen(job, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(chance.uniform(0.3, seconds))
    running = child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    return running


def cosine(left: np.ndarray, right: np.ndarray) -> float:
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))


def judge(tmp_path: Path, encoder: str, rows: int, files: int) -> None:
    source = pile(tmp_path / "pile", rows, files)
    began = time.monotonic()
    subprocess.run(command(tmp_path / "alone.latent", source, encoder), check=True, capture_output=True)
    whole = time.monotonic() - began
    chance, job = random.Random(5), command(tmp_path / "killed.latent", source, encoder)
    struck = sum(killed(job, chance, max(0.8, whole / 8)) for _ in range(KILLS))
    assert struck >= KILLS // 2
    subprocess.run(job, check=True, capture_output=True)
    assert contents(tmp_path / "killed.latent") == contents(tmp_path / "alone.latent")
    alone, resumed = vectors(tmp_path / "alone.latent"), vectors(tmp_path / "killed.latent")
    assert alone.keys() == resumed.keys()
    steady = [key for key in alone if key[0] != "text"]
    assert max(float(np.abs(alone[key] - resumed[key]).max()) for key in steady) < 1e-5
    # MiniLM rounds by what a text is batched with, as far as it promises.
    assert all(cosine(alone[key], resumed[key]) > 0.999 for key in alone.keys() - set(steady))


def test_invariant_1_a_pile_that_was_killed_twenty_times_equals_one_that_was_not(tmp_path):
    judge(tmp_path, "hashing", rows=400, files=40)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_invariant_1_so_does_a_larger_one_with_the_real_text_encoder(tmp_path):
    judge(tmp_path, "text", rows=4000, files=800)
