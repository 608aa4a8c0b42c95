"""Outliers of a latent space as what its model does not explain, of items that are there and of new ones."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from latentstore import InvalidInput, Item

DATA = Path(__file__).parents[3].parent / "shared" / "data"
RNG = np.random.default_rng(3)


def flat(n, basis, seed=0):
    """(n, 12) float32 on the plane of a basis (2, 12)."""
    return (np.random.default_rng(seed).normal(size=(n, 2)) @ basis).astype(np.float32)


@pytest.fixture
def plane(points):
    """Two hundred items on a plane, and one off it that is nearer to the middle than most."""
    basis = np.linalg.qr(RNG.normal(size=(12, 3)))[0].T
    rows = flat(201, basis[:2])
    rows[50] = 0.8 * basis[2]
    points.add([f"text {at}" for at in range(201)], vectors=rows, ids=[f"v{at}" for at in range(201)])
    return points.space().fit("pca", dim=2), basis


def test_scores_are_the_errors_of_the_model_and_find_what_its_latents_do_not_show(plane):
    space, _ = plane
    found = space.outliers("reconstruction")
    errors = space.reconstruct(list(found.ids)).errors
    assert np.allclose(found.scores, errors, rtol=1e-4)
    assert found.ids[int(found.scores.argmax())] == "v50" and found.strangest[0].id == "v50"
    by_place = space.outliers("mahalanobis", keep=False)
    assert by_place.ids[int(by_place.scores.argmax())] != "v50"


def test_new_items_are_scored_by_the_same_model_and_compare(plane):
    space, basis = plane
    kept = space.outliers("reconstruction")
    new = np.concatenate([flat(5, basis[:2], 9), [2 * basis[2]]]).astype(np.float32)
    scored = space.score(new)
    assert np.allclose(scored.scores, space.latent.error(new))
    assert scored.scores[-1] > kept.scores.max() and scored.p_values.argmin() == 5
    assert scored.p_values[-1] < 0.005 and scored.flags.tolist() == [False] * 5 + [True]
    with pytest.raises(InvalidInput, match=r"give the items themselves to space\.score"):
        space.judge().score(np.zeros((1, 2), np.float32))


def test_the_bare_name_of_the_space_finds_what_was_kept_of_its_version(plane, store):
    space, basis = plane
    space.outliers("reconstruction")
    bare = store.collection("points").space("pca2")
    assert np.array_equal(bare.score(basis[:2]).scores, space.score(basis[:2]).scores)


def test_an_ordinary_space_keeps_to_its_main_axes(plane, store):
    ordinary = store.collection("points").space().outliers("reconstruction")
    assert "fitted" not in ordinary.facts and ordinary.ids[int(ordinary.scores.argmax())] == "v50"


def test_a_picture_that_is_gone_is_named(store, tmp_path):
    files = [tmp_path / f"{at}.png" for at in range(30)]
    for file in files:
        Image.fromarray(RNG.integers(0, 255, (12, 12), dtype=np.uint8)).save(file)
    made = store.create("made", encoders=["image"])
    made.add([Item(image=file) for file in files], ids=[file.stem for file in files])
    space = made.space().fit("pca", dim=2)
    files[4].unlink()
    with pytest.raises(InvalidInput, match=r"of 1 of 30 items nothing is at hand any more.*the first is '4'"):
        space.outliers("reconstruction")
    assert len(space.outliers("reconstruction", where="id != '4'", keep=False)) == 29


@pytest.mark.slow
def test_of_handwritten_threes_other_digits_stand_out_by_their_reconstruction(store):
    folder = DATA / "images" / "mnist"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/images/mnist")
    pictures, labels = (
        np.frombuffer(gzip.open(next(folder.glob(f"*{what}*"))).read(), np.uint8, offset=offset)
        for what, offset in (("images", 16), ("labels", 8))
    )
    pictures = pictures.reshape(-1, 28, 28)
    rows = np.concatenate([np.flatnonzero(labels == 3)[:600], np.flatnonzero(labels != 3)[:30]])
    digits = store.create("digits", encoders=["image"])
    digits.add(
        [Item(image=pictures[at], attachments={"thumbnail": png(pictures[at])}) for at in rows],
        ids=[str(at) for at in rows],
    )
    found = digits.space().fit("pca", dim=16).outliers("reconstruction")
    other = [labels[int(name)] != 3 for name in found.ids]
    assert roc_auc_score(other, found.scores) > 0.9, roc_auc_score(other, found.scores)


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()
