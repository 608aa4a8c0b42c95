"""Recordings written in every format, and files made to do harm, against numpy."""

import io
import struct
import tracemalloc
from itertools import pairwise
from math import gcd
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from latentstore.errors import InvalidInput
from latentstore.media import mpeg, sounds
from latentstore.media.sounds import Sound, Window, facts, load, resampled, waveform, windows

LOSSLESS = {  # (format, subtype): how far a sample may be off
    ("WAV", "PCM_U8"): 1 / 128,
    ("WAV", "PCM_16"): 1 / 32768,
    ("WAV", "PCM_24"): 1 / 2**23,
    ("WAV", "PCM_32"): 1e-7,
    ("WAV", "FLOAT"): 0,
    ("WAV", "DOUBLE"): 1e-7,
    ("WAV", "ULAW"): 0.02,
    ("RF64", "PCM_16"): 1 / 32768,
    ("W64", "PCM_16"): 1 / 32768,
    ("FLAC", "PCM_16"): 1 / 32768,
    ("FLAC", "PCM_24"): 1 / 2**23,
    ("AIFF", "PCM_16"): 1 / 32768,
    ("AU", "PCM_16"): 1 / 32768,
    ("CAF", "PCM_16"): 1 / 32768,
}
LOSSY = [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")]


def tune(seconds=1.0, rate=16_000, channels=1):
    """(n, channels) float32: another pitch in each channel."""
    time = np.arange(round(seconds * rate)) / rate
    pitches = 220 * (1 + np.arange(channels) / 4)
    return (0.4 * np.sin(2 * np.pi * time[:, None] * pitches)).astype(np.float32)


def wav(samples, rate=16_000, **how):
    """A file's bytes."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, **({"format": "WAV", "subtype": "PCM_16"} | how))
    return file.getvalue()


def header(promised: int, data: bytes, rate=16_000, channels=1, bits=16) -> bytes:
    """A WAV whose header says what it is told to."""
    shape = struct.pack(
        "<HHIIHH", 1, channels, rate, (rate * channels * bits // 8) % 2**32, channels * bits // 8 % 2**16, bits
    )
    size = struct.pack("<I", (36 + len(data)) % 2**32)
    return b"RIFF" + size + b"WAVEfmt \x10\0\0\0" + shape + b"data" + struct.pack("<I", promised) + data


@pytest.mark.parametrize(("form", "tolerance"), LOSSLESS.items(), ids=lambda form: str(form))
@pytest.mark.parametrize("channels", [1, 2])
def test_a_lossless_recording_is_the_mean_of_its_channels_to_the_last_bit(tmp_path, form, tolerance, channels):
    samples = tune(0.3, 22_050, channels)
    path = tmp_path / "recording"
    soundfile.write(path, samples, 22_050, format=form[0], subtype=form[1])
    sound = load(path)
    assert sound.rate == 22_050 and sound.samples.dtype == np.float32
    np.testing.assert_allclose(sound.samples, samples.mean(axis=1), rtol=0, atol=tolerance + 1e-8)
    raw, _ = soundfile.read(path, dtype="float32", always_2d=True)
    np.testing.assert_array_equal(sound.samples, raw.mean(axis=1))


@pytest.mark.parametrize("form", LOSSY, ids=str)
def test_a_lossy_recording_is_what_the_decoder_gives_whole_in_blocks_and_in_windows(tmp_path, form):
    samples, path = tune(12, 48_000, 2), tmp_path / "recording"
    with soundfile.SoundFile(path, "w", 48_000, 2, format=form[0], subtype=form[1]) as file:
        for at in range(0, len(samples), 4096):  # Vorbis does not survive long writes
            file.write(samples[at : at + 4096])
    raw, _ = soundfile.read(path, dtype="float32", always_2d=True)
    sound = load(path)
    np.testing.assert_array_equal(sound.samples, np.clip(raw.mean(axis=1), -1, 1))
    together = np.concatenate([window.sound.samples for window in windows(path, 1.7)])
    np.testing.assert_array_equal(together, sound.samples)
    assert np.corrcoef(sound.samples, samples.mean(axis=1))[0, 1] > 0.99


@pytest.mark.parametrize("rate", [1_000, 8_000, 11_025, 44_100, 96_000, 768_000])
def test_any_usual_rate_is_kept(rate):
    assert load(wav(tune(0.1, rate), rate)).rate == rate


def test_sixty_four_channels_become_their_mean_and_one_more_is_refused():
    samples = tune(0.1, channels=64)
    np.testing.assert_allclose(load(wav(samples)).samples, samples.mean(axis=1), atol=1 / 32768)
    with pytest.raises(InvalidInput, match="1 to 64 channels, got 65"):
        load(wav(np.zeros((10, 65))))


def test_all_kinds_of_sources_give_the_same_samples_and_loading_again_changes_none(tmp_path):
    path = tmp_path / "recording.raw"  # the name says nothing
    path.write_bytes(wav(tune(0.2, channels=2)))
    raw = soundfile.read(path.rename(tmp_path / "recording.wav"), dtype="float32")
    path = tmp_path / "recording.wav"
    with path.open("rb") as file:
        given = [path, str(path), path.read_bytes(), bytearray(path.read_bytes()), file, raw, list(raw)]
        found = [load(source) for source in given]
    found += [load(found[0]), load(load(tuple(found[0])))]
    for sound in found:
        assert sound.rate == 16_000
        np.testing.assert_array_equal(sound.samples, found[0].samples)


def test_a_file_under_a_name_that_means_raw_samples_is_read_by_its_contents(tmp_path):
    (tmp_path / "recording.raw").write_bytes(wav(tune(0.1)))
    with pytest.raises(InvalidInput, match="does not open"):
        load(tmp_path / "recording.raw")


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int16", "int32", "uint8"])
def test_arrays_of_every_type_that_sound_files_hold_are_scaled_to_one(dtype):
    samples = tune(0.1)[:, 0]
    scale = {"int8": 2**7, "int16": 2**15, "int32": 2**31, "uint8": 2**7}.get(dtype, 1)
    held = np.rint(samples.astype(np.float64) * scale) if scale > 1 else samples
    array = (held + 128 if dtype == "uint8" else held).astype(dtype)
    np.testing.assert_allclose(load((array, 8_000)).samples, samples, atol=1 / min(scale, 2**11) if scale > 1 else 1e-3)


def test_overshoot_is_clipped_and_another_scale_refused():
    assert load((np.array([0.5, 1.5, -3]), 8_000)).samples.tolist() == [0.5, 1, -1]
    with pytest.raises(InvalidInput, match=r"-1\.\.1, got 20000; divide"):
        load((np.array([0.5, 20_000.0]), 8_000))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused_and_the_place_said(value):
    samples = np.zeros(700_000, np.float32)
    samples[650_000] = value
    for source in (wav(samples, subtype="FLOAT"), (samples, 16_000)):
        with pytest.raises(InvalidInput, match=r"NaN or infinity in the block that starts at (32\.8|0\.0) s"):
            load(source)


NOTHING = np.zeros(5)
NO_SOUNDS = [7, None, object(), NOTHING, Path("no/such.wav"), ".", io.StringIO("text")]
NO_PAIRS = [(NOTHING,), (NOTHING, 8_000, 1)]
NO_RATES = ["8000", True, 8_000.5, float("nan"), 0, -1, 999, 10_000_000]
NO_SAMPLES = [np.zeros((2, 2, 2)), np.array(0.5), [[1], [1, 2]], ["a"], [1, 2], np.zeros(0), np.zeros((2, 500))]
NO_SAMPLES += [np.zeros((5, 0)), np.zeros(5, complex), np.zeros(5, bool)]


@pytest.mark.parametrize(
    "source",
    [*NO_SOUNDS, *NO_PAIRS, *((NOTHING, rate) for rate in NO_RATES), *((samples, 8_000) for samples in NO_SAMPLES)],
)
def test_what_is_no_sound_is_one_clear_line(source):
    with pytest.raises(InvalidInput) as refused:
        load(source)
    assert "expected" in str(refused.value) and "\n" not in str(refused.value)


BYTES = {
    "nothing": b"",
    "one byte": b"R",
    "a text": b"These are words, and no sound.\n" * 99,
    "a picture": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(900),
    "a page": b"%PDF-1.7\n" + bytes(900),
    "zeros": bytes(9_000),
    "an m4a": b"\0\0\0\x20ftypM4A " + bytes(900),
    "a RIFF of another kind": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(900),
    "a header alone": header(32_000, b"")[:30],
    "no samples": header(0, b""),
    "a length of zero": header(0, b"\1\0" * 900),
    "0 Hz": header(1800, b"\1\0" * 900, rate=0),
    "1 Hz": header(1800, b"\1\0" * 900, rate=1),
    "10 MHz": header(1800, b"\1\0" * 900, rate=10_000_000),
    "4 GHz": header(1800, b"\1\0" * 900, rate=2**32 - 1),
    "no channel": header(1800, b"\1\0" * 900, channels=0),
    "65535 channels": header(1800, b"\1\0" * 900, channels=65_535),
    "no bits": header(1800, b"\1\0" * 900, bits=0),
    "65535 bits": header(1800, b"\1\0" * 900, bits=65_535),
    "half of what is promised": header(3600, b"\1\0" * 900),
    "an Ogg page alone": b"OggS" + bytes(900),
    "a FLAC mark alone": b"fLaC" + bytes(900),
    "an ID3 tag alone": b"ID3\4\0\0\0\0\x0f\x7f" + bytes(900),
}


@pytest.mark.parametrize("name", BYTES)
def test_files_that_are_no_sound_or_lie_are_one_clear_line(tmp_path, name):
    path = tmp_path / "recording.wav"
    path.write_bytes(BYTES[name])
    for source in (path, BYTES[name]):
        for look in (load, lambda source: list(windows(source, 1))):
            with pytest.raises(InvalidInput) as refused:
                look(source)
            assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


@pytest.mark.parametrize("promised", [0xFFFF_FFFF, 0x8000_0000, 0x7FFF_FFFF, 0x7FFF_F000])
def test_a_header_that_could_not_know_the_length_gives_all_that_is_there(promised):
    samples = tune(0.5)
    data = (samples[:, 0] * 32767).astype("<i2").tobytes()
    np.testing.assert_allclose(load(header(promised, data)).samples, samples[:, 0], atol=1e-4)
    assert facts(header(promised, data))["duration"] == 0.5


@pytest.mark.parametrize(
    "form", [("WAV", "PCM_16"), ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("FLAC", "PCM_16"), LOSSY[0]]
)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.97])
def test_a_recording_that_breaks_off_is_refused(form, share):
    whole = wav(np.random.default_rng(0).uniform(-0.3, 0.3, 40_000), format=form[0], subtype=form[1])
    assert len(load(whole).samples) == 40_000
    if form == LOSSY[0] and share > 0.5:
        return  # Ogg is a chain of whole pages: one cut late is a shorter recording
    with pytest.raises(InvalidInput, match=r"breaks off|does not open|without a sample"):
        load(whole[: int(len(whole) * share)])


RATES_OF_MP3 = [8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]


def mp3(rate=44_100, channels=1, seconds=3.0, **how):
    """Noise with a tag before it."""
    file, noise = io.BytesIO(), np.random.default_rng(0).uniform(-0.3, 0.3, (round(seconds * rate), channels))
    with soundfile.SoundFile(file, "w", rate, channels, format="MP3", subtype="MPEG_LAYER_III", **how) as writer:
        writer.title = "noise"
        writer.write(noise)
    return file.getvalue()


@pytest.mark.parametrize("rate", RATES_OF_MP3)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
def test_the_frames_of_an_mp3_are_counted_and_it_is_read_to_its_last_sample(rate, channels, mode):
    file = mp3(rate, channels, bitrate_mode=mode, compression_level=0.5)
    found = mpeg.frames(io.BytesIO(file))
    assert found.counted == found.promised and 0 < found.counted * found.each - 3 * rate < 4 * found.each
    assert len(load(file).samples) == 3 * rate
    assert mpeg.frames(io.BytesIO(b"ID3\4\0\0\0\0\1\0" + bytes(128) + file + b"TAG" + bytes(125))) == found


def without_header(file: bytes) -> bytes:
    """From the second frame on; the first holds the header."""
    start = file.index(b"Xing") - 13
    second = file.index(file[start : start + 2], start + 4)
    return file[second:]


def test_an_mp3_that_breaks_off_or_holds_more_than_its_header_says_is_refused():
    whole = mp3(16_000)
    for share in (0.5, 0.8):
        with pytest.raises(InvalidInput, match=r"breaks off: its header promises 86 frames of sound, \d\d are there"):
            facts(whole[: int(len(whole) * share)])
    with pytest.raises(InvalidInput, match="an MP3 of 86 frames by its header, got 1"):
        load(whole + without_header(whole))
    with pytest.raises(InvalidInput, match=r"an MP3 of 4\d frames by its header, got 86"):  # the decoder's guess
        load(without_header(whole))


def test_an_mp3_with_rubbish_in_it_is_decoded_as_far_as_the_decoder_goes():
    whole = bytearray(mp3(16_000))
    whole[9_000:9_050] = bytes(50)
    found = mpeg.frames(io.BytesIO(whole))
    assert found.counted < found.promised and not found.ended and mpeg.frames(io.BytesIO(b"ID3")) is None
    assert len(load(bytes(whole)).samples) > 40_000


def test_the_windows_before_a_break_are_given():
    whole = wav(np.random.default_rng(0).uniform(-0.3, 0.3, 640_000), format="FLAC", subtype="PCM_16")
    given = windows(whole[: len(whole) // 2], 5)
    assert next(given).end == 5
    with pytest.raises(InvalidInput, match=r"breaks off or is damaged after 1\d\.\d s"):
        list(given)


@settings(max_examples=150)
@given(
    form=st.sampled_from([("WAV", "PCM_16"), ("FLAC", "PCM_16"), *LOSSY]),
    spots=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    end=st.floats(0, 1.2),
)
def test_damaged_files_give_finite_samples_or_one_clear_error(form, spots, end):
    damaged = bytearray(WHOLE[form])
    for place, value in spots:
        damaged[int(place**3 * (len(damaged) - 1))] = value  # more of them in the header
    try:
        sound = load(bytes(damaged[: max(4, int(end * len(damaged)))]))
        assert np.isfinite(sound.samples).all() and len(sound.samples) and abs(sound.samples).max() <= 1
    except InvalidInput as refused:
        assert "\n" not in str(refused)


WHOLE = {
    form: wav(tune(0.3), format=form[0], subtype=form[1]) for form in [("WAV", "PCM_16"), ("FLAC", "PCM_16"), *LOSSY]
}


def test_a_recording_longer_than_the_limit_is_refused_and_the_limit_can_be_raised():
    minutes = np.zeros(660 * 1_000, np.int16)
    for source in ((minutes, 1_000), wav(minutes, 1_000)):
        with pytest.raises(InvalidInput, match=r"at most 600 s, got 660\.0 s or more; raise max_seconds"):
            load(source)
        assert load(source, max_seconds=700).seconds == 660
        assert len(list(windows(source, 60))) == 11
        with pytest.raises(InvalidInput, match="at most 650 s"):
            list(windows(source, 60, max_seconds=650))


def test_hours_in_a_small_file_are_refused_without_decoding_and_read_in_windows_in_little_memory(tmp_path):
    path = tmp_path / "hours.flac"
    with soundfile.SoundFile(path, "w", 8_000, 1, "PCM_16") as file:
        for _ in range(180):
            file.write(np.zeros(8_000 * 60, np.int16))
    assert path.stat().st_size < 1 << 19
    tracemalloc.start()
    with pytest.raises(InvalidInput, match=r"at most 600 s, got 10,800\.0 s"):
        load(path)
    ends = [window.end for window in windows(path, 10)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ends == list(range(10, 10_801, 10))
    assert peak < 16 << 20


def cut(n, size):
    """The borders of windows, by the rule: as long as more than one and a half remain, one is taken."""
    borders = [0]
    while 2 * (n - borders[-1]) > 3 * size:
        borders.append(borders[-1] + size)
    return [*borders, n]


@settings(max_examples=80)
@given(n=st.integers(1, 700_000), seconds=st.floats(0.05, 60), rate=st.sampled_from([1_000, 8_000, 44_100]))
def test_windows_are_consecutive_and_hold_every_sample_once(n, seconds, rate):
    samples = np.linspace(-1, 1, n).astype(np.float32)
    found = list(windows((samples, rate), seconds))
    borders = cut(n, round(seconds * rate))
    assert [window.start for window in found] == [at / rate for at in borders[:-1]]
    assert [window.end for window in found] == [at / rate for at in borders[1:]]
    np.testing.assert_array_equal(np.concatenate([window.sound.samples for window in found]), samples)


def test_windows_of_a_file_do_not_depend_on_the_blocks_it_is_decoded_in():
    samples = np.random.default_rng(0).uniform(-1, 1, (900_000, 2)).astype(np.float32)
    found = list(windows(wav(samples, subtype="FLOAT"), 7.3))
    borders = cut(900_000, round(7.3 * 16_000))
    assert [(one.start, one.end) for one in found] == [(at / 16_000, end / 16_000) for at, end in pairwise(borders)]
    np.testing.assert_array_equal(np.concatenate([one.sound.samples for one in found]), samples.mean(axis=1))


def test_a_recording_up_to_one_and_a_half_windows_stays_whole():
    assert [(one.start, one.end) for one in windows((np.zeros(15_000), 1_000), 10)] == [(0, 15)]
    assert [(one.start, one.end) for one in windows((np.zeros(15_001), 1_000), 10)] == [(0, 10), (10, 15.001)]
    assert isinstance(next(windows((np.zeros(5), 1_000), 10)), Window)


@pytest.mark.parametrize("seconds", [0, -1, 400.1, float("nan"), float("inf")])
def test_a_window_of_no_length_or_longer_than_an_encoder_takes_is_refused(seconds):
    with pytest.raises(InvalidInput, match="up to 400 seconds long"):
        list(windows((np.zeros(5), 8_000), seconds))


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG", "MP3", "AIFF"])
def test_facts_say_what_the_header_and_the_tags_say(tmp_path, form):
    path = tmp_path / "recording"
    with soundfile.SoundFile(path, "w", 24_000, 2, format=form) as file:
        file.title, file.artist = "Größe", "Nobody"
        file.write(tune(1.5, 24_000, 2))
    shape = {"duration": 1.5, "rate": 24_000, "channels": 2, "format": form}
    assert facts(path) == facts(path.read_bytes()) == {**shape, "title": "Größe", "artist": "Nobody"}


def test_facts_of_samples_and_of_opus():
    assert facts((np.zeros((800, 2)), 8_000)) == {"duration": 0.1, "rate": 8_000, "channels": 2}
    assert facts(WHOLE["OGG", "OPUS"])["format"] == "OPUS"
    with pytest.raises(InvalidInput):
        facts(b"no sound at all")


def test_the_waveform_shows_where_it_is_loud_and_is_the_same_every_time():
    time = np.arange(16_000) / 16_000
    swell = Sound((0.01 * time * np.sin(2 * np.pi * 440 * time)).astype(np.float32), 16_000)
    picture = Image.open(io.BytesIO(waveform(swell)))
    heights = np.asarray(picture).sum(axis=0)
    assert picture.size == (160, 40) and waveform(swell) == waveform(swell)
    assert heights[0] == 2 and heights[-1] >= 38  # the middle of an even number of lines is two
    assert np.abs(heights - np.linspace(0, 40, 160)).max() <= 3


@pytest.mark.parametrize("n", [1, 2, 159, 160, 161, 1_000_003])
def test_a_waveform_of_any_length_is_a_small_picture(n):
    loud = Sound(np.random.default_rng(n).uniform(-1, 1, n).astype(np.float32), 8_000)
    for sound in (loud, Sound(np.zeros(n, np.float32), 8_000)):
        assert 60 < len(waveform(sound)) < 2048
        assert Image.open(io.BytesIO(waveform(sound))).convert("RGB").size == (160, 40)


@pytest.mark.parametrize(("rate", "wanted"), [(44_100, 16_000), (8_000, 16_000), (16_000, 8_000), (44_101, 22_050)])
def test_a_tone_is_the_same_tone_at_another_rate(rate, wanted):
    time, there = np.arange(rate) / rate, np.arange(wanted) / wanted
    found = resampled(Sound((0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32), rate), wanted)
    assert found.rate == wanted and abs(len(found.samples) - wanted) <= 1 and found.samples.dtype == np.float32
    n = min(len(found.samples), wanted)
    inner = slice(wanted // 10, n - wanted // 10)
    np.testing.assert_allclose(found.samples[:n][inner], 0.5 * np.sin(2 * np.pi * 440 * there)[:n][inner], atol=2e-3)


def test_what_a_lower_rate_cannot_hold_is_filtered_out_and_the_own_rate_changes_nothing():
    time = np.arange(16_000) / 16_000
    high = Sound((0.5 * np.sin(2 * np.pi * 6_000 * time)).astype(np.float32), 16_000)
    assert np.abs(resampled(high, 8_000).samples[100:-100]).max() < 0.01
    assert resampled(high, 16_000) is high


@pytest.mark.parametrize(("rate", "wanted"), [(767_999, 8_000), (1_009, 44_100), (44_100, 1_009)])
def test_rates_without_a_common_measure_cost_no_more(rate, wanted):
    assert gcd(rate, wanted) == 1
    found = resampled(Sound(np.zeros(rate, np.float32), rate), wanted)
    assert abs(len(found.samples) - wanted) <= 1


def test_the_limits_are_those_that_the_errors_name():
    assert (sounds.MAX_SECONDS, sounds.RATES, sounds.MAX_CHANNELS) == (600, (1_000, 768_000), 64)
