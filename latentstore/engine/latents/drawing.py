"""What a walk decodes to, as a file that one can look at or listen to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from latentstore.errors import InvalidInput
from latentstore.fileio import replacing
from latentstore.findings.latent import Decoded, Reconstructions, Samples
from latentstore.media import sheets


def save(found: Decoded, path: Path, title: str | None) -> Path:
    """As `Decoded.save`."""
    draw = _drawers(found).get(path.suffix.lower())
    if draw is None:
        raise InvalidInput(
            f"{found.kind}s are written to a file that ends in {', '.join(_drawers(found))}, got {path.name!r}"
        )
    if not path.absolute().parent.is_dir():
        raise InvalidInput(f"there is no folder {path.absolute().parent}; make it first, or name another place")
    drawn = draw(found.title if title is None else title)
    with replacing(path) as temporary:
        temporary.write_bytes(drawn)
    return path


def _drawers(found: Decoded) -> dict[str, Callable[[str], bytes]]:
    """By the ending of a file, how it is made, given a title."""
    if found.kind not in ("picture", "sound"):
        came = "has no decoder" if found.kind is None else "decodes to vectors"
        raise InvalidInput(f"space {found.space!r} {came}, so there is nothing to draw; rows() says what was found")
    drawers = {".png": lambda title: _sheet(found, title), ".gif": lambda title: _film(found, title)}
    return drawers if found.kind == "picture" else {**drawers, ".wav": lambda title: sheets.wav(found.content)}


def _sheet(found: Decoded, title: str) -> bytes:
    if isinstance(found, Reconstructions):
        return sheets.png(sheets.pairs(found.originals, found.content, found.captions, title))
    if isinstance(found, Samples) or found.columns is not None:
        return sheets.png(sheets.grid(found.content, found.captions, title, columns=found.columns))
    return sheets.png(sheets.strip(found.content, found.captions, title))


def _film(found: Decoded, title: str) -> bytes:
    return sheets.animation(found.content, found.captions, title)
