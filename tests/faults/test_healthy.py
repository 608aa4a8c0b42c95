"""verify finds nothing where nothing is wrong, and repair changes nothing there (invariant 10); stores that vanish under an open one."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stores
from truth import gaussian

import latentstore
from latentstore import Collection, LatentstoreError, Store


def _empty(store: Store) -> None:
    store.create("points")


def _emptied(store: Store) -> None:
    points = store.create("points")
    points.add(vectors=gaussian(20), ids=stores.names(0, 20))
    points.delete(stores.names(0, 20))


def _deleted(store: Store) -> None:
    points = store.create("points", dim=16)
    points.add(vectors=gaussian(50), ids=stores.names(0, 50))
    points.delete(stores.names(5, 20))


def _replaced(store: Store) -> None:
    points = store.create("points", metric="ip")
    for seed in range(3):
        points.add(vectors=gaussian(20, seed=seed), ids=stores.names(0, 20), on_conflict="replace")


def _compacted(store: Store) -> None:
    _deleted(store)
    store.collection("points").optimize()


def _widened(store: Store) -> None:
    points = store.create("points")
    for at, value in enumerate((1, 2.5, None)):
        points.add(vectors=gaussian(1, seed=at), ids=[f"i{at}"], metadata=[{"value": value, f"only{at}": "x"}])
    points.update(["i0"], [{"tags": ["a", "b"]}])


def _several_spaces(store: Store) -> None:
    words = store.create("words", encoders=["hashing", "hashing:32"])
    words.add(["one", "two", "three"], ids=["a", "b", "c"])
    words.delete(["b"])


def _single_rows(store: Store) -> None:
    points = store.create("points")
    for at in range(20):
        points.add(vectors=gaussian(1, seed=at), ids=[f"i{at}"])


def _no_collections(store: Store) -> None:
    assert store.collections() == []


SHAPES = [_empty, _emptied, _deleted, _replaced, _compacted, _widened, _several_spaces, _single_rows, _no_collections]


def _bytes(path: Path) -> dict[str, bytes]:
    return {
        str(one.relative_to(path)): one.read_bytes() for one in path.rglob("*") if one.is_file() and one.name != "lock"
    }


@pytest.fixture(params=SHAPES, ids=lambda shape: shape.__name__.strip("_"))
def healthy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    with latentstore.open(tmp_path / "healthy") as store:
        request.param(store)
        assert store.verify().problems == []
    return tmp_path / "healthy"


def test_invariant_10_verify_finds_nothing_in_a_healthy_store(healthy: Path) -> None:
    for read_only in (True, False):
        with latentstore.open(healthy, read_only=read_only) as store:
            assert store.verify().problems == []


def test_invariant_10_repair_changes_nothing_in_a_healthy_store(healthy: Path) -> None:
    before = _bytes(healthy)
    report = latentstore.repair(healthy)
    assert report.ok and not report.mended and not report.lost
    assert {name: data for name, data in _bytes(healthy).items() if "catalog" not in name} == {
        name: data for name, data in before.items() if "catalog" not in name
    }
    assert latentstore.repair(healthy).mended == []


@pytest.mark.parametrize("kind", stores.KINDS)
@pytest.mark.parametrize("state", ["", "-killed"])
def test_invariant_10_repair_of_a_lived_in_store_mends_and_loses_nothing(
    look: Callable[..., dict[str, Any]], kind: str, state: str
) -> None:
    found = look(kind + state, lambda store: None, repair=True)
    assert not found["repair: mended"] and not found["repair: lost"] and not found["repair: problems"]


def _each_answers(points: Collection, vectors: Any, names: list[str]) -> None:
    """Whatever is asked of the open store is answered right, or refused with an error of ours."""
    asked: list[tuple[Callable[[], Any], Any]] = [
        *((lambda at=at: points.search(vectors[at], 1).ids, [names[at]]) for at in range(0, len(names), 7)),
        (lambda: points.search(vectors[3], 1, exact=True).ids, [names[3]]),
        (lambda: [item.id for item in points.get(names)], names),
        (lambda: next(iter(points.sql("select count(*) as n from items")))["n"], len(names)),
        (lambda: points.space().vectors()[0], names),
        (lambda: points.add(vectors=gaussian(3, 8, seed=9), ids=["x", "y", "z"]).inserted, 3),
        (lambda: points.delete(["x", "y", "z"]), 3),
        (lambda: points.optimize(), None),
        (lambda: isinstance(points.verify().problems, list), True),
    ]
    for ask, expected in asked:
        with contextlib.suppress(LatentstoreError):
            assert ask() == expected


def _gone(path: Path) -> None:
    shutil.rmtree(path)


def _emptied_folder(path: Path) -> None:
    for one in path.rglob("*"):
        if one.is_file():
            one.unlink()


def _swapped(path: Path) -> None:
    shutil.copytree(path, path.with_name("other"))
    shutil.rmtree(path)
    path.with_name("other").rename(path)


@pytest.mark.parametrize("vanish", [_gone, _emptied_folder, _swapped], ids=lambda vanish: vanish.__name__.strip("_"))
@pytest.mark.parametrize("read_only", [True, False])
def test_a_store_that_vanishes_under_an_open_one_is_an_error_and_no_crash(
    tmp_path: Path, vanish: Callable[[Path], None], read_only: bool
) -> None:
    vectors, names = gaussian(60, 8), stores.names(0, 60)
    path = tmp_path / "pile"
    with latentstore.open(path) as store:
        store.create("points", index="hnsw").add(vectors=vectors, ids=names)
    with latentstore.open(path, read_only=read_only) as store:
        points = store.collection("points")
        vanish(path)
        _each_answers(points, vectors, names)
