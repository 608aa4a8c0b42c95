"""Fitted: a latent model with the form of what it was fitted to, the density of its latents, and the record of the fit.

On disk, a folder of three files: `weights.safetensors`, the arrays of all three parts; `config.json`, what stands beside them; and
`record.json`, how the fit went. The fingerprint follows from the first two alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from latentstore.encoders.base import let_idle_threads_sleep
from latentstore.errors import AlreadyExists, Corrupted, DimensionMismatch, InvalidInput, NotFinite
from latentstore.fileio import read_sealed, storage_errors, sync_file, sync_folder, write_sealed
from latentstore.latent import density, forms, wide
from latentstore.latent.base import KINDS, Model
from latentstore.latent.density import REJECT, Density, Draw
from latentstore.latent.forms.base import Form
from latentstore.latent.pca import PCA
from latentstore.latent.rows import BLOCK, Rows
from latentstore.types import Float32, Float64

WEIGHTS, CONFIG, RECORD = "weights.safetensors", "config.json", "record.json"
FILES = (WEIGHTS, CONFIG, RECORD)
_FORMAT = 1


@dataclass(frozen=True)
class Fitted:
    """An encoder of content and a decoder of latents. record: how the fit went, for people and programs to read."""

    form: Form
    model: Model
    density: Density
    record: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.model.kind

    @property
    def dim(self) -> int:
        return self.model.dim

    @cached_property
    def fingerprint(self) -> str:
        """Names the function computed: weights and configuration, not the record."""
        total = hashlib.sha256(_canonical(self._config()))
        for name, array in sorted(self._arrays().items()):
            total.update(f"{name} {array.dtype.str} {array.shape}".encode())
            total.update(np.ascontiguousarray(array).data)
        return f"latent-{self.kind}-{total.hexdigest()}"

    def encode(self, items: Sequence[Any]) -> Float32:
        """items: n of what the form takes. Returns (n, dim) float32. Raises InvalidInput naming what is no such item."""
        return self.encode_rows(self._rows(items))

    def encode_rows(self, rows: Rows) -> Float32:
        """(n, dim) float32. Raises DimensionMismatch for rows of another width."""
        if rows.width != self.model.width:
            raise DimensionMismatch(f"this model encodes rows of {self.model.width} values, got {rows.width}")
        out = np.empty((len(rows), self.dim), np.float32)
        for start, block in rows.blocks():
            out[start : start + len(block)] = self.model.encode(block)
        return out

    def decode(self, latents: Float32) -> Any:
        """What each of (n, dim) latents stands for, as the form gives it: a list of n pictures or sounds, or (n, width) float32.

        Raises DimensionMismatch, NotFinite.
        """
        return self.form.content(self.decode_rows(latents))

    def decode_rows(self, latents: Float32) -> Float32:
        """(n, width) float32, in 0..1 where the form is bounded. Raises DimensionMismatch, NotFinite."""
        latents = self._checked(latents)
        out = np.empty((len(latents), self.model.width), np.float32)
        for start in range(0, len(latents), BLOCK):
            out[start : start + BLOCK] = self.model.decode(latents[start : start + BLOCK])
        return np.clip(out, 0, 1, out=out) if self.form.bounded else out

    def error(self, items: Sequence[Any]) -> Float64:
        """(n,) float64: how much of each item the model does not explain, in `form.error_unit`; higher is stranger."""
        return self.row_errors(self._rows(items))

    def row_errors(self, rows: Rows) -> Float64:
        """(n,) float64: the mean squared difference between each row and what its latent decodes to."""
        out = np.empty(len(rows))
        for start, block in rows.blocks():
            back = self.decode_rows(self.model.encode(block))
            out[start : start + len(block)] = np.square(block - back).mean(axis=1, dtype=np.float64)
        return out

    def off_data(self, latents: Float32) -> Float64:
        """(n,) float64 in 0..1: the share of held-out items that lie less far off the data. Raises DimensionMismatch, NotFinite."""
        return self.density.off_data(self._checked(latents))

    def draw(
        self,
        n: int,
        *,
        seed: int = 0,
        source: str = "mixture",
        near: Float32 | None = None,
        spread: float = 0.5,
        reject: float = REJECT,
    ) -> Draw:
        """New latents, n points, none with an `off_data` above `reject` (0..1; 1 keeps all), and how many were refused for that.

        source: "mixture", the density fitted to the latents, or "prior", N(0, I), for models fitted to it. near: a point (dim,) to
        draw around instead, `spread` of the deviation that the mixture has there. Raises InvalidInput.
        """
        self._check_draw(n, source, spread, reject)
        if near is not None:
            return self.density.near(self._checked(near[None])[0], n, spread, seed, reject=reject)
        return self.density.sample(n, seed, prior=source == "prior", reject=reject)

    def sample(self, n: int, *, seed: int = 0, source: str = "mixture", reject: float = REJECT) -> Float32:
        """(n, dim) float32: the points of `draw`."""
        return self.draw(n, seed=seed, source=source, reject=reject).points

    def save(self, folder: Path) -> None:
        """Write the files and sync them; `folder` appears whole or not at all. Raises AlreadyExists, StorageFailure."""
        from safetensors.numpy import save

        if folder.exists():
            raise AlreadyExists(f"{folder} is there already; a fitted model is written to a new folder")
        part = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        with storage_errors(folder):
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            try:
                arrays = {name: np.ascontiguousarray(array) for name, array in self._arrays().items()}
                (part / WEIGHTS).write_bytes(save(arrays))  # save_file hides what the disk refuses
                sync_file(part / WEIGHTS)
                write_sealed(part / CONFIG, self._config())
                write_sealed(part / RECORD, self.record)
                part.rename(folder)
            except BaseException:
                shutil.rmtree(part, ignore_errors=True)
                raise
            sync_folder(folder.parent)

    def _config(self) -> dict[str, Any]:
        parts = {"model": self.model.facts(), "form": self.form.facts(), "density": self.density.facts()}
        return {"format": _FORMAT, **parts}

    def _arrays(self) -> dict[str, Any]:
        parts = {"model": self.model.arrays(), "form": self.form.arrays(), "density": self.density.arrays()}
        return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}

    def _rows(self, items: Sequence[Any]) -> Rows:
        return Rows(self.form.rows(items), self.form.divisor)

    def _checked(self, latents: Any) -> Float32:
        found = np.asarray(latents, np.float32)
        if found.ndim != 2 or found.shape[1] != self.dim:
            raise DimensionMismatch(
                f"expected latents of shape (n, {self.dim}), got {found.shape}; they are of another space, or one point "
                "that wants a row of its own: point[None]"
            )
        bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if len(bad):
            raise NotFinite(f"latent {int(bad[0])} holds NaN or infinity; leave it out or mend it")
        return found

    def _check_draw(self, n: int, source: str, spread: float, reject: float) -> None:
        if n < 1:
            raise InvalidInput(f"expected at least 1 sample to draw, got {n}")
        if source not in ("mixture", "prior"):
            raise InvalidInput(f"expected source 'mixture' or 'prior', got {source!r}")
        if source == "prior" and not self.model.prior:
            raise InvalidInput(
                f"the latents of this {self.kind} follow no prior, and N(0, I) would decode to nothing like the data; "
                "sample its mixture, or fit a vae or gan"
            )
        if not (spread > 0 and 0 < reject <= 1):
            raise InvalidInput(f"expected a spread above 0 and a reject in 0..1, got {spread!r} and {reject!r}")


def load(folder: Path) -> Fitted:
    """What `save` wrote. Raises Corrupted where the files are not a fitted model; whoever keeps the fingerprint compares it."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        config, record = read_sealed(folder / CONFIG), read_sealed(folder / RECORD)
        arrays = load_file(folder / WEIGHTS)
        parts = {part: _of_part(part, arrays) for part in ("model", "form", "density")}
        form = forms.of(config["form"], parts["form"])
        model = model_of(config["model"], parts["model"])
        found = Fitted(form, model, density.Density.of(config["density"], parts["density"]), record)
        if json.loads(_canonical(found._config())) != config:
            raise ValueError(f"{CONFIG} says what the model does not")
        return found
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as cause:
        raise Corrupted(
            f"{folder} holds no whole fitted model ({type(cause).__name__}: {cause}); restore it from a backup, or fit again"
        ) from cause


def model_of(facts: dict[str, Any], arrays: dict[str, Any]) -> Model:
    """What the `facts` and `arrays` of a model gave, as that model again."""
    if facts["kind"] == PCA.kind:
        return PCA.of(facts, arrays)
    if facts["kind"] not in KINDS:
        raise ValueError(f"no model {facts['kind']!r} is known")
    if "axes" in facts:
        axes, model = wide.parts(arrays)
        return wide.Wide(PCA.of(facts["axes"], axes), model_of(facts["model"], model))
    let_idle_threads_sleep()
    from latentstore.latent.network import neural

    return neural(facts, arrays)


def _of_part(part: str, arrays: dict[str, Any]) -> dict[str, Any]:
    return {name.removeprefix(f"{part}."): array for name, array in arrays.items() if name.startswith(f"{part}.")}


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
