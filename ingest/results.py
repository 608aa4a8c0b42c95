"""What a job says of itself: problems on the way, how far it is, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field

from latentstore import LatentstoreError

KEPT_PROBLEMS = 1000  # the rest are counted


class Unreadable(LatentstoreError):
    """A file that cannot be read as what it claims to be; the job records it and goes on."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be taken in, and why. `source`: the uri of its file."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is. `done`, `total`: bytes of source files; files: read or found unchanged."""

    files: int
    passages: int
    problems: int
    done: int
    total: int
    seconds: float


@dataclass(slots=True)
class Result:
    """What a job did. added + replaced + updated + unchanged = passages."""

    collection: str
    files: int = 0  # read to their end
    skipped: int = 0  # as they were, and not decoded
    moved: int = 0  # found under another name
    gone: int = 0  # no longer there, and their items removed
    passages: int = 0
    added: int = 0
    replaced: int = 0  # other content under the same id
    updated: int = 0  # the same content with other metadata
    unchanged: int = 0
    removed: int = 0  # no longer in their file, or their file gone
    encoded: int = 0  # vectors made
    reused: int = 0  # vectors taken from equal content
    bad: int = 0
    problems: list[Problem] = field(default_factory=list)  # the first KEPT_PROBLEMS of `bad`
    ignored: dict[str, int] = field(default_factory=dict)  # ending → files that no reader takes
    bytes: int = 0  # of all sources
    seconds: float = 0.0
    stopped: bool = False  # before the end, by request

    def note(self, problem: Problem) -> None:
        """Count a problem, and keep it while there is room."""
        self.bad += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(problem)
