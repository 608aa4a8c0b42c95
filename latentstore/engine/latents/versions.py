"""Versions of a latent space: fitting again under a name adds one, and the bare name stands for the active one, always for some.

Each change is one transaction, which is the commit, then a snapshot. A crash before it leaves the versions as they were. What is dropped
is removed from the disk after the commit. Crash: a folder that no catalog names; the next open removes it.
"""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import replace
from typing import Any

from latentstore.engine import outline
from latentstore.engine.core import Engine, find_space, model_folder
from latentstore.engine.latents.lag import behind
from latentstore.engine.snapshot import Snapshot, SpaceView
from latentstore.engine.write import committed
from latentstore.errors import InvalidInput, SpaceNotFound
from latentstore.fileio import read_sealed
from latentstore.findings.versions import Version
from latentstore.storage.transaction import Transaction


def of(engine: Engine, base: str) -> list[Version]:
    """The versions of a latent space, oldest first. Raises InvalidInput for a space that was not fitted."""
    snapshot = engine.snapshot
    return [_version(engine, snapshot, view) for view in _all(snapshot, base)]


def record(engine: Engine, view: SpaceView) -> dict[str, Any]:
    """How a latent space was fitted, {} where the file no longer reads. Without the model."""
    from latentstore.latent.fitted import RECORD

    with contextlib.suppress(OSError, ValueError):
        return read_sealed(model_folder(engine.space_folder(view.row.name)) / RECORD)
    return {}


def switch(engine: Engine, base: str, version: int | None) -> str:
    """Let the bare name stand for a version, None for the newest. Returns that version's name. Raises SpaceNotFound."""
    with engine.writing() as snapshot:
        views = _all(snapshot, base)
        wanted = views[-1] if version is None else _numbered(views, version)
        return _activate(engine, snapshot, wanted, views)


def rollback(engine: Engine, base: str) -> str:
    """Let the bare name stand for the version before the active one. Raises InvalidInput where there is none."""
    with engine.writing() as snapshot:
        views = _all(snapshot, base)
        at = next(at for at, view in enumerate(views) if view.row.active)
        if at == 0:
            raise InvalidInput(
                f"version {views[0].row.version} of space {base!r} is the oldest there is: there is none to go back to"
            )
        return _activate(engine, snapshot, views[at - 1], views)


def _activate(engine: Engine, snapshot: Snapshot, wanted: SpaceView, views: list[SpaceView]) -> str:
    others = [view.row.name for view in views if view is not wanted]

    def commit(tx: Transaction) -> None:
        tx.activate(wanted.row.name, others)
        tx.set_state(seq=snapshot.seq + 1)

    if not wanted.row.active:
        committed(engine, commit)
        changed = {view.row.name: replace(view, row=view.row._replace(active=view is wanted)) for view in views}
        engine.publish(replace(snapshot, seq=snapshot.seq + 1, spaces={**snapshot.spaces, **changed}))
    return wanted.row.name


def drop(engine: Engine, name: str) -> None:
    """Remove a version of a latent space with its vectors, its model and its studies: any but the active one, or the only one.

    Raises SpaceNotFound, InvalidInput.
    """
    with engine.upkeep:
        with engine.writing() as snapshot:
            view = find_space(snapshot, name)
            _refuse(snapshot, view)
            left = {one: held for one, held in snapshot.spaces.items() if held is not view}

            def commit(tx: Transaction) -> None:
                tx.drop_space(view.row.name)
                tx.set_state(seq=snapshot.seq + 1)

            committed(engine, commit)
            engine.publish(replace(snapshot, seq=snapshot.seq + 1, spaces=left))
            engine.close_slot_writer(view.row.name)
            for kept in (engine.last_batch, engine.saved):
                kept.pop(view.row.name, None)
            engine.models.pop(view.row.fingerprint or "", None)  # read again where another version has the same
            outline.write(engine.folder, snapshot.columns, [one.row for one in left.values()])
        shutil.rmtree(engine.space_folder(view.row.name), ignore_errors=True)


def _refuse(snapshot: Snapshot, view: SpaceView) -> None:
    row = view.row
    others = [str(one.row.version) for one in _all(snapshot, row.base) if one is not view]
    if row.active and others:
        raise InvalidInput(
            f"space {row.base!r} stands for its version {row.version}, and versions {', '.join(others)} are there too: switch to one "
            f"of them first, or drop them, by name, as {row.base}@{others[-1]}"
        )
    followers = [one.row.name for one in snapshot.latent if one.row.follows == row.name]
    if followers:
        raise InvalidInput(f"space {followers[0]!r} is made from the vectors of {row.name!r}; drop that one first")


def _all(snapshot: Snapshot, base: str) -> list[SpaceView]:
    views = [view for view in snapshot.latent if view.row.base == base]
    if not views:
        row = find_space(snapshot, base).row  # which says what there is
        raise InvalidInput(
            f"space {row.name!r} was not fitted, so it has no versions; space.fit() makes spaces that have them"
        )
    return sorted(views, key=lambda view: view.row.version or 0)


def _numbered(views: list[SpaceView], version: int) -> SpaceView:
    found = next((view for view in views if view.row.version == version), None)
    if found is None:
        there = ", ".join(str(view.row.version) for view in views)
        raise SpaceNotFound(f"space {views[0].row.base!r} has no version {version!r}; there are {there}")
    return found


def _version(engine: Engine, snapshot: Snapshot, view: SpaceView) -> Version:
    row, told = view.row, record(engine, view)
    return Version(
        row.base,
        row.version or 0,
        row.active,
        told.get("kind", ""),
        row.dim or 0,
        view.live_count,
        len(behind(snapshot, view)),
        (told.get("error") or {}).get("mean"),
        told.get("made"),
    )
