"""A fit in a process of its own, killed for good while its model is trained: it goes on where it was, and nothing else is left of it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import latentstore

FIT = "import sys, latentstore; latentstore.open(sys.argv[1]).collection('points').space().fit('autoencoder', 2, 'axes', epochs=120)"


def test_a_fit_that_was_killed_while_it_trained_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    place = tmp_path / "pile"
    points = np.random.default_rng(0).standard_normal((1000, 2)) @ np.random.default_rng(1).standard_normal((2, 16))
    with latentstore.open(place) as store:
        store.create("points", metric="l2").add(vectors=points.astype(np.float32))
    child = subprocess.Popen([sys.executable, "-c", FIT, place])
    while not list((place / "points").glob("fits/*/training.safetensors")) and child.poll() is None:
        time.sleep(0.05)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    with latentstore.open(place) as store:
        docs = store.collection("points")
        assert docs.spaces() == ["vectors"] and docs.verify().ok
        assert not list((place / "points").glob("fits/*.raw"))
        space = docs.space().fit("autoencoder", 2, "axes", epochs=120)
        assert space.record["training"]["resumed"] and len(space) == 1000
        assert docs.verify().ok and not (place / "points" / "fits").exists()
