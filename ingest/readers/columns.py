"""Which column of a table is what, and what the others are called as metadata."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ingest.results import Unreadable

# What a store keeps for itself, and what ingest says of an item: columns so called come in as `column_<name>`.
KEPT = frozenset({"row", "rowid", "id", "text", "uri", "metadata", "vector", "distance", "score", "rank", "modality"})
PLACE = frozenset({"record", "part", "start", "end", "line", "content"})

MOST = 960  # columns: a collection holds 1,000, some of which say where an item stands
_LONGEST = 180  # characters of a name
_SHOWN = 40  # names in a message
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class MissingColumn(Unreadable):
    """A table in which a column that was named, or any that holds content, is not found."""


class Roles(NamedTuple):
    """Which place each role has among a table's columns; None: no column has it."""

    text: int | None = None
    image: int | None = None
    audio: int | None = None
    vector: int | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns are called that hold an item's text, picture, sound, vector and id. text None: `text`, where there
    is a column so called."""

    text: str | None = None
    image: str | None = None
    audio: str | None = None
    vector: str | None = None
    id: str | None = None

    def check(self, names: Sequence[str]) -> None:
        """Raises MissingColumn, listing what there is."""
        self.roles(names)

    def roles(self, names: Sequence[str]) -> Roles:
        """The first of several columns of one name has the role; where there are no columns, as in an empty file, none has
        one. Raises MissingColumn, listing what there is."""
        if not names:
            return Roles()
        named = self._named()
        for option, wanted in named.items():
            if wanted is not None and wanted not in names:
                raise MissingColumn(f"has no column {wanted!r}; {_there(names)}; choose one with --{option}-column")
        roles = {option: None if wanted is None else names.index(wanted) for option, wanted in named.items()}
        if self.text is None and "text" in names:
            roles["text"] = names.index("text")
        if all(place is None for option, place in roles.items() if option != "id"):
            others = "--image-column, --audio-column or --vector-column"
            raise MissingColumn(f"has no column 'text'; {_there(names)}; choose one with --text-column, {others}")
        return Roles(**roles)

    def _named(self) -> dict[str, str | None]:
        return {"text": self.text, "image": self.image, "audio": self.audio, "vector": self.vector, "id": self.id}


def renamed(names: Sequence[str], roles: Roles) -> list[str | None]:
    """The metadata name of each column, None for those that an item holds otherwise. Names differ in more than case, as
    the store demands. A column of pictures or sounds keeps its name for the paths in it."""
    given: list[str | None] = []
    taken = set(KEPT | PLACE)
    for place, name in enumerate(names):
        if place in (roles.text, roles.vector, roles.id):
            given.append(None)
        else:
            free = _free(name, taken)
            given.append(free)
            taken.add(free.casefold())
    return given


def _free(name: str, taken: set[str]) -> str:
    plain = _CONTROL.sub(" ", name.encode("utf-8", "replace").decode()).strip()[:_LONGEST]
    reserved = not plain or plain.casefold() in taken or plain.casefold().startswith(("_", "vector:"))
    candidate = f"column_{plain}" if reserved else plain
    number = 1
    while candidate.casefold() in taken:
        number += 1
        candidate = f"column_{plain}_{number}"
    return candidate


def _there(names: Sequence[str]) -> str:
    shown = ", ".join(name[:_LONGEST] for name in names[:_SHOWN]) or "none"
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return f"its columns are {shown}{more}"


def check_count(count: int) -> None:
    """Raises Unreadable for more columns than a collection holds."""
    if count > MOST:
        raise Unreadable(
            f"has {count:,} columns, more than the {MOST:,} that can be metadata; leave out what is not asked for"
        )
