"""What is at an address: one file, or the files below it, listed with what is known of them and fetched when they are read.

On the web an address that ends with a slash is a folder, any other one file. Folders are walked as those on a disk are.
"""

from __future__ import annotations

from collections.abc import Iterator

from ingest.limits import Limits
from ingest.results import Problem, Unreadable
from ingest.sources import filesystems, web
from ingest.sources.addresses import WEB, cleaned, scheme_of
from ingest.sources.base import Document, Kind, kind_of
from ingest.sources.filesystems import Entry, Files
from ingest.sources.folders import chosen
from ingest.sources.patterns import Patterns
from latentstore.errors import NotFound

DEPTH = 100  # folders below one another; a server may make them up without end


def find(address: str, patterns: Patterns, ignored: dict[str, int], limits: Limits) -> Iterator[Document | Problem]:
    """ignored: filled with endings that no reader takes. Raises NotFound, InvalidInput."""
    if scheme_of(address) in WEB and not address.partition("?")[0].endswith("/"):
        yield web.document(address, limits)
        return
    files, uri = filesystems.opened(address), cleaned(address)
    try:
        root = files.root()
    except (Unreadable, OSError) as cause:
        yield Problem(f"{uri.rstrip('/')}/", f"cannot be listed: {cause}")
        return
    if root.is_folder:
        yield from _walk(files, root, f"{uri.rstrip('/')}/", patterns, ignored, limits)
    else:
        kind = kind_of(uri.rpartition("/")[2]) or Kind.TEXT
        yield files.document(root, uri, kind, True, limits)


def _walk(
    files: Files, root: Entry, uri: str, patterns: Patterns, ignored: dict[str, int], limits: Limits
) -> Iterator[Document | Problem]:
    waiting, met = [root], {root.path}
    while waiting:
        folder = waiting.pop()
        place = uri + folder.below + "/" * bool(folder.below)
        try:
            entries = _listed(files, folder, patterns)
        except (Unreadable, OSError, NotFound) as cause:
            yield Problem(place, f"cannot be listed: {cause}")
            continue
        for entry in entries:
            if entry.is_folder or not patterns.takes(entry.below):
                continue
            kind = chosen(entry.below.rpartition("/")[2], entry.below, patterns, ignored)
            if kind is not None:
                yield from _document(files, entry, uri + entry.below, kind, limits)
        folders = [entry for entry in entries if entry.is_folder and entry.path not in met]
        met.update(entry.path for entry in folders)
        waiting.extend(reversed(folders))


def _document(files: Files, entry: Entry, uri: str, kind: Kind, limits: Limits) -> Iterator[Document | Problem]:
    try:
        yield files.document(entry, uri, kind, False, limits)
    except NotFound as gone:
        yield Problem(uri, str(gone))


def _listed(files: Files, folder: Entry, patterns: Patterns) -> list[Entry]:
    """In order, hidden ones and those left out gone. Raises Unreadable or OSError."""
    if folder.below.count("/") >= DEPTH:
        raise Unreadable(f"is more than {DEPTH} folders deep")
    found = sorted(files.listing(folder), key=lambda entry: entry.below)
    return [entry for entry in found if not _passed_over(entry, patterns)]


def _passed_over(entry: Entry, patterns: Patterns) -> bool:
    parts = entry.below.split("/")
    hidden = any(part.startswith(".") for part in parts)
    return hidden or patterns.leaves_out_any(parts) or (entry.is_folder and patterns.leaves_out(entry.below))
