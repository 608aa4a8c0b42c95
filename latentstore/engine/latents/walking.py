"""Walking in a space of a store: from ids to points, from points to what they decode to and to the nearest real items.

Every walk sees one commit and writes nothing, so a store that is read-only is walked as well. A space without a decoder answers with
the nearest real items alone, and says that it does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np

from latentstore.distance import as_array, exact, prepare
from latentstore.engine import check, planner, read
from latentstore.engine.core import Engine, find_space
from latentstore.engine.latents import drawing, models
from latentstore.engine.latents.lag import warn_if_behind
from latentstore.engine.read import Question
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.errors import InvalidInput, ItemNotFound
from latentstore.findings.latent import Decoded, Direction, Samples, Sum
from latentstore.latent import walk
from latentstore.latent.density import REJECT
from latentstore.latent.fitted import Fitted
from latentstore.types import Float32, Float64, Int64, Metric

WAYS = ("linear", "spherical")
PACES = ("latent", "decoded")
SOURCES = ("mixture", "prior")
_ACTIVE = 8  # dimensions that a traversal shows where none are named
_CALLER = 5  # frames from a warning up to who called the facade


@dataclass(frozen=True)
class Ground:
    """A space at one commit. model: None where it has none; slots: of the items that the walk names."""

    engine: Engine
    snapshot: Snapshot
    view: SpaceView
    model: Fitted | None
    slots: Mapping[str, int]

    @property
    def name(self) -> str:
        return self.view.row.name

    @property
    def dim(self) -> int:
        assert self.view.row.dim is not None, "a space with items has a dimension"
        return self.view.row.dim

    @property
    def center(self) -> Float32:
        """(dim,): what arcs go around: the mean of the latents that a model was fitted to, else of the vectors; 0 where only
        their angle counts."""
        if self.model is not None:
            return np.asarray(self.model.density.shift, np.float32)
        if self.view.row.metric is not Metric.L2:
            return np.zeros(self.dim, np.float32)
        return np.asarray(self.vectors().mean(axis=0, dtype=np.float64), np.float32)

    def vectors(self) -> Float32:
        """(n, dim): of all items."""
        return np.asarray(self.view.vectors.gather(self.view.all_live()))

    def point(self, given: Any, what: str) -> Float32:
        """(dim,): an item's own vector, or a point given as one."""
        if isinstance(given, str):
            return np.asarray(self.view.vectors.gather(np.array([self.slots[given]]))[0])
        array = as_array(given, what)
        if array.ndim != 1:
            raise InvalidInput(
                f"{what} is an id or a point ({self.dim},), got shape {array.shape}; give one of its rows"
            )
        return np.asarray(prepare(array[None], self.dim, what)[0])

    def nearest(self, latents: Float32) -> tuple[Int64, Float64]:
        """Rows (n,) of the items closest to points, and their distances (n,), by exact search."""
        slots, distances = planner.search(self.view.searchable, latents, 1, exact=True)
        return self.view.vectors.rows[slots[:, 0]], distances[:, 0]

    def ids(self, rows: Int64) -> list[str]:
        return [self.snapshot.details(raw)[0] for raw in read.records(self.engine, self.snapshot, rows)]

    def decoder(self, purpose: str) -> Fitted:
        """Raises InvalidInput where there is none. purpose: what needs one."""
        if self.model is None:
            raise InvalidInput(
                f'{purpose} needs a space with a model, {self.name!r} has none; space.fit("vae") makes one from its items'
            )
        return self.model


def ground(engine: Engine, space: str, *named: Any) -> Ground:
    """named: whatever a walk is given; the ids among it are looked up. Raises ItemNotFound, InvalidInput for an empty space,
    Corrupted where the model is not the one that was fitted."""
    ids = list(dict.fromkeys(check.ids([one for one in named if isinstance(one, str)])))
    snapshot, rows = read.rows_of(engine, ids) if ids else (engine.snapshot, np.empty(0, np.int64))
    view = find_space(snapshot, space)
    warn_if_behind(snapshot, view, _CALLER)
    if not view.live_count:
        raise InvalidInput(f"space {view.row.name!r} has no items to walk among; add some")
    slots = view.vectors.slots_of(rows)
    if slots.size and slots.min() < 0:
        behind = "; space.backfill() brings it the items that it lacks" if view.row.latent else ""
        raise ItemNotFound(f"item {ids[int(slots.argmin())]!r} has no vector in space {view.row.name!r}{behind}")
    model = models.of(engine, view) if view.row.latent else None
    return Ground(engine, snapshot, view, model, dict(zip(ids, slots.tolist(), strict=True)))


def landed(
    here: Ground,
    latents: Float32,
    title: str,
    captions: Sequence[str],
    note: str | None = None,
    columns: int | None = None,
) -> dict[str, Any]:
    """The fields of Decoded, of points (n, dim)."""
    rows, distances = here.nearest(latents)
    details = [here.snapshot.details(raw) for raw in read.records(here.engine, here.snapshot, rows)]
    found = {
        "space": here.name,
        "title": title,
        "latents": latents,
        "captions": list(captions),
        "nearest": [detail[0] for detail in details],
        "distances": distances,
        "texts": [detail[1] for detail in details],
        "note": note,
        "columns": columns,
        "draw": drawing.save,
    }
    if here.model is None:
        return {
            **found,
            "note": f"space {here.name!r} has no decoder: the answer is the real item nearest to each point",
        }
    decoded = {"content": here.model.decode(latents), "kind": here.model.form.name}
    return {**found, **decoded, "off_data": here.model.off_data(latents)}


@dataclass(frozen=True)
class Way:
    """How to go from one point to another. path: one of WAYS; even: one of PACES, what is as much in every step."""

    steps: int = 9
    path: str = "linear"
    even: str = "latent"

    def __post_init__(self) -> None:
        _whole("steps", self.steps, 2)
        if self.path not in WAYS:
            raise InvalidInput(f"path is one of {', '.join(WAYS)}, got {self.path!r}")
        if self.even not in PACES:
            raise InvalidInput(f"even is one of {', '.join(PACES)}, got {self.even!r}")


def interpolate(engine: Engine, space: str, a: Any, b: Any, way: Way) -> Decoded:
    """From an item or point to another, both ends among the steps."""
    if isinstance(a, str) and isinstance(b, str) and a == b:
        raise InvalidInput(f"expected two items to walk between, got {a!r} twice; name another")
    here = ground(engine, space, a, b)
    decode = here.decoder("even='decoded'").decode_rows if way.even == "decoded" else None
    ends = here.point(a, "a"), here.point(b, "b")
    path = walk.line(*ends) if way.path == "linear" else walk.arc(*ends, here.center)
    shares, latents = walk.evenly(path, way.steps, decode)
    first, last = called(a, "start"), called(b, "end")
    captions = [first, *(f"{share:.0%}" for share in shares[1:-1]), last]
    return Decoded(**landed(here, latents, f"{first} → {last}", captions))


def decode(engine: Engine, space: str, latents: Any) -> Decoded:
    """What points stand for."""
    here = ground(engine, space)
    points = _points(here, latents)
    return Decoded(**landed(here, points, f"{len(points)} points", [str(at + 1) for at in range(len(points))]))


def off_data(engine: Engine, space: str, latents: Any) -> Float64:
    """(n,) float64 in 0..1 of points (n, dim)."""
    here = ground(engine, space)
    return here.decoder("off_data").off_data(_points(here, latents))


def move(engine: Engine, space: str, start: Any, direction: Direction, amounts: Any) -> Decoded:
    """An item or point, moved along a direction by so many standard deviations each."""
    here = ground(engine, space, start)
    if not isinstance(direction, Direction):
        raise InvalidInput(f"expected a Direction, as space.direction gives it, got {type(direction).__name__}")
    if direction.space != here.name:
        raise InvalidInput(
            f"the direction is one of space {direction.space!r}, and this is {here.name!r}, where it means nothing; find it again here"
        )
    given = np.atleast_1d(as_array(amounts, "amounts")).astype(np.float64)
    if given.ndim != 1 or not given.size or not np.isfinite(given).all():
        raise InvalidInput(f"amounts is a list of numbers of standard deviations, such as [-2, 0, 2], got {amounts!r}")
    latents = walk.shift(here.point(start, "start"), direction.vector.astype(np.float64), direction.deviation, given)
    name = called(start, "start")
    captions = [f"{amount:+.3g} sd" if amount else name for amount in given.tolist()]
    return Decoded(**landed(here, latents, f"{name} along {direction.label}", captions))


def arithmetic(engine: Engine, space: str, plus: Sequence[Any], minus: Sequence[Any], k: int) -> Sum:
    """The sum of some items or points less others, and its neighbours, the items that are named left out."""
    plus, minus = ([side] if isinstance(side, str) else side for side in (plus, minus))
    if not len(plus):
        raise InvalidInput("plus names no item; a sum starts from one at least")
    _whole("k", k, 1)
    here = ground(engine, space, *plus, *minus)
    added, taken = ([here.point(one, what) for one in side] for side, what in ((plus, "plus"), (minus, "minus")))
    shape = (-1, here.dim)
    latent = walk.arithmetic(np.reshape(added, shape), np.reshape(taken, shape), here.center)
    latents = prepare(latent[None], here.dim, "the sum")
    found = read.search(engine, here.name, latents, Question(k + len(here.slots), exact=True))[0]
    title = " + ".join(called(one, "point") for one in plus) + "".join(f" - {called(one, 'point')}" for one in minus)
    return Sum(**landed(here, latents, title, [title]), hits=read.without(found, here.slots, k))


@dataclass(frozen=True)
class Spans:
    """dims: None takes the most active; span: in standard deviations, told by the quantiles that a normal variable has there."""

    dims: Sequence[int] | None = None
    steps: int = 7
    span: float = 2.5

    def __post_init__(self) -> None:
        _whole("steps", self.steps, 2)
        _number("span", self.span, 0, math.inf)


def traverse(engine: Engine, space: str, start: Any, asked: Spans) -> Decoded:
    """For each dimension the start with that number replaced, over the span that the items have in it. start: None takes the item
    nearest to the middle of all."""
    here = ground(engine, space, start)
    vectors = here.vectors()
    if start is None:
        middle = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        point = vectors[int(np.argmin(exact(middle, vectors, Metric.L2)))]
        name = here.ids(here.nearest(point[None])[0])[0]
    else:
        point, name = here.point(start, "start"), called(start, "point")
    dims = _most_active(here, point, vectors, asked.span) if asked.dims is None else _dims(here, asked.dims)
    latents = walk.traverse(point, vectors, dims, asked.steps, asked.span)
    values = latents.reshape(len(dims), asked.steps, -1)
    captions = [f"dim {dim}: {value:+.2f}" for at, dim in enumerate(dims) for value in values[at, :, dim].tolist()]
    return Decoded(
        **landed(here, latents, f"dimensions of {here.view.row.base} from {name}", captions, columns=asked.steps)
    )


def _most_active(here: Ground, point: Float32, vectors: Float32, span: float) -> list[int]:
    """The dimensions that change most of what is decoded over their spans; where nothing is, those of most spread. The first is
    the most active."""
    if here.model is None:
        effects = vectors.std(axis=0, dtype=np.float64)
    else:
        ends = here.model.decode_rows(walk.traverse(point, vectors, range(here.dim), 2, span))
        effects = np.linalg.norm((ends[1::2] - ends[::2]).astype(np.float64), axis=1)
    return [int(dim) for dim in np.argsort(-effects, kind="stable")[:_ACTIVE]]


def _dims(here: Ground, given: Any) -> list[int]:
    dims = list(given) if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else [given]
    for dim in dims:
        if isinstance(dim, bool) or not isinstance(dim, int | np.integer) or not 0 <= dim < here.dim:
            raise InvalidInput(f"dims of space {here.name!r} are whole numbers from 0 to {here.dim - 1}, got {dim!r}")
    if not dims:
        raise InvalidInput("dims names no dimension; leave it out for the most active ones")
    return [int(dim) for dim in dims]


@dataclass(frozen=True)
class Draws:
    """How new points are drawn. source: one of SOURCES; near: an item or a point to draw around, `spread` of the deviation that the
    items have there; reject: the `off_data` above which a point is drawn anew."""

    source: str = "mixture"
    near: Any = None
    spread: float = 0.5
    seed: int = 0
    reject: float = REJECT

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise InvalidInput(f"source is one of {', '.join(SOURCES)}, got {self.source!r}")
        if self.near is not None and self.source == "prior":
            raise InvalidInput("near draws around an item by the mixture; leave out source='prior', or near")
        _number("spread", self.spread, 0, math.inf)
        _number("reject", self.reject, 0, 1)
        _whole("seed", self.seed, 0)


def sample(engine: Engine, space: str, n: int, asked: Draws) -> Samples:
    """n new points. Raises InvalidInput for a space without a model, and for the prior of a model that has none."""
    _whole("n", n, 1)
    here = ground(engine, space, asked.near)
    model = here.decoder("sampling")
    near = None if asked.near is None else here.point(asked.near, "near")
    drawn = model.draw(n, seed=asked.seed, source=asked.source, near=near, spread=asked.spread, reject=asked.reject)
    note = f"{drawn.refused} more were drawn that lay too far off the data (off_data above {asked.reject:g})"
    captions = [f"off data {one:.2f}" for one in model.off_data(drawn.points).tolist()]
    around = "" if asked.near is None else f" near {called(asked.near, 'a point')}"
    fields = landed(
        here, drawn.points, f"{n} samples of {here.view.row.base}{around}", captions, note if drawn.refused else None
    )
    return Samples(**fields, refused=drawn.refused)


def _points(here: Ground, latents: Any) -> Float32:
    array = as_array(latents, "latents")
    points = prepare(array[None] if array.ndim == 1 else array, here.dim, "latents")
    if not len(points):
        raise InvalidInput("there are no latents to decode; give one at least")
    return points


def called(given: Any, otherwise: str) -> str:
    """An item by its id, or the name of its file where the id is a whole path: under a picture there is no room for folders."""
    if not isinstance(given, str):
        return otherwise
    return PurePath(given).name if given.startswith("/") else given


def _whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InvalidInput(f"{name} is a whole number of at least {least}, got {value!r}")


def _number(name: str, value: Any, above: float, most: float) -> None:
    good = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not good or not above < value <= most or value == math.inf:
        limit = "" if most == math.inf else f" and at most {most:g}"
        raise InvalidInput(f"{name} is a number above {above:g}{limit}, got {value!r}")
