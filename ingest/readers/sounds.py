"""Recordings: an item each, a long one an item for each window. Ids: `<uri>`, of a window `<uri>#<part>`.

A recording of up to one and a half windows stays whole. Metadata: duration in seconds, rate, channels, format, the title,
artist and album that it is tagged with; of a window its part, start and end in seconds, too. `thumbnail`: its waveform.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from ingest.readers.base import Passage, Reading
from ingest.results import Unreadable
from ingest.sources.base import Document
from latentstore import InvalidInput, Item
from latentstore.media import sounds
from latentstore.media.sounds import Sound


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage]:
    """Everything in a recording, in order. Raises Unreadable or OSError, at the start or on the way."""
    try:
        yield from _passages(document.uri, path, reading)
    except InvalidInput as problem:
        raise Unreadable(str(problem)) from problem


def _passages(uri: str, path: Path, reading: Reading) -> Iterator[Passage]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    facts = sounds.facts(path)
    facts["duration"] = round(facts["duration"], 3)
    windows = sounds.windows(path, reading.window, max_seconds=reading.limits.seconds)
    first, second = next(windows), next(windows, None)
    if second is None:
        yield Passage(_item(uri, uri, facts, first.sound), 1.0, digest)
        return
    for part, (start, end, sound) in enumerate(chain((first, second), windows), 1):
        start, end = round(start, 3), round(end, 3)
        metadata = {**facts, "part": part, "start": start, "end": end}
        done = min(1.0, end / max(facts["duration"], 1e-3))
        yield Passage(_item(f"{uri}#{part}", uri, metadata, sound), done, f"{digest}#{start}-{end}")


def _item(name: str, uri: str, metadata: dict[str, Any], sound: Sound) -> Item:
    return Item(name, None, uri, metadata, audio=sound, attachments={"thumbnail": sounds.waveform(sound)})
