"""Attachments after damage: noticed wherever it is, mended as far as it goes, and what is lost is named; never an item."""

from __future__ import annotations

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stores
from truth import gaussian

import latentstore
from latentstore import Collection, Corrupted, Item, Report
from latentstore.engine import attach
from latentstore.storage.attachments import AttachmentFile, AttachmentWriter, Ref

NAMES = [f"i{at}" for at in range(8)]
Damage = Callable[[Path], object]


def content_of(name: str) -> bytes:
    return f"content of {name} ".encode() * 20


MODEL = {name: {"content": content_of(name), "shared": b"shared by all"} for name in NAMES[2:]}


@pytest.fixture
def pile(tmp_path: Path) -> Path:
    """A closed store: items, deleted ones, a compaction, and items that came after it."""
    with latentstore.open(tmp_path / "pile.latent") as store:
        points = store.create("points")
        for part in (NAMES[:6], NAMES[6:]):
            items = [Item(name, attachments=MODEL.get(name, {"content": b"dead"})) for name in part]
            points.add(items, vectors=gaussian(len(items)))
            points.delete(NAMES[:2])
            points.optimize()
    return tmp_path / "pile.latent"


def file_of(pile: Path) -> Path:
    [found] = (pile / "points").glob("attachments-*.bin")
    return found


def ask(points: Collection, name: str) -> list[bytes | None]:
    """What each item has under a name; an error of ours counts as None."""
    found: list[bytes | None] = []
    for item in MODEL:
        try:
            found += points.attachments([item], name)
        except Corrupted:
            found.append(None)
    return found


def checked(pile: Path) -> tuple[set[tuple[str, str]], list[str]]:
    """Which attachments are not given out, all others being right; and what verify says. No item may be missing."""
    with latentstore.open(pile) as store:
        points = store.collection("points")
        assert sorted(row["id"] for row in points.sql("select id from items")) == sorted(MODEL)
        found = {name: ask(points, name) for name in ("content", "shared")}
        missing = set()
        for at, item in enumerate(MODEL):
            for name, contents in found.items():
                assert contents[at] in (MODEL[item][name], None)
                missing |= {(item, name)} if contents[at] is None else set()
        return missing, points.verify().problems


def told(report: Report) -> set[tuple[str, str]]:
    """The attachments that repair names as lost."""
    lost = [line.partition("attachments: ")[2] for line in report.mended if "is lost: " in line]
    return {(item, line.split("'")[1]) for line in lost for item in line.rpartition(": ")[2].split(", ")}


def test_invariant_10_a_bit_flipped_anywhere_is_noticed_and_mended_and_what_is_lost_is_named(
    pile: Path, tmp_path: Path
) -> None:
    assert checked(pile) == (set(), [])
    for at in stores.spots(file_of(pile).stat().st_size, 6):
        copy = stores.copied(pile, tmp_path / "copy")
        stores.flip(file_of(copy), at, 4)
        missing, problems = checked(copy)
        report = latentstore.repair(copy)
        assert problems and report.ok and not report.lost and told(report) == missing
        assert checked(copy) == (missing, [])


WRECKS: dict[str, tuple[Damage, range]] = {
    "missing": (lambda path: path.unlink(), range(12, 13)),
    "empty": (lambda path: stores.cut(path, 0), range(12, 13)),
    "cut short": (lambda path: stores.cut(path, path.stat().st_size * 3 // 4), range(1, 12)),
    "zeros": (lambda path: path.write_bytes(bytes(path.stat().st_size)), range(12, 13)),
    "another's": (lambda path: path.write_bytes(os.urandom(path.stat().st_size)), range(12, 13)),
}


@pytest.mark.parametrize("name", WRECKS)
def test_a_wrecked_file_costs_attachments_and_never_an_item(pile: Path, name: str) -> None:
    damage, lost = WRECKS[name]
    damage(file_of(pile))
    missing, problems = checked(pile)
    assert problems and len(missing) in lost
    report = latentstore.repair(pile)
    assert report.ok and not report.lost and told(report) == missing
    assert checked(pile) == (missing, [])


def test_bytes_behind_the_end_are_cut_off(pile: Path) -> None:
    size = file_of(pile).stat().st_size
    stores.grow(file_of(pile), 1000)
    assert checked(pile) == (set(), []) and file_of(pile).stat().st_size == size


def lose_the_catalog(pile: Path) -> None:
    (pile / "points" / "catalog.duckdb").unlink()


def test_invariant_10_attachments_outlive_the_catalog(pile: Path) -> None:
    lose_the_catalog(pile)
    report = latentstore.repair(pile)
    assert report.ok and not told(report) and checked(pile) == (set(), [])


def test_what_was_never_committed_is_no_attachment_when_the_catalog_is_lost(pile: Path) -> None:
    writer = AttachmentWriter(AttachmentFile(pile / "points", 1))
    assert writer.files.path == file_of(pile)
    size, digest = file_of(pile).stat().st_size, sha256(b"late").digest()
    writer.append(size, [(digest, b"late")], [Ref(99, "content", digest), Ref(100, "shared", digest)])
    writer.close()
    lose_the_catalog(pile)
    assert latentstore.repair(pile).ok and checked(pile) == (set(), [])


def test_what_a_failed_write_left_is_not_taken_for_a_later_items_when_the_catalog_is_lost(pile: Path) -> None:
    with latentstore.open(pile) as store:
        points = store.collection("points")
        with points.engine.writing() as snapshot:  # the first step of a write, and no commit
            attach.append(points.engine, snapshot, attach.of_items([{"content": b"no"}]), np.array([snapshot.next_row]))
        points.add(vectors=gaussian(1), ids=["later"])
    lose_the_catalog(pile)
    assert latentstore.repair(pile).ok
    with latentstore.open(pile) as store:
        assert store.collection("points").attachments(["later", "i3"], "content") == [None, content_of("i3")]


def test_a_lost_catalog_and_damaged_attachments_cost_only_those(pile: Path) -> None:
    lose_the_catalog(pile)
    data = file_of(pile).read_bytes()
    stores.flip(file_of(pile), data.index(content_of("i3")))
    stores.flip(file_of(pile), data.index(content_of("i6")) - 20)  # the head of its entry
    report = latentstore.repair(pile)
    assert not report.lost and told(report) == {("i3", "content"), ("i6", "content")}
    assert [line for line in report.problems if "of the attachments were damaged too" in line]
    assert checked(pile) == (told(report), [])


def test_repair_keeps_the_items_whose_attachments_and_vectors_are_both_hit(pile: Path) -> None:
    stores.flip(next((pile / "points/spaces/vectors").glob("vectors-*.f32")), 5)
    stores.flip(file_of(pile), file_of(pile).read_bytes().index(content_of("i7")))
    report: Any = latentstore.repair(pile)
    assert report.lost == ["points: i2"] and told(report) == {("i7", "content")}
    with latentstore.open(pile) as store:
        assert len(store.collection("points")) == 5 and store.collection("points").verify().ok
        assert store.collection("points").attachments(["i3", "i7"], "content") == [content_of("i3"), None]
