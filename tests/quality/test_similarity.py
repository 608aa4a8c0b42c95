"""How well the text encoder's cosines agree with people, on the STS benchmark's development pairs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from latentstore.encoders import load
from tests.quality.real import SHARED


def ranks(values):
    """Ranks, ties sharing their mean."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(count) - (count - 1) / 2)[place]


def test_cosines_rank_pairs_as_people_do_at_the_level_the_model_is_known_for():
    if not SHARED.is_dir():
        pytest.skip(f"sentence pairs are read from {SHARED}, which is not there")
    pairs = [json.loads(line) for line in (SHARED / "stsb" / "dev.jsonl").read_text(encoding="utf-8").splitlines()]
    encoder = load("text")
    left, right = (encoder.encode([pair[side] for pair in pairs]) for side in ("a", "b"))
    people = [pair["score"] for pair in pairs]
    spearman = np.corrcoef(ranks((left * right).sum(axis=1)), ranks(people))[0, 1]
    assert len(pairs) == 1500 and spearman > 0.862  # .867 in float32
