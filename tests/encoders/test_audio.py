"""The embedded `audio` encoder on sounds made here; tests/quality holds it against recordings."""

import io
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from latentstore import Item
from latentstore.encoders import load
from latentstore.encoders.audio import AudioEncoder
from latentstore.encoders.base import Encoder
from latentstore.encoders.contract import EncoderContract
from latentstore.errors import InvalidInput
from latentstore.media.sounds import load as sound

RATE = 16_000


def tone(*pitches, seconds=0.6, rate=RATE):
    """Pitches one after the other, each with five overtones, swelling and fading."""
    time = np.arange(round(seconds * rate)) / rate
    notes = [sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 7)) for pitch in pitches]
    swell = np.sin(np.pi * time / seconds)
    return (0.2 * np.concatenate([note * swell for note in notes])).astype(np.float32), rate


def noise(seconds=1.0, rate=RATE, seed=0):
    return np.random.default_rng(seed).uniform(-0.3, 0.3, round(seconds * rate)).astype(np.float32), rate


def encoded(*items):
    """Unit vectors."""
    vectors = AudioEncoder().encode(items)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


class TestAudioEncoder(EncoderContract):
    items = (tone(200), tone(500), tone(200, 500), tone(500, 200), noise(), (np.zeros(RATE), RATE))

    def make(self) -> Encoder:
        return AudioEncoder()


def test_the_registry_knows_it_and_says_what_it_is():
    encoder = load("audio")
    assert isinstance(encoder, AudioEncoder) and 64 <= encoder.dim <= 256
    assert encoder.describe().dim == encoder.dim and "not what it means" in encoder.describe().source


def test_a_path_its_bytes_an_open_file_and_its_samples_have_one_vector(tmp_path):
    path = tmp_path / "tune.flac"
    samples, _ = tone(300, 450)
    soundfile.write(path, np.stack([samples, samples], axis=1), RATE)
    with path.open("rb") as file:
        vectors = AudioEncoder().encode([path, str(path), path.read_bytes(), file, sound(path), soundfile.read(path)])
    assert all(np.array_equal(vector, vectors[0]) for vector in vectors) and vectors[0].any()


@pytest.mark.parametrize("gain", [1, 0.3, 0.05, 0.01])
def test_volume_changes_nothing(gain):
    samples, rate = tone(220, 330, 440)
    loud, soft = encoded((samples, rate), (gain * samples, rate))
    assert loud @ soft > 0.999


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000, 192_000])
def test_the_rate_of_a_recording_changes_little(rate):
    here, there, other = encoded(tone(220, 330, 440), tone(220, 330, 440, rate=rate), tone(440, 330, 220))
    assert here @ there > 0.99 > 0.5 > here @ other


def test_slow_and_fast_are_nearer_than_another_tune():
    slow, fast, back = encoded(tone(220, 330, 550, seconds=0.8), tone(220, 330, 550, seconds=0.4), tone(550, 330, 220))
    assert slow @ fast > 0.95 > 0.5 > slow @ back


def test_a_pause_before_it_or_a_constant_under_it_changes_little():
    samples, rate = tone(220, 330, 440)
    own, later, shifted = encoded((samples, rate), (np.pad(samples, (rate // 2, 0)), rate), (samples + 0.2, rate))
    assert own @ later > 0.9 and own @ shifted > 0.999


@pytest.mark.parametrize("seconds", [1 / RATE, 0.005, 0.05, 0.3, 200])
def test_clips_of_any_length_have_a_finite_vector_that_says_something(seconds):
    hiss, hum = encoded(noise(seconds), tone(200, seconds=seconds))
    assert np.isfinite([hiss, hum]).all()
    assert seconds < 0.05 or hiss @ hum < 0.7


@pytest.mark.parametrize("rate", [1_000, 4_000, 768_000])
def test_rates_at_the_limits_have_finite_vectors(rate):
    assert np.isfinite(encoded(noise(0.5, rate), tone(100, rate=rate))).all()


def test_silence_is_one_vector_that_no_sound_is_near():
    silences = [(np.full(n, level, np.float32), RATE) for n, level in [(1, 0), (900, 0), (RATE, 0.5), (RATE, -1e-9)]]
    *silent, hiss, hum = encoded(*silences, noise(), tone(200))
    assert np.isfinite(silent).all() and np.min(np.stack(silent) @ silent[0]) > 0.999
    assert abs(silent[0] @ hiss) < 0.2 and abs(silent[0] @ hum) < 0.2


def test_what_is_no_sound_is_refused_by_position_and_type(tmp_path):
    (tmp_path / "text.wav").write_text("not a sound, but long enough to look at")
    good = tone(200)
    for bad, kind in [(tmp_path / "text.wav", "Path"), (good[0], "ndarray"), (b"RIFF", "bytes"), (None, "NoneType")]:
        with pytest.raises(InvalidInput, match=rf"^item 1 is no sound but \w*{kind}: .+"):
            AudioEncoder().encode([good, bad])
    for one in (good, sound(good), "a.wav", b"RIFF"):
        with pytest.raises(InvalidInput, match="put it in a list"):
            AudioEncoder().encode(one)


def test_an_mp3_of_a_tune_is_next_to_the_tune():
    tunes = [tone(*pitches) for pitches in np.random.default_rng(1).uniform(100, 900, (30, 4))]
    files = []
    for samples, rate in tunes:
        files.append(io.BytesIO())
        soundfile.write(files[-1], samples, rate, format="MP3", subtype="MPEG_LAYER_III")
    nearest = encoded(*[file.getvalue() for file in files]) @ encoded(*tunes).T
    assert nearest.argmax(axis=1).tolist() == list(range(30))


def test_a_store_finds_a_tune_from_a_file_of_it_and_keeps_nothing_of_a_batch_with_what_is_no_sound(store, tmp_path):
    tunes, path = {"low": tone(150, 200), "high": tone(700, 900), "hiss": noise()}, tmp_path / "query.ogg"
    collection = store.create("tunes", encoders=["audio"])
    collection.add([Item(name, audio=tune) for name, tune in tunes.items()])
    soundfile.write(path, tunes["high"][0] / 2, RATE)
    hits = collection.search(path)
    query, *documents = encoded(path, *tunes.values())
    assert hits.ids[0] == "high" and set(hits.ids) == set(tunes)
    np.testing.assert_allclose(hits.scores, sorted(np.stack(documents) @ query, reverse=True), atol=1e-5)
    with pytest.raises(InvalidInput, match="item 1 is no sound"):
        collection.add([Item("more", audio=noise(seed=1)), Item("text", audio=b"no sound at all")])
    assert len(collection) == 3


def test_naming_it_reads_no_library_of_sounds():
    script = "import sys; from latentstore.encoders import load; load('audio'); sys.exit('soundfile' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
