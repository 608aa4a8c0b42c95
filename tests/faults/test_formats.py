"""Stores of a later version, and paths that hold something else: one clear error, and nothing written there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import stores

import latentstore
from latentstore import Corrupted, FormatTooNew, NotAStore, StoreNotFound
from latentstore.fileio import write_sealed


def _contents(path: Path) -> dict[str, bytes | None]:
    """Everything below a path, byte for byte; the lock tells only who held it."""
    if path.is_file():
        return {".": path.read_bytes()}
    found = {str(one.relative_to(path)): one for one in path.rglob("*") if one.name != "lock"}
    return {name: one.read_bytes() if one.is_file() else None for name, one in found.items()}


@pytest.fixture
def copy(originals: Any, tmp_path: Path) -> Path:
    return stores.copied(originals.folder / "graph", tmp_path / "copy")


@pytest.mark.parametrize("read_only", [True, False])
def test_a_store_of_a_later_format_is_refused_and_left_alone(copy: Path, read_only: bool) -> None:
    write_sealed(copy / "store.json", {"product": "latentstore", "format": 2, "new": "thing"})
    before = _contents(copy)
    for use in (lambda: latentstore.open(copy, read_only=read_only), lambda: latentstore.repair(copy)):
        with pytest.raises(FormatTooNew, match=r"has format 2, .* up to 1: upgrade latentstore"):
            use()
    assert _contents(copy) == before


@pytest.mark.parametrize("read_only", [True, False])
def test_a_catalog_of_a_later_version_is_refused_and_left_alone(copy: Path, read_only: bool) -> None:
    with duckdb.connect(str(copy / "graph" / "catalog.duckdb")) as catalog:
        catalog.execute("update state set version = version + 1")
    before = _contents(copy)
    with latentstore.open(copy, read_only=read_only) as store, pytest.raises(FormatTooNew, match="upgrade latentstore"):
        store.collection("graph")
    with pytest.raises(FormatTooNew, match="upgrade latentstore"):
        latentstore.repair(copy)
    assert _contents(copy) == before


@pytest.mark.parametrize("statement", ["drop table state", "delete from state"])
def test_a_catalog_that_has_lost_its_state_is_refused_and_rebuilt(copy: Path, originals: Any, statement: str) -> None:
    with duckdb.connect(str(copy / "graph" / "catalog.duckdb")) as catalog:
        catalog.execute(statement)
    with latentstore.open(copy) as store, pytest.raises(Corrupted, match="latentstore repair"):
        store.collection("graph")
    assert not latentstore.repair(copy).lost
    with latentstore.open(copy) as store:
        assert len(store.collection("graph")) == len(stores.load_model(originals.model("graph"))["graph"])


def _file(path: Path) -> None:
    path.write_text("not a folder")


def _folder_with_files(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("years of work")
    (path / "figures").mkdir()


def _foreign_database(path: Path) -> None:
    path.mkdir()
    duckdb.connect(str(path / "catalog.duckdb")).close()


FOREIGN = {"a file": _file, "a folder with files": _folder_with_files, "another's database": _foreign_database}


@pytest.mark.parametrize("what", FOREIGN)
@pytest.mark.parametrize("settings", [{}, {"create": False}, {"read_only": True}])
def test_what_is_no_store_is_refused_and_left_alone(tmp_path: Path, what: str, settings: dict[str, bool]) -> None:
    path = tmp_path / "thing"
    FOREIGN[what](path)
    before = _contents(path)
    with pytest.raises(NotAStore, match="thing"):
        latentstore.open(path, **settings)
    with pytest.raises((NotAStore, StoreNotFound), match="thing"):
        latentstore.repair(path)
    assert _contents(path) == before


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()], ids=["nothing", "an empty folder"])
def test_where_nothing_is_only_a_writer_makes_a_store(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    path = tmp_path / "thing"
    make(path)
    before = path.exists()
    for settings in ({"create": False}, {"read_only": True}):
        with pytest.raises(StoreNotFound, match="thing"):
            latentstore.open(path, **settings)
        assert path.exists() == before and not (before and list(path.iterdir()))
    with latentstore.open(path) as store:
        assert store.collections() == []


def test_a_collection_beside_foreign_files_is_not_disturbed_by_them(copy: Path) -> None:
    (copy / "notes.txt").write_text("mine")
    (copy / "papers").mkdir()
    (copy / "graph" / "scratch").write_text("mine too")
    with latentstore.open(copy) as store:
        assert store.collections() == ["graph"] and store.verify().ok
    assert latentstore.repair(copy).mended == []
    assert (copy / "notes.txt").exists() and (copy / "papers").is_dir() and (copy / "graph" / "scratch").exists()
