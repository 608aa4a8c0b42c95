"""outline.json: columns and spaces in their order, for a repair that has lost the catalog; records hold values by position only.
Each space.json says the same of its own space, for one that has lost the outline too.

Derived. They are written before the commit that changes columns or learns a dimension, so they never know less than the
catalog; a crash between leaves them knowing more, and the next open for writing brings them back.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from latentstore.fileio import read_sealed, storage_errors, sync_folder, write_sealed
from latentstore.storage.columns import Column
from latentstore.storage.kinds import ColumnType
from latentstore.storage.spaces import SpaceRow
from latentstore.types import Metric

OUTLINE = "outline.json"
SPACE = "space.json"


class Outline(NamedTuple):
    columns: tuple[Column, ...]
    spaces: tuple[SpaceRow, ...]  # generation and slots are 0: the files know them


def write(folder: Path, columns: Sequence[Column], spaces: Sequence[SpaceRow]) -> None:
    """Write anew what does not say this already. Raises StorageFailure."""
    for path, plain in _wanted(folder, columns, spaces).items():
        if _sealed(path) != plain:
            with storage_errors(path):
                if not path.parent.exists():
                    path.parent.mkdir(parents=True)
                    sync_folder(path.parent.parent)
                    sync_folder(folder)
            write_sealed(path, plain)


def damaged(folder: Path, columns: Sequence[Column], spaces: Sequence[SpaceRow]) -> list[Path]:
    """Those that are missing, damaged or of another collection; not those that a crash has left ahead of the catalog."""
    wanted = _wanted(folder, columns, spaces)
    return [path for path, plain in wanted.items() if not _alike(_sealed(path), plain)]


def _alike(found: dict[str, Any] | None, plain: dict[str, Any]) -> bool:
    return found is not None and _lasting(found) == _lasting(plain)


def _lasting(plain: dict[str, Any]) -> list[list[Any]]:
    """What no later commit changes, of one space or of all."""
    return [
        [one.get(key) for key in ("name", "encoder", "fingerprint", "metric", "source")]
        for one in plain.get("spaces", [plain])
    ]


def read(folder: Path) -> Outline | None:
    """None where the file is missing or is not what was written."""
    try:
        found = read_sealed(folder / OUTLINE)
        columns = tuple(Column(name, ColumnType.parse(kind)) for name, kind in found["columns"])
        return Outline(columns, tuple(_space(one) for one in found["spaces"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _wanted(folder: Path, columns: Sequence[Column], spaces: Sequence[SpaceRow]) -> dict[Path, dict[str, Any]]:
    """Each file and what it should say, the outline last: it names the spaces."""
    wanted = {folder / "spaces" / space.name / SPACE: _plain_space(space) for space in spaces}
    return {**wanted, folder / OUTLINE: _plain(columns, spaces)}


def _sealed(path: Path) -> dict[str, Any] | None:
    try:
        return read_sealed(path)
    except (OSError, ValueError):
        return None


def _plain_space(space: SpaceRow) -> dict[str, Any]:
    return {
        "encoder": space.encoder,
        "fingerprint": space.fingerprint,
        "metric": str(space.metric),
        "dim": space.dim,
        **_source(space),
    }


def _source(space: SpaceRow) -> dict[str, Any]:
    """Only latent spaces have one. Their last rows and which of their versions is active change too often to stand here."""
    return {} if space.source is None else {"source": space.source}


def _plain(columns: Sequence[Column], spaces: Sequence[SpaceRow]) -> dict[str, Any]:
    return {
        "columns": [[column.name, str(column.type)] for column in columns],
        "spaces": [
            {
                "name": space.name,
                "encoder": space.encoder,
                "fingerprint": space.fingerprint,
                "metric": str(space.metric),
                "dim": space.dim,
                "index": space.index_kind,
                **_source(space),
            }
            for space in spaces
        ],
    }


def _space(plain: dict[str, Any]) -> SpaceRow:
    return SpaceRow(
        plain["name"],
        plain["encoder"],
        plain["fingerprint"],
        Metric(plain["metric"]),
        plain["dim"],
        0,
        0,
        plain["index"],
        plain.get("source"),
    )
