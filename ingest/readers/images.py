"""Pictures: an item each, its id the uri. Metadata: width, height and format; of a photo taken, camera, latitude and
longitude, as far as its EXIF says. `thumbnail`: a small JPEG of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from ingest.readers.base import Passage, Reading
from ingest.results import Unreadable
from ingest.sources.base import Document
from latentstore import InvalidInput, Item
from latentstore.media import images


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage]:
    """The picture. Raises Unreadable or OSError, at the start."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        picture, facts = images.load_with_facts(path, max_pixels=reading.limits.pixels)
        small = images.thumbnail(picture)
    except InvalidInput as problem:
        raise Unreadable(str(problem)) from problem
    item = Item(document.uri, None, document.uri, facts, image=picture, attachments={"thumbnail": small})
    yield Passage(item, 1.0, digest)
