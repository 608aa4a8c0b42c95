"""The ledger: what is known of each source stands in the commit that brings its items, and can be read beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from truth import committed, everything, gaussian

import latentstore
from latentstore import Collection, DuplicateId, InvalidFilter, InvalidInput, Item, OnConflict, Source, Store

FULL = Source("file:///a.txt", 10, 1.5, "10-1500", "ab" * 32, "text", 2, None)
FAILED = Source("file:///b.pdf", 3, error="no such page")


def ledger(collection: Collection) -> dict[str, Source]:
    return {line["uri"]: Source(**line) for line in collection.sql("select * from sources")}


def test_lines_come_back_as_they_were_put_with_their_items(words: Collection) -> None:
    words.add([Item("1", "one", FULL.uri), Item("2", "two", FULL.uri)], sources=[FULL, FAILED])
    assert ledger(words) == {FULL.uri: FULL, FAILED.uri: FAILED}
    assert words.search("two", 1).ids == ["2"]


def test_a_line_takes_the_place_of_the_one_that_its_uri_had(words: Collection) -> None:
    words.add(sources=[FULL, FAILED])
    words.add([], sources=[Source(FULL.uri, 11, items=1)])
    assert ledger(words) == {FULL.uri: Source(FULL.uri, 11, items=1), FAILED.uri: FAILED}


def test_stale_items_die_in_the_same_commit(words: Collection) -> None:
    words.add(["one", "two", "three"], ids=["1", "2", "3"])
    written = words.add(["four", "new two"], ids=["4", "2"], stale=["1", "2", "unknown", "1"], sources=[FULL])
    assert (written.inserted, written.replaced, written.skipped, written.deleted) == (1, 1, 0, 1)
    assert everything(words, ["2", "3", "4"]) == {
        "2": ("new two", None, {}),
        "3": ("three", None, {}),
        "4": ("four", None, {}),
    }
    assert len(words) == words.count("true") == 3 and "1" not in words
    assert "1" not in words.search("one", 10, exact=True).ids


@pytest.mark.parametrize("on_conflict", OnConflict)
def test_an_id_that_is_stale_and_added_is_replaced_whatever_the_rule(words: Collection, on_conflict: str) -> None:
    words.add(["old"], ids=["a"])
    written = words.add(["new"], ids=["a"], stale=["a"], on_conflict=on_conflict)
    assert (written.replaced, written.deleted, words.get("a")[0].text, len(words)) == (1, 0, "new", 1)


def test_ids_that_are_not_stale_keep_to_the_rule(words: Collection) -> None:
    words.add(["old", "older"], ids=["a", "b"])
    before = committed(words)
    with pytest.raises(DuplicateId, match="'a'"):
        words.add(["new"], ids=["a"], stale=["b"], sources=[FULL])
    assert committed(words) == before and not ledger(words)
    written = words.add(["new"], ids=["a"], stale=["b"], sources=[FULL], on_conflict="skip")
    assert (written.skipped, written.deleted, words.get("a")[0].text) == (1, 1, "old")
    assert ledger(words) == {FULL.uri: FULL} and len(words) == 1


def test_forgetting_leaves_the_items_and_a_line_that_is_put_too(words: Collection) -> None:
    words.add([Item("1", "one", FULL.uri)], sources=[FULL, FAILED])
    words.add(forget=[FULL.uri, FAILED.uri, "unknown"], sources=[FAILED])
    assert ledger(words) == {FAILED.uri: FAILED} and len(words) == 1


def test_what_changes_only_the_ledger_is_a_commit_and_what_changes_nothing_is_none(words: Collection) -> None:
    words.add(["one"], ids=["1"])
    before = committed(words)
    words.add(sources=[FULL])
    assert committed(words) == {**before, "seq": before["seq"] + 1}
    words.add(stale=["unknown"])
    assert committed(words) == {**before, "seq": before["seq"] + 1}
    assert words.search("one", 1).ids == ["1"]


def test_the_ledger_can_be_joined_with_the_items(points: Collection) -> None:
    points.add([Item("a", uri="u"), Item("b", uri="v")], vectors=gaussian(2), sources=[Source("u", 7, items=1)])
    joined = points.sql("select i.id, s.size from items i left join sources s on i.uri = s.uri order by i.id")
    assert joined.values == [("a", 7), ("b", None)]


def test_a_filter_cannot_read_the_ledger(words: Collection) -> None:
    words.add(["one"], sources=[FULL])
    for ask in (words.count, lambda where: words.search("one", where=where), lambda where: words.delete(where=where)):
        with pytest.raises(InvalidFilter, match="only the table 'items' can be read here, got 'sources'"):
            ask("uri in (select uri from sources)")


def test_metadata_may_be_named_like_the_ledger(points: Collection) -> None:
    points.add(vectors=gaussian(1), ids=["a"], metadata=[{"sources": 3, "size": 4}], sources=[Source("u", 5)])
    assert points.count("sources = 3 and size = 4") == 1
    assert points.sql("select items.sources, sources.size from items, sources").values == [(3, 5)]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"sources": FULL}, "list of Source"),
    ({"sources": ["file:///a.txt"]}, "source 0 is a str"),
    ({"sources": [FULL, FULL]}, "comes twice"),
    ({"sources": [Source("")]}, "uri of source 0 is empty"),
    ({"sources": [Source("a\0b")]}, "holds a NUL"),
    ({"sources": [Source("a\ud800")]}, "lone surrogate"),
    ({"sources": [Source("a" * 20_000)]}, "longer than 16384 bytes"),
    ({"sources": [Source("a", -1)]}, "size of source 0 is a whole number"),
    ({"sources": [Source("a", 2**63)]}, "size of source 0 is a whole number"),
    ({"sources": [Source("a", items=None)]}, "items of source 0"),  # type: ignore[arg-type]
    ({"sources": [Source("a", modified=float("nan"))]}, "modified of source 0"),
    ({"sources": [Source("a", stamp="\0")]}, "stamp of source 0"),
    ({"sources": [Source("a", digest=b"x")]}, "digest of source 0"),  # type: ignore[arg-type]
    ({"stale": [3]}, "id 0 is a int"),
    ({"stale": 3}, "list of strings"),
    ({"forget": "u"}, "forget is a list of uris"),
    ({"forget": [""]}, "forget 0 is empty"),
]


@pytest.mark.parametrize(("given", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_what_the_ledger_cannot_keep_is_refused_and_nothing_is_stored(
    words: Collection, given: dict[str, Any], reason: str
) -> None:
    before = committed(words)
    with pytest.raises(InvalidInput, match=reason):
        words.add(["one"], **given)
    assert committed(words) == before and not ledger(words)


def test_an_error_is_kept_as_one_line_whatever_it_quotes(words: Collection) -> None:
    words.add(sources=[Source("a", error="bad\nbyte \0 \ud800 here"), Source("b", error="x" * 1000)])
    kept = ledger(words)
    assert kept["a"].error == "bad byte ? here"
    assert kept["b"].error == "x" * 499 + "…"


def test_the_ledger_survives_reopening_compaction_backup_and_restore(
    store: Store, words: Collection, reopen: Callable[[], Store], tmp_path: Path
) -> None:
    words.add([Item("1", "one", FULL.uri), Item("2", "two", FULL.uri)], sources=[FULL, FAILED])
    words.delete(["1"])
    words.optimize()
    again = reopen()
    again.backup(tmp_path / "backup")
    latentstore.restore(tmp_path / "backup", tmp_path / "restored")
    assert ledger(again.collection("words")) == {FULL.uri: FULL, FAILED.uri: FAILED}
    with latentstore.open(tmp_path / "restored", read_only=True) as restored:
        assert ledger(restored.collection("words")) == {FULL.uri: FULL, FAILED.uri: FAILED}


def test_adding_nothing_at_all_is_refused(words: Collection) -> None:
    for nothing in ({}, {"sources": [], "stale": [], "forget": []}):
        with pytest.raises(InvalidInput, match="got neither"):
            words.add(**nothing)
    assert words.add(stale=["unknown"]).deleted == 0


def test_many_lines_are_put_and_found_by_uri(points: Collection) -> None:
    lines = {f"file:///{at:05}": Source(f"file:///{at:05}", at, items=1) for at in range(20_000)}
    for part in range(0, 20_000, 5000):
        points.add(sources=list(lines.values())[part : part + 5000])
    points.add(sources=[Source("file:///00007", 8)])
    asked = ", ".join(f"'file:///{at:05}'" for at in range(0, 20_000, 40))
    found = points.sql(f"select * from sources where uri in ({asked}) or uri = 'file:///00007'")
    expected = {**lines, "file:///00007": Source("file:///00007", 8)}
    assert len(found) == 501
    assert all(line == asdict(expected[line["uri"]]) for line in found)
