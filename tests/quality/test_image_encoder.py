"""What the `image` encoder sees in real pictures: classes, beside the usual recipe fitted on them; changed copies."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from benchmarks.image import ASKED, CHANGES, KNOWN, copies_found, cross_validated, labelled, recipe_features
from latentstore.encoders.image import ImageEncoder
from latentstore.media import images
from tests.quality.real import SHARED

IMAGES = SHARED.parent / "images"
WITHOUT_COLOUR = "without colour"


@cache
def photos():
    if not (IMAGES / "photos").is_dir():
        pytest.skip(f"photos are read from {IMAGES / 'photos'}, which is not there")
    pictures = [images.load(file) for file in sorted((IMAGES / "photos").iterdir())]
    return pictures, ImageEncoder().encode(pictures)


def test_classes_are_told_far_better_than_by_the_recipe_that_is_fitted_on_them():
    if not (IMAGES / "cifar10").is_dir():
        pytest.skip(f"pictures are read from {IMAGES / 'cifar10'}, which is not there")
    pictures, classes = labelled(IMAGES / "cifar10")
    ours = cross_validated(ImageEncoder().encode(pictures), classes)
    recipe = cross_validated(recipe_features(pictures), classes, fitted=True)
    assert len(pictures) == 1500 and np.bincount(classes).tolist() == [150] * 10
    assert recipe > 0.38, "the recipe is weaker than it is known to be"
    assert ours / recipe > 1.2 > ASKED / KNOWN, f"{ours:.3f} beside {recipe:.3f}"


@pytest.mark.parametrize("change", CHANGES)
def test_a_copy_that_was_changed_finds_its_original_first(change):
    pictures, vectors = photos()
    found = copies_found(pictures, vectors, CHANGES[change], every=4)
    assert len(pictures) == 1000 and found >= (0.85 if change == WITHOUT_COLOUR else 0.98), f"{found:.3f}"


def test_a_photo_of_which_half_is_left_is_mostly_found():
    def half(picture):
        return picture.crop((0, round(picture.height * 0.3), round(picture.width * 0.7), picture.height))

    assert copies_found(*photos(), half, every=4) > 0.6
