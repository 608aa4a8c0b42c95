"""Values of a page that tell of a space itself: its shape, its axes, and the models that made it or learnt from it.

As everywhere on a page an item is named by its point.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from latentstore.types import Float64

Kind = Literal["category", "number", "time"]
Rank = Literal["best", "middle", "worst"]


@dataclass(frozen=True, slots=True)
class Shape:
    """How the items fill the space. axes: the principal ones, the first few. shares: (r,) of the variance, of every axis that there is,
    falling. needed: how many axes hold so much of it, by growing share.

    dimension, finest: how many directions the items around an item spread in, by the ten nearest and by the nearest two; None where
    too few items are apart. held: how many columns were held against the axes.
    """

    shares: Float64
    needed: Sequence[tuple[float, int]] = ()
    dimension: float | None = None
    finest: float | None = None
    axes: Sequence[Axis] = ()
    held: int = 0


@dataclass(frozen=True, slots=True)
class Axis:
    """One principal axis. number: from 1. share: 0..1 of the variance. steadiness: 0..1, how well it comes back in halves of the items.

    low, high: points at either end, the outermost first. ties: columns that go along it, the strongest first. walk: what the model of
    a latent space makes of places along it, from the low end to the high.
    """

    number: int
    share: float
    steadiness: float | None = None
    low: Sequence[int] = ()
    high: Sequence[int] = ()
    ties: Sequence[Tie] = ()
    walk: Sequence[Made] = ()


@dataclass(frozen=True, slots=True)
class Tie:
    """A column that goes along an axis beyond chance. share: 0..1, of the order of the items along the axis.

    low, high: the values at either end, the outermost first, or of a number or a time what it is in the middle there. p_value: of all
    columns and axes together. correlation: Spearman's, of a number or a time.
    """

    column: str
    kind: Kind
    share: float
    p_value: float
    low: Sequence[str] | float
    high: Sequence[str] | float
    correlation: float | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What a model made. picture, sound: positions in what was `decoded`; a sound has a picture of its spectrum as well, and a vector
    has neither.
    """

    picture: int | None = None
    sound: int | None = None


@dataclass(frozen=True, slots=True)
class Latent:
    """A model and the space that it makes. kind: of the model; form: what it sees of an item, in words; source: of which space.

    error, pca, nothing: mean squared error of a value of held-out items: of the model, of PCA with as many dimensions, and of always
    the mean; unit: theirs. train, held: losses by epoch, empty where nothing was trained; best: the epoch whose weights were kept, from
    1. facts: short values by name. short: a section about other vectors tells of it in passing.
    """

    space: str
    kind: str
    form: str
    source: str
    dim: int
    items: int
    error: float
    pca: float
    nothing: float
    unit: str
    lag: int = 0
    train: Sequence[float] = ()
    held: Sequence[float] = ()
    best: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    rebuilt: Sequence[Rebuilt] = ()
    judged: int = 0
    samples: Sequence[Made] = ()
    notes: Sequence[str] = ()
    short: bool = False


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """An item beside what its latent decodes to. rank: among the items that were judged, by how well the model explains them."""

    rank: Rank
    point: int
    original: Made
    made: Made
    error: float


def made(shape: Shape | None, latents: Sequence[Latent]) -> list[Made]:
    """Everything that models made and a section shows."""
    walked = [one for axis in (shape.axes if shape else ()) for one in axis.walk]
    rebuilt = [part for latent in latents for one in latent.rebuilt for part in (one.original, one.made)]
    return [*walked, *rebuilt, *(one for latent in latents for one in latent.samples)]
