"""Latent spaces in a report: how the model of one was made, what it makes of items, which new items it makes up, and what lies along its
axes.

A section about a latent space tells all of it; one about other vectors tells in passing of the models that learnt from its items.
Whatever is decoded goes into the page as small pictures and short sounds, so many that their size stays bounded.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from latentstore.analysis.geometry import Axes
from latentstore.analysis.progress import Progress
from latentstore.collection import Collection
from latentstore.engine.latents import lag, unexplained
from latentstore.engine.studies.sample import Sample
from latentstore.findings.latent import Decoded, Reconstructions, Samples
from latentstore.media.sounds import Sound
from latentstore.media.spectrograms import spectrogram
from latentstore.reports import media
from latentstore.reports.model import Media
from latentstore.reports.shapes import Latent, Made, Rank, Rebuilt
from latentstore.types import Float64, Int64

_SIDE = 128  # pixels of a picture, at most
_CRISP = 32  # pixels a side up to which PNG is smaller than JPEG, and exact
_SPECTRUM = (360, 240)  # pixels
_SHADES = 32  # of a spectrum
_JUDGED = 1000  # items that are reconstructed to find the best and the worst
_JUDGED_SHORT = 300
_RANKS: tuple[Rank, ...] = ("best", "middle", "worst")


@dataclass(frozen=True)
class _Sizes:
    """How much is shown of a kind of content. ranks: items of each rank; samples: new ones; steps: along an axis."""

    ranks: tuple[int, int, int]
    samples: int
    steps: int


_FULL = {
    "picture": _Sizes((4, 4, 8), 24, 7),
    "sound": _Sizes((2, 2, 3), 6, 3),
    "vector": _Sizes((3, 3, 6), 0, 0),
}
_SHORT = {"picture": _Sizes((2, 2, 2), 6, 0), "sound": _Sizes((1, 1, 1), 2, 0), "vector": _Sizes((0, 0, 0), 0, 0)}
_SPAN = 2.5  # deviations from the middle to the ends of a walk


@dataclass(frozen=True)
class Found:
    """What is told of a latent space. ranks: of each reconstruction; walks: all axes one after the other, `steps` places each."""

    space: str
    source: str
    dim: int
    items: int
    lag: int
    form: str
    record: dict[str, Any]
    short: bool
    judged: int
    rebuilt: Reconstructions | None
    ranks: list[Rank]
    samples: Samples | None
    walks: Decoded | None = None
    steps: int = 0
    notes: list[str] = field(default_factory=list)


def spaces(sample: Sample) -> list[str]:
    """The latent spaces that a section about a sample tells of: the space itself, else those that follow it and are in use."""
    if sample.view.row.latent:
        return [sample.space]
    return [one.row.name for one in sample.snapshot.latent if one.row.active and one.row.follows == sample.space]


def measure(
    collection: Collection, sample: Sample, name: str, axes: Axes | None, seed: int, progress: Progress
) -> Found:
    """axes: of the space, where the sample is of it. Raises InvalidInput, Corrupted where the model does not load."""
    space = collection.space(name)
    view = sample.snapshot.spaces[name]
    model, short = space.latent, name != sample.space
    sizes = (_SHORT if short else _FULL)[model.form.name]
    positions = _drawn(sample, view.vectors.rows[view.all_live()], _JUDGED_SHORT if short else _JUDGED, seed)
    notes: list[str] = []
    chosen: list[int] = []
    ranks: list[Rank] = []
    if sum(sizes.ranks):
        errors = unexplained.errors(collection.engine, sample.snapshot, view, sample.rows[positions], progress)
        gone = int(np.isnan(errors).sum())
        if gone:
            notes.append(f"of {gone:,} of {len(errors):,} items nothing is at hand any more that the model could see")
        positions, errors = positions[~np.isnan(errors)], errors[~np.isnan(errors)]
        at, ranks = _ranked(errors, sizes.ranks)
        chosen = positions[at].tolist()
    steps = sizes.steps if axes is not None and len(axes) else 0
    return Found(
        *(
            view.row.base if short else name,
            view.row.follows,
            model.dim,
            view.live_count,
            len(lag.behind(sample.snapshot, view)),
        ),
        *(model.form.caption(), model.record, short, len(positions) if chosen else 0),
        rebuilt=space.reconstruct([sample.ids[at] for at in chosen]) if chosen else None,
        ranks=ranks,
        samples=space.sample(sizes.samples, seed=seed) if sizes.samples else None,
        walks=space.decode(_along(axes, steps)) if axes is not None and steps else None,
        steps=steps,
        notes=notes,
    )


def _drawn(sample: Sample, rows: Int64, most: int, seed: int) -> Int64:
    """Positions of items of the sample that have a latent, so many of them drawn at random, ascending."""
    there = np.flatnonzero(np.isin(sample.rows, rows, assume_unique=True))
    return np.sort(np.random.default_rng(seed).permutation(there)[:most])


def _ranked(errors: Float64, counts: tuple[int, int, int]) -> tuple[Int64, list[Rank]]:
    """Positions of the items best explained, of those in the middle, and of the worst, which come with the worst first."""
    order = np.argsort(errors, kind="stable")
    best, middle, worst = (min(count, len(order) // 3) for count in counts)
    start = (len(order) - middle) // 2
    parts = (order[:best], order[start : start + middle], order[::-1][:worst])
    return np.concatenate(parts), [rank for rank, part in zip(_RANKS, parts, strict=True) for _ in part]


def _along(axes: Axes, steps: int) -> Any:
    """(a * steps, dim) float32: places along each axis, through the middle of the items."""
    amounts = np.linspace(-_SPAN, _SPAN, steps)
    moved = axes.deviations[:, None, None] * amounts[:, None] * axes.directions[:, None]
    return (axes.center + moved.reshape(-1, len(axes.center))).astype(np.float32)


def named(found: Found) -> Iterator[str]:
    """Ids that a page names."""
    if found.rebuilt is not None:
        yield from (str(one) for one in found.rebuilt.ids)


class Wall:
    """What models decoded, as a page shows it: `media` grows as places are hung. point: of an id."""

    def __init__(self, point: Callable[[str], int]) -> None:
        self.media: list[Media] = []
        self._point = point

    def latent(self, found: Found) -> Latent:
        record, training = found.record, found.record.get("training") or {}
        error, losses = record["error"], training.get("losses") or {}
        return Latent(
            *(found.space, record["kind"], found.form, found.source, found.dim, found.items),
            *(error["mean"], error["pca"], error["nothing"], error["unit"], found.lag),
            train=losses.get("train", ()),
            held=losses.get("held", ()),
            best=training.get("best_epoch"),
            facts=_facts(record, training),
            rebuilt=self._rebuilt(found),
            judged=found.judged,
            samples=self.made(found.samples) if found.samples is not None else (),
            notes=[*record["warnings"], *found.notes],
            short=found.short,
        )

    def walk(self, found: Found, axis: int) -> list[Made]:
        """The places along one axis, from its low end to the high."""
        if found.walks is None:
            return []
        return self.made(found.walks, range(axis * found.steps, (axis + 1) * found.steps))

    def made(self, found: Decoded, which: range | None = None) -> list[Made]:
        return [self._hung(found.content[at], found.kind) for at in which or range(len(found))]

    def _rebuilt(self, found: Found) -> list[Rebuilt]:
        made = found.rebuilt
        if made is None:
            return []
        listed = []
        for at, (rank, name) in enumerate(zip(found.ranks, made.ids, strict=True)):
            original, own = (self._hung(one[at], made.kind) for one in (made.originals, made.content))
            listed.append(Rebuilt(rank, self._point(str(name)), original, own, float(made.errors[at])))
        return listed

    def _hung(self, content: Any, kind: str | None) -> Made:
        if kind == "picture":
            return Made(picture=self._add(_picture(content)))
        if kind == "sound":
            sound = Sound(*content)
            return Made(picture=self._add(_spectrum(sound)), sound=self._add(media.mp3(sound)))
        return Made()

    def _add(self, one: Media) -> int:
        self.media.append(one)
        return len(self.media) - 1


def _facts(record: dict[str, Any], training: dict[str, Any]) -> dict[str, Any]:
    told = {"items": record["items"], "held out": record["held_out"], "dimensions in use": record["active"]}
    told |= {"error": record["error"]["mean"], "of PCA": record["error"]["pca"], "unit": record["error"]["unit"]}
    told |= {name: training[name] for name in ("device", "epochs", "stopped") if training.get(name) is not None}
    return {**told, "seconds": record["seconds"]}


def _picture(picture: Image.Image) -> Media:
    shown = picture.copy()
    shown.thumbnail((_SIDE, _SIDE))
    file = io.BytesIO()
    if max(shown.size) <= _CRISP:
        shown.save(file, "PNG", optimize=True)
        return Media("image/png", file.getvalue())
    shown.save(file, "JPEG", quality=85)
    return Media("image/jpeg", file.getvalue())


def _spectrum(sound: Sound) -> Media:
    file = io.BytesIO()
    spectrogram(sound, _SPECTRUM).quantize(_SHADES).save(file, "PNG", optimize=True)
    return Media("image/png", file.getvalue())
