"""The files of a folder, in sorted order, each folder's own before those below it.

Hidden names and links are passed over: a link either leads out of the folder or to what is found anyway. Pipes, sockets and
devices are never opened. Stores are passed over. A folder that cannot be listed is a Problem whose source ends with a
slash; the rest is found.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ingest.results import Problem
from ingest.sources.base import Document, Kind, ending_of, kind_of, on_disk, uri_of
from ingest.sources.patterns import Patterns


def walk(root: Path, patterns: Patterns, ignored: dict[str, int]) -> Iterator[Document | Problem]:
    """root: a folder. ignored: filled with endings that no reader takes."""
    waiting = [""]  # folders below the root, the next one last
    while waiting:
        below = waiting.pop()
        try:
            files, folders = _listed(root / below)
        except OSError as cause:
            yield Problem(f"{uri_of(root / below)}/", f"cannot be listed: {cause.strerror or cause}")
            continue
        if "store.json" in files and _is_store(root / below / "store.json"):
            continue
        for name in files:
            place = below + name
            if patterns.takes(place) and (kind := chosen(name, place, patterns, ignored)) is not None:
                yield on_disk(root / place, kind, named=False)
        taken = [f"{below}{name}/" for name in folders if not patterns.leaves_out(below + name)]
        waiting.extend(reversed(taken))


def _is_store(mark: Path) -> bool:
    """A store within a folder, perhaps the very one that the folder goes into, holds nothing to take in."""
    try:
        with mark.open("rb") as file:
            return b'"latentstore"' in file.read(4096)
    except OSError:
        return False


def chosen(name: str, place: str, patterns: Patterns, ignored: dict[str, int]) -> Kind | None:
    """The kind of a file by its name, text where an include pattern asks for it; None, and counted, for one not read."""
    kind = kind_of(name) or (Kind.TEXT if patterns.names(place) else None)
    if kind is None:
        ending = ending_of(name) or "no ending"
        ignored[ending] = ignored.get(ending, 0) + 1
    return kind


def _listed(folder: Path) -> tuple[list[str], list[str]]:
    """Names of its files and of its folders, hidden ones and links left out. Raises OSError."""
    files, folders = [], []
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)  # no link that has taken its place since
    try:
        with os.scandir(here) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif entry.is_file(follow_symlinks=False):
                    files.append(entry.name)
    finally:
        os.close(here)
    return sorted(files), sorted(folders)
