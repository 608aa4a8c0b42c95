"""Transforms and mel bands against scipy and arithmetic."""

import numpy as np
from scipy.signal import stft

from latentstore.media.spectra import Mel

MEL = Mel()


def noise(seconds=0.5, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * MEL.rate)).astype(np.float32)


def test_bands_are_weighted_means_of_the_power_that_scipy_finds():
    samples = noise()
    frames = 1 + len(samples) // MEL.hop
    _, _, spectrum = stft(samples, nperseg=MEL.size, noverlap=MEL.size - MEL.hop, window="hann", padded=False)
    power = np.square(np.abs(spectrum[:, :frames].T) * MEL.size / 2)
    tones = np.fft.rfftfreq(MEL.size, 1 / MEL.rate)
    found = MEL.power(samples, frames)
    for band, hertz in ((20, 600), (45, 2500), (60, 6500)):
        assert abs(MEL.place(hertz) - band) < 8
        near = np.abs(tones - hertz) < 30
        assert found[5:-5, round(MEL.place(hertz))].mean() / power[5:-5, near].mean() < 2
    assert np.isclose(found[5:-5].mean(), power[5:-5, (tones > 60) & (tones < 7600)].mean(), rtol=0.15)


def test_each_band_lies_between_its_neighbours_on_the_mel_scale():
    places = [MEL.place(hertz) for hertz in (60, 7600)]
    assert np.allclose(places, [-1, MEL.bands])
    mels = 2595 * np.log10(1 + np.array([300.0, 1000, 3000]) / 700)
    low, high = 2595 * np.log10(1 + np.array([60, 7600]) / 700)
    expected = (mels - low) / (high - low) * (MEL.bands + 1) - 1
    assert np.allclose([MEL.place(hertz) for hertz in (300, 1000, 3000)], expected)


def test_white_noise_is_equally_loud_in_all_bands():
    power = MEL.power(noise(20), 1200).mean(axis=0)
    assert power.max() / power.min() < 1.3


def test_a_sound_has_the_power_it_was_asked_for():
    asked = MEL.power(noise(), 32)
    made = MEL.power(MEL.sound(asked), 32)
    assert abs(10 * np.log10(made[2:-2].mean() / asked[2:-2].mean())) < 0.5


def test_after_the_end_of_a_sound_there_is_silence():
    power = MEL.power(noise(0.1), 40)
    assert power[3].min() > 0
    assert not power[12:].any()
