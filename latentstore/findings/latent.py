"""What walking in a space gives back: points, what they decode to, and the real items nearest to them.

Each point is also snapped to a real item, the nearest of its space by exact search, so that every answer can be held against
something that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from latentstore.types import Float32, Float64, Hits, Rows

if TYPE_CHECKING:
    import pandas
    import pyarrow

Kind = Literal["picture", "sound", "vector"]


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Decoded:
    """Points of a space, n of them, in order. title: what they are; latents: (n, dim) float32; captions: a few words each.

    nearest: the id of the real item closest to each, distances: (n,) float64 to it, texts: what it says, if anything.
    off_data: (n,) float64 in 0..1, the share of held-out items that lie less far off the data than the point: higher is stranger.
    content: what the points decode to: of kind "picture" a list of PIL images, "sound" a list of (samples (m,) float32 in -1..1,
    rate in hertz), "vector" an array (n, width) float32. In a space without a decoder off_data, content and kind are None, and the
    nearest items are the answer. note: what is to be said of all of it, if anything. columns: how many points belong in
    one line where they make a table, as those of each dimension of a traversal do.
    """

    space: str
    title: str
    latents: Float32
    captions: list[str]
    nearest: list[str]
    distances: Float64
    texts: list[str | None]
    off_data: Float64 | None = None
    content: Any = None
    kind: Kind | None = None
    note: str | None = None
    columns: int | None = None
    draw: Callable[[Decoded, Path, str | None], Path]

    def rows(self) -> Rows:
        """A row a point: caption, nearest, distance, off_data where it is known, text where a nearest item has one."""
        columns: dict[str, list[Any]] = {
            "caption": self.captions,
            **self._more(),
            "nearest": self.nearest,
            "distance": self.distances.tolist(),
        }
        if self.off_data is not None:
            columns["off_data"] = self.off_data.tolist()
        if any(text is not None for text in self.texts):
            columns["text"] = self.texts
        return Rows(list(columns), list(zip(*columns.values(), strict=True)))

    def save(self, path: str | Path, *, title: str | None = None) -> Path:
        """Write what the points decode to as a picture, an animation or a sound, as the ending of `path` says.

        .png: pictures, or spectrograms, beside each other with captions; .gif: the points one after the other, forth and back;
        .wav: sounds one after the other. title: None takes the own one. Returns the path. Raises InvalidInput for another
        ending, and where the space has no decoder or decodes to vectors.
        """
        return self.draw(self, Path(path), title)

    def to_arrow(self) -> pyarrow.Table:
        return self.rows().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        return self.rows().to_pandas()

    def _more(self) -> dict[str, list[Any]]:
        """Columns that a kind of walk adds."""
        return {}

    def __len__(self) -> int:
        return len(self.latents)

    def __repr__(self) -> str:
        decoded = "not decoded" if self.kind is None else f"decoded to {self.kind}s"
        return f"<{type(self).__name__}: {len(self)} points of {self.space!r}, {decoded}>"


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Reconstructions(Decoded):
    """Items beside what their latents decode to. ids: None for an item that is not in the store; originals: as `content`, cut and
    scaled as the model sees them; errors: (n,) float64, what the model does not explain of each, in `error_unit`, higher is stranger.
    """

    ids: list[str | None]
    originals: Any
    errors: Float64
    error_unit: str

    def _more(self) -> dict[str, list[Any]]:
        return {"id": self.ids, "error": self.errors.tolist()}


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Sum(Decoded):
    """A sum and difference of items, one point. hits: its neighbours, closest first, the items themselves left out."""

    hits: Hits


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Samples(Decoded):
    """New points. refused: how many more were drawn and lay too far off the data to be kept."""

    refused: int


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Direction:
    """A direction in a space. vector: (dim,) float32 of length 1; deviation: the standard deviation of the space's items along it.

    kind: "pair", from some items towards others; "class", towards a value of a column from all that have another; "axis", a
    principal axis. share: of all the variance of the items, what lies along it. accuracy: how well it tells its two sides apart
    among items that had no part in finding it, the area under the ROC curve: 0.5 is chance, 1 all; None for an axis, and where a
    side has a single item. sides: items towards which and away from which it leads, (0, 0) for an axis. low, high: ids of
    the items farthest along it at both ends, the farthest first.
    """

    space: str
    label: str
    kind: Literal["pair", "class", "axis"]
    vector: Float32
    deviation: float
    share: float
    accuracy: float | None
    sides: tuple[int, int]
    low: tuple[str, ...]
    high: tuple[str, ...]

    def __repr__(self) -> str:
        told = "" if self.accuracy is None else f", tells its sides apart with {self.accuracy:.2f}"
        return f"<Direction {self.label!r} of {self.space!r}: {self.share:.1%} of the variance{told}>"


class Directions(Sequence[Direction]):
    """Directions of a space: those of the classes first, then the principal axes, that of most variance first."""

    def __init__(self, found: Sequence[Direction]) -> None:
        self._found = tuple(found)

    def rows(self) -> Rows:
        """A row a direction: label, kind, accuracy, share, deviation, the items farthest along it at both ends."""
        values = [
            (one.label, one.kind, one.accuracy, one.share, one.deviation, list(one.low), list(one.high)) for one in self
        ]
        return Rows(["label", "kind", "accuracy", "share", "deviation", "low", "high"], values)

    def to_arrow(self) -> pyarrow.Table:
        return self.rows().to_arrow()

    def to_pandas(self) -> pandas.DataFrame:
        return self.rows().to_pandas()

    @overload
    def __getitem__(self, at: int) -> Direction: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Direction, ...]: ...
    def __getitem__(self, at: int | slice) -> Direction | tuple[Direction, ...]:
        return self._found[at]

    def __iter__(self) -> Iterator[Direction]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"<{len(self)} directions: {', '.join(one.label for one in self[:5])}{', …' if len(self) > 5 else ''}>"
