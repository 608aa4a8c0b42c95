"""What of an item a latent model sees: the same when it is fitted, at an add, and when a space catches up.

A picture: its thumbnail where that is a smaller copy of it and large enough, which spares decoding the whole; else the picture that an
add was given, or the attachment "content", or the file at its uri; else whatever thumbnail there is. A sound: what an add was given, or
"content", or the file, cut from `start` to `end` where its metadata say that it is a part. A vector: that of the followed space.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from latentstore.engine import attach, read
from latentstore.engine.core import Engine
from latentstore.engine.origins import INSIDE, origins
from latentstore.engine.snapshot import Snapshot
from latentstore.errors import InvalidInput
from latentstore.media import images, sounds
from latentstore.storage.columns import MODALITY
from latentstore.types import Float32, Int64, Modality, Origin

CONTENT, THUMBNAIL = "content", "thumbnail"
_SPAN = 60.0  # seconds of a long recording that are decoded at a time


@dataclass(frozen=True)
class Seen:
    """One item. given: what an add brought, None for an item that is stored."""

    given: Any
    attached: Mapping[str, bytes | None]
    uri: str | None
    metadata: Mapping[str, Any]


def picture(item: Seen, side: int) -> Any:
    """A PIL image, None where the item has none that can be read. side: of what the model sees, in pixels."""
    thumbnail = _loaded(item.attached.get(THUMBNAIL))
    reduced = thumbnail is not None and max(thumbnail.size) >= images.THUMBNAIL_SIDE
    if reduced and side <= images.THUMBNAIL_SIDE:
        return thumbnail
    sources = (item.given, item.attached.get(CONTENT), _file(item.uri))
    return next((found for source in sources if (found := _loaded(source)) is not None), thumbnail)


def _loaded(source: Any) -> Any:
    try:
        return None if source is None else images.load(source)
    except (InvalidInput, OSError):
        return None


def sound(item: Seen, whole: Callable[[bytes | Path], sounds.Sound] = sounds.load) -> sounds.Sound | None:
    """None where the item has none that can be read. whole: loads a recording, or remembers it."""
    for source in (item.attached.get(CONTENT), _file(item.uri)) if item.given is None else (item.given,):
        try:
            if source is not None:
                return sounds.load(source) if item.given is not None else _part(source, item.metadata, whole)
        except (InvalidInput, OSError):
            continue
    return None


def _part(
    source: bytes | Path, metadata: Mapping[str, Any], whole: Callable[[bytes | Path], sounds.Sound]
) -> sounds.Sound:
    start, end = _time(metadata.get("start")), _time(metadata.get("end"))
    if start is None or end is None:
        return sounds.load(source)
    if sounds.facts(source)["duration"] <= sounds.MAX_SECONDS:
        return _cut(whole(source), start, end)
    parts, rate = [], 0
    for window in sounds.windows(source, _SPAN):
        if window.end > start:
            rate = window.sound.rate
            parts.append(_cut(window.sound, max(0.0, start - window.start), end - window.start).samples)
        if window.end >= end:
            break
    if not parts:
        raise InvalidInput(f"the recording ends before {start:g} s")
    return sounds.Sound(np.concatenate(parts), rate)


def _cut(whole: sounds.Sound, start: float, end: float) -> sounds.Sound:
    return sounds.Sound(whole.samples[round(start * whole.rate) : round(end * whole.rate)], whole.rate)


def _time(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _file(uri: str | None) -> Path | None:
    return Path(uri) if uri and uri.startswith("/") and INSIDE not in uri else None


def content(sees: str, items: Sequence[Seen], side: int) -> list[Any]:
    """What the model takes of each item, None for nothing. sees: "image" or "audio"."""
    if sees == Modality.IMAGE:
        return [picture(item, side) for item in items]
    whole = lru_cache(maxsize=1)(sounds.load)  # parts of one recording follow each other
    return [sound(item, whole) for item in items]


def stored(engine: Engine, snapshot: Snapshot, rows: Int64, sees: str) -> Iterator[Seen]:
    """Items that are in the store, in the order of the rows; one of another kind than the model sees comes without content."""
    details = [snapshot.details(raw) for raw in read.records(engine, snapshot, rows)]
    names = (CONTENT, THUMBNAIL) if sees == Modality.IMAGE else (CONTENT,)
    attached = {name: attach.of_rows(engine, rows, name) for name in names}
    uris = _standing(engine, [uri for _, _, uri, _ in details])
    for at, (_, _, _, metadata) in enumerate(details):
        if metadata.get(MODALITY) not in (None, sees):
            yield Seen(None, {}, None, {})
        else:
            yield Seen(None, {name: attached[name][at] for name in names}, uris[at], metadata)


def _standing(engine: Engine, uris: Sequence[str | None]) -> list[str | None]:
    """The uris, without those of files that have changed since they were read, or gone."""
    named = list({uri for uri in uris if uri and uri.startswith("/")})
    gone = {uri for uri, origin in zip(named, origins(engine, named), strict=True) if origin in _LOST}
    return [None if uri in gone else uri for uri in uris]


_LOST = (Origin.CHANGED, Origin.GONE)


def vectors(snapshot: Snapshot, space: str, rows: Int64) -> tuple[Int64, Float32]:
    """Which of the rows (positions) have a vector in a space, and the vectors."""
    held = snapshot.spaces[space].vectors
    slots = held.slots_of(rows)
    at = np.flatnonzero(slots >= 0)
    return at, held.gather(slots[at])
