"""What is in an archive, one member after another, without unpacking it: a member's name is a label, never a place to write.

Past a limit, or where a name is made to lead astray, there is a Problem instead. Links and devices are passed over, and so
are hidden names, as in a folder.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ingest.limits import Limits
from ingest.results import Problem, Unreadable
from ingest.seen import Seen
from ingest.sources import compressed, magic, tars, zips
from ingest.sources.base import Document, Kind, ending_of, kind_of
from ingest.sources.budget import NESTED, Budget
from ingest.sources.compressed import Metered
from ingest.sources.member import Member
from ingest.sources.patterns import Patterns

INSIDE = "!/"  # between an archive's uri and a member's name
_DRIVE = re.compile(r"[A-Za-z]:")


def members(
    document: Document, path: Path, patterns: Patterns, limits: Limits, ignored: dict[str, int]
) -> Iterator[Document | Problem]:
    """Each file in an archive, in its order, as a Document of uri `<archive uri>!/<name>`. ignored: filled with endings
    that no reader takes. `local` of one that is no archive's directory works only until the next is asked for. Raises
    Unreadable, at the start or on the way, for an archive that is damaged, cut short or past a limit: what came before stands.
    """
    if document.within >= NESTED:
        raise Unreadable(f"is an archive within {NESTED} others; unpack the outer ones")
    budget = document.budget or Budget.of_archive(path.stat().st_size, limits)
    choice = _Choice(document, patterns, ignored)
    for member in _listed(document, path, budget):
        budget.count_member()
        chosen = choice.of(member)
        if isinstance(chosen, Problem):
            yield chosen
        elif chosen is not None:
            name, kind = chosen
            uri = f"{document.uri}{INSIDE}{name}"
            yield Document(
                uri,
                name.rpartition("/")[2],
                kind,
                member.size,
                member.modified,
                member.stamp,
                False,
                member.local,
                within=document.within + 1,
                budget=budget,
            )


def _listed(document: Document, path: Path, budget: Budget) -> Iterator[Member]:
    with path.open("rb") as file:
        head = file.read(magic.HEAD)
    if head.startswith(zips.MAGIC):
        yield from zips.listed(path, budget)
    elif (opens := compressed.opener(head)) is not None:
        yield from compressed.listed(document, path, opens, budget)
    elif tars.is_tar(head) or ending_of(document.name) == ".tar":
        with Metered(path.open("rb"), budget) as stream:
            yield from tars.listed(stream, budget)
    else:
        raise Unreadable("is no archive: expected zip, tar, gzip, bzip2, xz or zstd")


@dataclass(slots=True)
class _Choice:
    """Which members are taken, by name."""

    archive: Document
    patterns: Patterns
    ignored: dict[str, int]
    met: Seen = field(default_factory=Seen)

    def of(self, member: Member) -> tuple[str, Kind] | Problem | None:
        """The name and kind of one that is taken."""
        name = _label(member.name)
        if name is None:
            return Problem(
                self.archive.uri, f"member {member.name!r}: a name that leads out of the archive is not read"
            )
        # Found in a folder, an archive is there because the patterns ask for it: then they ask for all of it.
        patterns = self.patterns if self.archive.named else Patterns(exclude=self.patterns.exclude)
        parts = name.split("/")
        if any(part.startswith(".") for part in parts) or patterns.leaves_out_any(parts) or not patterns.takes(name):
            return None
        kind = member.kind or kind_of(parts[-1]) or (Kind.TEXT if patterns.names(name) else None)
        if kind is None:
            ending = ending_of(name) or "no ending"
            self.ignored[ending] = self.ignored.get(ending, 0) + 1
            return None
        if not self.met.add(name):
            return Problem(self.archive.uri, f"member {name!r} is there twice; the first one was read")
        return name, kind


def _label(name: str) -> str | None:
    """A member's name with single slashes, no `.` among its parts; None for one that no honest archive has."""
    if "\0" in name or name.startswith("/") or _DRIVE.match(name):
        return None
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return None if ".." in parts or not parts else "/".join(parts)
