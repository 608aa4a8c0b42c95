"""What latent models keep of digits, and what they make of nothing, beside PCA. Run: python -m benchmarks.latent [--seeds N]

Two sets of digits: 10,000 scans of MNIST, 8,000 to learn from and 2,000 held out, at 32 dimensions; and the 1,797 smaller ones that
scikit-learn carries, one in five held out, at 16. And a thousand photos, each of another thing, at the dimension that `fit` chooses: a
tenth held out, their error alone. Error: mean squared, of values in 0..1, of held-out digits. Neighbours: the share of held-out digits
whose class most of their ten nearest have. Fréchet distance: between what a small classifier sees in real digits and in made ones, 2,000 at
a time, four times. Confidence: of that classifier in samples; scarcest: the share of samples of the class with fewest.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.data import SHARED
from benchmarks.digits import LEARNED, MNIST, Digits, Judge, frechet, mnist, scikit_learn, voted
from benchmarks.report import Bound, over_seeds, save, table, timed
from latentstore.encoders.base import let_idle_threads_sleep
from latentstore.latent import fitting, forms
from latentstore.latent.base import KINDS, Settings
from latentstore.latent.fitted import Fitted
from latentstore.latent.rows import Rows
from latentstore.types import Float32, Float64

SEEDS = 3
DIM = 32
SAMPLES, DRAWS = 2000, 4
# Of Fashion-MNIST, as known: Fréchet distance of samples over that of reconstructions, error and neighbours beside PCA's.
RECIPE = {"samples": 6.7 / 5.5, "error": 0.0113 / 0.0145, "neighbours": 0.838 - 0.821}
PHOTOS = SHARED / "images" / "photos"
_DECODED = 1000


@dataclass(frozen=True)
class Trial:
    """Digits split in two, and a judge that has seen the first part."""

    digits: Digits
    learned: int
    dim: int
    judge: Judge

    @property
    def rows(self) -> Float32:
        return Rows(self.digits.rows, 255.0).take(np.arange(len(self.digits.rows)))


def trial(digits: Digits, learned: int, dim: int) -> Trial:
    rows = Rows(digits.rows, 255.0).take(np.arange(learned))
    return Trial(digits, learned, dim, Judge(rows, digits.classes[:learned]))


def fitted(on: Trial, kind: str, seed: int) -> Fitted:
    side = round(on.digits.rows.shape[1] ** 0.5)
    form = forms.choose("picture", list(on.digits.rows[:20].reshape(-1, side, side)))
    return fitting.fit(form, Rows(on.digits.rows[: on.learned], form.divisor), Settings(kind, on.dim, seed=seed))


def figures(model: Fitted, on: Trial) -> dict[str, float]:
    """How the model fares on what was held out; every figure but the share of dimensions that are dead is told in the module."""
    rows, classes, real = on.rows, on.digits.classes, on.judge.features(on.rows[: on.learned])
    held = rows[on.learned :]
    known, new = (model.encode_rows(Rows(part)) for part in (rows[: on.learned], held))
    back = model.decode_rows(new)
    made = [model.decode_rows(model.sample(SAMPLES, seed=seed)) for seed in range(DRAWS)]
    sure = on.judge.confidences(np.concatenate(made))
    found = {
        "error": float(np.square(held - back).mean(dtype=np.float64)),
        "neighbours": voted(known, classes[: on.learned], new, classes[on.learned :]),
        "reconstructions": frechet(real, on.judge.features(back)),
        "samples": float(np.mean([frechet(real, on.judge.features(one)) for one in made])),
        "confidence": float(sure.max(axis=1).mean()),
        "scarcest": float(np.bincount(sure.argmax(axis=1), minlength=10).min() / len(sure)),
        "dead": 1 - model.record["active"] / model.dim,
    }
    return {**found, **(prior_figures(model, on, real) if model.model.prior else {})}


def prior_figures(model: Fitted, on: Trial, real: Float64) -> dict[str, float]:
    """Of draws from N(0, I), none of them refused."""
    made = model.decode_rows(model.sample(SAMPLES, source="prior", reject=1))
    sure = on.judge.confidences(made).max(axis=1)
    return {"prior": frechet(real, on.judge.features(made)), "prior confidence": float(sure.mean())}


def costs(fit: Callable[[], Fitted]) -> tuple[Fitted, dict[str, float]]:
    """Seconds of the processor and memory above what was there that the fit takes; rows/s: of an epoch; decode: milliseconds an item, a
    thousand together and one at a time."""
    made: list[Fitted] = []
    began_cpu = process_time()
    _, memory = timed(lambda: made.append(fit()))
    cpu = process_time() - began_cpu
    (model,) = made
    latents = model.sample(_DECODED)
    began = perf_counter()
    model.decode_rows(latents)
    together = perf_counter() - began
    began = perf_counter()
    for at in range(100):
        model.decode_rows(latents[at : at + 1])
    alone = perf_counter() - began
    training = model.record["training"] or {}
    return model, {
        "cpu seconds": cpu,
        "rows/s": float(training.get("rows_per_second") or 0),
        "decode ms": together / _DECODED * 1e3,
        "alone ms": alone / 100 * 1e3,
        "disk MB": _size(model) / 1e6,
        "peak MB": memory / 1e6,
    }


def _size(model: Fitted) -> int:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "model")
        return sum(file.stat().st_size for file in (Path(folder) / "model").iterdir())


def measured(on: Trial, kind: str, seed: int) -> dict[str, float]:
    model, taken = costs(partial(fitted, on, kind, seed))
    return {**figures(model, on), **taken}


def photos(seeds: int) -> dict[str, list[dict[str, float]]]:
    """By kind, what is lost of held-out photos, and what the fit takes."""
    pictures = sorted(PHOTOS.iterdir())
    form = forms.choose("picture", pictures[:200])
    rows = Rows(form.rows(pictures), form.divisor)
    found: dict[str, list[dict[str, float]]] = {}
    for kind in KINDS:
        for seed in range(1 if kind == "pca" else seeds):
            model, taken = costs(partial(fitting.fit, form, rows, Settings(kind, seed=seed)))
            error = model.record["error"]
            figures = {"dim": model.dim, "error": error["mean"], "pca": error["pca"], "nothing": error["nothing"]}
            found.setdefault(kind, []).append({**figures, **taken})
    for names in (
        ("dim", "error", "pca", "nothing"),
        ("cpu seconds", "rows/s", "decode ms", "alone ms", "disk MB", "peak MB"),
    ):
        table(
            "1,000 photos",
            [{"model": kind, **{name: over_seeds(runs, name) for name in names}} for kind, runs in found.items()],
        )
    return found


def compared(title: str, on: Trial, seeds: int) -> dict[str, list[dict[str, float]]]:
    """By kind, the figures of each seed; PCA has none but the first."""
    found = {kind: [measured(on, kind, seed) for seed in range(1 if kind == "pca" else seeds)] for kind in KINDS}
    for names in (
        ("error", "neighbours", "reconstructions", "samples"),
        ("confidence", "scarcest", "dead", "cpu seconds"),
    ):
        table(
            title, [{"model": kind, **{name: over_seeds(runs, name) for name in names}} for kind, runs in found.items()]
        )
    speeds = ("rows/s", "decode ms", "alone ms", "disk MB", "peak MB")
    table(title, [{"model": kind, **{name: over_seeds(runs, name) for name in speeds}} for kind, runs in found.items()])
    return found


def _bounds(found: dict[str, list[dict[str, float]]]) -> list[Bound]:
    (pca,) = found["pca"]
    auto, vae, gan = (found[kind] for kind in ("autoencoder", "vae", "gan"))
    return [
        Bound("autoencoder: error beside PCA's", 0.75, max(run["error"] for run in auto) / pca["error"], "x"),
        Bound(
            "autoencoder: neighbours beyond PCA's",
            0,
            min(run["neighbours"] for run in auto) - pca["neighbours"],
            least=True,
        ),
        *(
            Bound(
                f"{kind}: samples over reconstructions",
                1.5,
                max(run["samples"] / run["reconstructions"] for run in runs),
                "x",
            )
            for kind, runs in found.items()
            if kind != "pca"
        ),
        Bound("vae: dead dimensions", 1 / 3, max(run["dead"] for run in vae)),
        Bound("gan: confidence in samples", 0.85, min(run["confidence"] for run in gan), least=True),
        Bound("gan: scarcest digit among samples", 0.01, min(run["scarcest"] for run in gan), least=True),
        Bound("latents: CPU seconds of a fit", 180, max(run["cpu seconds"] for runs in found.values() for run in runs)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, default=SEEDS)
    seeds = parser.parse_args().seeds
    let_idle_threads_sleep()
    small = scikit_learn()
    results: dict[str, Any] = {
        "digits of scikit-learn": compared("1,797 digits of 8 by 8", trial(small, 1437, 16), seeds)
    }
    bounds = []
    if MNIST.is_dir():
        large = compared("10,000 digits of 28 by 28", trial(mnist(), LEARNED, DIM), seeds)
        results["mnist"] = large
        bounds = _bounds(large)
        results["photos"] = photos(seeds)
    else:
        print(f"the larger digits are read from {MNIST.resolve()}, which is not there")
    save("latent", {"seeds": seeds, "samples": SAMPLES, "draws": DRAWS, "recipe": RECIPE}, results, bounds)


if __name__ == "__main__":
    main()
