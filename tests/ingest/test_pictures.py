"""Pictures as items, each with what is known of it."""

import hashlib
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from PIL import Image

from ingest.chunking import Splitter, WordTokens
from ingest.limits import Limits
from ingest.readers import Reading, read
from ingest.readers.columns import Columns
from ingest.results import Unreadable
from ingest.sources.base import Kind, kind_of, on_disk
from latentstore.media import images

WORDS = Splitter.fitting(WordTokens(), None)
READING = Reading(Columns(), WORDS, WORDS)


def passages(path, reading=READING):
    return list(read(on_disk(path, Kind.IMAGE, named=True), path, reading))


def photo(path, **how):
    rows, columns = np.mgrid[0:300, 0:400]
    Image.fromarray(np.stack([rows * 0.8, columns * 0.6, columns * 0], axis=2).astype(np.uint8)).save(path, **how)
    return path


@pytest.mark.parametrize("ending", ["jpg", "JPEG", "png", "webp", "gif", "bmp", "tif", "tiff", "avif"])
def test_pictures_are_known_by_their_names_and_each_kind_is_read(tmp_path, ending):
    assert kind_of(f"photo.{ending}") is Kind.IMAGE
    (found,) = passages(photo(tmp_path / f"photo.{ending}"))
    assert (found.item.metadata["width"], found.item.metadata["height"]) == (400, 300)
    assert found.item.metadata["format"] == {"jpg": "JPEG", "tif": "TIFF"}.get(ending.lower(), ending.upper())


def test_a_picture_is_one_item_with_its_facts_and_a_thumbnail(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x0132], exif[0x0110] = 6, "2020:02:03 04:05:06", "Shot 3"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 30.0, 0.0), 3: "W", 4: (2.0, 15.0, 0.0)})
    path = photo(tmp_path / "a.jpg", exif=exif)
    (found,) = passages(path)
    assert (found.item.id, found.item.uri, found.item.text, found.done) == (str(path), str(path), None, 1)
    assert found.key == hashlib.sha256(path.read_bytes()).hexdigest()
    place = {"latitude": 48.5, "longitude": -2.25}
    taken = {"taken": datetime(2020, 2, 3, 4, 5, 6), "camera": "Shot 3"}
    assert found.item.metadata == {"width": 300, "height": 400, "format": "JPEG", **taken, **place}
    np.testing.assert_array_equal(np.asarray(found.item.image), np.asarray(images.load(path)))
    assert found.item.attachments == {"thumbnail": images.thumbnail(path)}


def test_the_same_picture_elsewhere_has_the_same_key_and_another_one_another(tmp_path):
    here, there, other = (photo(tmp_path / name) for name in ("a.png", "b.png", "c.bmp"))
    assert passages(here)[0].key == passages(there)[0].key != passages(other)[0].key


def test_what_is_no_picture_breaks_off_or_is_too_large_is_unreadable_and_says_why(tmp_path):
    words, half, large = tmp_path / "words.png", photo(tmp_path / "half.jpg"), photo(tmp_path / "large.png")
    words.write_text("These are words, and no picture.")
    half.write_bytes(half.read_bytes()[:3000])
    with pytest.raises(Unreadable, match=r"expected a picture file .* begins with b'These"):
        passages(words)
    with pytest.raises(Unreadable, match="breaks off or is damaged"):
        passages(half)
    with pytest.raises(Unreadable, match=r"at most 100,000 pixels, got 400 by 300"):
        passages(large, replace(READING, limits=Limits(pixels=100_000)))


def test_a_picture_that_is_gone_says_so(tmp_path):
    with pytest.raises(FileNotFoundError):
        passages(tmp_path / "gone.png")
