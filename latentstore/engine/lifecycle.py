"""Stores and collections as directories: made, listed, opened, dropped. Each appears whole under its name or not at all.

store.json   format version and a checksum over it
lock         who writes
<name>/      a collection
.new-<name>, .old-<name>   a collection being made or dropped when the process died; removed by the next open
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentstore.encoders import registry
from latentstore.engine import outline
from latentstore.engine.core import CATALOG
from latentstore.errors import Corrupted, FormatTooNew, InvalidInput, StoreNotFound
from latentstore.fileio import read_sealed, storage_errors, sync_folder, write_sealed
from latentstore.storage.catalog import Catalog
from latentstore.storage.spaces import SpaceRow
from latentstore.types import Metric, Report

FORMAT = 1
MARK = "store.json"
LOCK = "lock"
BEGINNINGS = frozenset({LOCK, MARK + ".tmp"})  # what a crash while making a store may leave
INDEX_KINDS = ("exact", "hnsw", "ivf")


@dataclass(frozen=True)
class SpaceSpec:
    """A space to be made."""

    name: str
    encoder: str | None
    fingerprint: str | None
    metric: Metric
    dim: int | None
    index_kind: str | None


def is_store(folder: Path) -> bool:
    with storage_errors(folder, "read"):
        return (folder / MARK).is_file()


def make_store(folder: Path) -> None:
    with storage_errors(folder):
        made = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for path in made:
            sync_folder(path.parent)
    write_sealed(folder / MARK, {"product": "latentstore", "format": FORMAT})


def check_format(folder: Path) -> None:
    """Raises FormatTooNew, StoreNotFound, StorageFailure, or Corrupted when store.json is not what was written."""
    if not is_store(folder):
        raise StoreNotFound(f"{folder} has no {MARK}; if it was a store, 'latentstore repair' writes it anew")
    try:
        with storage_errors(folder / MARK, "read"):
            version = read_sealed(folder / MARK)["format"]
    except (ValueError, KeyError) as error:
        raise Corrupted(f"{folder / MARK} is damaged ({error}); 'latentstore repair' writes it anew") from error
    if version > FORMAT:
        raise FormatTooNew(
            f"{folder} has format {version}, this latentstore knows up to {FORMAT}: upgrade latentstore to open it"
        )


def collection_names(folder: Path) -> list[str]:
    """Also of one that has lost its catalog: it is damaged, not gone."""
    with storage_errors(folder, "read"):
        return sorted(
            entry.name
            for entry in folder.iterdir()
            if not entry.name.startswith(".") and ((entry / CATALOG).exists() or (entry / "spaces").is_dir())
        )


def space_specs(encoders: Sequence[str] | None, metric: Metric, dim: int | None, index: str | None) -> list[SpaceSpec]:
    """What `create` was asked for. Encoders are loaded here, so that a missing one is said before anything is made."""
    if index is not None and index not in INDEX_KINDS:
        raise InvalidInput(f"index is one of {', '.join(INDEX_KINDS)} or None, got {index!r}")
    if isinstance(encoders, str):
        raise InvalidInput(f"encoders is a list, such as [{encoders!r}], got a plain string")
    if not encoders:
        if dim is not None and dim < 1:
            raise InvalidInput(f"dim is at least 1, got {dim}")
        return [SpaceSpec("vectors", None, None, metric, dim, index)]
    specs = []
    for wanted in encoders:
        spec = registry.resolve(wanted)
        encoder = registry.load(spec)
        specs.append(SpaceSpec(_space_name(spec), spec, encoder.fingerprint, encoder.metric, encoder.dim, index))
    if len({spec.name for spec in specs}) < len(specs):
        raise InvalidInput(f"each encoder may be named once, got {', '.join(encoders)}")
    return specs


def _space_name(spec: str) -> str:
    """A folder's name for the space of an encoder: the last word of its spec, without an endpoint's address."""
    last = spec.partition("#")[0].partition("@http")[0].rstrip("/").replace("\\", "/").rpartition("/")[2]
    kept = "".join(letter if letter.isalnum() or letter in "_-." else "-" for letter in last).strip(".-")
    return kept[:63] or "space"


def make_collection(store: Path, name: str, specs: Sequence[SpaceSpec]) -> None:
    """Build it under another name, then rename: a crash leaves no half-made collection."""
    fresh = store / f".new-{name}"
    try:
        with storage_errors(fresh):
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
        _fill(fresh, specs)
        with storage_errors(fresh):
            fresh.rename(store / name)
            sync_folder(store)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _fill(fresh: Path, specs: Sequence[SpaceSpec]) -> None:
    spaces = [
        SpaceRow(spec.name, spec.encoder, spec.fingerprint, spec.metric, spec.dim, 0, 0, spec.index_kind)
        for spec in specs
    ]
    with contextlib.closing(Catalog(fresh / CATALOG, read_only=False, fresh=True)) as catalog:
        with catalog.transaction() as tx:
            for space in spaces:
                tx.add_space(space)
        catalog.checkpoint()
    outline.write(fresh, (), spaces)


def drop_collection(store: Path, name: str) -> None:
    old = store / f".old-{name}"
    with storage_errors(old):
        (store / name).rename(old)
        sync_folder(store)
        shutil.rmtree(old)


def sweep_store(store: Path) -> None:
    """Remove collections that were being made or dropped when the process died."""
    for pattern in (".new-*", ".old-*"):
        for leftover in store.glob(pattern):
            shutil.rmtree(leftover, ignore_errors=True)


def default_budget() -> int:
    """A quarter of the machine's memory, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 4


def joined(reports: Mapping[str, Report]) -> Report:
    """The reports of several collections as one, each line with the collection's name."""
    whole = Report([], [], [], {})
    for name, report in reports.items():
        whole.problems.extend(f"{name}: {line}" for line in report.problems)
        whole.mended.extend(f"{name}: {line}" for line in report.mended)
        whole.lost.extend(f"{name}: {line}" for line in report.lost)
        for what, count in report.checked.items():
            whole.checked[what] = whole.checked.get(what, 0) + count
    return whole
