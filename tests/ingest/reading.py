"""Reading one file as a job would."""

from __future__ import annotations

from pathlib import Path

from ingest.chunking import Splitter, WordTokens
from ingest.limits import Limits
from ingest.readers import Passage, Reading, read
from ingest.readers.columns import Columns
from ingest.results import Problem
from ingest.sources import kind_of, on_disk


def everything(path: Path, tokens: int = 256, **limits: int) -> list[Passage | Problem]:
    splitter = Splitter(WordTokens(), tokens)
    kind = kind_of(path.name)
    assert kind is not None
    return list(read(on_disk(path, kind, True), path, Reading(Columns(), splitter, splitter, Limits(**limits))))


def passages(path: Path, tokens: int = 256, **limits: int) -> list[tuple[str, dict[str, object]]]:
    """(text, metadata) of each passage, where nothing is a Problem, ids are counted and shares read rise to all of it."""
    found = everything(path, tokens, **limits)
    assert [one for one in found if isinstance(one, Problem)] == []
    ids = [one.item.id for one in found]
    assert ids == [f"{path}#{number}" for number in range(1, len(found) + 1)]
    shares = [one.done for one in found]
    assert shares == sorted(shares) and all(0 <= share <= 1 for share in shares)
    return [(one.item.text, dict(one.item.metadata)) for one in found]


def texts(path: Path, tokens: int = 256, **limits: int) -> list[str]:
    return [text for text, _ in passages(path, tokens, **limits)]
