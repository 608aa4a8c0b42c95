"""Pictures of every size and mode as rows, and back."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentstore.errors import InvalidInput
from latentstore.latent import forms
from latentstore.latent.forms.picture import PictureForm

IMAGES = Path(__file__).parents[4] / "shared" / "data" / "images"
needs_images = pytest.mark.skipif(not IMAGES.is_dir(), reason="needs the pictures in ../shared/data/images")


def noise(*shape: int, seed: int = 0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def test_small_grey_pictures_of_one_size_are_their_own_pixels():
    pictures = noise(5, 28, 28)
    form = forms.choose("picture", list(pictures))
    assert (form.side, form.channels, form.caption()) == (28, 1, "28 x 28 grey pictures")
    assert np.array_equal(form.rows(list(pictures)), pictures.reshape(5, -1))


def test_colours_stay_together_pixel_by_pixel():
    pictures = noise(3, 32, 32, 3)
    form = forms.choose("picture", list(pictures))
    assert form.caption() == "32 x 32 colour pictures"
    assert np.array_equal(form.rows(list(pictures)), pictures.reshape(3, -1))


@pytest.mark.parametrize("shape", [(28, 28), (32, 32, 3)])
def test_rows_decode_to_the_pictures_that_they_came_from(shape):
    pictures = noise(4, *shape)
    form = forms.choose("picture", list(pictures))
    back = form.content(form.rows(list(pictures)) / np.float32(form.divisor))
    assert all(np.array_equal(np.asarray(one), picture) for one, picture in zip(back, pictures, strict=True))


def test_values_beyond_black_and_white_are_clipped():
    row = np.tile(np.array([-0.5, 1.5], np.float32), 32)[None]
    [picture] = PictureForm(8, 1).content(row)
    assert np.asarray(picture).reshape(-1).tolist() == [0, 255] * 32


@pytest.mark.parametrize(("sizes", "side"), [([20, 20, 20], 20), ([100, 300], 64), ([5], 8), ([16, 30, 400], 30)])
def test_the_side_is_the_usual_shorter_side_within_limits(sizes, side):
    assert forms.choose("picture", [noise(one, one + 7) for one in sizes]).side == side


def test_a_picture_of_another_shape_shows_its_middle():
    wide = np.zeros((20, 60), np.uint8)
    wide[:, 20:40] = noise(20, 20)
    form = PictureForm(20, 1)
    assert np.array_equal(form.rows([wide])[0], wide[:, 20:40].reshape(-1))
    assert np.array_equal(form.rows([wide.T])[0], wide[:, 20:40].T.reshape(-1))


def test_a_picture_is_brought_to_the_side_whatever_its_size():
    half = np.repeat([[40], [200]], 60, axis=0).repeat(120, axis=1).astype(np.uint8)
    for side in (8, 28, 300):
        row = PictureForm(side, 1).rows([half])[0].reshape(side, side)
        assert abs(int(row[side // 4, 3]) - 40) <= 2
        assert abs(int(row[3 * side // 4, 3]) - 200) <= 2


def test_what_is_transparent_is_white():
    clear = np.zeros((10, 10, 4), np.uint8)
    clear[:, 5:, 3] = 255
    row = PictureForm(10, 3).rows([clear])[0].reshape(10, 10, 3)
    assert (row[:, :5] == 255).all()
    assert (row[:, 5:] == 0).all()


def test_sixteen_bits_cmyk_and_palettes_are_seen_as_what_they_show():
    deep = Image.fromarray(np.full((10, 10), 32_896, np.uint16))
    red = Image.new("RGB", (10, 10), (255, 0, 0))
    assert abs(int(PictureForm(10, 1).rows([deep])[0, 0]) - 128) <= 1
    for one in (red.convert("CMYK"), red.convert("P"), red.convert("RGBA")):
        assert PictureForm(10, 3).rows([one])[0, :3].tolist() == [255, 0, 0]


def test_a_sample_with_one_coloured_picture_is_seen_in_colour():
    grey = noise(12, 12)
    assert forms.choose("picture", [grey, noise(12, 12, 3)]).channels == 3
    assert forms.choose("picture", [grey, np.stack([grey] * 3, axis=2)]).channels == 1


def test_a_coloured_picture_in_a_grey_form_keeps_its_brightness():
    green = np.zeros((10, 10, 3), np.uint8)
    green[..., 1] = 255
    assert PictureForm(10, 1).rows([green])[0, 0] == 150  # 0.587 of white, ITU-R BT.601


def test_what_is_too_narrow_is_refused_by_name():
    with pytest.raises(InvalidInput, match=r"item 1 is a picture of \d+ x 1 pixels, .* leave out"):
        PictureForm(28, 1).rows([noise(28, 28), noise(1, 1000)])


@pytest.mark.parametrize("item", [b"no picture", 7, "/nowhere.png", np.zeros((0, 5), np.uint8)])
def test_what_is_no_picture_is_refused_by_its_place(item):
    with pytest.raises(InvalidInput, match="item 0 is no picture"):
        forms.choose("picture", [item])


@pytest.mark.parametrize("side", [7, 513, 28.0, True])
def test_a_side_that_cannot_be_is_refused(side):
    with pytest.raises(InvalidInput, match="from 8 to 512"):
        forms.choose("picture", [noise(28, 28)], side=side)


def test_no_sample_and_no_such_form_are_refused():
    with pytest.raises(InvalidInput, match="got none"):
        forms.choose("picture", [])
    with pytest.raises(InvalidInput, match="picture, sound, vector"):
        forms.choose("film", [1])


def test_the_facts_of_a_form_make_it_again():
    form = forms.choose("picture", [noise(40, 50, 3)], side=24)
    again = forms.of(json.loads(json.dumps(form.facts())), form.arrays())
    assert again == form
    assert again.side == 24


def test_an_option_of_another_form_is_refused():
    with pytest.raises(InvalidInput, match="a sound has no side to choose, but seconds"):
        forms.choose("sound", [noise(9, 9)], side=9)


@needs_images
def test_handwritten_digits_are_28_grey_pixels_and_photos_64_coloured_ones():
    with gzip.open(next(IMAGES.glob("mnist/*images*"))) as file:
        digits = np.frombuffer(file.read(), np.uint8, offset=16)[: 50 * 784].reshape(-1, 28, 28)
    assert forms.choose("picture", list(digits)).caption() == "28 x 28 grey pictures"
    assert forms.choose("picture", sorted(IMAGES.glob("photos/*.jp*g"))[:30]).caption() == "64 x 64 colour pictures"
