"""collect: everything that can be said of a collection, found and laid out as a Page.

Each space with items is studied in turn: groups, what does not belong, what is there twice, a map, and what metadata has to do with
it. What cannot be studied (too few items, say) is left out with a note; an empty collection gives an empty page.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version

from latentstore.analysis.progress import Progress, silent
from latentstore.collection import Collection
from latentstore.engine.studies.sample import take
from latentstore.reports import fill, media, study, summary
from latentstore.reports.model import Page
from latentstore.reports.studied import Options, Studied
from latentstore.types import Modality


@dataclass(frozen=True)
class Report:
    """page: what is shown. studied: the findings behind it, of all items, a space each in the same order. seconds: it took."""

    page: Page
    studied: list[Studied]
    seconds: float


def collect(collection: Collection, options: Options | None = None, progress: Progress = silent) -> Report:
    """Study a collection. Raises SpaceNotFound, InvalidFilter."""
    asked = options or Options()
    began = time.perf_counter()
    engine = collection.engine
    names, notes = _spaces(collection, asked)
    studied: list[Studied] = []
    for at, name in enumerate(names):
        sample = take(engine, name, asked.where)
        if len(sample):
            studied.append(study.run(collection, sample, asked, _part(progress, at, len(names), name)))
        else:
            notes.append(f"space {name!r} has no vector{f' where {asked.where}' if asked.where else ''}")
    progress("laying out", 1.0)
    with_media = sum(one.modality in (Modality.IMAGE, Modality.AUDIO) for one in studied)
    budget = media.BUDGET / max(1, with_media)
    sections = [fill.section(one, asked.seed, budget, asked.most) for one in studied]
    items = collection.count(asked.where)
    page = Page(
        title=asked.title or f"What is in “{collection.name}”",
        store=engine.folder.parent.name,
        collection=collection.name,
        made=time.time(),
        version=version("latentstore"),
        items=items,
        summary=summary.summarise(items, sections),
        sections=sections,
        notes=notes,
    )
    return Report(page, studied, time.perf_counter() - began)


def _spaces(collection: Collection, asked: Options) -> tuple[list[str], list[str]]:
    """The spaces to study, those with most items first, and what to say of the choice."""
    notes = [f"only items where {asked.where}"] if asked.where else []
    if asked.spaces:
        return [collection.engine.space(name).row.name for name in asked.spaces], notes
    # Latent spaces hold the same items: what there is to tell of those is told beside the space they learnt from.
    sizes = {name: len(collection.space(name)) for name in collection.spaces(latent=False)}
    return sorted((name for name in sizes if sizes[name]), key=lambda name: -sizes[name]), notes


def _part(progress: Progress, at: int, count: int, name: str) -> Progress:
    """Progress of one space as progress of all."""

    def told(step: str, share: float) -> None:
        progress(f"{name}: {step}" if count > 1 else step, (at + share) / count)

    return told
