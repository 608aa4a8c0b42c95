"""The training loop: the same weights from the same seed, runs that go on where they were killed, and losses that stop being numbers."""

import numpy as np
import pytest
import torch
from safetensors import safe_open

from latentstore.errors import InvalidInput, TrainingFailed
from latentstore.latent import fitting
from latentstore.latent.base import Settings
from latentstore.latent.training import CHECKPOINT
from tests.latent.digits import fitted, form, rows

TRAINED = ["autoencoder", "vae", "gan"]


def same(one, other):
    left, right = one.model.arrays(), other.model.arrays()
    return left.keys() == right.keys() and all(np.array_equal(left[name], right[name]) for name in left)


class Killed(BaseException):
    """What no `except Exception` catches."""


def killed_after(epochs):
    seen = []

    def progress(step, share):
        seen.append(step)
        if seen.count("training") > epochs:
            raise Killed

    return progress


@pytest.mark.parametrize("kind", TRAINED)
def test_equal_seeds_give_equal_weights_and_others_others(kind):
    first = fitted(kind, epochs=3, seed=5)
    assert same(first, fitted(kind, epochs=3, seed=5))
    assert not same(first, fitted(kind, epochs=3, seed=6))


def test_the_generator_of_the_user_is_left_as_it_was():
    before = torch.random.get_rng_state()
    fitted("autoencoder", epochs=1)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("kind", TRAINED)
def test_a_run_that_was_killed_goes_on_and_ends_like_an_unbroken_one(kind, tmp_path):
    settings = Settings(kind, 8, epochs=6)
    with pytest.raises(Killed):
        fitting.fit(form(), rows(600), settings, checkpoints=tmp_path, progress=killed_after(3))
    found = fitted(kind, epochs=6, checkpoints=tmp_path)
    unbroken = fitted(kind, epochs=6)
    assert found.record["training"]["resumed"] and not unbroken.record["training"]["resumed"]
    assert found.record["training"]["losses"] == unbroken.record["training"]["losses"]
    assert same(found, unbroken)


@pytest.mark.parametrize("other", [{"seed": 1}, {"rate": 1e-4}, {"dim": 4}, {"count": 500}])
def test_a_checkpoint_of_another_run_is_passed_over(other, tmp_path):
    fitted("autoencoder", epochs=2, checkpoints=tmp_path)
    found = fitted("autoencoder", **{"epochs": 2, "checkpoints": tmp_path, **other})
    assert not found.record["training"]["resumed"]
    assert same(found, fitted("autoencoder", **{"epochs": 2, **other}))


def test_a_damaged_checkpoint_costs_its_epochs_and_nothing_else(tmp_path):
    fitted("autoencoder", epochs=2, checkpoints=tmp_path)
    file = tmp_path / CHECKPOINT
    file.write_bytes(file.read_bytes()[:-100])
    found = fitted("autoencoder", epochs=2, checkpoints=tmp_path)
    assert not found.record["training"]["resumed"] and same(found, fitted("autoencoder", epochs=2))


def test_a_finished_training_is_not_done_again(tmp_path):
    first = fitted("autoencoder", epochs=3, checkpoints=tmp_path)
    again = fitted("autoencoder", epochs=3, checkpoints=tmp_path)
    assert again.record["training"]["epochs"] == 3 and same(first, again)
    with safe_open(tmp_path / CHECKPOINT, "np") as found:
        assert any(name.startswith("best.") for name in found.keys())  # noqa: SIM118


def test_a_loss_that_is_no_number_from_the_start_fails_and_says_what_to_try():
    with pytest.raises(TrainingFailed, match="try a rate of"):
        fitted("autoencoder", epochs=3, rate=1e30)


def test_a_loss_that_stops_being_a_number_keeps_the_last_good_weights(monkeypatch):
    from latentstore.latent.autoencoder import Autoencoder

    whole = Autoencoder.losses

    def broken(self, given, noise, share):
        for loss in whole(self, given, noise, share):
            yield loss * (torch.nan if share > 0.5 else 1)

    monkeypatch.setattr(Autoencoder, "losses", broken)
    found = fitted("autoencoder", epochs=6)
    training = found.record["training"]
    assert training["epochs"] == 3 and "NaN" in training["stopped"] and np.isfinite(training["losses"]["held"]).all()
    assert "try a rate of 0.0002" in found.record["warnings"][0]
    assert found.error(list(rows(50).raw.reshape(50, 8, 8))).mean() < found.record["error"]["nothing"]


def test_training_ends_when_its_time_is_up():
    training = fitted("autoencoder", epochs=400, seconds=0.5).record["training"]
    assert 0 < training["epochs"] < 400 and "0.5 seconds were up" in training["stopped"]


def test_the_weights_kept_are_those_of_the_epoch_with_the_least_loss_on_held_out_rows():
    training = fitted("vae", epochs=5).record["training"]
    assert training["best_epoch"] == int(np.argmin(training["losses"]["held"])) + 1
    assert training["losses"]["held"][-1] < training["losses"]["held"][0]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what the test finds missing")
def test_a_device_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(InvalidInput, match="it has cpu"):
        fitted("autoencoder", epochs=1, device="cuda")
    assert fitted("autoencoder", epochs=1).record["training"]["device"] in ("cpu", "mps")
