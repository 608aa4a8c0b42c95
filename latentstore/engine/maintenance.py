"""Upkeep on request: what the background does anyway, done now and to the end."""

from __future__ import annotations

from collections.abc import Callable

from latentstore.engine import compaction, indexing, shelf
from latentstore.engine.core import Engine
from latentstore.errors import ReadOnlyStore

Progress = Callable[[str, float], None]


def optimize(engine: Engine, progress: Progress | None = None) -> None:
    """Compact what is deleted, bring every index up to date and save it, fold the write-ahead log into the catalog."""
    if engine.read_only:
        raise ReadOnlyStore(f"{engine.folder.parent} was opened with read_only=True; open it without to optimize it")
    tell = progress or _quiet
    snapshot = engine.snapshot
    wasteful = bool(snapshot.records.moves)
    for name in snapshot.spaces:
        with engine.upkeep:  # so that nobody drops it meanwhile
            view = engine.snapshot.spaces.get(name)
            if view is None:
                continue
            if view.live is not None:
                wasteful = True
                compaction.compact(engine, name, progress=_share(tell, f"compacting {name}"))
            indexing.follow(engine, name, progress=_share(tell, f"indexing {name}"))
            _save_unsaved(engine, name)
    if wasteful:
        tell("compacting records", 0.0)
        compaction.compact_records(engine)
    shelf.compact_attachments(engine)
    engine.catalog.checkpoint()
    tell("done", 1.0)


def _save_unsaved(engine: Engine, name: str) -> None:
    with engine.upkeep:
        index = engine.snapshot.spaces[name].index
        if index is not None and engine.saved.get(name, 0) != index.covered:
            indexing.store_index(engine, name, index)


def _share(tell: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: tell(what, done / max(total, 1))


def _quiet(what: str, share: float) -> None:
    pass
