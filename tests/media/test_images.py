"""Pictures of every kind that files come in, held against the arrays that they were made from."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import threading
import warnings
import zlib
from datetime import datetime
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageOps

from latentstore.errors import InvalidInput
from latentstore.media import images

LOSSLESS = {"PNG": {}, "BMP": {}, "TIFF": {}, "GIF": {}, "WEBP": {"lossless": True}}
LOSSY = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}, "AVIF": {"quality": 95}}


def scene(height=48, width=64):
    """(h, w, 3) uint8: smooth, every corner of another colour."""
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return np.stack([rows * 255, columns * 255, 255 - rows * columns * 255], axis=2).astype(np.uint8)


def saved(image, kind, **how):
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def pixels(source, **how):
    image = images.load(source, **how)
    assert image.mode == "RGB" and max(image.size) <= 512
    return np.asarray(image).astype(int)


def same(source, wanted, within=0):
    np.testing.assert_allclose(pixels(source), wanted, atol=within)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_lossless_formats_give_their_pixels_back(kind):
    picture = Image.fromarray(scene()).quantize(64) if kind == "GIF" else Image.fromarray(scene())
    same(saved(picture, kind, **LOSSLESS[kind]), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("kind", LOSSY)
def test_lossy_formats_give_their_pixels_nearly_back(kind):
    found = pixels(saved(Image.fromarray(scene()), kind, **LOSSY[kind]))
    assert np.abs(found - scene()).mean() < 2


def test_a_path_bytes_a_file_an_image_and_an_array_give_the_same(tmp_path):
    data = saved(Image.fromarray(scene()), "PNG")
    (tmp_path / "picture.bin").write_bytes(data)  # the content decides, not the name
    for source in (tmp_path / "picture.bin", str(tmp_path / "picture.bin"), data, io.BytesIO(data), scene()):
        same(source, scene())
    with (tmp_path / "picture.bin").open("rb") as file:
        same(file, scene())
        same(Image.open(file), scene())


def test_what_load_gave_loads_as_itself():
    for source in (scene(), scene(700, 900), saved(Image.fromarray(scene(1400, 1900)), "JPEG"), scene()[:, :, 0]):
        once = images.load(source)
        np.testing.assert_array_equal(np.asarray(images.load(once)), np.asarray(once))
        np.testing.assert_array_equal(pixels(np.asarray(once)), np.asarray(once))
        assert not once.info


def test_loading_leaves_the_image_that_was_given_as_it_was():
    given = Image.fromarray(np.dstack([scene(600, 800), np.full((600, 800), 200, np.uint8)]))
    given.info["note"] = "mine"
    images.load(given).putpixel((0, 0), (1, 2, 3))
    assert (given.mode, given.size, given.info) == ("RGBA", (800, 600), {"note": "mine"})


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied(kind, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(scene()), kind, exif=exif, **LOSSLESS.get(kind, LOSSY.get(kind)))
    upright = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    assert upright.shape == ((64, 48, 3) if orientation > 4 else (48, 64, 3))
    same(data, upright)
    assert images.facts(data)["width"] == upright.shape[1] and images.facts(data)["height"] == upright.shape[0]


def test_grey_is_spread_over_three_channels():
    grey = scene()[:, :, 0]
    for source in (grey, grey[:, :, None], saved(Image.fromarray(grey), "PNG"), saved(Image.fromarray(grey), "TIFF")):
        same(source, np.repeat(grey[:, :, None], 3, axis=2))


def test_one_bit_is_black_and_white():
    bits = scene()[:, :, 0] > 100
    for source in (bits, *(saved(Image.fromarray(bits), kind) for kind in ("PNG", "TIFF", "BMP"))):
        same(source, np.repeat(bits[:, :, None] * 255, 3, axis=2))


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize(("brightest", "white"), [(65_535, 65_535), (30_000, 65_535), (4_095, 4_095), (1_000, 4_095)])
def test_sixteen_bits_become_eight_by_their_white(kind, brightest, white):
    values = np.linspace(0, brightest, 48 * 64).round().astype(np.uint16).reshape(48, 64)
    wanted = np.repeat(np.floor(values * (255 / white) + 0.5)[:, :, None], 3, axis=2)
    same(values, wanted)
    same(saved(Image.fromarray(values), kind), wanted)


def test_big_endian_sixteen_bits_are_read_as_well():
    values = np.linspace(0, 65_535, 48 * 64).astype(">u2").reshape(48, 64)
    entries = [
        (256, 3, 64),
        (257, 3, 48),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (279, 4, 6144),
    ]
    tags = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in entries
    )
    data = b"MM\0*" + struct.pack(">I", 8 + 6144) + values.tobytes() + struct.pack(">H", 8) + tags + bytes(4)
    same(data, np.repeat(np.floor(values * (255 / 65_535) + 0.5)[:, :, None], 3, axis=2))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_wide_numbers_in_a_file_are_stretched(dtype):
    values = np.linspace(-300, 70_000, 48 * 64).astype(dtype).reshape(48, 64)
    wanted = (values.astype(float) - values.min()) / (values.max() - float(values.min())) * 255
    same(saved(Image.fromarray(values), "TIFF"), np.repeat(wanted[:, :, None], 3, axis=2), within=0.51)


def test_floats_that_are_not_finite_are_black_and_a_flat_picture_is_one_colour():
    values = np.array([[np.nan, 1.0], [3.0, np.inf]], np.float32)
    same(saved(Image.fromarray(values), "TIFF"), [[[0] * 3, [0] * 3], [[255] * 3, [0] * 3]])
    for flat in (np.full((4, 4), 7.5, np.float32), np.full((4, 4), np.nan, np.float32)):
        same(saved(Image.fromarray(flat), "TIFF"), np.zeros((4, 4, 3)))


def test_arrays_of_floats_are_shares_of_white():
    same(scene() / 255, scene())
    same((scene() / 255).astype(np.float32), scene())


def over_white(colour, alpha):
    """(h, w, 3) float: what shows of a colour before white."""
    share = alpha[:, :, None] / 255
    return colour * share + 255 * (1 - share)


def test_what_is_transparent_shows_white():
    alpha = scene()[:, ::-1, 1]
    wanted = over_white(scene(), alpha)
    picture = np.dstack([scene(), alpha])
    same(picture, wanted, within=1)
    for kind in ("PNG", "TIFF", "WEBP"):
        same(
            saved(Image.fromarray(picture), kind, **(LOSSLESS[kind] | ({"exact": True} if kind == "WEBP" else {}))),
            wanted,
            1,
        )


def test_grey_with_alpha_and_palettes_with_transparency_show_white_too():
    grey, alpha = scene()[:, :, 0], scene()[:, :, 1]
    both = Image.merge("LA", [Image.fromarray(grey), Image.fromarray(alpha)])
    wanted = over_white(np.repeat(grey[:, :, None], 3, axis=2), alpha)
    same(both, wanted, within=1)
    same(saved(both, "PNG"), wanted, within=1)
    coded = Image.fromarray((scene()[:, :, 0] // 128).astype(np.uint8), "P")
    coded.putpalette([200, 0, 0, 0, 0, 200])
    seen = np.where(np.asarray(coded)[:, :, None] == 1, [0, 0, 200], [255, 255, 255])
    for kind in ("PNG", "GIF"):
        same(saved(coded, kind, transparency=0), seen)
    same(coded.convert("PA"), np.where(np.asarray(coded)[:, :, None] == 1, [0, 0, 200], [200, 0, 0]))


def test_a_transparent_colour_of_a_picture_without_alpha_shows_white():
    blocks = np.where(scene()[:, :, :1] > 127, [10, 20, 30], [200, 100, 50]).astype(np.uint8)
    data = saved(Image.fromarray(blocks), "PNG", transparency=(10, 20, 30))
    same(data, np.where(blocks == [10, 20, 30], 255, blocks))


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted_also_as_adobe_inverts_it_in_jpeg(kind):
    inks = Image.fromarray(np.dstack([255 - scene(), np.full((48, 64), 20, np.uint8)]), "CMYK")
    data = saved(inks, kind, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))
    assert (b"Adobe" in data) == (kind == "JPEG")
    wanted = scene().astype(float) * (1 - 20 / 255)
    assert np.abs(pixels(data) - wanted).mean() < 1.5 and np.abs(pixels(data) - wanted).max() < 12


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_an_animation_the_first_frame_is_taken(kind):
    frames = [Image.fromarray(np.full((8, 8, 3), shade, np.uint8)) for shade in (40, 120, 200)]
    how = {"lossless": True} if kind == "WEBP" else {}
    same(saved(frames[0], kind, save_all=True, append_images=frames[1:], **how), np.full((8, 8, 3), 40))


@pytest.mark.parametrize("shape", [(1024, 2048), (2048, 1024), (600, 513), (1, 5000), (513, 1)])
def test_a_large_picture_is_shrunk_to_512_a_side_and_keeps_its_shape(shape):
    found = pixels(scene(*shape))
    height, width = (max(1, round(side * 512 / max(shape))) for side in shape)
    assert found.shape == (height, width, 3)
    assert np.abs(found - scene(height, width)).mean() < 2


def test_shrinking_averages_and_does_not_alias_nor_bleed_colour_from_what_is_transparent():
    fine = np.indices((2048, 2048)).sum(axis=0) % 2 * 255
    assert np.abs(pixels(fine.astype(np.uint8))[4:-4, 4:-4] - 127.5).max() < 3
    alpha = np.where(fine, 255, 0)
    picture = np.dstack([alpha * 0 + 255, alpha * 0, alpha * 0, alpha]).astype(np.uint8)
    picture[alpha == 0] = [0, 255, 0, 0]  # invisible green
    assert np.abs(pixels(picture)[4:-4, 4:-4] - [255, 127.5, 127.5]).max() < 4


def test_a_large_jpeg_is_decoded_small_and_stays_within_a_few_levels():
    big = Image.fromarray(scene(3000, 4000))
    data = saved(big, "JPEG", quality=95)
    apart = np.abs(pixels(data) - pixels(np.asarray(Image.open(io.BytesIO(data)))))
    assert apart.mean() < 0.7 and apart.max() <= 4
    np.testing.assert_array_equal(pixels(data), pixels(data))


def empty_png(width, height):
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (head, b"IDAT" + zlib.compress(bytes(1000)), b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part)) for part in parts
    )


def decoded_apart(data):
    """What a process of its own says of a picture, and by how many bytes its memory grew at most."""
    script = (
        "import re, sys; from pathlib import Path; from latentstore.media import images; data = sys.stdin.buffer.read()\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])\n"
        "before = peak()\n"
        "try: print(images.load(data).size)\n"
        "except images.InvalidInput as error: print(error)\n"
        "print(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", script], input=data, capture_output=True)
    said, grown = done.stdout.decode().splitlines()
    return said, int(grown) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_picture_of_too_many_pixels_is_refused_by_its_header_without_memory():
    said, grown = decoded_apart(empty_png(40_000, 40_000))
    assert "40,000 by 40,000" in said and "at most 178,956,970 pixels" in said and "max_pixels" in said
    assert grown < 10e6


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize(("mode", "each"), [("RGB", 4), ("RGBA", 4), ("CMYK", 4), ("P", 1), ("I;16", 4.5), ("F", 7)])
def test_a_large_picture_takes_little_more_memory_than_its_pixels(mode, each):
    colour = {"P": 1, "I;16": 900, "F": 0.5}.get(mode, (10, 20, 30, 40)[: len(mode)])
    data = saved(Image.new(mode, (5000, 5000), colour), "TIFF", compression="tiff_lzw")
    said, grown = decoded_apart(data)
    assert said == "(512, 512)" and grown < 25e6 * each + 60e6


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P", "F"])
def test_a_picture_that_is_shrunk_in_bands_is_the_picture(mode):
    small = Image.fromarray(scene()).resize((500, 421), Image.Resampling.BICUBIC)
    small = small.quantize(200) if mode == "P" else small.convert("L" if mode == "F" else mode).convert(mode)
    if mode in ("RGBA", "LA"):
        small.putalpha(Image.linear_gradient("L").resize(small.size))
    large = small.resize((4500, 3789), Image.Resampling.NEAREST)
    wanted = pixels(small.resize(images._fitted(large.size, 512), Image.Resampling.NEAREST))
    assert np.abs(pixels(large) - wanted).mean() < 2


def test_the_limit_is_adjustable_both_ways_and_no_warning_leaves():
    data = saved(Image.fromarray(scene()), "PNG")
    assert pixels(data, max_pixels=48 * 64).shape == (48, 64, 3)
    for source in (data, scene(), Image.fromarray(scene())):
        with pytest.raises(InvalidInput, match=r"at most 3,000 pixels, got 64 by 48"):
            images.load(
                saved(Image.fromarray(scene()).convert("L"), "PNG") if source is None else source, max_pixels=3000
            )
    with pytest.raises(InvalidInput, match="breaks off"):  # beyond what Pillow warns of, and beyond what it refuses
        images.load(empty_png(10_000, 10_000))
    assert images.facts(empty_png(40_000, 40_000), max_pixels=1 << 40)["width"] == 40_000


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "GIF", "WEBP", "AVIF"])
def test_a_truncated_file_is_refused_in_one_line_and_never_half_a_picture(kind, share):
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    data = saved(Image.fromarray(noise), kind)
    with pytest.raises(InvalidInput) as refused:
        images.load(data[: int(len(data) * share)])
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 300


def test_what_is_no_picture_is_refused_and_said(tmp_path):
    (tmp_path / "words.jpg").write_text("no picture at all")
    for source, said in [
        (b"", "begins with b''"),
        (b"%!PS-Adobe-3.0 EPSF-3.0 and more", "convert it first"),
        (tmp_path / "words.jpg", "JPEG, PNG, WebP, GIF, BMP, TIFF or AVIF"),
        (tmp_path / "absent.jpg", "there is none at"),
        (tmp_path, "there is none at"),
        (io.StringIO("text"), "binary mode"),
        (7, "got int"),
        (None, "got NoneType"),
        ("nowhere\0.jpg", "there is none at"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "breaks off or is damaged"),
    ]:
        with pytest.raises(InvalidInput, match=said):
            images.load(source)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((4, 4, 2), np.uint8), r"shape \(4, 4, 2\)"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (np.zeros((0, 4), np.uint8), "4 by 0"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.full((4, 4), 1.5), r"0\.\.1, got 1.5 to 1.5"),
        (np.full((4, 4), np.nan), "nan"),
        (np.zeros((4, 4), "U3"), "<U3"),
    ],
)
def test_an_array_that_is_no_picture_is_refused_and_said(array, said):
    with pytest.raises(InvalidInput, match=said):
        images.load(array)


def test_bytes_flipped_at_random_never_raise_anything_else():
    random = np.random.default_rng(1)
    whole = [saved(Image.fromarray(scene()), kind) for kind in ("JPEG", "PNG", "TIFF", "GIF", "BMP", "WEBP", "AVIF")]
    for at in range(350):
        data = bytearray(whole[at % 7])
        for place in random.integers(0, len(data), 6):
            data[place] = random.integers(256)
        try:
            assert images.load(bytes(data), max_pixels=1 << 20).mode == "RGB"
            images.facts(bytes(data), max_pixels=1 << 20)
        except InvalidInput as refused:
            assert "\n" not in str(refused)


def tagged(**changes):
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Acme ", "Acme Shot 3\0", "2020:02:02 02:02:02"
    place = {1: "S", 2: (Fraction(33), Fraction(51), Fraction(2436, 100)), 3: "E", 4: (151.0, 12.0, 33.84)}
    exif.get_ifd(0x8769).update({0x9003: "2019:07:14 09:30:05"} | changes.get("inner", {}))
    exif.get_ifd(0x8825).update(place | changes.get("place", {}))
    exif[0x8769] = exif[0x8825] = 0  # where they are is found out when they are written
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_date_camera_and_place_are_read(kind):
    found = images.facts(saved(Image.fromarray(scene()), kind, exif=tagged()))
    assert (found["width"], found["height"], found["format"]) == (64, 48, kind)
    assert found["taken"] == datetime(2019, 7, 14, 9, 30, 5) and found["camera"] == "Acme Shot 3"
    assert found["latitude"] == pytest.approx(-33.8567667, abs=1e-6)
    assert found["longitude"] == pytest.approx(151.2094, abs=1e-6)


def test_tags_that_say_nothing_are_left_out():
    for changes, absent in [
        ({"place": {2: (95.0, 0.0, 0.0)}}, {"latitude", "longitude"}),
        ({"place": {4: (1.0, 2.0)}}, {"latitude", "longitude"}),
        ({"inner": {0x9003: "0000:00:00 00:00:00"}}, set()),
    ]:
        found = images.facts(saved(Image.fromarray(scene()), "JPEG", exif=tagged(**changes)))
        assert absent == {"taken", "camera", "latitude", "longitude"} - set(found)
    assert found["taken"] == datetime(2020, 2, 2, 2, 2, 2)  # the next best
    assert images.facts(scene()) == {"width": 64, "height": 48}


def test_broken_exif_costs_the_tags_and_neither_the_picture_nor_a_warning():
    random = np.random.default_rng(2)
    whole = saved(Image.fromarray(scene()), "JPEG", exif=tagged(), quality=95)
    start, wanted = whole.index(b"Exif\0\0") + 6, pixels(whole)
    length = struct.unpack(">H", whole[start - 8 : start - 6])[0] - 8
    for _ in range(200):
        data = bytearray(whole)
        for place in start + random.integers(0, length, 8):
            data[place] = random.integers(256)
        assert images.facts(bytes(data)).keys() >= {"width", "height", "format"}
        found = pixels(bytes(data))
        assert found.shape[0] * found.shape[1] == 48 * 64 and found.sum() == wanted.sum()


def test_facts_are_read_without_decoding():
    data = saved(Image.fromarray(scene()), "PNG")
    assert images.facts(data[:200])["width"] == 64


def test_filters_of_warnings_are_as_before_also_after_many_threads():
    before, data = list(warnings.filters), saved(Image.fromarray(scene()), "JPEG", exif=tagged())
    threads = [threading.Thread(target=lambda: [images.load(data) for _ in range(20)]) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(InvalidInput):
        images.load(data[:400])
    assert list(warnings.filters) == before


@pytest.mark.parametrize("shape", [(300, 400), (90, 60), (2000, 200), (1, 1)])
def test_a_thumbnail_is_a_small_jpeg_that_shows_the_picture(shape):
    picture = images.load(scene(*shape))
    data = images.thumbnail(picture)
    small = Image.open(io.BytesIO(data))
    share = min(1, 160 / max(picture.size))
    assert small.format == "JPEG" and small.size == tuple(max(1, round(side * share)) for side in picture.size)
    assert np.abs(np.asarray(small).astype(int) - scene(*small.size[::-1])).mean() < 6
    assert data == images.thumbnail(picture) and len(data) < 9_000
