"""info: what a collection is and holds, as plain values that cross a wire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from latentstore.engine.core import Engine
from latentstore.engine.indexing import lags
from latentstore.engine.latents import lag, versions
from latentstore.engine.recovery import index_path
from latentstore.engine.snapshot import SpaceView
from latentstore.findings.study import Study
from latentstore.storage import blobs
from latentstore.storage.spaces import LATENT
from latentstore.storage.studies import listed


def info(engine: Engine) -> dict[str, Any]:
    snapshot = engine.snapshot
    return {
        "collection": engine.folder.name,
        "items": snapshot.items,
        "commits": snapshot.seq,
        "sources": engine.catalog.count_sources(),
        "attachments": _attachments(engine),
        "columns": {column.name: str(column.type) for column in snapshot.columns},
        "bytes": _bytes(engine.folder),
        "spaces": [space_info(engine, view) for view in snapshot.spaces.values()],
        "studies": [_study(study) for study in studies(engine)],
        "notes": list(engine.notes),
    }


def studies(engine: Engine) -> list[Study]:
    """Every study that was kept, oldest first."""
    return listed(engine.catalog)


def _study(study: Study) -> dict[str, Any]:
    return {
        "kind": study.kind,
        "space": study.space,
        "rows": study.rows,
        "made": study.made,
        "seconds": study.seconds,
        "columns": list(study.columns.values()),
    }


def _attachments(engine: Engine) -> dict[str, int]:
    """How many items' attachments, of how many distinct contents, their bytes; dead: bytes that optimize clears away."""
    found = blobs.totals(engine.catalog)
    return {"count": found.attachments, "contents": found.contents, "bytes": found.bytes, "dead": found.dead}


def space_info(engine: Engine, view: SpaceView) -> dict[str, Any]:
    row = view.row
    return {
        "space": row.name,
        "encoder": row.encoder,
        "fingerprint": row.fingerprint,
        "metric": str(row.metric),
        "dim": row.dim,
        "vectors": view.live_count,
        "dead": view.vectors.n - view.live_count,
        "generation": row.generation,
        "index": _index(engine, view),
        "latent": _latent(engine, view) if row.latent else None,
    }


def _latent(engine: Engine, view: SpaceView) -> dict[str, Any]:
    """How the space was fitted. Errors: mean squared error of a value of a held-out item, None where the record no longer reads."""
    row, told = view.row, versions.record(engine, view)
    error = told.get("error") or {}
    return {
        "name": row.base,
        "version": row.version,
        "active": row.active,
        "kind": str(row.encoder).removeprefix(LATENT),
        "source": row.sees,
        "of": row.follows,
        "lag": lag.count(engine.snapshot, row.name),
        "error": error.get("mean"),
        "error_of_pca": error.get("pca"),
        "unit": error.get("unit"),
        "form": told.get("form"),
        "items": told.get("items"),
        "made": told.get("made"),
        "warnings": told.get("warnings", []),
    }


def _index(engine: Engine, view: SpaceView) -> dict[str, Any]:
    """The kind of index, what it covers, the recall measured on held-out vectors for each target, and whether upkeep is due."""
    pending = lags(engine, view)
    if view.index is None:
        n = view.vectors.n
        return {"kind": "exact", "covered": n, "searched_exactly": n, "recall": {"1": 1.0}, "pending": pending}
    described: dict[str, Any] = view.index.describe()
    stored = engine.catalog.state().indexes.get(view.row.name)
    path = index_path(engine, view.row.name, stored.seq) if stored else None
    size = path.stat().st_size if path and path.exists() else 0
    return {**described, "searched_exactly": view.uncovered, "bytes": size, "pending": pending}


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
