"""Sheets and animations, looked at pixel by pixel."""

import io
from itertools import pairwise

import numpy as np
import pytest
import soundfile
from PIL import Image

from latentstore.errors import InvalidInput
from latentstore.media import lettering, sheets
from latentstore.media.sounds import Sound
from latentstore.media.spectrograms import spectrogram

CRISP = np.random.default_rng(0).integers(0, 200, (6, 28, 28), np.uint8)
PICTURES = [Image.fromarray(one) for one in CRISP]


def sheet(picture):
    return np.asarray(picture.convert("L"), np.int16)


def ink(pixels):
    """First and one past the last line, and column, that is not white."""
    rows, columns = np.flatnonzero((pixels < 250).any(axis=1)), np.flatnonzero((pixels < 250).any(axis=0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def runs(used):
    """(start, end) of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], used, [False]]).astype(np.int8)))
    return edges.reshape(-1, 2).tolist()


def frames(gif):
    with Image.open(io.BytesIO(gif)) as file:
        out = []
        for at in range(file.n_frames):
            file.seek(at)
            out.append((np.asarray(file.convert("RGB"), np.int16), file.info["duration"]))
        return out, file.info.get("loop")


def test_small_pictures_keep_their_pixels_as_squares():
    pixels = sheet(sheets.strip(PICTURES[:3]))
    top, _, left, _ = ink(pixels)
    shown = pixels[top + 1 : top + 1 + 224, left + 1 : left + 1 + 224]
    assert np.array_equal(shown, CRISP[0].repeat(8, axis=0).repeat(8, axis=1))


def test_larger_pictures_are_enlarged_smoothly():
    ramp = Image.fromarray(np.tile(np.linspace(0, 220, 64), (64, 1)).astype(np.uint8))
    pixels = sheet(sheets.strip([ramp] * 3))
    top, _, left, _ = ink(pixels)
    line = pixels[top + 100, left + 1 : left + 225]
    assert np.abs(np.diff(line)).max() <= 3
    assert abs(int(line.mean()) - 110) <= 2


def test_margins_are_equal_and_so_are_the_gaps():
    pixels = sheet(sheets.grid(PICTURES, columns=3))
    top, bottom, left, right = ink(pixels)
    assert (top, pixels.shape[0] - bottom, left, pixels.shape[1] - right) == (48, 48, 48, 48)
    across = runs(pixels[top + 5] < 250)
    down = runs(pixels[:, left + 5] < 250)
    assert len(across) == 3
    assert len(down) == 2
    assert {later[0] - earlier[1] for line in (across, down) for earlier, later in pairwise(line)} == {24}


def test_a_strip_is_one_line_and_a_long_one_breaks_evenly():
    lines = [len(runs(sheet(sheets.strip(PICTURES[:1] * n))[:, 53] < 250)) for n in (1, 9, 12, 13, 26)]
    assert lines == [1, 1, 1, 2, 3]


def test_a_grid_is_about_four_to_three():
    pixels = sheet(sheets.grid(PICTURES * 2))
    assert pixels.shape == (96 + 3 * 226 + 2 * 24, 96 + 4 * 226 + 3 * 24)


def test_many_pictures_make_small_tiles_and_no_endless_sheet():
    assert sheets.grid(PICTURES[:1] * 400, columns=40).width < 4000


def test_a_caption_stands_in_the_middle_under_its_picture():
    pixels = sheet(sheets.grid(PICTURES[:3], ["a", "one", "·"], columns=3))
    top, _, left, _ = ink(pixels)
    for at in range(3):
        start = left + at * (226 + 24)
        under = pixels[top + 228 :, start : start + 226]
        _, _, first, last = ink(under)
        assert abs((first + last) / 2 - 113) <= 3


def test_a_caption_never_reaches_its_neighbour():
    pixels = sheet(
        sheets.grid(PICTURES[:2] * 2, ["scans/2024/batch-17/page-000" + str(n) + ".png" for n in range(4)], columns=4)
    )
    top, _, left, _ = ink(pixels)
    for at in range(3):
        gap = pixels[top:, left + at * 250 + 227 : left + (at + 1) * 250 - 1]
        assert (gap > 250).all()


def test_lines_of_a_caption_stand_one_under_the_other():
    one, two = (sheets.strip(PICTURES[:3], [text] * 3).height for text in ("a", "a\nb"))
    assert two - one == lettering.height(lettering.font(22))


@pytest.mark.parametrize("width", [0, 40, 90, 200])
def test_a_long_id_loses_its_middle_and_fits(width):
    face = lettering.font(22)
    text = lettering.shortened("scans/2024/batch-17/page-0001.png", face, width)
    assert face.getlength(text) <= max(width, face.getlength("…"))
    assert "…" in text
    head, tail = text.split("…")
    assert "scans/2024/batch-17/page-0001.png".startswith(head)
    assert "scans/2024/batch-17/page-0001.png".endswith(tail)
    assert abs(len(head) - len(tail)) <= 1


def test_a_short_id_stays_as_it_is():
    assert lettering.shortened("page 1", lettering.font(22), 224) == "page 1"


def test_a_long_title_breaks_between_words_and_none_is_lost():
    face = lettering.font(34, bold=True)
    title = "A walk from the first of all the digits that were ever written to the last of them"
    lines = lettering.lines(title, face, 560)
    assert " ".join(lines) == title
    assert len(lines) > 1
    assert max(face.getlength(line) for line in lines) <= 560


def test_pairs_stand_one_over_the_other():
    pixels = sheet(sheets.pairs(PICTURES[:3], PICTURES[3:]))
    top, _, left, _ = ink(pixels)
    below = pixels[top + 226 + 6 + 1 : top + 226 + 6 + 1 + 224, left + 1 : left + 225]
    assert np.array_equal(below, CRISP[3].repeat(8, axis=0).repeat(8, axis=1))


def test_pictures_of_any_size_and_mode_share_a_sheet():
    odd = [
        Image.new("RGBA", (5, 70), (9, 9, 9, 255)),
        Image.new("1", (300, 10)),
        Image.new("CMYK", (64, 64)),
        PICTURES[0],
    ]
    assert sheets.grid(odd, columns=4).size == (96 + 4 * 226 + 3 * 24, 96 + 226)


def test_an_animation_runs_forth_and_back_with_even_timing_for_ever():
    found, loop = frames(sheets.animation(PICTURES[:5]))
    assert loop == 0
    assert {duration for _, duration in found} == {300}
    centres = [int(pixels[48 + 1 + 8, 48 + 1 + 8, 0]) for pixels, _ in found]
    assert centres == [int(CRISP[at][0, 0]) for at in (0, 1, 2, 3, 4, 3, 2, 1)]


def test_grey_frames_are_exact():
    found, _ = frames(sheets.animation(PICTURES[:2], ["a", "b\nc"]))
    large = CRISP[0].repeat(16, axis=0).repeat(16, axis=1)
    assert np.array_equal(found[0][0][49 : 49 + 448, 49 : 49 + 448, 1], large)


def test_coloured_frames_are_close_and_their_page_stays_white_beside_nearly_white_ones():
    rng = np.random.default_rng(1)
    smooth = [
        Image.fromarray(rng.integers(240, 255, (4, 4, 3), np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
        for _ in range(3)
    ]
    found, _ = frames(sheets.animation(smooth, ["one", "two", "three"]))
    for (pixels, _), picture in zip(found[:3], smooth, strict=True):
        assert (pixels[:40] == 255).all()
        large = np.asarray(picture.resize((448, 448), Image.Resampling.LANCZOS), np.int16)
        apart = (pixels[49 : 49 + 448, 49 : 49 + 448] - large).reshape(56, 8, 56, 8, 3).mean(axis=(1, 3))
        assert np.sqrt(np.square(apart).mean()) < 2


def test_one_picture_is_an_animation_of_one_frame():
    assert len(frames(sheets.animation(PICTURES[:1]))[0]) == 1


@pytest.mark.parametrize("draw", [sheets.strip, sheets.grid, sheets.animation])
def test_nothing_to_show_and_missing_captions_are_refused(draw):
    with pytest.raises(InvalidInput, match="got nothing"):
        draw([])
    with pytest.raises(InvalidInput, match="a caption for each of 3"):
        draw(PICTURES[:3], ["one"])


def test_pairs_that_differ_in_number_are_refused():
    with pytest.raises(InvalidInput, match="as many above as below, got 2 and 1"):
        sheets.pairs(PICTURES[:2], PICTURES[:1])


def test_a_png_says_its_density_and_is_the_sheet():
    picture = sheets.strip(PICTURES[:2])
    with Image.open(io.BytesIO(sheets.png(picture))) as file:
        assert np.allclose(file.info["dpi"], 192, atol=0.1)
        assert np.array_equal(np.asarray(file), np.asarray(picture))


def tone(hertz, seconds=0.5, rate=16_000):
    return Sound((0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32), rate)


def dark(sound, seconds=0.0):
    """(row, columns) inside the axes: the darkest row, and which columns hold a sound."""
    pixels = sheet(spectrogram(sound, (600, 400), seconds))
    inside = pixels[40:360, 62:590]
    return int(inside.mean(axis=1).argmin()), np.flatnonzero((inside < 200).any(axis=0))


def test_a_higher_tone_is_drawn_higher():
    places = [dark(tone(hertz))[0] for hertz in (200, 1000, 4000)]
    assert places[0] > places[1] + 40 > places[2] + 80


def test_a_tone_is_drawn_beside_its_number():
    """4 kHz stands where its tick does: the axis and the bands agree."""
    pixels = sheet(spectrogram(tone(4000), (600, 400)))
    ticks = [start for start, _ in runs(pixels[:, 56] < 200)]
    loudest = 40 + dark(tone(4000))[0]
    assert min(abs(tick - loudest) for tick in ticks) <= 4


def test_sounds_of_a_sheet_share_one_axis_of_time():
    _, whole = dark(tone(500, 1.0), 2.0)
    assert 0.42 * 528 < len(whole) < 0.58 * 528


def test_a_silent_sound_is_a_white_spectrogram():
    pixels = sheet(spectrogram(Sound(np.zeros(8000, np.float32), 16_000), (600, 400)))
    assert (pixels[60:330, 80:580] == 255).all()


def test_sounds_and_pictures_are_shown_by_the_same_calls():
    sounds = [tone(300), tone(2000, 1.0, 44_100)]
    assert sheets.strip(sounds, ["a", "b"]).width == 96 + 2 * 504 + 24
    assert len(frames(sheets.animation(sounds))[0]) == 2


def test_sounds_are_written_one_after_the_other_with_a_pause():
    samples, rate = soundfile.read(io.BytesIO(sheets.wav([tone(300), tone(600, 0.25)])))
    assert rate == 16_000
    assert len(samples) == 8000 + 4000 + 4000
    assert np.allclose(samples[:8000], tone(300).samples, atol=1e-4)
    assert not samples[8000:12000].any()
    assert np.allclose(samples[12000:], tone(600, 0.25).samples, atol=1e-4)


def test_sounds_of_two_rates_and_no_sound_are_refused():
    with pytest.raises(InvalidInput, match=r"of one rate .* \[8000, 16000\]"):
        sheets.wav([tone(300), tone(300, rate=8000)])
    with pytest.raises(InvalidInput, match="no sound"):
        sheets.wav([])
