"""origins: whether local files still stand as the ledger knew them. Told by `stat` alone: nothing is opened or fetched."""

from __future__ import annotations

import os
from collections.abc import Sequence
from stat import S_ISREG

from latentstore.engine.core import Engine
from latentstore.types import Origin, Source

INSIDE = "!/"  # between an archive's uri and the name of a member


def origins(engine: Engine, uris: Sequence[str]) -> list[Origin]:
    """One for each uri, in the order asked. Raises nothing for odd names."""
    paths = {uri: within(uri)[0] for uri in uris if _sayable(uri)}
    held = engine.catalog.sources_of([*paths, *paths.values()])
    return [_origin(held, uri, paths.get(uri, "")) for uri in uris]


def within(uri: str) -> list[str]:
    """The file on the disk that a source is in, the archives inside that file, the source itself."""
    parts = uri.split(INSIDE)
    return [INSIDE.join(parts[: at + 1]) for at in range(len(parts))]


def _sayable(uri: str) -> bool:
    try:
        uri.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in uri


def _origin(held: dict[str, Source], uri: str, path: str) -> Origin:
    line = held.get(path)
    if line is None or uri not in held or not path.startswith("/"):
        return Origin.UNKNOWN
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path would change the name
    except (FileNotFoundError, NotADirectoryError):
        # A name that is no UTF-8 stands in a uri as backslash codes, and cannot be looked for.
        return Origin.UNKNOWN if "\\" in path else Origin.GONE
    except OSError:
        return Origin.UNKNOWN
    if not S_ISREG(found.st_mode):
        return Origin.GONE
    same = line.size in (None, found.st_size) and line.modified in (None, found.st_mtime)
    return Origin.THERE if same else Origin.CHANGED
