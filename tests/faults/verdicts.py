"""What may be said of a verdict of the probe."""

from __future__ import annotations

from typing import Any

Verdict = dict[str, Any]


def _starting(verdict: Verdict, *words: str) -> dict[str, str]:
    return {what: said for what, said in verdict.items() if isinstance(said, str) and said.startswith(words)}


def refusals(verdict: Verdict) -> dict[str, str]:
    return _starting(verdict, "refused")


def problems(verdict: Verdict) -> list[str]:
    """All that verify said, of the store as it was found and as it was left."""
    return [
        line for what, said in verdict.items() if what.endswith(": problems") and "repair" not in what for line in said
    ]


def sound(verdict: Verdict) -> None:
    """Right answers or our own errors: no signal, no wrong answer, no other exception."""
    assert "signal" not in verdict, verdict
    assert not _starting(verdict, "wrong", "foreign")
    for said in refusals(verdict).values():
        assert said.split(": ")[1] in ("Corrupted", "StorageFailure", "FormatTooNew", "StoreNotFound", "NotAStore"), (
            said
        )


def right(verdict: Verdict) -> None:
    """Nothing but right answers."""
    sound(verdict)
    assert not refusals(verdict)


def noticed(verdict: Verdict) -> bool:
    """Somebody was told: an error, or a problem that verify named."""
    return bool(refusals(verdict) or problems(verdict))


def mended(verdict: Verdict) -> None:
    """After repair: it opens, verifies, and holds the items that it did not report as lost, unchanged."""
    right(verdict)
    assert not problems(verdict)
