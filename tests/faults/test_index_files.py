"""Index files that are missing, cut short, foreign, newer or ahead of their space (invariant 4): noticed, done without, built again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
import stores
import verdicts
from truth import agrees, gaussian

import latentstore

Look = Callable[..., dict[str, Any]]


def _index(store: Path) -> Path:
    return next(store.glob("*/spaces/*/index-*.faiss"))


def _noise(store: Path) -> None:
    path = _index(store)
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


def _catalog(store: Path, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(next(store.glob("*/catalog.duckdb")))) as catalog:
        return catalog.execute(statement, list(values)).fetchall()


def _newer(store: Path) -> None:
    settings = json.loads(_catalog(store, "select settings from indexes")[0][0])
    _catalog(store, "update indexes set settings = ?", json.dumps({**settings, "format": settings["format"] + 1}))


def _without_settings(store: Path) -> None:
    _catalog(store, "update indexes set settings = '{}'")


def _planted(store: Path, donor: Path) -> None:
    """Another collection's index, sound in itself, and the catalog says that it belongs here."""
    _index(store).write_bytes(_index(donor).read_bytes())
    found = _catalog(donor, "select bytes, checksum, settings from indexes")[0]
    _catalog(store, "update indexes set bytes = ?, checksum = ?, settings = ?", *found)


@pytest.fixture(scope="module")
def donors(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int, int], Path]:
    """Stores with an index of a kind, over n vectors of some dimensions."""

    def make(kind: str, n: int, dim: int) -> Path:
        path = tmp_path_factory.mktemp("donor") / "donor"
        with latentstore.open(path) as store:
            points = store.create("donor", index=kind, metric="cosine" if kind == "hnsw" else "l2")
            points.add(vectors=gaussian(n, dim, seed=3))
            points.optimize()
        return path

    return make


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "empty": lambda store: stores.cut(_index(store), 0),
    "one byte": lambda store: stores.cut(_index(store), 1),
    "a third": lambda store: stores.cut(_index(store), _index(store).stat().st_size // 3),
    "all but a byte": lambda store: stores.cut(_index(store), _index(store).stat().st_size - 1),
    "grown": lambda store: stores.grow(_index(store), 100),
    "gone": lambda store: _index(store).unlink(),
    "noise": _noise,
    "newer format": _newer,
    "no settings": _without_settings,
}


def _passed_over(look: Look, kind: str, damage: Callable[[Path], Any], tmp_path: Path) -> None:
    """Right answers in a process that survives; a note; exact results; and an index again."""
    verdicts.right(look(kind, damage))
    damaged = stores.copied(look.originals / kind, tmp_path / "again")  # type: ignore[attr-defined]
    damage(damaged)
    model = stores.load_model(look.originals / f"{kind}.json")[kind]  # type: ignore[attr-defined]
    _exact_with_a_note(damaged, kind, model)
    with latentstore.open(damaged) as store:
        collection = store.collection(kind)
        collection.optimize()
        assert collection.info()["spaces"][0]["index"]["kind"] == {"graph": "hnsw", "lists": "ivf"}[kind]
        assert collection.info()["spaces"][0]["index"]["searched_exactly"] == 0
        assert collection.verify().ok


def _exact_with_a_note(path: Path, kind: str, model: dict[str, Any]) -> None:
    with latentstore.open(path, read_only=True) as store:
        collection = store.collection(kind)
        vectors = {name: np.array(item["vector"], np.float32) for name, item in model.items()}
        for query in gaussian(20, collection.space().dim or 1, seed=4):
            agrees(collection.search(query, 10), query, vectors, str(collection.space().metric), 10)
        notes = " ".join(collection.info()["notes"])
        assert "passed over" in notes and "index-" in notes and "exact until it is rebuilt" in notes


@pytest.mark.parametrize("kind", ["graph", "lists"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_invariant_4_a_damaged_index_is_passed_over_and_built_again(
    look: Look, tmp_path: Path, kind: str, damage: str
) -> None:
    _passed_over(look, kind, DAMAGE[damage], tmp_path)


@pytest.mark.parametrize("kind", ["graph", "lists"])
@pytest.mark.parametrize("more", ["vectors", "dimensions", "the other kind"])
def test_invariant_4_an_index_of_another_collection_is_passed_over_though_the_catalog_names_it(
    look: Look, donors: Any, tmp_path: Path, kind: str, more: str
) -> None:
    dim, built = {"graph": (8, "hnsw"), "lists": (6, "ivf")}[kind]
    other = {"hnsw": "ivf", "ivf": "hnsw"}[built] if more == "the other kind" else built
    donor = donors(other, 400 if more == "vectors" else 120, dim if more == "vectors" else dim + 1)
    _passed_over(look, kind, lambda store: _planted(store, donor), tmp_path)


@pytest.mark.parametrize("kind", ["graph", "lists"])
def test_invariant_4_the_file_of_another_collection_is_passed_over(
    look: Look, donors: Any, tmp_path: Path, kind: str
) -> None:
    donor = donors({"graph": "hnsw", "lists": "ivf"}[kind], 130, {"graph": 8, "lists": 6}[kind])
    _passed_over(look, kind, lambda store: _index(store).write_bytes(_index(donor).read_bytes()), tmp_path)


@pytest.mark.parametrize("kind", ["graph", "lists"])
@pytest.mark.parametrize("damage", ["gone", "noise", "newer format"])
def test_invariant_4_repair_drops_an_index_that_is_not_the_one_written(look: Look, kind: str, damage: str) -> None:
    after = look(kind, DAMAGE[damage], repair=True)
    verdicts.mended(after)
    assert damage == "newer format" or any("its index was damaged" in line for line in after["repair: mended"])
    assert not after["repair: lost"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["graph", "lists"])
def test_invariant_4_wherever_an_index_is_cut_the_answers_stay_right(look: Look, kind: str) -> None:
    size = _index(look.originals / kind).stat().st_size  # type: ignore[attr-defined]
    for length in stores.lengths(size, 60):
        found = look(kind, lambda store, length=length: stores.cut(_index(store), length))
        verdicts.right(found)
        assert any("is not the index that was written" in line for line in found[f"read: {kind}: problems"])
