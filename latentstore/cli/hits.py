"""Hits for people and machines. A table shows the start of each passage, where it stands and what is known of it; the
other formats have everything whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from latentstore.cli.output import Format, display, emit_data, new_table, note, one_line, printable, short, shown
from latentstore.types import Hit, Origin, PlanStep

PASSAGE = 320  # characters of a passage that a table shows
FACT = 80  # characters of a piece of metadata
# Said in the place of a hit, or for machines alone: not told below it.
PLACE = frozenset({"start", "end", "part", "line", "record", "content", "modality"})
_AMISS = {Origin.GONE: "its file is gone", Origin.CHANGED: "its file has changed since"}


def show(hits: Sequence[Hit], origins: Mapping[str, Origin], columns: list[str] | None, form: Format) -> None:
    """Print hits, closest first. origins: uri → how its file stands to what was read of it. columns: the metadata to show, or
    None for all of it."""
    if form is Format.TABLE:
        _table(hits, origins, columns)
    elif form is Format.CSV:
        keys = columns if columns is not None else list(dict.fromkeys(key for hit in hits for key in hit.metadata))
        fixed = ["id", "score", "distance", *(["space"] if _mixed(hits) else []), "text", "uri", "origin"]
        emit_data(_flat(hits, origins, keys), [*fixed, *keys], form)
    else:
        emit_data(_nested(hits, origins, columns), [], form)


def show_plan(plan: Sequence[PlanStep]) -> None:
    """Print the steps of a search on standard error."""
    for step in plan:
        note(f"{step.ms:9.3f} ms  {step.step}: {step.detail} ({step.count:,})")


def _nested(hits: Sequence[Hit], origins: Mapping[str, Origin], columns: list[str] | None) -> Iterator[dict[str, Any]]:
    for hit in hits:
        metadata = hit.metadata if columns is None else {key: hit.metadata.get(key) for key in columns}
        yield {
            "id": hit.id,
            "score": hit.score,
            "distance": hit.distance,
            **({} if hit.space is None else {"space": hit.space}),
            "text": hit.text,
            "uri": hit.uri,
            "origin": origins.get(hit.uri or ""),
            "metadata": metadata,
        }


def _mixed(hits: Sequence[Hit]) -> bool:
    """Whether several spaces or kinds answered, and each hit says which space found it."""
    return any(hit.space is not None for hit in hits)


def _flat(hits: Sequence[Hit], origins: Mapping[str, Origin], keys: list[str]) -> Iterator[dict[str, Any]]:
    for row in _nested(hits, origins, keys):
        yield {**row.pop("metadata"), **row}


def _table(hits: Sequence[Hit], origins: Mapping[str, Origin], columns: list[str] | None) -> None:
    if not hits:
        note("no hits")
        return
    from rich.text import Text

    grid = new_table()
    grid.add_column("score", justify="right", no_wrap=True)
    mixed = _mixed(hits)
    if mixed:
        grid.add_column("space", overflow="fold")
    what = "passage" if all(hit.text for hit in hits) else "what was found"
    grid.add_column(f"{what}, and where it stands", overflow="fold")
    for number, hit in enumerate(hits):
        if number:
            grid.add_row()  # a blank line keeps hits apart
        told = Text(short(hit.text or "", PASSAGE))
        told.append(
            ("\n" if told else "") + " · ".join([*place(hit, origins.get(hit.uri or "")), *facts(hit, columns)]),
            style="dim",
        )
        grid.add_row(f"{hit.score:.3f}", *([printable(hit.space or "")] if mixed else []), told)
    display(grid)


def place(hit: Hit, origin: Origin | None) -> Iterator[str]:
    """Where a hit stands: its id, which `similar` takes, after its uri when the id does not say it; then the place there, and
    what has become of its file."""
    if hit.uri is not None and not hit.id.startswith(hit.uri):
        yield printable(hit.uri)
        yield f"id {printable(hit.id)}"
    else:
        yield printable(hit.id)
    for key in ("line", "record"):
        if hit.metadata.get(key) is not None:
            yield f"{key} {shown(hit.metadata[key])}"
    if hit.metadata.get("start") is not None and hit.metadata.get("end") is not None:
        unit = "seconds" if hit.metadata.get("modality") == "audio" else "characters"
        yield f"{unit} {shown(hit.metadata['start'])}-{shown(hit.metadata['end'])}"
    if origin in _AMISS:
        yield _AMISS[origin]


def facts(hit: Hit, columns: list[str] | None) -> Iterator[str]:
    """Each known piece of metadata; those in `columns` even where the place says them."""
    keys = columns if columns is not None else [key for key in hit.metadata if key not in PLACE]
    for key in keys:
        if hit.metadata.get(key) is not None:
            yield f"{printable(one_line(key))}: {short(shown(hit.metadata[key]), FACT)}"
