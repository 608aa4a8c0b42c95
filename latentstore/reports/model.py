"""Page: everything a report shows, as plain frozen values. Whoever has findings fills it in; `page.render` lays it out.

Every section is about one space. Its `points` are the items that the map shows, and everything else names an item by its position
there: a **point**, 0..n-1. All items may be points, or a sample where they are too many; whatever is named (an exemplar, an outlier, a
duplicate) must be among them. Counts (`size`, `flagged`, …) are those of all items, not of the points. Arrays of length n run along
the points. A cluster is named by its number; -1 is no cluster. Texts are plain text: the page escapes them, wherever they come from.
What is None or empty is left out of the page, or said to be missing where a reader would look for it.
"""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from latentstore.errors import InvalidInput
from latentstore.reports.shapes import Kind, Latent, Shape, made
from latentstore.types import Bool, Float32, Float64, Int64

Sureness = Literal["counted", "sure", "likely", "unsure"]
PICTURES = ("image/jpeg", "image/png", "image/webp", "image/gif")
SOUNDS = ("audio/wav", "audio/mpeg", "audio/ogg", "audio/flac", "audio/webm", "audio/mp4")


@dataclass(frozen=True, slots=True)
class Page:
    """One report. `made` and times elsewhere: unix seconds. items: how many the collection holds. notes: what was left out, and why."""

    title: str
    store: str
    collection: str
    made: float
    version: str
    items: int
    summary: Sequence[Statement] = ()
    sections: Sequence[Section] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Statement:
    """One sentence of the summary, how sure it is, and what that rests on (`because`: "comes back in 94 % of 20 resamplings").

    counted: a fact, as of a count. space, part: where the page shows it; part is one of "map", "clusters", "outliers",
    "duplicates", "columns", "shape", "latent", "labels", "changes", "method".
    """

    text: str
    sureness: Sureness = "counted"
    because: str = ""
    space: str | None = None
    part: str | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """What is known of one space. modality: "text", "image", "audio" or "vector". items: how many have a vector here.

    levels: coarse to fine; `level`: the one that colours the map and whose numbers `outliers`, `second` and `changes` use.
    latents: the model that made the space, or those that were fitted to its items. decoded: what models made, which `Made` names by
    its position. confidence: (n,) 0..1 of each point's cluster at that level; second: (n,) the cluster it might also be in, -1 for none.
    """

    space: str
    modality: str
    metric: str
    dim: int
    items: int
    points: Points
    encoder: str | None = None
    levels: Sequence[Level] = ()
    level: str = ""
    confidence: Float32 | None = None
    second: Int64 | None = None
    map: MapQuality | None = None
    outliers: Outliers | None = None
    duplicates: Duplicates | None = None
    columns: Sequence[Column] = ()
    shape: Shape | None = None
    latents: Sequence[Latent] = ()
    decoded: Sequence[Media] = ()
    labels: Sequence[LabelCheck] = ()
    changes: Changes | None = None
    methods: Sequence[Method] = ()
    notes: Sequence[str] = ()

    @property
    def shown(self) -> Level | None:
        """The level that colours the map."""
        return next((level for level in self.levels if level.name == self.level), None)


@dataclass(frozen=True, slots=True)
class Points:
    """The n items on the map. coordinates: (n, 2), any scale, NaN where an item has no place. texts: "" for none; 500 characters
    are plenty, the map shows fewer. uris: where items came from. media: by point, a thumbnail or a short sound; about 12 MB in all.
    """

    ids: Sequence[str]
    coordinates: Float32
    texts: Sequence[str] = ()
    uris: Sequence[str] = ()
    media: Mapping[int, Media] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Media:
    """The bytes of a picture or a sound, of one of the types in PICTURES and SOUNDS. description: in words, if there are any."""

    mime: str
    data: bytes
    description: str = ""


@dataclass(frozen=True, slots=True)
class Level:
    """One grain of clusters. labels: (n,) the cluster number of each point, -1 for none. clusters: largest first."""

    name: str
    labels: Int64
    clusters: Sequence[Cluster]


@dataclass(frozen=True, slots=True)
class Cluster:
    """stability, tightness: 0..1, higher is better; None where not measured. parent: its cluster in the next coarser level.

    flags: short words, such as "small" or "unstable". exemplars, border: points, best first. neighbours: numbers, nearest first.
    """

    number: int
    name: str
    size: int
    words: Sequence[str] = ()
    stability: float | None = None
    tightness: float | None = None
    flags: Sequence[str] = ()
    parent: int | None = None
    exemplars: Sequence[int] = ()
    border: Sequence[int] = ()
    neighbours: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class MapQuality:
    """trustworthiness, continuity: 0..1 (Venna & Kaski 2001), of `neighbours` nearest, measured on `rows` items."""

    method: str
    trustworthiness: float | None = None
    continuity: float | None = None
    neighbours: int = 0
    rows: int = 0


@dataclass(frozen=True, slots=True)
class Outliers:
    """scores: (n,) higher is stranger. flags: (n,). judged, flagged: of all items. fdr: share of false alarms allowed among flags.

    listed: the strangest first, flagged or not. method: in a few words ("distance to the 10 nearest").
    """

    method: str
    fdr: float
    judged: int
    flagged: int
    scores: Float64
    flags: Bool
    listed: Sequence[Outlier] = ()


@dataclass(frozen=True, slots=True)
class Outlier:
    """One strange item and why. p_value: how rarely a normal item is as strange. nearest: normal points, nearest first.

    cluster: the nearest one. differs: words that it has and they do not; lacks: the other way round. reason: a sentence.
    """

    point: int
    score: float
    p_value: float | None = None
    nearest: Sequence[int] = ()
    cluster: int | None = None
    differs: Sequence[str] = ()
    lacks: Sequence[str] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """exact, near: extra copies, of all items (what deleting all but the kept ones would remove). groups: how many there are of each.

    rule: which of a group is kept. curve: the threshold's choice, by growing threshold. listed: groups, the largest first.
    """

    exact: int
    near: int
    exact_groups: int
    near_groups: int
    threshold: float | None
    rule: str
    listed: Sequence[DuplicateGroup] = ()
    curve: Sequence[CurvePoint] = ()
    leaks: Sequence[Leak] = ()


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """kept: a point. others: points, of `copies` in all; distance: the widest within the group."""

    kind: Literal["exact", "near"]
    kept: int
    others: Sequence[int]
    copies: int
    distance: float = 0.0


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """How many pairs are within `threshold`, and how many groups they make."""

    threshold: float
    pairs: int
    groups: int


@dataclass(frozen=True, slots=True)
class Leak:
    """Items of the split `a` that are, nearly, in the split `b` as well. examples: pairs of points."""

    column: str
    a: str
    b: str
    pairs: int
    examples: Sequence[tuple[int, int]] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of metadata along the points: str or bool values of a "category", floats of a "number", unix seconds of a "time".

    None is missing. The page shows how it falls over the clusters, and can colour the map by it.
    """

    name: str
    kind: Kind
    values: Sequence[Any]


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """How well the space tells a column's values apart: cross-validated accuracies, 0..1; baseline: always the commonest value.

    classes: name, items, share recognised. confused: value, taken for, how often. suspects: items that look mislabelled.
    """

    column: str
    neighbours: float
    probe: float
    baseline: float
    classes: Sequence[tuple[str, int, float]] = ()
    confused: Sequence[tuple[str, str, int]] = ()
    suspects: Sequence[Suspect] = ()
    suspected: int = 0
    suggested: int = 0
    abstained: int = 0


@dataclass(frozen=True, slots=True)
class Suspect:
    """label: what the item is called; looks_like: what it seems to be, with that probability."""

    point: int
    label: str
    looks_like: str
    probability: float


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened since the last report, made at `since`. p_value: of a test that the new items are as the old ones."""

    since: float
    before: int
    now: int
    added: int
    removed: int
    clusters: Sequence[ClusterChange] = ()
    p_value: float | None = None


@dataclass(frozen=True, slots=True)
class ClusterChange:
    """before, after: sizes, None where it was not there. number: of the shown level, None where it is gone. detail: in words."""

    kind: Literal["new", "gone", "merged", "split", "grew", "shrank"]
    name: str
    number: int | None = None
    before: int | None = None
    after: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """How a finding was made. what: "Clusters". how: in a sentence or two. parameters, facts: short values by name."""

    what: str
    how: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def jsonable(value: Any) -> Any:
    """A page, or any part of one, as plain JSON: arrays as lists, bytes as base64, what is not finite as None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {part.name: jsonable(getattr(value, part.name)) for part in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): jsonable(one) for key, one in value.items()}
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [jsonable(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check(page: Page) -> None:
    """Raises InvalidInput, saying where, when lengths do not agree, a point or cluster is named that is not there, or media is foreign."""
    for section in page.sections:
        _check_lengths(section)
        _check_points(section)
        _check_media(section)


def _check_lengths(section: Section) -> None:
    n = len(section.points)
    along: dict[str, Any] = {"texts": section.points.texts, "uris": section.points.uris}
    along |= {f"labels of level {level.name!r}": level.labels for level in section.levels}
    along |= {f"column {column.name!r}": column.values for column in section.columns}
    along |= {"confidence": section.confidence, "second": section.second}
    if section.outliers:
        along |= {"outlier scores": section.outliers.scores, "outlier flags": section.outliers.flags}
    for name, values in along.items():
        may_lack = name in {"texts", "uris"} and values is not None and len(values) == 0
        if values is not None and not may_lack and len(values) != n:
            raise InvalidInput(
                f"space {section.space!r} shows {n} points, its {name} are {len(values)}: give one a point"
            )
    if section.points.coordinates.shape != (n, 2):
        shape = section.points.coordinates.shape
        raise InvalidInput(f"space {section.space!r} shows {n} points, expected coordinates ({n}, 2), got {shape}")
    if section.levels and section.shown is None:
        raise InvalidInput(
            f"space {section.space!r} has no level {section.level!r}: {[x.name for x in section.levels]}"
        )


def _check_points(section: Section) -> None:
    n = len(section.points)
    named = [p for level in section.levels for c in level.clusters for p in (*c.exemplars, *c.border)]
    named += [p for one in section.outliers.listed for p in (one.point, *one.nearest)] if section.outliers else []
    if section.duplicates:
        named += [p for group in section.duplicates.listed for p in (group.kept, *group.others)]
        named += [p for leak in section.duplicates.leaks for pair in leak.examples for p in pair]
    named += [p for axis in section.shape.axes for p in (*axis.low, *axis.high)] if section.shape else []
    named += [one.point for latent in section.latents for one in latent.rebuilt]
    named += [suspect.point for labels in section.labels for suspect in labels.suspects]
    wrong = [point for point in named if not 0 <= point < n]
    if wrong:
        raise InvalidInput(
            f"space {section.space!r} shows points 0..{n - 1}, point {wrong[0]} is named: show it as well"
        )


def _check_media(section: Section) -> None:
    named = {f"point {point}": media for point, media in section.points.media.items()}
    named |= {f"decoded {at}": media for at, media in enumerate(section.decoded)}
    for name, media in named.items():
        if media.mime not in (*PICTURES, *SOUNDS):
            known = ", ".join((*PICTURES, *SOUNDS))
            raise InvalidInput(f"{name} of space {section.space!r} is {media.mime!r}, a page shows {known}: convert it")
    count = len(section.decoded)
    shown = [at for one in made(section.shape, section.latents) for at in (one.picture, one.sound) if at is not None]
    wrong = [at for at in shown if not 0 <= at < count]
    if wrong:
        raise InvalidInput(f"space {section.space!r} has {count} decoded, number {wrong[0]} is named: give it as well")
