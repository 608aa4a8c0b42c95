"""Attachments: bytes kept with items, each content once, gone with the last item that had it."""

from __future__ import annotations

import hashlib
import os
import resource
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from truth import committed, gaussian

import latentstore
from latentstore import Collection, Corrupted, InvalidInput, Item, ItemNotFound, StorageFailure, Store
from latentstore.engine.shelf import compact_attachments

BIG = bytes(range(256)) * 1000
ODD = {"b": b"", "big": BIG, "ü/\n": b"\0\xff", "thumbnail": b"small"}


def put(points: Collection, given: dict[str, dict[str, bytes]], **how: Any) -> None:
    items = [Item(name, attachments=attachments) for name, attachments in given.items()]
    points.add(items, vectors=gaussian(len(items)), **how)


def file_of(points: Collection) -> Path:
    return next(points.engine.folder.glob("attachments-*.bin"))


def test_bytes_come_back_as_they_were_in_the_order_asked(points: Collection) -> None:
    put(points, {"a": ODD, "b": {"thumbnail": b"other"}, "c": {}})
    assert {name: points.attachments("a", name) for name in ODD} == {name: [content] for name, content in ODD.items()}
    assert points.attachments(["c", "b", "a", "b"], "thumbnail") == [None, b"other", b"small", b"other"]
    assert points.attachments(["a"], "unknown") == [None] and points.attachments([], "big") == []
    assert points.get("a")[0] == Item("a") and points.verify().ok


def test_many_items_are_asked_at_once(points: Collection) -> None:
    put(points, {f"i{at}": {"n": str(at).encode()} for at in range(200)})
    asked = [f"i{at}" for at in range(199, -1, -1)]
    assert points.attachments(asked, "n") == [str(at).encode() for at in range(199, -1, -1)]


def test_equal_bytes_are_stored_once(points: Collection) -> None:
    put(points, {"a": {"x": BIG, "y": BIG}, "b": {"x": BIG}})
    size = file_of(points).stat().st_size
    put(points, {"c": {"z": BIG}})
    assert len(BIG) < size < file_of(points).stat().st_size < len(BIG) + 1000
    assert points.info()["attachments"] == {"count": 4, "contents": 1, "bytes": len(BIG), "dead": 0}
    assert points.attachments(["a", "b", "c"], "x") == [BIG, BIG, None]


def test_updating_keeps_attachments_and_replacing_brings_new_ones(points: Collection) -> None:
    put(points, {"a": {"x": b"1", "y": b"2"}, "b": {"x": b"3"}})
    points.update(["a"], [{"year": 4}])
    assert points.attachments(["a", "b"], "x") == [b"1", b"3"]
    put(points, {"a": {"x": b"4"}, "b": {}}, on_conflict="replace")
    assert points.attachments(["a", "b"], "x") == [b"4", None] and points.attachments(["a"], "y") == [None]
    put(points, {"a": {"x": b"5"}, "c": {"x": b"6"}}, on_conflict="skip")
    assert points.attachments(["a", "c"], "x") == [b"4", b"6"]


def test_a_deleted_item_leaves_bytes_that_another_may_still_have(points: Collection) -> None:
    put(points, {"a": {"x": BIG}, "b": {"x": BIG}, "c": {"x": b"c"}})
    points.delete(["a", "c"])
    assert points.info()["attachments"] == {"count": 1, "contents": 1, "bytes": len(BIG), "dead": 1}
    points.add(stale=["b"])
    put(points, {"d": {"x": BIG}})  # brought back before it was cleared away
    assert points.info()["attachments"] == {"count": 1, "contents": 1, "bytes": len(BIG), "dead": 1}
    assert points.attachments(["d"], "x") == [BIG]
    with pytest.raises(ItemNotFound, match="'a'"):
        points.attachments(["d", "a"], "x")


def test_optimize_gives_the_bytes_of_dead_attachments_back(points: Collection, reopen: Callable[[], Store]) -> None:
    put(points, {f"i{at}": {"x": os.urandom(5000), "both": b"both"} for at in range(20)})
    kept = points.attachments(["i18", "i19"], "x")
    points.delete([f"i{at}" for at in range(18)])
    points.optimize()
    assert file_of(points).name == "attachments-1.bin" and file_of(points).stat().st_size < 11_000
    put(points, {"new": {"x": b"new"}})
    again = reopen().collection("points")
    assert again.attachments(["i18", "i19", "new"], "x") == [*kept, b"new"]
    assert again.attachments(["i18", "new"], "both") == [b"both", None] and again.verify().ok


def test_upkeep_clears_away_what_is_mostly_dead(points: Collection) -> None:
    put(points, {f"i{at}": {"x": os.urandom(500)} for at in range(20)})
    kept = points.attachments(["i0"], "x")
    points.delete([f"i{at}" for at in range(1, 20)])
    while points.info()["attachments"]["dead"]:
        time.sleep(0.01)
    assert points.attachments(["i0"], "x") == kept and points.verify().ok


def test_attachments_survive_reopening_backup_and_restore(
    points: Collection, store: Store, reopen: Callable[[], Store], tmp_path: Path
) -> None:
    put(points, {"a": ODD})
    again = reopen()
    again.backup(tmp_path / "backup")
    latentstore.restore(tmp_path / "backup", tmp_path / "restored")
    with latentstore.open(tmp_path / "restored", read_only=True) as restored:
        found = restored.collection("points")
        assert [found.attachments("a", name)[0] for name in ODD] == list(ODD.values())
        assert found.verify().checked["attachments"] == len(ODD)


def test_bytes_that_changed_on_the_disk_are_never_given_out(points: Collection, reopen: Callable[[], Store]) -> None:
    put(points, {"a": {"x": b"one content"}, "b": {"x": b"other"}})
    data = bytearray(file_of(points).read_bytes())
    data[data.index(b"one content")] ^= 1
    file_of(points).write_bytes(data)
    again = reopen().collection("points")
    assert again.attachments(["b"], "x") == [b"other"]
    with pytest.raises(Corrupted, match="repair"):
        again.attachments(["b", "a"], "x")
    assert [line for line in again.verify().problems if "1 attachments differ" in line]


BAD: list[tuple[Any, str]] = [
    ({"x": "text"}, "attachment 'x' of item 0 is a str, expected bytes"),
    ({"": b""}, "the name of an attachment"),
    ({"a\0": b""}, "the name of an attachment"),
    ({"a" * 2000: b""}, "the name of an attachment"),
    ({"\ud800": b""}, "lone surrogate"),
    ({3: b""}, "name of attachment 3 is a int"),
    ([b"x"], "attachments of item 0 is a dict"),
]


@pytest.mark.parametrize(("given", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_what_cannot_be_attached_is_refused_and_nothing_is_stored(points: Collection, given: Any, reason: str) -> None:
    before = committed(points)
    with pytest.raises(InvalidInput, match=reason):
        points.add([Item("a", attachments=given)], vectors=gaussian(1))
    assert committed(points) == before and not list(points.engine.folder.glob("attachments-*"))


def test_views_and_bytearrays_are_bytes_too(points: Collection) -> None:
    put(points, {"a": {"x": bytearray(b"abc"), "y": memoryview(b"abcd")[1:]}})  # type: ignore[dict-item]
    assert points.attachments("a", "x") + points.attachments("a", "y") == [b"abc", b"bcd"]


def test_a_disk_that_takes_no_more_refuses_the_batch_and_the_store_goes_on(points: Collection) -> None:
    put(points, {"a": {"x": b"a"}})
    before, (soft, hard) = committed(points), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8 << 20, hard))
    try:
        with pytest.raises(StorageFailure, match="attachments-0"):
            put(points, {"b": {"y": b"b", "x": bytes(9 << 20)}})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert committed(points) == before and "b" not in points
    put(points, {"c": {"x": b"c"}})
    assert points.attachments(["a", "c"], "x") == [b"a", b"c"] and points.verify().ok
    assert file_of(points).stat().st_size < 1000


def content_of(at: int) -> bytes:
    return hashlib.sha256(str(at % 40).encode()).digest() * (1 + at % 50)


def test_adds_deletes_and_reads_go_on_while_the_file_is_written_anew(points: Collection) -> None:
    put(points, {f"i{at}": {"x": content_of(at)} for at in range(200)})
    live, wrong, done = {*range(200)}, [], threading.Event()

    def change() -> None:
        for at in range(40):
            put(points, {f"i{at + 200}": {"x": content_of(at + 200)}})
            points.delete([f"i{at * 3}"])
            live.difference_update({at * 3})
            live.add(at + 200)
        done.set()

    def read() -> None:
        while not done.is_set():
            wrong.append(points.attachments(["i1", "i199"], "x") != [content_of(1), content_of(199)])

    threads = [threading.Thread(target=work) for work in (change, read)]
    for thread in threads:
        thread.start()
    while not done.is_set():
        compact_attachments(points.engine)
    for thread in threads:
        thread.join()
    assert wrong and not any(wrong) and points.verify().ok
    assert points.attachments([f"i{at}" for at in live], "x") == [content_of(at) for at in live]
