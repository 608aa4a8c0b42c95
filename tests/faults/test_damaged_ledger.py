"""The ledger after damage: kept where it can be trusted, else gone as a whole, so that no file is passed over whose items are lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import stores
from truth import gaussian

import latentstore
from latentstore import Item, Report, Source

LINES = [
    Source("/a.txt", 3, items=2),
    Source("/b.zip", 5),
    Source("/b.zip!/c.txt", 2, items=1),
    Source("/d.pdf", error="no"),
]
ITEMS = [Item("1", "x" * 40, "/a.txt"), Item("2", "y" * 40, "/a.txt"), Item("3", "z" * 40, "/b.zip!/c.txt")]


@pytest.fixture
def damaged(tmp_path: Path) -> Callable[[Callable[[Path], object]], Report]:
    """Make a store, close it, do that to its collection's folder, and repair it."""

    def make(damage: Callable[[Path], object]) -> Report:
        with latentstore.open(tmp_path / "pile.latent") as store:
            store.create("points").add(ITEMS, vectors=gaussian(3), sources=LINES)
        damage(tmp_path / "pile.latent" / "points")
        return latentstore.repair(tmp_path / "pile.latent")

    return make


def left(tmp_path: Path) -> list[str]:
    with latentstore.open(tmp_path / "pile.latent") as store:
        assert store.collection("points").verify().ok
        return [uri for (uri,) in store.collection("points").sql("select uri from sources order by uri").values]


def test_a_ledger_that_is_lost_with_its_catalog_is_told_of_in_one_line(damaged, tmp_path: Path) -> None:
    report = damaged(lambda folder: (folder / "catalog.duckdb").unlink())
    assert report.ok and not report.lost and left(tmp_path) == []
    assert [line for line in report.mended if "ledger of" in line] == [
        "points: the ledger of sources: lost with the catalog; the next ingest reads the files again and finds their items by id"
    ]


def test_a_ledger_that_still_reads_is_kept_when_the_items_do_not(damaged, tmp_path: Path) -> None:
    def damage(folder: Path) -> None:
        catalog = folder / "catalog.duckdb"
        stores.flip(catalog, catalog.read_bytes().index(b"x" * 40))

    report = damaged(damage)
    assert report.ok and not report.lost and any("rebuilt with 3 items" in line for line in report.mended)
    assert left(tmp_path) == [line.uri for line in LINES] and "points: the ledger: all 4 sources kept" in report.mended


def test_a_ledger_of_another_commit_is_not_trusted(damaged, tmp_path: Path) -> None:
    def damage(folder: Path) -> None:
        before = (folder / "catalog.duckdb").read_bytes()
        with latentstore.open(tmp_path / "pile.latent") as store:
            store.collection("points").add(stale=["1", "2"], sources=[Source("/a.txt", 9)])
        (folder / "catalog.duckdb").write_bytes(before)

    report = damaged(damage)
    assert report.ok and left(tmp_path) == [] and any("ledger of sources: lost" in line for line in report.mended)


def test_invariant_10_the_sources_of_lost_items_are_forgotten_with_the_archives_they_are_in(
    damaged, tmp_path: Path
) -> None:
    report = damaged(lambda folder: stores.flip(folder / "spaces/vectors/vectors-0.f32", 2 * 64))
    assert report.lost == ["points: 3"] and left(tmp_path) == ["/a.txt", "/d.pdf"]
