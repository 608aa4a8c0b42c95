"""How a job reads and writes: what `run`, `plan` and `watch` are told, and what of it shapes the items."""

from __future__ import annotations

from dataclasses import dataclass, field

import xxhash

from ingest.chunking import Splitter, WordTokens
from ingest.limits import Limits
from ingest.readers.base import Reading
from ingest.readers.columns import Columns
from ingest.sources import Patterns
from latentstore import Collection, InvalidInput
from latentstore.encoders.base import Windowed, windowed

BATCH = 512
WINDOW = 10.0
LONGEST_WINDOW = 400  # seconds of sound that are held at once


@dataclass(frozen=True, slots=True)
class Options:
    """columns: of tables; patterns: of folders; limits: of whatever one source may cost."""

    columns: Columns = field(default_factory=Columns)
    patterns: Patterns = field(default_factory=Patterns)
    limits: Limits = field(default_factory=Limits)
    chunk_tokens: int | None = None  # None: half the encoder's window for texts, all of it for rows
    window: float = WINDOW  # seconds that long recordings are cut into
    batch: int = BATCH  # items encoded and committed together
    keep_content: bool = False  # keep the bytes of each file in the store
    sync: bool = False  # remove items whose file has gone
    strict: bool = False  # stop at the first problem
    flag_outliers: bool = False  # judge each new item by the outliers last kept, and say so in its metadata
    name: str | None = None  # what standard input would be called as a file, which says how to read it

    def check(self) -> None:
        """Raises InvalidInput."""
        if self.batch < 1 or (self.chunk_tokens is not None and self.chunk_tokens < 1):
            raise InvalidInput(f"batch and chunk_tokens are at least 1, got {self.batch} and {self.chunk_tokens}")
        if not 0 < self.window <= LONGEST_WINDOW:
            raise InvalidInput(
                f"window is a number of seconds above 0 and at most {LONGEST_WINDOW}, got {self.window!r}"
            )

    def reading(self, target: Collection) -> Reading:
        """How documents become items of this collection."""
        tokens = _tokens(target) or WordTokens()
        texts = Splitter.fitting(tokens, self.chunk_tokens)
        rows = Splitter.fitting(tokens, self.chunk_tokens or tokens.window)
        return Reading(self.columns, texts, rows, self.limits, self.window)

    def shape(self, reading: Reading) -> str:
        """Differs wherever the same bytes would become other items: a file read in another way is read again."""
        told = (self.columns, reading.texts.limit, reading.rows.limit, self.window, self.keep_content)
        return str(xxhash.xxh3_64_hexdigest(repr(told).encode()))


def _tokens(target: Collection) -> Windowed | None:
    """The first encoder of the collection that reads texts and says how far."""
    for name in target.spaces(latent=False):
        space = target.space(name)
        if space.fingerprint is not None and (found := windowed(space.encoder)) is not None:
            return found
    return None
