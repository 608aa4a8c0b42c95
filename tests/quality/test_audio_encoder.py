"""What the `audio` encoder hears in real recordings: words by voices it is compared across, kinds of sound, copies."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import soundfile

from latentstore.encoders import load
from latentstore.media import sounds
from latentstore.media.sounds import Sound, resampled
from tests.quality.real import SHARED
from tests.truth import Array

AUDIO = SHARED.parent / "audio"


@cache
def recordings(name: str) -> tuple[list[Sound], Array, Array]:
    """Sounds, their labels, and the speakers of the digits (else empty)."""
    if not (AUDIO / name).is_dir():
        pytest.skip(f"recordings are read from {AUDIO / name}, which is not there")
    files = sorted((AUDIO / name).rglob("*.wav"))
    if name == "spoken_digits":  # digit_speaker_take.wav
        labels, speakers = np.array([file.stem.split("_")[:2] for file in files]).T
    else:
        labels, speakers = np.array([file.parent.name for file in files]), np.array([])
    return [sounds.load(file) for file in files], labels, speakers


def encoded(clips: list[Sound]) -> Array:
    """Unit vectors."""
    vectors = load("audio").encode(clips)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def accuracy(likeness: Array, labels: Array, truth: Array, k: int = 5) -> float:
    """Share of the queries (rows) whose k nearest vote for their label; a tie goes to the nearest of the tied."""
    right = 0
    for row, own in zip(likeness, truth, strict=True):
        near = labels[np.argsort(-row, kind="stable")[:k]].tolist()
        right += max(near, key=lambda label: (near.count(label), -near.index(label))) == own
    return right / len(truth)


def one_left_out(vectors: Array, labels: Array, k: int = 5) -> float:
    likeness = vectors @ vectors.T
    np.fill_diagonal(likeness, -np.inf)
    return accuracy(likeness, labels, labels, k)


def test_digits_are_told_by_a_voice_never_heard_better_than_the_recipe_does():
    clips, digits, speakers = recordings("spoken_digits")
    vectors, found = encoded(clips), []
    for speaker in np.unique(speakers):
        held = speakers == speaker
        found.append(accuracy(vectors[held] @ vectors[~held].T, digits[~held], digits[held]))
    assert len(clips) == 1500 and len(found) == 3
    assert np.mean(found) > 0.85 and min(found) > 0.72  # .867, .746; mean .752 for cepstra, deltas and PCA


def test_speech_music_and_silence_are_told_apart():
    clips, kinds, _ = recordings("speech_music_silence")
    assert len(clips) == 120
    assert one_left_out(encoded(clips), kinds) > 0.84  # .875; a third by chance


def test_words_of_many_voices_are_found_again():
    clips, words, _ = recordings("speech_commands")
    assert len(clips) == 300 and len(np.unique(words)) == 12
    assert one_left_out(encoded(clips), words) > 0.67  # .710; a twelfth by chance


def as_mp3(clip: Sound) -> Sound:
    file = io.BytesIO()
    soundfile.write(file, clip.samples, clip.rate, format="MP3", subtype="MPEG_LAYER_III", compression_level=0.8)
    return sounds.load(file.getvalue())


def with_noise(clip: Sound) -> Sound:
    """At a hundredth of its power."""
    noise = np.random.default_rng(len(clip.samples)).standard_normal(len(clip.samples)).astype(np.float32)
    return sounds.load((clip.samples + 0.1 * clip.samples.std() * noise, clip.rate))


CHANGES: dict[str, tuple[Callable[[Sound], Sound], float, float]] = {  # least recall: of digits, of all else
    "softer by 30 dB": (lambda clip: Sound(clip.samples * np.float32(10**-1.5), clip.rate), 0.99, 0.99),
    "MP3": (as_mp3, 0.98, 0.98),
    "44,100 Hz": (lambda clip: resampled(clip, 44_100), 0.99, 0.99),
    "8,000 Hz": (lambda clip: resampled(clip, 8_000), 0.99, 0.99),
    "a little noise": (with_noise, 0.97, 0.97),
    # The takes of one digit by one voice differ by little more than where they begin.
    "50 ms later": (lambda clip: Sound(np.pad(clip.samples, (clip.rate // 20, 0)), clip.rate), 0.9, 0.99),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ["spoken_digits", "speech_commands", "speech_music_silence"])
def test_a_copy_that_was_changed_finds_its_original_first(name: str, change: str):
    clips = [clip for clip in recordings(name)[0][::2] if clip.samples.std() > 1e-3]  # one silence is like another
    alter, of_digits, least = CHANGES[change]
    likeness = encoded([alter(clip) for clip in clips]) @ encoded(clips).T
    found = np.mean(likeness.argmax(axis=1) == np.arange(len(clips)))
    assert len(clips) >= 35 and found >= (of_digits if name == "spoken_digits" else least), f"{found:.3f}"
