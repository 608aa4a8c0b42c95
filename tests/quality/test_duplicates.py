"""Planted copies among real texts and real photos: found, with hardly anything else."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from latentstore.analysis import duplicates
from latentstore.analysis.neighbors import knn
from latentstore.encoders import load
from latentstore.types import Metric

SHARED = Path(__file__).parents[2].parent / "shared" / "data"
EDITS = {
    "another case": str.upper,
    "spaces": lambda text: f"  {text}\n",
    "a mark": lambda text: f"{text.rstrip('?.! ')} !",
    "a word more": lambda text: f"{text} please",
}


def found(encoder, items, contents):
    vectors = load(encoder).encode(items)
    return duplicates.find(vectors, knn(vectors, 30, Metric.COSINE), contents)


@pytest.fixture(scope="module")
def programming():
    """1,000 real questions, and 15 of them changed in each of four ways: (found, position of the original of each copy)."""
    file = SHARED / "text" / "stackoverflow.jsonl"
    if not file.is_file():
        pytest.skip(f"real questions are read from {file}, which is not there")
    texts = list(dict.fromkeys(json.loads(line)["text"] for line in file.read_text(encoding="utf-8").splitlines()))
    texts = [texts[at] for at in np.random.default_rng(0).permutation(len(texts))[:1000]]
    originals = np.arange(15 * len(EDITS))
    copies = [edit(texts[at]) for turn, edit in enumerate(EDITS.values()) for at in originals[turn * 15 :][:15]]
    return found("text", texts + copies, texts + copies), originals


def test_edited_questions_are_led_to_their_originals(programming):
    result, originals = programming
    assert np.mean(result.kept[1000:] == originals) >= 0.95


def test_hardly_any_question_that_people_wrote_is_taken_for_a_copy(programming):
    result, _ = programming
    assert np.count_nonzero(result.kept[:1000] != np.arange(1000)) <= 3


def jpeg(picture, quality):
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=quality)
    return Image.open(data)


def test_photos_saved_again_smaller_or_brighter_are_led_to_their_originals():
    files = sorted((SHARED / "images" / "photos").glob("*.jpg"))[:400]
    if not files:
        pytest.skip(f"real photos are read from {SHARED / 'images' / 'photos'}, which is not there")
    photos = [Image.open(file).convert("RGB") for file in files]
    copies = [
        *(jpeg(photo, 40) for photo in photos[:20]),
        *(photo.resize((photo.width // 2, photo.height // 2)) for photo in photos[20:40]),
        *(photo.point(lambda value: min(255, int(value * 1.1))) for photo in photos[40:60]),
    ]
    result = found("image", photos + copies, [None] * 460)
    assert np.mean(result.kept[400:] == np.arange(60)) >= 0.95
    assert np.count_nonzero(result.kept[:400] != np.arange(400)) <= 4
