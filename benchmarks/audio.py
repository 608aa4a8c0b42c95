"""What the `audio` encoder hears, and clips per second on one core. Run: python -m benchmarks.audio

Digits: the mean over three speakers of the share of one's 500 recordings whose five nearest among the others' 1,000 vote
for the digit. Words and kinds of sound: the same with one recording left out at a time. Nothing is fitted.
"""

from __future__ import annotations

import os
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import SHARED
from benchmarks.report import Bound, save, table
from latentstore import distance
from latentstore.encoders.audio import AudioEncoder
from latentstore.media import sounds
from latentstore.media.sounds import Sound
from latentstore.types import Float32

Names = NDArray[np.str_]
_NEAREST = 5
_PASSES = 5
_SETS = {
    "spoken_digits": "digits, another's voice",
    "speech_commands": "words",
    "speech_music_silence": "kinds of sound",
}


def main() -> None:
    if not (SHARED / "audio").is_dir():
        raise SystemExit(f"recordings are read from {(SHARED / 'audio').resolve()}, which is not there")
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # the threads of numpy's products, too
    rows = [_measured(name) for name in _SETS]
    table(f"share right by the {_NEAREST} nearest, and clips per second on one core", rows)
    bounds = [
        Bound("digits by a voice never heard", 0.76, rows[0]["right"], least=True),
        Bound("one-second words per second", 500, rows[1]["clips_per_s"], least=True),
    ]
    save("audio", {"nearest": _NEAREST, "passes": _PASSES, "dim": AudioEncoder.dim}, rows, bounds)


def _measured(name: str) -> dict[str, Any]:
    clips, labels, voices = _read(name)
    vectors = distance.unit(AudioEncoder().encode(clips))
    groups = voices if name == "spoken_digits" else np.arange(len(clips)).astype(str)
    shares = [_right(vectors, labels, groups == group) for group in np.unique(groups)]
    seconds = median(_timed(clips) for _ in range(_PASSES))
    return {
        "set": _SETS[name],
        "n": len(clips),
        "classes": len(np.unique(labels)),
        "right": round(float(np.mean(shares)), 4),
        "worst_voice": round(float(np.min(shares)), 4) if name == "spoken_digits" else "",
        "seconds_each": round(sum(clip.seconds for clip in clips) / len(clips), 2),
        "clips_per_s": round(len(clips) / seconds),
    }


def _read(name: str) -> tuple[list[Sound], Names, Names]:
    """Recordings, what is said or heard in them, and who speaks where the name of the file tells."""
    files = sorted((SHARED / "audio" / name).rglob("*.wav"))
    clips = [sounds.load(file) for file in files]
    if name == "spoken_digits":  # digit_speaker_take.wav
        labels, voices = np.array([file.stem.split("_")[:2] for file in files]).T
        return clips, labels, voices
    return clips, np.array([file.parent.name for file in files]), np.array([])


def _right(vectors: Float32, labels: Names, held: NDArray[np.bool_]) -> float:
    """The share of the held-out rows whose nearest vote for their label; the nearest of those tied wins."""
    near = labels[~held][np.argsort(-(vectors[held] @ vectors[~held].T), axis=1, kind="stable")[:, :_NEAREST]].tolist()
    votes = [max(row, key=lambda label: (row.count(label), -row.index(label))) for row in near]
    return float(np.mean(np.array(votes) == labels[held]))


def _timed(clips: list[Sound]) -> float:
    began = perf_counter()
    AudioEncoder().encode(clips)
    return perf_counter() - began


if __name__ == "__main__":
    main()
