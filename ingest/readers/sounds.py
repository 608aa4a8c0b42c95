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


def parts(media: Path | bytes, digest: str, reading: Reading) -> Iterator[tuple[Sound, dict[str, Any], str]]:
    """A recording, or each of its windows: the sound, what is known of it, and its key. media: a path, or the bytes of a
    sound file; digest: its sha256 in hex. Raises InvalidInput or OSError, at the start or on the way."""
    facts = sounds.facts(media)
    facts["duration"] = round(facts["duration"], 3)
    windows = sounds.windows(media, reading.window, max_seconds=reading.limits.seconds)
    first, second = next(windows), next(windows, None)
    if second is None:
        yield first.sound, facts, digest
        return
    for part, (start, end, sound) in enumerate(chain((first, second), windows), 1):
        start, end = round(start, 3), round(end, 3)
        yield sound, {**facts, "part": part, "start": start, "end": end}, f"{digest}#{start}-{end}"


def _passages(uri: str, path: Path, reading: Reading) -> Iterator[Passage]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    for sound, facts, key in parts(path, digest, reading):
        name = f"{uri}#{facts['part']}" if "part" in facts else uri
        done = min(1.0, facts.get("end", facts["duration"]) / max(facts["duration"], 1e-3))
        yield Passage(_item(name, uri, facts, sound), done, key)


def _item(name: str, uri: str, metadata: dict[str, Any], sound: Sound) -> Item:
    return Item(name, None, uri, metadata, audio=sound, attachments={"thumbnail": sounds.waveform(sound)})
