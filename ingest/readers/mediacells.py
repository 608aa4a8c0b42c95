"""Cells of a table that hold pictures or sounds: a path, bytes, a `data:` address, or `{bytes, path}` as Hugging Face has it.

Paths start at the table's folder. A table in an archive or from an address brings its pictures as bytes: its paths are not
followed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from ingest.readers.base import Reading
from ingest.readers.blocks import Block, Unfit
from ingest.readers.columns import Roles
from ingest.sources.base import Document
from ingest.sources.frames import Query
from latentstore import InvalidInput

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]+):", re.IGNORECASE)
_SHOWN = 80  # characters of a path in a message


@dataclass(frozen=True, slots=True)
class Opened:
    """What a row gives an item besides its text. told: metadata; key: names the content, the same for the same bytes."""

    image: Any
    audio: Any
    told: dict[str, Any]
    attachments: dict[str, bytes]
    key: str

    def joined(self, sound: Opened) -> Opened:
        """One picture and one sound."""
        told, attachments = sound.told | self.told, sound.attachments | self.attachments
        return Opened(self.image, sound.audio, told, attachments, f"{self.key}+{sound.key}")


class Media:
    """Opens the pictures and sounds of one table."""

    def __init__(
        self, document: Document, path: Path, reading: Reading, names: Sequence[str | None], roles: Roles
    ) -> None:
        self._folder = folder_of(document, path)
        self._reading, self._names, self._roles = reading, names, roles
        self._taken = {name.casefold() for name in names if name is not None}

    def opened(self, block: Block, at: int) -> Iterator[Opened | str]:
        """Of one row: its picture and its sound in one, a long sound in windows of which the first has the picture; and why
        a cell cannot be opened."""
        pictures = self._cell(block, at, self._roles.image, self._picture)
        picture = next(pictures, None)
        if isinstance(picture, str):
            yield picture
        for sound in self._cell(block, at, self._roles.audio, self._windows):
            if isinstance(picture, Opened) and isinstance(sound, Opened):
                yield picture.joined(sound)
                picture = None
            else:
                yield sound
        if isinstance(picture, Opened):
            yield picture

    def _cell(
        self, block: Block, at: int, place: int | None, open_: Callable[[Path | bytes], Iterator[Opened]]
    ) -> Iterator[Opened | str]:
        if place is None:
            return
        name = self._names[place]
        try:
            source = source_of(block.columns[place][at], self._folder)
            if source is None:
                return
            path = {} if source.told is None else {str(name): source.told}
            for found in open_(source.media):
                facts = {key: value for key, value in found.told.items() if key.casefold() not in self._taken}
                yield replace(found, told=facts | path)
        except (Unfit, InvalidInput, OSError) as cause:
            yield f"{name!r} {cause}" if isinstance(cause, Unfit) else f"{name!r}: {cause}"

    def _picture(self, media: Path | bytes) -> Iterator[Opened]:
        from latentstore.media import images  # slow to import, and few tables hold pictures

        limit = self._reading.limits.pixels
        picture = images.load(media, max_pixels=limit)
        told = images.facts(media, max_pixels=limit)
        yield Opened(picture, None, told, {"thumbnail": images.thumbnail(picture)}, _digest(media))

    def _windows(self, media: Path | bytes) -> Iterator[Opened]:
        from ingest.readers.sounds import parts
        from latentstore.media.sounds import waveform

        for sound, told, key in parts(media, _digest(media), self._reading):
            yield Opened(None, sound, told, {"thumbnail": waveform(sound)}, key)


def folder_of(document: Document, path: Path) -> Path | None:
    """Where the paths in a table start: where its file is, where that of its database is, or here for a frame. None: they are
    not followed, as those of a member of an archive."""
    if document.on_disk:
        return path.parent
    if document.uri.startswith(Query.PREFIX):
        return Path(document.uri.removeprefix(Query.PREFIX).partition("?")[0]).parent
    return Path.cwd() if document.uri.startswith("frame:") else None


def _digest(media: Path | bytes) -> str:
    if isinstance(media, bytes):
        return hashlib.sha256(media).hexdigest()
    with media.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Source(NamedTuple):
    """media: what a decoder opens; told: the path that stands in the table, None where bytes do."""

    media: Path | bytes
    told: str | None = None


def source_of(cell: Any, folder: Path | None) -> Source | None:
    """What to decode; None for an empty cell. Raises Unfit for what names nothing that can be opened."""
    if isinstance(cell, dict):
        return _of_struct(cell, folder)
    if isinstance(cell, bytes | bytearray):
        return Source(bytes(cell)) if cell else None
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    if not isinstance(cell, str):
        raise Unfit(f"holds {type(cell).__name__}, not a path or bytes")
    if cell.startswith("data:"):
        return Source(_data(cell))
    scheme = _SCHEME.match(cell)
    if scheme is not None and scheme[1].lower() != "file":
        raise Unfit(f"holds the address {cell[:_SHOWN]!r}; fetch the files first and name their paths")
    return Source(_path(cell.removeprefix("file://") if scheme else cell, folder), cell)


def _of_struct(cell: dict[str, Any], folder: Path | None) -> Source | None:
    data, told = cell.get("bytes"), cell.get("path")
    if isinstance(data, bytes) and data:
        return Source(data, told if isinstance(told, str) else None)
    if data or cell.keys().isdisjoint(("bytes", "path")):
        raise Unfit(f"holds a struct of {', '.join(map(str, cell))[:_SHOWN]}; expected one of bytes and path")
    return source_of(told, folder)


def _data(address: str) -> bytes:
    head, comma, body = address.partition(",")
    if not comma:
        raise Unfit("holds a data: address without data")
    if not head.endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise Unfit(f"holds a data: address that is not base64: {cause}") from None


def _path(told: str, folder: Path | None) -> Path:
    if folder is None:
        raise Unfit(
            f"holds the path {told[:_SHOWN]!r}, and the table is no file beside which it could lie; bring bytes"
        )
    if "\0" in told or len(told) > 4096:
        raise Unfit("holds text that is no path")
    found = folder / Path(told).expanduser() if told.startswith("~") else folder / told
    try:
        there = found.is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        raise Unfit(f"names {told[:_SHOWN]!r}, and there is no such file beside the table")
    return found
