"""What a job reads: files, found in folders or named one by one.

A folder is walked in sorted order. Hidden names and links are passed over: a link either leads out of the folder or to
what is found anyway. A source that is itself a link, or hidden, is meant and read.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from ingest.sources.base import Document, Kind, kind_of, on_disk
from latentstore.errors import InvalidInput, NotFound


@dataclass(slots=True)
class Survey:
    """What the sources hold, counted before any of it is read."""

    files: int = 0
    bytes: int = 0
    ignored: dict[str, int] = field(default_factory=dict)  # ending → files that no reader takes


@dataclass(frozen=True, slots=True)
class Patterns:
    """Shell patterns, matched with a file's name and with its path below the source."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def takes(self, below: str) -> bool:
        return not self.leaves_out(below) and (not self.include or self.names(below))

    def names(self, below: str) -> bool:
        """Whether an include pattern asks for this very file."""
        return _matches(below, self.include)

    def leaves_out(self, below: str) -> bool:
        return _matches(below, self.exclude)


def survey(sources: Sequence[str | Path], patterns: Patterns) -> Survey:
    """Count without reading. Raises NotFound or InvalidInput for a source that cannot be meant."""
    counted = Survey()
    for document in find(sources, patterns, counted.ignored):
        counted.files += 1
        counted.bytes += document.size or 0
    return counted


def find(
    sources: Sequence[str | Path], patterns: Patterns, ignored: dict[str, int] | None = None
) -> Iterator[Document]:
    """Every file of every source, each once. ignored: filled with endings that no reader takes."""
    ignored = {} if ignored is None else ignored
    seen: set[str] = set()
    for source in sources:
        for document in _expand(Path(source).expanduser(), patterns, ignored):
            if len(sources) == 1 or document.uri not in seen:
                if len(sources) > 1:
                    seen.add(document.uri)
                yield document


def _expand(source: Path, patterns: Patterns, ignored: dict[str, int]) -> Iterator[Document]:
    if source.is_dir():
        yield from _walk(source.resolve(), patterns, ignored)
    elif source.is_file():
        path = source.resolve()
        yield on_disk(path, kind_of(path.name) or Kind.TEXT, named=True)
    elif source.exists():
        raise InvalidInput(f"{source} is neither a folder nor a file; name one of those")
    else:
        raise NotFound(f"there is no {source}; expected a folder or a file to read")


def _walk(root: Path, patterns: Patterns, ignored: dict[str, int]) -> Iterator[Document]:
    for folder, folders, names in os.walk(root, followlinks=False):
        below = Path(folder).relative_to(root)
        folders[:] = sorted(n for n in folders if not n.startswith(".") and not patterns.leaves_out(str(below / n)))
        for name in sorted(names):
            place = str(below / name)
            if name.startswith(".") or not patterns.takes(place):
                continue
            path = Path(folder, name)
            if path.is_symlink() or not path.is_file():
                continue
            kind = kind_of(name) or (Kind.TEXT if patterns.names(place) else None)
            if kind is None:
                ending = path.suffix.lower() or "no ending"
                ignored[ending] = ignored.get(ending, 0) + 1
            else:
                yield on_disk(path, kind, named=False)


def _matches(below: str, patterns: Sequence[str]) -> bool:
    name = below.rpartition(os.sep)[2]
    return any(fnmatch(name, pattern) or fnmatch(below, pattern) for pattern in patterns)
