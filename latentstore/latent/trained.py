"""The models that are trained, from what is asked to a fitted one. Importing it imports torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from latentstore.analysis.progress import Progress
from latentstore.latent import wide
from latentstore.latent.autoencoder import Autoencoder
from latentstore.latent.base import Data, Model, Settings
from latentstore.latent.gan import GAN
from latentstore.latent.network import Coder, Neural, coder_for
from latentstore.latent.training import Learner, Plan, device_of, train
from latentstore.latent.vae import VAE

_STEPS = 3000  # of a training, at least so many
_EPOCHS = (10, 400)  # at least, and at most
_RATE = 2e-3
_GENTLE = 5e-4  # rate where the training begins with what PCA knows
_BATCHES = 16  # an epoch has at least so many, where batches are not the smallest yet
_SIZES = (16, 32, 64, 128)
_LEARNERS: dict[str, Callable[[Coder, Settings], Learner]] = {
    "autoencoder": lambda coder, _: Autoencoder(coder),
    "vae": lambda coder, settings: VAE(coder, settings.beta),
    "gan": lambda coder, _: GAN(coder),
}


def fit(
    data: Data, dim: int, settings: Settings, checkpoints: Path | None, progress: Progress
) -> tuple[Model, dict[str, Any]]:
    """The model of so many dimensions, and how its training went. Raises InvalidInput for a device that is not there, TrainingFailed."""
    if data.width <= wide.WIDTH:
        return _fit(data, dim, settings, checkpoints, progress)
    axes = wide.axes(data, dim, settings.seed, progress)
    model, record = _fit(wide.along(axes, data), dim, settings, checkpoints, progress, straight=True)
    return wide.Wide(axes, model), record


def _fit(
    data: Data, dim: int, settings: Settings, checkpoints: Path | None, progress: Progress, *, straight: bool = False
) -> tuple[Model, dict[str, Any]]:
    device = device_of(settings.device)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        coder = coder_for(data, dim, heads=2 if settings.kind == "vae" else 1, straight=straight)
        learner = _LEARNERS[settings.kind](coder, settings)
    with _one_thread():
        record = train(
            learner,
            data,
            plan(len(data.train), settings, _GENTLE if straight else _RATE),
            device,
            checkpoints,
            progress,
        )
    return Neural(settings.kind, coder, prior=settings.kind != "autoencoder"), record


def plan(rows: int, settings: Settings, rate: float = _RATE) -> Plan:
    """What is asked; where it leaves a choice, one for so many rows to learn from."""
    batch = settings.batch or max(size for size in _SIZES if size == _SIZES[0] or size * _BATCHES <= rows)
    fewest, most = _EPOCHS
    epochs = settings.epochs or min(most, max(fewest, round(_STEPS * batch / rows)))
    return Plan(epochs, batch, settings.rate or rate, settings.seconds, settings.seed)


@contextmanager
def _one_thread() -> Iterator[None]:
    # Products of rows this short take less of the processor on one thread than on several, and give the same weights on any machine.
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
