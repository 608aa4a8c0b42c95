"""Reader: what turns a document into items. One function a kind, `read(document, path, reading)`, found through READERS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingest.chunking import Splitter
from ingest.limits import Limits
from ingest.readers.columns import Columns
from ingest.results import Problem
from ingest.sources.base import Document
from latentstore import Item
from latentstore.types import Float32


@dataclass(frozen=True, slots=True)
class Reading:
    """How documents become items."""

    columns: Columns
    texts: Splitter
    rows: Splitter
    limits: Limits = field(default_factory=Limits)
    window: float = 10.0  # seconds that a long recording is cut into


@dataclass(frozen=True, slots=True)
class Passage:
    """An item, and the share of its document that is behind it, 0 to 1. Ids are the same at every run.

    key: names a picture or a sound, the same for the same content: sha256 of the file's bytes in hex, for a window of a
    recording `<sha256>#<start>-<end>`. None where the item's text says it all.
    vector: (dim,), finite, where the source brings one.
    """

    item: Item
    done: float
    key: str | None = None
    vector: Float32 | None = None


Reader = Callable[[Document, Path, Reading], Iterator[Passage | Problem]]
"""Everything in a document, in order. path: its bytes on this disk. Raises Unreadable or OSError, at the start or on
the way."""
