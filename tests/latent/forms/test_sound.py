"""Sounds as rows of mel bands and back: against tones whose bands are known, and recordings of people who count."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from latentstore.errors import InvalidInput
from latentstore.latent import fitting, forms
from latentstore.latent.base import Settings
from latentstore.latent.forms.sound import SoundForm
from latentstore.latent.rows import Rows
from latentstore.media.spectra import Mel

DIGITS = Path(__file__).parents[4] / "shared" / "data" / "audio" / "spoken_digits"
needs_digits = pytest.mark.skipif(
    not DIGITS.is_dir(), reason="needs the recordings in ../shared/data/audio/spoken_digits"
)


def tone(hertz=1000.0, seconds=0.5, rate=16_000, loud=0.5):
    time = np.arange(round(seconds * rate)) / rate
    return (loud * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def grid(form: SoundForm, row):
    """(frames, bands)."""
    return row.reshape(form.frames, -1)


def loudest_hertz(sound):
    """Of the middle half."""
    quarter = len(sound.samples) // 4
    middle = sound.samples[quarter : 3 * quarter]
    size = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    return np.fft.rfftfreq(len(middle), 1 / sound.rate)[size.argmax()]


@pytest.mark.parametrize("hertz", [200, 1000, 3000, 6000])
def test_a_tone_lights_its_own_band_and_none_far_away(hertz):
    form = SoundForm(32)
    frame = grid(form, form.rows([(tone(hertz), 16_000)])[0])[10]
    band = round(Mel().place(hertz))
    assert frame.argmax() in (band - 1, band, band + 1)
    assert frame.max() > 0.98
    assert frame[np.abs(np.arange(len(frame)) - band) > 6].max() < 0.4


@pytest.mark.parametrize("hertz", [200, 1000, 3000, 6000])
def test_a_tone_sounds_at_its_pitch_again(hertz):
    form = SoundForm(32)
    [back] = form.content(form.rows([(tone(hertz), 16_000)]))
    step = 2 * (Mel().high - Mel().low) / Mel().bands
    assert abs(loudest_hertz(back) - hertz) < min(step, hertz * 0.08)


@pytest.mark.parametrize("rate", [8_000, 11_025, 44_100, 48_000])
def test_a_sound_is_seen_alike_at_any_rate(rate):
    form = SoundForm(32)
    rows = form.rows([(tone(1000, rate=rate), rate), (tone(1000), 16_000)])
    assert np.abs(rows[0] - rows[1])[rows[1] > 0.5].max() < 0.05


def test_the_channels_of_a_sound_are_one():
    form = SoundForm(16)
    both = np.stack([tone(500), tone(500)], axis=1)
    assert np.allclose(form.rows([(both, 16_000)]), form.rows([(tone(500), 16_000)]), atol=1e-5)


def test_how_loud_a_sound_is_does_not_matter():
    form = SoundForm(16)
    rows = form.rows([(tone(700, loud=0.9), 16_000), (tone(700, loud=0.01), 16_000)])
    assert np.allclose(rows[0], rows[1], atol=0.02)


def test_silence_before_and_after_is_not_seen():
    form = SoundForm(40)
    silence = np.zeros(8000, np.float32)
    [bare, padded] = form.rows([(tone(), 16_000), (np.concatenate([silence, tone(), silence]), 16_000)])
    lit = [np.flatnonzero(grid(form, one).max(axis=1) > 0.8) for one in (bare, padded)]
    assert abs(lit[0][0] - lit[1][0]) <= 2
    assert abs(len(lit[0]) - len(lit[1])) <= 2


@pytest.mark.parametrize("samples", [np.zeros(16_000), np.full(16_000, 0.3), tone(loud=5e-5), np.zeros(1)])
def test_a_silent_sound_is_refused_with_a_word(samples):
    with pytest.raises(InvalidInput, match=r"item 1 is silent: .* leave it out"):
        SoundForm(16).rows([(tone(), 16_000), (samples.astype(np.float32), 16_000)])


@pytest.mark.parametrize("item", [b"no sound", 7, "/nowhere.wav", (np.full(9, np.nan), 8000), (tone(), 0)])
def test_what_is_no_sound_is_refused_by_its_place(item):
    with pytest.raises(InvalidInput, match="item 0 is no sound"):
        SoundForm(16).rows([item])


def test_a_short_sound_is_followed_by_silence_and_a_long_one_is_cut():
    form = SoundForm(1 + 62)  # a second, near enough
    short, long = (grid(form, row) for row in form.rows([(tone(seconds=0.2), 16_000), (tone(seconds=30), 16_000)]))
    assert short[:11].max() > 0.98
    assert short[17:].max() == 0
    assert long.max(axis=1).min() > 0.9


def test_a_click_of_few_samples_is_a_sound():
    row = SoundForm(16).rows([(np.array([0.5, -0.5, 0.2], np.float32), 16_000)])[0]
    assert row.max() == 1
    assert np.isfinite(row).all()


@pytest.mark.parametrize(
    ("lengths", "seconds"), [([0.5] * 10, 0.5), ([0.3] * 19 + [9], 0.3), ([5, 6, 7], 2.0), ([0.02], 0.1)]
)
def test_a_form_is_as_long_as_most_of_its_sample(lengths, seconds):
    form = forms.choose("sound", [(tone(seconds=one), 16_000) for one in lengths])
    assert seconds <= form.seconds < seconds + 0.017


@pytest.mark.parametrize("seconds", [0.0, 11, "1", float("nan")])
def test_a_length_that_cannot_be_is_refused(seconds):
    with pytest.raises(InvalidInput, match=r"0\.1 to 10 seconds"):
        forms.choose("sound", [(tone(), 16_000)], seconds=seconds)


def test_what_is_decoded_begins_and_ends_without_a_click():
    form = SoundForm(32)
    for sound in form.content(form.rows([(tone(220, seconds=3), 16_000), (tone(3000, seconds=3), 16_000)])):
        assert sound.samples[0] == sound.samples[-1] == 0
        assert np.abs(np.diff(sound.samples)).max() < 1.0
        assert np.isclose(np.abs(sound.samples).max(), 0.7, atol=0.01)


def test_nothing_is_decoded_to_silence():
    form = SoundForm(20)
    [sound] = form.content(np.zeros((1, form.width), np.float32))
    assert not sound.samples.any()
    assert len(sound.samples) == round(form.seconds * sound.rate)


def test_any_numbers_are_decoded_to_a_sound():
    form = SoundForm(20)
    rows = np.random.default_rng(0).normal(0.5, 2, (3, form.width)).astype(np.float32)
    for sound in form.content(rows):
        assert np.isfinite(sound.samples).all()
        assert np.abs(sound.samples).max() <= 1


def test_the_same_row_is_the_same_sound():
    form = SoundForm(20)
    row = form.rows([(tone(), 16_000)])
    assert np.array_equal(form.content(row)[0].samples, form.content(row)[0].samples)


def test_the_facts_of_a_form_make_it_again_and_another_rule_is_noticed():
    form = SoundForm(33)
    facts = json.loads(json.dumps(form.facts()))
    assert forms.of(facts, {}) == form
    with pytest.raises(ValueError, match="another rule"):
        forms.of(facts | {"bands": 40}, {})


@needs_digits
def test_spoken_digits_come_back_nearly_whole():
    paths = sorted(DIGITS.glob("*.wav"))[::75]
    form = forms.choose("sound", paths)
    kept = form.round_trip(form.rows(paths))
    assert kept["correlation"] > 0.99
    assert kept["difference_db"] < 2.5


@needs_digits
def test_a_fit_says_what_sounds_lose_without_any_model():
    paths = sorted(DIGITS.glob("*.wav"))[::75]
    form = forms.choose("sound", paths)
    record = fitting.fit(form, Rows(form.rows(paths)), Settings("pca", 4)).record
    assert 0.99 < record["round_trip"]["correlation"] < 1
    assert 0.5 < record["round_trip"]["difference_db"] < 2.5


@needs_digits
def test_the_search_for_the_phase_halves_what_is_lost():
    paths = sorted(DIGITS.glob("*.wav"))[::300]
    form = forms.choose("sound", paths)
    mel = Mel()
    powers = 10 ** (8 * (form.rows(paths).reshape(len(paths), form.frames, -1) - 1))
    lost = {rounds: [_decibels_lost(mel, power, rounds) for power in powers] for rounds in (0, 48)}
    assert np.mean(lost[48]) < np.mean(lost[0]) / 1.8


def _decibels_lost(mel, power, rounds):
    """Root mean square, of what is at most 60 dB below the loudest."""
    back = mel.power(mel.sound(power.astype(np.float32), rounds=rounds), len(power))
    heard = power > 1e-6
    return np.sqrt(np.square(10 * np.log10(back[heard] / power[heard])).mean())
