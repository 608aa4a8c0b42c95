"""The embedded `image` encoder on pictures made here; tests/quality holds it against real ones."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from benchmarks import fit_image, made_pictures
from latentstore import Item
from latentstore.encoders import appearance, load
from latentstore.encoders.base import Encoder
from latentstore.encoders.contract import EncoderContract
from latentstore.encoders.image import ImageEncoder
from latentstore.errors import EncoderMissing, InvalidInput

ROWS, COLUMNS = np.mgrid[0:96, 0:128]


def scene(seed=0):
    """(96, 128, 3) uint8: five coloured blocks before a shaded ground."""
    random = np.random.default_rng(seed)
    picture = (random.uniform(50, 200, 3) + ROWS[..., None] * 0.5).repeat(1, axis=2)
    for _ in range(5):
        top, left, height, width = random.integers(0, 60), random.integers(0, 90), *random.integers(15, 40, 2)
        picture[top : top + height, left : left + width] = random.uniform(0, 255, 3)
    return picture.astype(np.uint8)


def cosine(left, right):
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


class TestImageEncoder(EncoderContract):
    items = (
        scene(1),
        scene(2),
        Image.fromarray(scene(3)),
        scene(4)[:, :, 0],
        np.zeros((5, 900), np.uint8),
        scene(1)[::-1],
    )

    def make(self) -> Encoder:
        return ImageEncoder()


def test_the_registry_knows_it_and_says_what_it_is():
    encoder = load("image")
    assert isinstance(encoder, ImageEncoder) and encoder.dim == 384
    assert "appearance, not meaning" in encoder.describe().source and encoder.describe().installed


def test_a_path_its_bytes_an_open_file_an_image_and_its_pixels_have_one_vector(tmp_path):
    path = tmp_path / "scene.png"
    Image.fromarray(scene()).save(path)
    with path.open("rb") as file:
        vectors = ImageEncoder().encode([path, str(path), path.read_bytes(), file, Image.open(path), scene()])
    assert all(cosine(vector, vectors[0]) > 0.999999 for vector in vectors)


def test_vectors_have_unit_length_whatever_the_picture():
    odd = [np.full((40, 40), shade, np.uint8) for shade in (0, 128, 255)]
    odd += [np.zeros((1, 1, 3), np.uint8), scene()[:1], scene()[:, :1], np.eye(600, dtype=bool), scene() / 255]
    np.testing.assert_allclose(np.linalg.norm(ImageEncoder().encode(odd), axis=1), 1, atol=1e-5)


def test_a_mirrored_picture_has_the_vector_of_the_picture():
    straight, mirrored = ImageEncoder().encode([scene(), np.ascontiguousarray(scene()[:, ::-1])])
    assert cosine(straight, mirrored) > 0.9999


def test_changed_copies_lie_closer_than_other_pictures():
    file = io.BytesIO()
    Image.fromarray(scene()).save(file, "JPEG", quality=30)
    small = Image.fromarray(scene()).resize((40, 30))
    copies = [file.getvalue(), small, np.clip(scene() * 0.7, 0, 255).astype(np.uint8), scene()[4:, 5:]]
    vectors = ImageEncoder().encode([scene(), *copies, *(scene(seed) for seed in range(1, 40))])
    likeness = vectors[1:] @ vectors[0]
    assert likeness[:4].min() > 0.75 > 0.6 > likeness[4:].max()


def test_it_sees_colours_and_shapes_and_where_they_are():
    red, blue = (np.zeros((64, 64, 3), np.uint8) for _ in range(2))
    red[:, :, 0], blue[:, :, 2] = 200, 200
    stripes = np.where(np.arange(64) // 4 % 2, 255, 0).astype(np.uint8)
    upright, level = np.tile(stripes, (64, 1)), np.tile(stripes[:, None], (1, 64))
    spots = [np.zeros((64, 64), np.uint8) for _ in range(2)]
    spots[0][4:20, 24:40] = spots[1][44:60, 24:40] = 255
    for left, right in [(red, blue), (upright, level), spots]:
        one, other = ImageEncoder().encode([left, right])
        assert cosine(one, other) < 0.8


def test_what_is_no_picture_is_refused_by_position_and_type(tmp_path):
    (tmp_path / "words.png").write_text("no picture")
    for bad, said in [(None, "NoneType"), (b"x", "bytes"), (tmp_path / "words.png", "Path"), (np.zeros(3), "ndarray")]:
        with pytest.raises(InvalidInput, match=rf"item 1 is no picture but \w*{said}"):
            ImageEncoder().encode([scene(), bad])


def test_one_picture_that_is_in_no_list_is_refused(tmp_path):
    for single in (scene(), scene()[:, :, 0], Image.fromarray(scene()), tmp_path / "a.png", "a.png", b"bytes"):
        with pytest.raises(InvalidInput, match="put it in a list"):
            ImageEncoder().encode(single)
    assert ImageEncoder().encode(np.stack([scene(1), scene(2)])).shape == (2, 384)


def test_many_pictures_in_batches_have_the_vectors_they_have_alone():
    pictures = [scene(seed) for seed in range(37)]
    together = ImageEncoder().encode(pictures)
    alone = np.concatenate([ImageEncoder().encode([picture]) for picture in pictures])
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_patches_are_compared_without_their_mean_and_contrast():
    picture = scene().astype(np.float32)[None, :32, :32]
    found = appearance.patches(picture, 2)
    assert found.shape == (1, 14 * 14, 108)
    patch = picture[0, 4:10, 26:32].transpose(2, 0, 1).ravel()
    wanted = (patch - patch.mean()) / np.sqrt(patch.var() + 100)
    np.testing.assert_allclose(found[0, 2 * 14 + 13], wanted, atol=1e-4)
    turned = appearance.patches(picture[:, :, ::-1], 2)[0, 2 * 14]
    np.testing.assert_allclose(appearance.mirrored(found[0, 2 * 14 + 13]), turned, atol=1e-5)


def test_colours_are_means_and_deviations_of_places_alike_in_the_mirror():
    flat = np.zeros((1, 32, 32, 3), np.float32) + np.float32([255, 0, 51])
    places = appearance.colours(flat).reshape(16, 6)
    np.testing.assert_allclose(places, np.tile([0.4, 2, 2 * 0.3, 0, 0, 0], (16, 1)), atol=2e-3)
    picture = scene()[None, :32, :32].astype(np.float32)
    np.testing.assert_allclose(appearance.colours(picture), appearance.colours(picture[:, :, ::-1]), atol=1e-5)


def test_what_it_ships_with_is_what_it_was_released_with(monkeypatch):
    appearance.shipped.cache_clear()
    monkeypatch.setattr(appearance, "SHA256", "0" * 64)
    with pytest.raises(EncoderMissing, match=r"appearance\.safetensors.*install it again"):
        ImageEncoder().encode([scene()])
    monkeypatch.undo()
    assert ImageEncoder.fingerprint == f"image-1-{appearance.SHA256[:16]}"
    assert ImageEncoder().encode([scene()]).any()


def test_made_pictures_are_those_of_their_seed_and_differ():
    once, again = (made_pictures.pictures(8, seed=3) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert once.shape == (8, 64, 64, 3) and len(np.unique(once.reshape(8, -1), axis=0)) == 8
    assert not np.array_equal(once, made_pictures.pictures(8, seed=4))
    across, apart = (
        np.abs(np.diff(once.astype(int), axis=2)).mean(),
        np.abs(once[:, ::-1, ::-1].astype(int) - once).mean(),
    )
    assert across < apart / 3  # as in photos what is near is alike


@pytest.mark.slow
def test_what_it_ships_with_is_what_the_script_makes():
    from safetensors.numpy import load as read

    again = appearance.Appearance(read(fit_image.fitted(fit_image.PICTURES, fit_image.SEED)))
    squares = np.stack([scene(seed)[:32, :32] for seed in range(20)])
    likeness = (again.points(squares) * appearance.shipped().points(squares)).sum(axis=1)
    assert likeness.min() > 0.99, likeness.min()


def test_pictures_go_into_a_store_by_path_and_are_found_by_a_changed_copy(store, tmp_path):
    for seed in range(6):
        Image.fromarray(scene(seed)).save(tmp_path / f"{seed}.png")
    pictures = store.create("pictures", encoders=["image"])
    pictures.add([Item(id=str(seed), image=tmp_path / f"{seed}.png") for seed in range(6)])
    Image.fromarray(scene(3)).transpose(Image.Transpose.FLIP_LEFT_RIGHT).resize((70, 50)).save(tmp_path / "asked.jpg")
    assert pictures.search(tmp_path / "asked.jpg", k=1).ids == ["3"]
    assert pictures.search(Image.open(tmp_path / "4.png"), k=1).ids == ["4"]


def test_naming_it_imports_no_decoder_and_encoding_no_torch():
    script = (
        "import sys; from latentstore.encoders import describe, load; describe(); e = load('image'); e.fingerprint;"
        "print({'PIL', 'safetensors'} & set(sys.modules)); import numpy; e.encode([numpy.zeros((4, 4), 'uint8')]);"
        "print({'torch', 'scipy', 'sklearn', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.stdout == "set()\nset()\n", done.stdout + done.stderr
