"""Recordings as items: whole or in windows, each with what is known of it."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from ingest.chunking import Splitter, WordTokens
from ingest.limits import Limits
from ingest.readers import Reading, read
from ingest.readers.columns import Columns
from ingest.results import Unreadable
from ingest.sources.base import Kind, kind_of, on_disk
from latentstore.media import sounds

WORDS = Splitter.fitting(WordTokens(), None)
READING = Reading(Columns(), WORDS, WORDS)


def recording(path, seconds, rate=8_000, **tags):
    """A file of noise in two channels."""
    noise = np.random.default_rng(0).uniform(-0.4, 0.4, (round(seconds * rate), 2))
    with soundfile.SoundFile(path, "w", rate, 2) as file:
        for name, value in tags.items():
            setattr(file, name, value)
        file.write(noise)
    return path


def passages(path, reading=READING):
    return list(read(on_disk(path, Kind.AUDIO, named=True), path, reading))


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg", "oga", "opus", "mp3", "WAV"])
def test_files_of_sound_are_known_by_their_names(ending):
    assert kind_of(f"song.{ending}") is Kind.AUDIO


def test_a_short_recording_is_one_item_with_its_facts_and_its_picture(tmp_path):
    path = recording(tmp_path / "a.flac", 15, title="Rain", artist="Nobody")
    (whole,) = passages(path)
    assert (whole.item.id, whole.item.uri, whole.item.text, whole.done) == (str(path), str(path), None, 1)
    assert whole.key == hashlib.sha256(path.read_bytes()).hexdigest()
    shape = {"duration": 15.0, "rate": 8_000, "channels": 2, "format": "FLAC"}
    assert whole.item.metadata == {**shape, "title": "Rain", "artist": "Nobody"}
    samples, rate = whole.item.audio
    np.testing.assert_array_equal(samples, sounds.load(path).samples)
    assert rate == 8_000 and whole.item.attachments == {"thumbnail": sounds.waveform(sounds.load(path))}


def test_a_long_recording_is_an_item_for_each_window_and_they_are_the_whole(tmp_path):
    path = recording(tmp_path / "a.wav", 32.5)
    found = passages(path)
    assert [one.item.id for one in found] == [f"{path}#{part}" for part in (1, 2, 3)]
    places = [(one.item.metadata["part"], one.item.metadata["start"], one.item.metadata["end"]) for one in found]
    assert places == [(1, 0.0, 10.0), (2, 10.0, 20.0), (3, 20.0, 32.5)]
    assert {one.item.metadata["duration"] for one in found} == {32.5} and {one.item.uri for one in found} == {str(path)}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert [one.key for one in found] == [f"{digest}#0.0-10.0", f"{digest}#10.0-20.0", f"{digest}#20.0-32.5"]
    assert [one.done for one in found] == [10 / 32.5, 20 / 32.5, 1]
    together = np.concatenate([one.item.audio[0] for one in found])
    np.testing.assert_array_equal(together, sounds.load(path).samples)
    assert [one.item.attachments["thumbnail"] for one in found] == [sounds.waveform(one.item.audio) for one in found]


def test_the_length_of_windows_is_what_the_reading_says(tmp_path):
    found = passages(recording(tmp_path / "a.wav", 4), replace(READING, window=1.0))
    assert [one.item.metadata["start"] for one in found] == [0, 1, 2, 3]


def test_the_same_recording_elsewhere_has_the_same_keys(tmp_path):
    here, there = (recording(tmp_path / name, 25) for name in ("a.wav", "b.wav"))
    assert [one.key for one in passages(here)] == [one.key for one in passages(there)]


def test_what_is_no_recording_or_too_long_is_unreadable_and_says_why(tmp_path):
    text, long = tmp_path / "text.wav", recording(tmp_path / "long.wav", 30)
    text.write_text("These are words, and no sound.")
    with pytest.raises(Unreadable, match=r"expected a sound file .* begins with b'These"):
        passages(text)
    with pytest.raises(Unreadable, match=r"at most 20 s, got 30\.0 s"):
        passages(long, replace(READING, limits=Limits(seconds=20)))


def test_a_recording_that_breaks_off_gives_what_is_before_and_then_says_so(tmp_path):
    path = recording(tmp_path / "a.flac", 200)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = read(on_disk(path, Kind.AUDIO, named=True), path, READING)
    assert next(found).item.metadata["end"] == 10
    with pytest.raises(Unreadable, match="breaks off or is damaged after 9"):
        list(found)
