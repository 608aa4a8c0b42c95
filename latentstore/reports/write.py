"""Where a report goes: one HTML file, and a folder of data. Each file is replaced whole, and only what an earlier report wrote.

Both places are checked before the work begins: nobody waits minutes to be told that a folder is missing.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from latentstore.errors import InvalidInput
from latentstore.fileio import replacing
from latentstore.reports import page
from latentstore.reports.model import Page

MARK = b'name="generator" content="latentstore'  # in the head of every report
SHEET = "report.json"  # in every folder of data
_HEAD = 4096  # bytes in which the mark stands


def check_html(path: Path, *, force: bool = False) -> None:
    """Raises InvalidInput where a report cannot go: a folder, a missing folder, or a file that is no report, unless force."""
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder; name a file in it: {path / 'report.html'}")
    _check_parent(path)
    if path.exists() and not force and not _is_report(path):
        raise InvalidInput(
            f"{path} exists and is no report of latentstore; choose another name, or pass --force to replace it"
        )


def check_folder(path: Path, *, force: bool = False) -> None:
    """Raises InvalidInput where data cannot go: a file, a missing parent, or a folder of other things, unless force."""
    if path.exists() and not path.is_dir():
        raise InvalidInput(f"{path} is a file; name a folder for the data")
    _check_parent(path)
    if path.is_dir() and not force and any(path.iterdir()) and not (path / SHEET).exists():
        raise InvalidInput(f"{path} holds other things; name a new folder, or pass --force to write among them")


def html(report: Page, path: Path) -> int:
    """Write the page. Returns its size in bytes. Raises StorageFailure."""
    rendered = page.render(report).encode("utf-8")
    with replacing(path) as temporary:
        temporary.write_bytes(rendered)
    return len(rendered)


def sheet(values: object, path: Path) -> None:
    """Write JSON. Raises StorageFailure."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        json.dump(values, file, ensure_ascii=False, allow_nan=False)


def _check_parent(path: Path) -> None:
    parent = path.absolute().parent
    if not parent.is_dir():
        raise InvalidInput(f"there is no folder {parent}; make it first, or name another place")
    if not os.access(parent, os.W_OK):
        raise InvalidInput(f"{parent} cannot be written to; name another place")


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK in file.read(_HEAD)
