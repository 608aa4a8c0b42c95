"""From rows to a fitted model: some are held out, a model and a density are fitted to the rest, and the fit is measured on the held-out."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from latentstore.analysis.progress import Progress, silent
from latentstore.encoders.base import let_idle_threads_sleep
from latentstore.errors import DimensionMismatch
from latentstore.latent import density, dimension, pca
from latentstore.latent.base import Data, Model, Settings, check_enough
from latentstore.latent.fitted import Fitted
from latentstore.latent.forms.base import Form
from latentstore.latent.rows import Rows
from latentstore.types import Float32, Int64

HELD = 2000  # rows held out at most
_SHARE = 10  # one in so many is held out, and
_ENOUGH = 20  # at least so many where that is no more than a fifth
_HEARD = 20  # held-out items whose own content, without a model between, is held against them
_NOTHING = 1e-3  # of an error; beside less than that, a factor says nothing
_ACTIVE = (
    0.01  # of the largest variance of a latent; a dimension with less says nothing of an item (after Burda et al. 2016)
)


def fit(
    form: Form,
    rows: Rows,
    settings: Settings,
    *,
    checkpoints: Path | None = None,
    progress: Progress = silent,
) -> Fitted:
    """rows: (n, form.width) of n items. checkpoints: a folder in which a training that is killed finds where it was, when it is asked
    for again with equal rows and settings; it is the caller's to remove.

    Raises InvalidInput where the items are too few for the dimension, TrainingFailed where no epoch had a finite loss.
    """
    if rows.width != form.width:
        raise DimensionMismatch(f"expected rows of {form.width} values, got {rows.width}")
    began = perf_counter()
    train, held = split(len(rows), settings.seed)
    data = Data(rows, train, held, form.bounded)
    dim = settings.dim if settings.dim is not None else dimension.enough(data, settings.seed)
    check_enough(len(rows), rows.width, dim)
    model, training = _model(data, dim, settings, checkpoints, progress)
    found = _with_density(form, model, data, settings.seed, progress)
    record = _record(found, data, settings, training, progress)
    return replace(found, record={**record, "seconds": round(perf_counter() - began, 3)})


def split(n: int, seed: int) -> tuple[Int64, Int64]:
    """Positions to learn from and positions held out, both ascending: a tenth, no more than HELD."""
    held = min(HELD, max(n // _SHARE, min(_ENOUGH, n // 5), 1))
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[held:]), np.sort(order[:held])


def _model(
    data: Data, dim: int, settings: Settings, checkpoints: Path | None, progress: Progress
) -> tuple[Model, dict[str, Any] | None]:
    if settings.kind == pca.PCA.kind:
        return pca.fit(data, dim, progress, seed=settings.seed, whiten=settings.whiten), None
    let_idle_threads_sleep()
    from latentstore.latent import trained

    return trained.fit(data, dim, settings, checkpoints, progress)


def _with_density(form: Form, model: Model, data: Data, seed: int, progress: Progress) -> Fitted:
    progress("fitting a density", 0.0)
    within, beyond = (_encoded(model, data, at) for at in (data.train, data.held))
    found = Fitted(form, model, density.fit(within, beyond, seed), {})
    progress("fitting a density", 1.0)
    return found


def _encoded(model: Model, data: Data, at: Int64) -> Float32:
    return np.concatenate([model.encode(block) for _, block in data.rows.blocks(at)])


def _record(
    found: Fitted, data: Data, settings: Settings, training: dict[str, Any] | None, progress: Progress
) -> dict[str, Any]:
    progress("measuring", 0.0)
    held = Rows(data.rows.raw[data.held], data.rows.divisor)
    error = _error(found, data, settings, held)
    latents = found.encode_rows(held)
    variance = latents.var(axis=0, dtype=np.float64)
    warnings = [*(training or {}).pop("warnings", ()), *_beside_pca(found.kind, error)]
    progress("measuring", 1.0)
    return {
        "kind": found.kind,
        "dim": found.dim,
        "settings": asdict(settings),
        "form": found.form.caption(),
        "items": len(data.rows),
        "held_out": len(data.held),
        "error": error,
        "round_trip": found.form.round_trip(held.take(np.arange(min(len(held), _HEARD)))),
        "deviations": [round(float(one), 6) for one in np.sqrt(variance)],
        "active": int(np.count_nonzero(variance > _ACTIVE * variance.max())),
        "explained": [round(float(one), 6) for one in found.model.explained]
        if isinstance(found.model, pca.PCA)
        else None,
        "density": found.density.facts(),
        "training": training,
        "warnings": warnings,
    }


def _error(found: Fitted, data: Data, settings: Settings, held: Rows) -> dict[str, Any]:
    """Of held-out items, the mean squared error of a value: of the model, of PCA with as many dimensions, of the mean of all items."""
    errors = found.row_errors(held)
    plain = found
    if not isinstance(found.model, pca.PCA):
        plain = replace(found, model=pca.fit(data, found.dim, silent, seed=settings.seed))
    center = np.square(held.take(np.arange(len(held))) - plain.model.decode(np.zeros((1, found.dim), np.float32)))
    return {
        "unit": found.form.error_unit,
        "mean": float(errors.mean()),
        "median": float(np.median(errors)),
        "p95": float(np.quantile(errors, 0.95)),
        "pca": float(plain.row_errors(held).mean()),
        "nothing": float(center.mean(dtype=np.float64)),
    }


def _beside_pca(kind: str, error: dict[str, Any]) -> list[str]:
    if error["mean"] <= error["pca"] * (1 + 1e-6):
        return []
    lost = f"({error['mean']:.4g} against {error['pca']:.4g})"
    if error["pca"] <= _NOTHING * error["mean"]:
        return [f"PCA of the same dimension loses next to nothing of a held-out item, this {kind} does {lost}"]
    times = error["mean"] / error["pca"]
    return [f"this {kind} loses {times:.2f} times as much of a held-out item as PCA of the same dimension {lost}"]
