"""What one source may cost. Files are data, and some are made to do harm: past a limit they are a Problem that names it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from latentstore import InvalidInput


@dataclass(frozen=True, slots=True)
class Limits:
    """Each adjustable. A table or a text may be of any size: those are streamed, a table a row at a time at the least."""

    pixels: int = 178_956_970  # of a picture, width by height
    seconds: float = 24 * 3600.0  # of a recording
    pages: int = 20_000  # of a document
    bytes: int = 2 << 30  # of a document read whole, of a member of an archive, of what an address gives
    row: int = 16 << 20  # bytes of a row of CSV, characters of an object of JSON
    members: int = 1_000_000  # of an archive, those within archives in it included
    expansion: int = 200  # bytes that come out of an archive for each of its own


def limits_from(settings: Sequence[str]) -> Limits:
    """The limits with some set: 'pixels=500000000'. Raises InvalidInput."""
    limits = Limits()
    known = {one.name for one in fields(Limits)}
    for setting in settings:
        name, _, value = setting.partition("=")
        if name not in known or not value.replace(".", "", 1).isdigit():
            raise InvalidInput(f"a limit is NAME=VALUE with one of {', '.join(sorted(known))}, got {setting!r}")
        number: Any = float(value) if name == "seconds" else int(float(value))
        limits = replace(limits, **{name: number})
    return limits
