"""Which column of a table is what, and what the others are called as metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingest.results import Unreadable

# What a store keeps for itself, and what a passage says of its place: columns so called come in as `column_<name>`.
KEPT = frozenset({"row", "rowid", "id", "text", "uri", "metadata", "vector", "distance", "score", "rank"})
PLACE = frozenset({"record", "part", "start", "end", "line"})


class MissingColumn(Unreadable):
    """A table without the column that was named."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column is the text and which, if any, the id."""

    text: str = "text"
    id: str | None = None

    def check(self, names: Sequence[str]) -> None:
        """Raises MissingColumn, listing what there is."""
        for wanted, option in ((self.text, "--text-column"), (self.id, "--id-column")):
            if wanted is not None and wanted not in names:
                there = ", ".join(names) or "none"
                raise MissingColumn(f"has no column {wanted!r}; its columns are {there}; choose one with {option}")

    def renamed(self, names: Sequence[str]) -> dict[str, str]:
        """Metadata name of each other column. Names differ in more than case, as the store demands."""
        given: dict[str, str] = {}
        taken = set(KEPT | PLACE)
        for name in names:
            if name not in (self.text, self.id):
                given[name] = _free(name, taken)
                taken.add(given[name].casefold())
        return given


def _free(name: str, taken: set[str]) -> str:
    plain = name.strip()
    candidate = f"column_{plain}" if not plain or plain.startswith("_") or plain.casefold() in taken else plain
    while candidate.casefold() in taken:
        candidate += "_"
    return candidate
