"""outline.json: columns and spaces in their order, for a repair that has lost the catalog; records hold values by position only.

Derived. It is written before the commit that changes columns or learns a dimension, so it never knows less than the
catalog; a crash between leaves it knowing more, and the next open for writing brings it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from latentstore.fileio import read_sealed, write_sealed
from latentstore.storage.catalog import SpaceRow
from latentstore.storage.columns import Column
from latentstore.storage.kinds import ColumnType
from latentstore.types import Metric

OUTLINE = "outline.json"


class Outline(NamedTuple):
    columns: tuple[Column, ...]
    spaces: tuple[SpaceRow, ...]  # generation and slots are 0: the files know them


def write(folder: Path, columns: Sequence[Column], spaces: Sequence[SpaceRow]) -> None:
    """Raises StorageFailure."""
    write_sealed(folder / OUTLINE, _plain(columns, spaces))


def read(folder: Path) -> Outline | None:
    """None where the file is missing or is not what was written."""
    try:
        found = read_sealed(folder / OUTLINE)
        columns = tuple(Column(name, ColumnType.parse(kind)) for name, kind in found["columns"])
        return Outline(columns, tuple(_space(one) for one in found["spaces"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def refresh(folder: Path, columns: Sequence[Column], spaces: Sequence[SpaceRow]) -> None:
    """Write it where it does not say this already."""
    try:
        if read_sealed(folder / OUTLINE) == _plain(columns, spaces):
            return
    except (OSError, ValueError):
        pass
    write(folder, columns, spaces)


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
    )
