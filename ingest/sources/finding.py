"""What a job reads: every document of every source.

A source is a folder, a file, `-` for standard input, `@FILE` for a list of paths and addresses, an address (`https://…`,
`s3://…`), `duckdb:FILE?SQL`, or from Python a Table. `./-` and `./@name` are files that are called so. What is itself a
source is meant, and read whatever it is called.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ingest.limits import Limits
from ingest.results import Problem
from ingest.seen import Seen
from ingest.sources import folders, magic, remote
from ingest.sources.addresses import cleaned, is_address, local_path, roots_of
from ingest.sources.base import Document, Kind, expanded, kind_of, on_disk, uri_of
from ingest.sources.frames import Query, Table, is_frame
from ingest.sources.patterns import Patterns
from ingest.sources.temporary import kept, pieces_of, pour
from latentstore.errors import InvalidInput, LatentstoreError, NotFound

STANDARD_INPUT = "-"
Source = str | Path | Table
_LIST = "@"


@dataclass(slots=True)
class Survey:
    """What the sources hold, counted before any of it is read."""

    files: int = 0
    bytes: int = 0
    ignored: dict[str, int] = field(default_factory=dict)  # ending → files that no reader takes


@dataclass(frozen=True, slots=True)
class _Search:
    """What holds for every source. name: what standard input would be called as a file, which says how to read it."""

    patterns: Patterns
    ignored: dict[str, int]
    limits: Limits
    name: str | None


def survey(
    sources: Sequence[Source], patterns: Patterns, limits: Limits | None = None, name: str | None = None
) -> Survey:
    """Count without reading. Raises NotFound or InvalidInput for a source that cannot be meant."""
    counted = Survey()
    for found in find(sources, patterns, counted.ignored, limits, name):
        if isinstance(found, Document):
            counted.files += 1
            counted.bytes += found.size or 0
    return counted


def find(
    sources: Sequence[Source],
    patterns: Patterns,
    ignored: dict[str, int] | None = None,
    limits: Limits | None = None,
    name: str | None = None,
) -> Iterator[Document | Problem]:
    """Every file of every source, each once, and a Problem for what could not be listed: its source ends with a slash where
    all below is missing. ignored: filled with endings that no reader takes. name: what standard input would be called as a
    file. Raises NotFound or InvalidInput for a source that cannot be meant. Standard input is read once a `scratch`.
    """
    search = _Search(patterns, {} if ignored is None else ignored, limits or Limits(), name)
    seen = Seen()
    for source in sources:
        for found in _of_source(source, search):
            if len(sources) == 1 or isinstance(found, Problem) or seen.add(found.uri):
                yield found


def roots(sources: Sequence[Source]) -> list[str]:
    """The uri of each source; that of a folder ends with a slash, and all its documents begin with it. A list is its lines."""
    found: list[str] = []
    for source in sources:
        if isinstance(source, str) and source.startswith(_LIST):
            found += roots([line for _, line in _lines(source)])
        elif isinstance(source, Table):
            found.append(source.uri)
        elif isinstance(source, str) and is_address(source) and local_path(source) is None:
            found += roots_of(source)
        elif isinstance(source, str) and source.startswith(Query.PREFIX):
            found.append(Query.parsed(source).uri)
        elif source != STANDARD_INPUT:
            path = _path(source).resolve()
            found.append(f"{uri_of(path).rstrip('/')}/" if path.is_dir() else uri_of(path))
    return found


def _of_source(source: Source, search: _Search) -> Iterator[Document | Problem]:
    if isinstance(source, Table):
        yield source.document()
    elif is_frame(source):
        raise InvalidInput(f"a {type(source).__name__} needs a name: give ingest.Table(frame, name='…') as the source")
    elif isinstance(source, str) and source == STANDARD_INPUT:
        yield _standard_input(search)
    elif isinstance(source, str) and source.startswith(_LIST):
        yield from _of_list(source, search)
    elif isinstance(source, str) and source.startswith(Query.PREFIX):
        yield Query.parsed(source).document()
    elif isinstance(source, str) and is_address(source) and local_path(source) is None:
        yield from remote.find(source, search.patterns, search.ignored, search.limits)
    elif isinstance(source, str | Path):
        yield from _of_path(_path(source), search)
    else:
        raise InvalidInput(f"a source is a path, an address or a Table, got {type(source).__name__}")


def _path(source: str | Path) -> Path:
    here = local_path(source) if isinstance(source, str) and is_address(source) else None
    return here if here is not None else expanded(source)


def _of_path(source: Path, search: _Search) -> Iterator[Document | Problem]:
    try:
        is_folder, is_file, exists = source.is_dir(), source.is_file(), source.exists()
    except (OSError, ValueError) as cause:
        raise NotFound(f"{str(source)!r} cannot be read: {cause}") from cause
    if is_folder:
        yield from folders.walk(source.resolve(), search.patterns, search.ignored)
    elif is_file:
        path = source.resolve()
        if magic.is_duckdb(path):
            raise InvalidInput(f"{source} is a DuckDB file; say which rows are meant: 'duckdb:{source}?select …'")
        yield on_disk(path, kind_of(path.name) or _kind_inside(path), named=True)
    elif exists:
        raise InvalidInput(
            f"{source} is neither a folder nor a file; name one of those, or give - and send it to standard input"
        )
    else:
        raise NotFound(f"there is no {source}; expected a folder or a file to read")


def _kind_inside(path: Path) -> Kind:
    """By the first bytes; text where they do not tell."""
    return magic.kind_of_file(path) or Kind.TEXT


def _standard_input(search: _Search) -> Document:
    def write(path: Path) -> None:
        pour(pieces_of(sys.stdin.buffer), path, search.limits.bytes)

    path = kept(STANDARD_INPUT, search.name or "", write)
    found = on_disk(path, Kind.TEXT, named=True)
    kind = (kind_of(search.name) if search.name else None) or _kind_inside(path)
    with path.open("rb") as file:  # other bytes under no name are another document, and take no other's place
        name = search.name or hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return Document(f"stdin:{name}", name, kind, found.size, None, None, True, found.local)


def _of_list(source: str, search: _Search) -> Iterator[Document | Problem]:
    """A line that cannot be read is a Problem: one of thousands must not end the job."""
    for number, line in _lines(source):
        try:
            if isinstance(line, Path):
                yield from _of_path(line, search)
            else:
                yield from remote.find(line, search.patterns, search.ignored, search.limits)
        except LatentstoreError as cause:
            uri = uri_of(line.absolute()) if isinstance(line, Path) else cleaned(line)
            yield Problem(uri, f"line {number} of {source.removeprefix(_LIST)}: {cause}")


def _lines(source: str) -> Iterator[tuple[int, str | Path]]:
    """(number, path or address) of each line that has one; paths that are relative are so to the list's folder."""
    path = expanded(source.removeprefix(_LIST))
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            for number, line in enumerate(file, 1):
                line = line.strip()
                if line and not line.startswith("#"):
                    away = is_address(line) and local_path(line) is None
                    yield number, line if away else path.parent / _path(line)
    except OSError as cause:
        raise NotFound(f"the list {path} cannot be read: {cause.strerror or cause}") from cause
