"""Fitted models: what they know of items, what they make, how they are kept, and what they refuse."""

import json
from dataclasses import replace

import numpy as np
import pytest

from latentstore.errors import AlreadyExists, Corrupted, DimensionMismatch, InvalidInput, NotFinite
from latentstore.latent import fitting, forms
from latentstore.latent.base import KINDS, Settings
from latentstore.latent.fitted import CONFIG, FILES, WEIGHTS, load
from latentstore.latent.rows import Rows
from latentstore.types import Metric
from tests.latent.digits import fitted, form, pictures, quick, rows


def squares(found, items):
    """The error of each picture, from what the decoder paints of it."""
    painted = np.stack([np.asarray(one, np.float64) for one in found.decode(found.encode(items))])
    return np.square((np.stack(items) - painted) / 255).mean(axis=(1, 2))


@pytest.mark.parametrize("kind", ["autoencoder", "vae"])
def test_a_trained_model_loses_less_of_a_digit_than_pca_and_every_dimension_lives(kind):
    found = fitted(kind, dim=16, count=1797, epochs=90)
    assert found.record["error"]["mean"] < found.record["error"]["pca"] < 0.2 * found.record["error"]["nothing"]
    assert found.record["active"] == 16 and found.record["warnings"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_of_an_item_is_that_of_what_is_painted_of_it(kind):
    items = pictures(40)
    np.testing.assert_allclose(quick(kind).error(items), squares(quick(kind), items), atol=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_an_item_has_the_same_latent_alone_and_among_others(kind):
    items = pictures(30)
    together = quick(kind).encode(items)
    alone = np.concatenate([quick(kind).encode([item]) for item in items])
    np.testing.assert_allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_is_the_same_when_it_is_loaded(kind, tmp_path):
    found = quick(kind)
    found.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert sorted(file.name for file in (tmp_path / "model").iterdir()) == sorted(FILES)
    assert again.fingerprint == found.fingerprint and again.fingerprint.startswith(f"latent-{kind}-")
    assert np.array_equal(again.encode(pictures(20)), found.encode(pictures(20)))
    assert np.array_equal(again.decode_rows(found.sample(5)), found.decode_rows(found.sample(5)))
    assert json.loads(json.dumps(found.record)) == again.record


def test_the_fingerprint_tells_models_apart_and_knows_nothing_of_the_record():
    prints = {quick(kind).fingerprint for kind in KINDS}
    assert len(prints) == len(KINDS)
    assert replace(quick("pca"), record={}).fingerprint == quick("pca").fingerprint


def test_weights_that_were_changed_have_another_fingerprint(tmp_path):
    quick("vae").save(tmp_path / "model")
    file = tmp_path / "model" / WEIGHTS
    whole = bytearray(file.read_bytes())
    whole[-1] ^= 1
    file.write_bytes(whole)
    assert load(tmp_path / "model").fingerprint != quick("vae").fingerprint


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_or_gone_is_named_damage(name, tmp_path):
    quick("autoencoder").save(tmp_path / "model")
    file = tmp_path / "model" / name
    file.write_bytes(file.read_bytes()[:-5])
    with pytest.raises(Corrupted, match="restore it from a backup, or fit again"):
        load(tmp_path / "model")
    file.unlink()
    with pytest.raises(Corrupted):
        load(tmp_path / "model")


@pytest.mark.parametrize("change", [{"kind": "flow"}, {"dim": 7}, {"hidden": [3, 3]}, {"width": 65}])
def test_a_configuration_that_the_weights_do_not_fit_is_named_damage(change, tmp_path):
    quick("autoencoder").save(tmp_path / "model")
    file = tmp_path / "model" / CONFIG
    config = json.loads(file.read_text())
    file.write_text(json.dumps({**config, "model": {**config["model"], **change}}))
    with pytest.raises(Corrupted):
        load(tmp_path / "model")


def test_a_model_is_not_written_over_another(tmp_path):
    quick("pca").save(tmp_path / "model")
    with pytest.raises(AlreadyExists):
        quick("vae").save(tmp_path / "model")
    assert load(tmp_path / "model").kind == "pca" and [file.name for file in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("kind", "source"), [*((kind, "mixture") for kind in KINDS), ("vae", "prior"), ("gan", "prior")]
)
def test_samples_lie_no_farther_off_the_data_than_asked(kind, source):
    found = quick(kind)
    drawn = found.sample(60, source=source, reject=0.98)
    assert drawn.shape == (60, 8) and found.off_data(drawn).max() <= 0.98
    assert len({one.tobytes() for one in found.decode_rows(drawn)}) == 60


@pytest.mark.parametrize("kind", ["pca", "autoencoder"])
def test_a_model_without_a_prior_is_never_sampled_from_one(kind):
    with pytest.raises(InvalidInput, match="sample its mixture"):
        quick(kind).sample(5, source="prior")


def test_noise_lies_farther_off_the_data_than_digits():
    found = quick("vae")
    noise = list(np.random.default_rng(0).integers(0, 256, (100, 8, 8), dtype=np.uint8))
    assert found.error(noise).min() > np.quantile(found.error(pictures(200)), 0.95)


@pytest.mark.parametrize(
    ("count", "dim", "told"),
    [(9, 2, "add more items"), (30, 16, "ask for a dim of at most 15"), (600, 65, "at most 64")],
)
def test_too_few_items_for_the_dimension_are_refused_in_words(count, dim, told):
    with pytest.raises(InvalidInput, match=told):
        fitted("pca", dim=dim, count=count)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_vectors_are_enough_for_a_few_dimensions(kind):
    found = fitted(kind, dim=4, count=100, **({} if kind == "pca" else {"epochs": 60}))
    assert found.record["items"] == 100 and found.record["held_out"] == 20
    assert found.record["error"]["mean"] < 0.8 * found.record["error"]["nothing"]


def test_a_model_that_does_worse_than_pca_says_so():
    found = fitted("autoencoder", dim=8, epochs=1)
    assert "times as much of a held-out item as PCA" in found.record["warnings"][0]


def test_beside_a_pca_that_loses_nothing_no_factor_is_told():
    flat = np.random.default_rng(0).normal(size=(200, 2)).astype(np.float32) @ np.ones((2, 20), np.float32)
    exact = forms.choose("vector", flat, metric=Metric.L2, scale="one")
    found = fitting.fit(exact, Rows(exact.rows(flat)), Settings("autoencoder", 4, epochs=3))
    assert "PCA of the same dimension loses next to nothing" in found.record["warnings"][0]


def test_points_that_are_none_of_the_space_are_refused():
    with pytest.raises(DimensionMismatch, match=r"\(n, 8\)"):
        quick("vae").decode(np.zeros((2, 9), np.float32))
    with pytest.raises(NotFinite, match="latent 1"):
        quick("vae").off_data(np.array([[0] * 8, [np.nan] * 8], np.float32))
    with pytest.raises(DimensionMismatch):
        quick("vae").encode_rows(Rows(np.zeros((2, 63), np.uint8), 255.0))


@pytest.mark.parametrize(
    "asked",
    [
        {"kind": "flow"},
        {"dim": 0},
        {"dim": True},
        {"device": "tpu"},
        {"epochs": 0},
        {"rate": float("nan")},
        {"seed": -1},
    ],
)
def test_settings_that_cannot_be_are_refused(asked):
    with pytest.raises(InvalidInput, match="expected"):
        Settings(**{"kind": "vae", "dim": 8, **asked})


def test_rows_with_infinity_are_refused_by_their_number():
    with pytest.raises(NotFinite, match="row 3"):
        Rows(np.where(np.arange(5)[:, None] == 3, np.inf, np.zeros((5, 2))).astype(np.float32))


def test_held_out_rows_are_a_tenth_and_never_learned_from():
    train, held = fitting.split(1797, 0)
    assert len(held) == 179 and len(np.intersect1d(train, held)) == 0 and len(train) + len(held) == 1797
    assert len(fitting.split(100_000, 0)[1]) == 2000 and len(fitting.split(10, 0)[1]) == 2


def test_the_record_says_what_was_asked_and_what_came_of_it():
    record = quick("vae").record
    assert (
        record["settings"]["epochs"] == record["training"]["epochs"] == len(record["training"]["losses"]["held"]) == 4
    )
    assert record["form"] == form().caption() and record["kind"] == "vae" and record["explained"] is None
    held = rows(600).take(fitting.split(600, 0)[1])
    again = quick("vae").row_errors(Rows(held))
    assert record["error"]["mean"] == pytest.approx(float(again.mean()), rel=1e-5)


def plane(n=400, width=1500, seed=0):
    """Rows of more values than a network takes at once, near a curved surface."""
    rng = np.random.default_rng(seed)
    along = rng.normal(size=(n, 3))
    bent = np.column_stack([along, along**2]) @ rng.normal(size=(6, width))
    return (bent + 0.05 * rng.normal(size=(n, width))).astype(np.float32)


@pytest.mark.parametrize("kind", ["autoencoder", "vae", "gan"])
def test_long_rows_are_learned_along_their_main_directions_and_saved_whole(kind, tmp_path):
    vectors = plane()
    long = forms.choose("vector", vectors, metric=Metric.L2, scale="one")
    found = fitting.fit(long, Rows(long.rows(vectors)), Settings(kind, 3, epochs=12))
    assert found.model.width == 1500 and found.record["error"]["mean"] < 1.05 * found.record["error"]["pca"]
    found.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert again.fingerprint == found.fingerprint
    assert np.array_equal(again.encode(vectors[:20]), found.encode(vectors[:20]))


def test_an_autoencoder_follows_a_curved_surface_that_pca_cannot():
    vectors = plane(n=1500)
    long = forms.choose("vector", vectors, metric=Metric.L2, scale="one")
    error = fitting.fit(long, Rows(long.rows(vectors)), Settings("autoencoder", 3)).record["error"]
    assert error["mean"] < 0.7 * error["pca"]
