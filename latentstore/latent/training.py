"""The one training loop. AdamW (Loshchilov & Hutter 2019) under a rate that warms up and falls as a cosine; the weights with the least
loss on held-out rows are kept.

Everything random in an epoch follows from the seed and the epoch's number, so that a run which goes on from a checkpoint draws what an
unbroken one would have drawn. A checkpoint is one file, replaced whole after an epoch: a crash leaves the one before. It may be deleted
at any time, and costs the epochs that it stood for.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from latentstore.analysis.progress import Progress
from latentstore.errors import InvalidInput, TrainingFailed
from latentstore.fileio import replacing
from latentstore.latent.base import Data
from latentstore.latent.network import Noise
from latentstore.types import Int64

CHECKPOINT = "training.safetensors"
_WARM = 0.02  # of the training, in which the rate rises
_PATIENCE = 0.25  # of the planned epochs, without a lower loss on held-out rows
_LEAST_PATIENCE = 8
_DEAR = 20  # training takes so many times as long as the checkpoints do
_DECAY = 0.01


class Learner(Protocol):
    """What is trained: its weights, and the losses that move them."""

    @property
    def module(self) -> nn.Module:
        """All weights that a checkpoint keeps."""

    def players(self) -> list[list[nn.Parameter]]:
        """Weights that are moved together, each list by an optimiser of its own."""

    def losses(self, rows: Tensor, noise: Noise, share: float) -> Iterator[Tensor]:
        """For each player in turn, its mean loss over rows (n, width). The weights have moved when the next is asked for.
        share: of the training that is done, 0..1."""

    def held(self, rows: Tensor, noise: Noise) -> Tensor:
        """The sum over rows (n, width) of the loss that tells which weights are kept."""


@dataclass(frozen=True)
class Plan:
    """epochs: at most; batch: rows a step; rate: the highest; seconds: None, or when training ends."""

    epochs: int
    batch: int
    rate: float
    seconds: float | None
    seed: int


@dataclass
class _Course:
    """What has happened so far. Losses of each epoch, as a row's mean; `elapsed` in seconds, of earlier runs too."""

    train: list[float] = field(default_factory=list)
    held: list[float] = field(default_factory=list)
    elapsed: float = 0.0
    stopped: str = ""

    @property
    def best(self) -> int:
        """The epoch with the least held-out loss, from 0."""
        return int(np.argmin(self.held))


def train(
    learner: Learner, data: Data, plan: Plan, device: torch.device, checkpoints: Path | None, progress: Progress
) -> dict[str, Any]:
    """Move the weights of `learner.module` to the best that were found, and tell how that went.

    Raises TrainingFailed where not one epoch had a finite loss.
    """
    run = _Run(learner, data, plan, device, checkpoints)
    resumed = run.resume()
    before = len(run.course.train)
    began = perf_counter()
    while not run.course.stopped:
        progress("training", run.share)
        run.epoch()
    seconds = perf_counter() - began
    progress("training", 1.0)
    run.finish()
    return {**run.record(seconds, len(run.course.train) - before), "resumed": resumed}


def device_of(asked: str) -> torch.device:
    """The device asked for; "auto" takes cuda, else mps, else the cpu. Raises InvalidInput where it is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    chosen = next(name for name, usable in there.items() if usable) if asked == "auto" else asked
    if not there[chosen]:
        usable = ", ".join(name for name, one in there.items() if one)
        raise InvalidInput(
            f"this machine has no device {chosen!r} that torch can use; it has {usable}, or ask for 'auto'"
        )
    return torch.device(chosen)


class _Run:
    def __init__(
        self, learner: Learner, data: Data, plan: Plan, device: torch.device, checkpoints: Path | None
    ) -> None:
        self.learner, self.data, self.plan, self.device = learner, data, plan, device
        self.module = learner.module.to(device)
        self.optimisers = [
            torch.optim.AdamW(player, lr=plan.rate, weight_decay=_DECAY, fused=device.type != "mps")
            for player in learner.players()
        ]
        self.course = _Course()
        self.best: dict[str, Tensor] = {}
        self.file = checkpoints / CHECKPOINT if checkpoints is not None else None
        self._written = 0.0  # seconds that the last checkpoint took
        self._since = math.inf  # seconds of training since then
        self._began = perf_counter()

    @property
    def share(self) -> float:
        """Of the training that is done, 0..1."""
        return self._share(len(self.course.train), self.course.elapsed)

    def _share(self, epochs: float, elapsed: float) -> float:
        spent = elapsed / self.plan.seconds if self.plan.seconds else 0.0
        return min(1.0, max(epochs / self.plan.epochs, spent))

    def epoch(self) -> None:
        """One pass over the rows to learn from, and what follows from how it went."""
        self._began = perf_counter()
        number = len(self.course.train)
        loss = self._pass(number)
        held = self._judge(number) if math.isfinite(loss) else math.nan
        if not math.isfinite(held):
            self.course.stopped = "nan"
            return
        self.course.train.append(loss)
        self.course.held.append(held)
        if self.course.best == number:
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.module.state_dict().items()}
        took = perf_counter() - self._began
        self.course.elapsed += took
        self._since += took
        self.course.stopped = self._end()
        self._keep()

    def _pass(self, number: int) -> float:
        """The mean loss of a row in this epoch, of those that were reached in time."""
        order = np.random.default_rng([self.plan.seed, number]).permutation(self.data.train)
        noise = self._noise(number, 0)
        batches = _batches(order, self.plan.batch)
        total = torch.zeros((), device=self.device)
        seen = 0
        self.module.train()
        for at, batch in enumerate(batches):
            elapsed = self.course.elapsed + perf_counter() - self._began
            share = self._share(number + at / len(batches), elapsed)
            if seen and self.plan.seconds and share >= 1:
                break
            total += self._step(self._rows(batch), noise, share) * len(batch)
            seen += len(batch)
        return float(total) / seen

    def _step(self, rows: Tensor, noise: Noise, share: float) -> Tensor:
        rate = self.plan.rate * min(1.0, (share + 1e-4) / _WARM) * 0.5 * (1 + math.cos(math.pi * share))
        losses = self.learner.losses(rows, noise, share)
        total = torch.zeros((), device=self.device)
        for optimiser in self.optimisers:
            with self._precision():
                loss = next(losses)
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            optimiser.step()
            total += loss.detach()
        return total

    def _judge(self, number: int) -> float:
        """The mean loss of a held-out row."""
        noise = self._noise(number, 1)
        self.module.eval()
        with torch.no_grad(), self._precision():
            sums = [float(self.learner.held(self._rows(batch), noise)) for batch in _batches(self.data.held, 1024)]
        return sum(sums) / len(self.data.held)

    def _end(self) -> str:
        """Why training ends here; empty where it goes on."""
        done = len(self.course.train)
        if done >= self.plan.epochs:
            return f"all {self.plan.epochs} epochs done"
        if self.plan.seconds and self.course.elapsed >= self.plan.seconds:
            return f"{self.plan.seconds:g} seconds were up"
        patience = max(_LEAST_PATIENCE, round(_PATIENCE * self.plan.epochs))
        if done - 1 - self.course.best >= patience:
            return f"no better on held-out items for {patience} epochs"
        return ""

    def _rows(self, at: Int64) -> Tensor:
        return torch.from_numpy(self.data.rows.take(at)).to(self.device)

    def _noise(self, number: int, purpose: int) -> Noise:
        seed = int(np.random.SeedSequence([self.plan.seed, number, purpose]).generate_state(1, np.uint64)[0] >> 1)
        # Drawn on the cpu, so that every device is given the same.
        source = torch.Generator().manual_seed(seed)
        return lambda *sizes: torch.randn(*sizes, generator=source).to(self.device)

    def _precision(self) -> AbstractContextManager[Any]:
        # Elsewhere than on cuda half the digits cost more time than they save.
        return torch.autocast("cuda", dtype=torch.bfloat16, enabled=self.device.type == "cuda")

    def _keep(self) -> None:
        if self.file is None or (not self.course.stopped and self._since < _DEAR * self._written):
            return
        began = perf_counter()
        state = {f"now.{name}": tensor for name, tensor in self.module.state_dict().items()}
        state |= {f"best.{name}": tensor for name, tensor in self.best.items()}
        state |= {
            f"moments.{which}.{at}.{name}": tensor
            for which, optimiser in enumerate(self.optimisers)
            for at, moments in optimiser.state_dict()["state"].items()
            for name, tensor in moments.items()
        }
        note = {"identity": self._identity(), "course": json.dumps(asdict(self.course))}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(self.file) as part:
            kept = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
            part.write_bytes(save(kept, note))  # save_file hides what the disk refuses
        self._written, self._since = perf_counter() - began, 0.0

    def resume(self) -> bool:
        """Go on from the checkpoint of a run over the same rows to the same plan. False where there is none."""
        if self.file is None or not self.file.exists():
            return False
        try:
            with safe_open(self.file, "pt") as found:
                note = found.metadata() or {}
                if note.get("identity") != self._identity():
                    return False
                state = {name: found.get_tensor(name) for name in found.keys()}  # noqa: SIM118
        except SafetensorError:  # a file that something else has damaged: its epochs are done again
            return False
        self.course = _Course(**json.loads(note["course"]))
        self.best = _part(state, "best.")
        self.module.load_state_dict(_part(state, "now."))
        for which, optimiser in enumerate(self.optimisers):
            _restore(optimiser, _part(state, f"moments.{which}."))
        return True

    def _identity(self) -> str:
        """Of everything that the course of a training follows from; of the rows, those held out stand for all."""
        total = hashlib.sha256(repr((asdict(self.plan), len(self.data.train), self.data.bounded)).encode())
        for name, tensor in self.module.state_dict().items():
            total.update(f"{name} {tuple(tensor.shape)}".encode())
        for _, block in self.data.rows.blocks(self.data.held):
            total.update(block.tobytes())
        return total.hexdigest()

    def finish(self) -> None:
        """The best weights. Raises TrainingFailed where there are none."""
        if not self.best:
            raise TrainingFailed(
                f"the loss was NaN or infinite in the first epoch, at a rate of {self.plan.rate:g}; nothing was learned; "
                f"{_advice(self.plan)}"
            )
        self.module.load_state_dict(self.best)
        self.module.eval()

    def record(self, seconds: float, epochs: int) -> dict[str, Any]:
        """How it went; `seconds` and `epochs` of this run, those of runs before it left out."""
        course, plan = self.course, self.plan
        warnings = []
        stopped = course.stopped
        if stopped == "nan":
            done = len(course.train)
            stopped = f"the loss was NaN or infinite in epoch {done + 1}"
            warnings.append(f"{stopped}; the weights are those of epoch {course.best + 1}; {_advice(plan)}")
        return {
            "device": self.device.type,
            "epochs": len(course.train),
            "planned": plan.epochs,
            "best_epoch": course.best + 1,
            "batch": plan.batch,
            "rate": plan.rate,
            "losses": {name: [round(one, 6) for one in getattr(course, name)] for name in ("train", "held")},
            "seconds": round(course.elapsed, 3),
            "rows_per_second": round(epochs * len(self.data.train) / seconds) if seconds > 0 and epochs else None,
            "stopped": stopped,
            "warnings": warnings,
        }


def _advice(plan: Plan) -> str:
    return f"try a rate of {plan.rate / 10:g}, and look for items whose values are far larger than the rest"


def _batches(order: Int64, size: int) -> list[Int64]:
    """Of `size` each, the last of what is left."""
    return [order[at : at + size] for at in range(0, len(order), size)]


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


def _restore(optimiser: torch.optim.Optimizer, moments: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in moments.items():
        at, _, which = name.partition(".")
        state.setdefault(int(at), {})[which] = tensor
    optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
