"""backup, restore, export, import: what arrives is what was there, and what is in the way is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from everykind import FULL, ROWS, assert_same
from truth import committed, everything, gaussian

import latentstore
from latentstore import (
    AlreadyExists,
    Collection,
    Corrupted,
    DimensionMismatch,
    DuplicateId,
    EncoderMismatch,
    InvalidFilter,
    InvalidInput,
    Item,
    NotAStore,
    NotFinite,
    NotFound,
    SpaceNotFound,
    StorageFailure,
    Store,
    StoreLocked,
)

IDS = ["full", "sparse", "third"]


@pytest.fixture
def full(store: Store) -> Collection:
    """Two spaces, every kind of metadata, deleted and updated items, one item without a vector in the second space."""
    made = store.create("full", encoders=["hashing", "hashing:32"])
    made.add([Item(name, f"text of {name}", f"file:///{name}", row) for name, row in zip(IDS, ROWS, strict=True)])
    half = {"hashing": gaussian(2, 64)}
    made.add(vectors=half, ids=["half", "gone"], fingerprint=made.space("hashing").fingerprint)
    made.delete(["gone"])
    made.update(["half"], [{"flag": True}])
    return made


def _same(one: Collection, other: Collection) -> None:
    names = one.space("hashing").vectors()[0]
    for found, given in zip(other.get(names), one.get(names), strict=True):
        assert (found.id, found.text, found.uri) == (given.id, given.text, given.uri)
        assert_same(found.metadata, given.metadata)  # type: ignore[arg-type]
    for space in one.spaces():
        (ids, vectors), (other_ids, other_vectors) = one.space(space).vectors(), other.space(space).vectors()
        assert ids == other_ids
        np.testing.assert_array_equal(vectors, other_vectors)
    assert one.info()["columns"] == other.info()["columns"] and len(one) == len(other)


def test_a_backup_is_a_store_and_a_restored_backup_another(store: Store, full: Collection, tmp_path: Path) -> None:
    store.create("empty")
    assert store.backup(tmp_path / "deep" / "copy") == tmp_path / "deep" / "copy"
    report = latentstore.restore(str(tmp_path / "deep" / "copy"), tmp_path / "back")
    assert report.ok and report.checked["items"] == 4
    for path in (tmp_path / "deep" / "copy", tmp_path / "back"):
        with latentstore.open(path) as other:
            assert other.collections() == ["empty", "full"] and other.verify().ok
            _same(full, other.collection("full"))
            other.collection("full").add(["more"])
    assert len(full) == 4


def test_a_backup_keeps_the_index_and_needs_no_new_one(store: Store, tmp_path: Path) -> None:
    points = store.create("points", index="hnsw")
    points.add(vectors=gaussian(2000))
    points.optimize()
    store.backup(tmp_path / "copy")
    with latentstore.open(tmp_path / "copy", read_only=True) as copy:
        view = copy.collection("points").engine.snapshot.spaces["vectors"]
        assert view.index is not None and view.index.covered == 2000
        assert copy.collection("points").search(gaussian(1)[0], 9).ids == points.search(gaussian(1)[0], 9).ids


@pytest.mark.parametrize("there", ["file", "folder", "store"])
def test_what_stands_at_the_target_is_left_alone(store: Store, full: Collection, tmp_path: Path, there: str) -> None:
    target = tmp_path / "target"
    if there == "file":
        target.write_text("mine")
    else:
        target.mkdir() if there == "folder" else latentstore.open(target).close()
    store.backup(tmp_path / "copy")
    before = sorted(tmp_path.rglob("target*"))
    for act in (lambda: store.backup(target), lambda: latentstore.restore(tmp_path / "copy", target)):
        with pytest.raises(AlreadyExists, match="choose a path that does not"):
            act()
    with pytest.raises(AlreadyExists):
        full.export_parquet(target)
    assert sorted(tmp_path.rglob("target*")) == before


def test_a_store_is_not_copied_into_itself(store: Store, full: Collection, tmp_path: Path) -> None:
    store.backup(tmp_path / "copy")
    for act in (
        lambda: store.backup(store.path / "full" / "copy"),
        lambda: latentstore.restore(tmp_path / "copy", tmp_path / "copy" / "in"),
    ):
        with pytest.raises(InvalidInput, match="a path outside"):
            act()
    assert store.collections() == ["full"] and store.verify().ok


def test_what_is_no_backup_is_not_restored(store: Store, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for source in (tmp_path / "nowhere", tmp_path / "folder"):
        with pytest.raises(NotAStore, match="name what backup wrote"):
            latentstore.restore(source, tmp_path / "target")
    with pytest.raises(StoreLocked, match="this process"):
        latentstore.restore(store.path, tmp_path / "target")
    assert not (tmp_path / "target").exists()


def test_a_damaged_backup_is_told_and_leaves_nothing_at_the_target(
    store: Store, full: Collection, tmp_path: Path
) -> None:
    store.backup(tmp_path / "copy")
    vectors = tmp_path / "copy" / "full" / "spaces" / "hashing" / "vectors-0.f32"
    data = bytearray(vectors.read_bytes())
    data[5] ^= 1
    vectors.write_bytes(data)
    with pytest.raises(Corrupted, match="was not restored"):
        latentstore.restore(tmp_path / "copy", tmp_path / "target")
    assert not list(tmp_path.glob("target*"))


def test_an_export_comes_back_whole_into_another_store(full: Collection, tmp_path: Path) -> None:
    assert full.export_parquet(tmp_path / "full.parquet") == 4
    for batch in (1, 3, 100):
        with latentstore.open(tmp_path / f"other {batch}") as other:
            made = other.create("again", encoders=["hashing", "hashing:32"])
            assert made.import_parquet(tmp_path / "full.parquet", batch=batch) == 4
            _same(full, made)
            assert made.verify().ok


def test_an_export_can_be_filtered(full: Collection, store: Store, tmp_path: Path) -> None:
    assert full.export_parquet(tmp_path / "some.parquet", where="flag") == 2
    made = store.create("some", encoders=["hashing", "hashing:32"])
    made.import_parquet(tmp_path / "some.parquet")
    assert made.space("hashing").vectors()[0] == ["full", "half"]
    with pytest.raises(InvalidFilter, match="no column 'nope'"):
        full.export_parquet(tmp_path / "none.parquet", where="nope = 1")
    assert full.export_parquet(tmp_path / "none.parquet", where="false") == 0
    assert made.import_parquet(tmp_path / "none.parquet") == 0 and len(made) == 2


def test_an_empty_collection_exports_and_imports(points: Collection, store: Store, tmp_path: Path) -> None:
    assert points.export_parquet(tmp_path / "empty.parquet") == 0
    assert store.create("other").import_parquet(tmp_path / "empty.parquet") == 0


def test_pyarrow_pandas_and_polars_read_an_export_as_it_is(full: Collection, tmp_path: Path) -> None:
    path = tmp_path / "full.parquet"
    full.export_parquet(path)
    table, frame, polars = pq.read_table(path), pd.read_parquet(path, dtype_backend="pyarrow"), pl.read_parquet(path)
    assert table.column_names[:3] == ["id", "text", "uri"]
    assert table.schema.field("vector:hashing-32").type == pa.list_(pa.float32(), 32)
    assert table.column("id").to_pylist() == frame["id"].tolist() == polars["id"].to_list() == [*IDS, "half"]
    for name in ("most", "words", "day", "clock", "moment", "instant", "price", "names", 'say "hi"'):
        assert table.column(name)[0].as_py() == polars[name].to_list()[0] == FULL[name]
    held = full.space("hashing").vectors()[1]
    np.testing.assert_array_equal(np.stack(polars["vector:hashing"].to_numpy()), held)  # type: ignore[call-overload]
    np.testing.assert_array_equal(np.stack([np.asarray(one) for one in frame["vector:hashing"]]), held)
    assert table.column("vector:hashing-32").null_count == 1


def test_on_conflict_holds_for_imports(points: Collection, tmp_path: Path) -> None:
    points.add(vectors=gaussian(3), ids=["a", "b", "c"], metadata=[{"n": n} for n in range(3)])
    points.export_parquet(tmp_path / "points.parquet")
    points.delete(["b"])
    points.update(["a"], [{"n": 10}])
    before = committed(points)
    with pytest.raises(DuplicateId, match="'a'"):
        points.import_parquet(tmp_path / "points.parquet")
    assert committed(points) == before
    assert points.import_parquet(tmp_path / "points.parquet", on_conflict="skip") == 3
    assert [item.metadata["n"] for item in points.get(["a", "b", "c"])] == [10, 1, 2]  # type: ignore[index]
    points.import_parquet(tmp_path / "points.parquet", on_conflict="replace")
    assert everything(points, ["a", "b"]) == {"a": (None, None, {"n": 0}), "b": (None, None, {"n": 1})}


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "metric": ({"metric": "l2"}, EncoderMismatch, "measured by cosine, the collection's by l2"),
    "dimension": ({"dim": 8}, DimensionMismatch, "8 dimensions, got 16"),
    "space": ({"encoders": ["hashing:16"]}, SpaceNotFound, "no space 'vectors'; there are hashing-16"),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_import_into_another_kind_of_space_is_refused(
    store: Store, points: Collection, tmp_path: Path, what: str
) -> None:
    points.add(vectors=gaussian(3))
    points.export_parquet(tmp_path / "points.parquet")
    settings, error, message = WRONG[what]
    other = store.create("other", **settings)
    with pytest.raises(error, match=message):
        other.import_parquet(tmp_path / "points.parquet")
    assert len(other) == 0 and other.verify().ok


def test_vectors_of_another_encoder_are_not_imported_even_where_the_space_has_the_same_name(
    words: Collection, tmp_path: Path
) -> None:
    words.add(["a cat"], ids=["a"])
    words.export_parquet(tmp_path / "words.parquet")
    table = pq.read_table(tmp_path / "words.parquet")
    about = table.schema.metadata[b"latentstore"].replace(b"hashing-1-64", b"hashing-2-64")
    pq.write_table(table.replace_schema_metadata({b"latentstore": about}), tmp_path / "words.parquet")
    words.delete(["a"])
    with pytest.raises(EncoderMismatch, match=r"hashing-2-64.*hashing-1-64"):
        words.import_parquet(tmp_path / "words.parquet")
    assert len(words) == 0


def _nan(table: pa.Table) -> pa.Table:
    vectors = pa.array([[float("nan")] * 16] * 3, pa.list_(pa.float32(), 16))
    return table.set_column(table.schema.get_field_index("vector:vectors"), "vector:vectors", vectors)


CHANGED: dict[str, tuple[Callable[[pa.Table], pa.Table], type[Exception], str]] = {
    "no origin": (lambda table: table.replace_schema_metadata(), InvalidInput, "not written by 'latentstore export'"),
    "no vectors": (lambda table: table.drop_columns(["vector:vectors"]), InvalidInput, "'vector:vectors' is missing"),
    "no column": (lambda table: table.drop_columns(["n"]), InvalidInput, "column 'n' is missing"),
    "no id": (lambda table: table.set_column(0, "id", pa.array(["a", None, "c"])), InvalidInput, "id 1 is a NoneType"),
    "an id twice": (lambda table: table.set_column(0, "id", pa.array(["a", "b", "a"])), DuplicateId, "'a' comes twice"),
    "not a number": (_nan, NotFinite, r"row\(s\) 0"),
}


@pytest.mark.parametrize("how", CHANGED)
def test_an_export_that_was_changed_is_refused_whole(
    store: Store, points: Collection, tmp_path: Path, how: str
) -> None:
    points.add(vectors=gaussian(3), ids=["a", "b", "c"], metadata=[{"n": 1}] * 3)
    points.export_parquet(tmp_path / "points.parquet")
    change, error, message = CHANGED[how]
    pq.write_table(change(pq.read_table(tmp_path / "points.parquet")), tmp_path / "points.parquet")
    with pytest.raises(error, match=message):
        store.create("other").import_parquet(tmp_path / "points.parquet")
    assert len(store.collection("other")) == 0


def test_a_file_that_is_damaged_cut_or_no_parquet_at_all_is_told(points: Collection, tmp_path: Path) -> None:
    points.add(vectors=gaussian(3), metadata=[{"n": 1}] * 3)
    points.export_parquet(tmp_path / "points.parquet")
    whole = (tmp_path / "points.parquet").read_bytes()
    for data in (b"", b"no parquet", whole[:300], whole[:100] + bytes(200) + whole[300:]):
        (tmp_path / "bad.parquet").write_bytes(data)
        with pytest.raises(InvalidInput, match=r"bad\.parquet"):
            points.import_parquet(tmp_path / "bad.parquet", on_conflict="skip")
    for missing in (tmp_path / "nope.parquet", tmp_path):
        with pytest.raises(NotFound, match="there is no file"):
            points.import_parquet(missing)
    assert len(points) == 3


def test_an_export_that_cannot_be_written_leaves_nothing(points: Collection, tmp_path: Path) -> None:
    points.add(vectors=gaussian(3))
    with pytest.raises(StorageFailure, match="cannot write"):
        points.export_parquet(tmp_path / "nowhere" / "points.parquet")
    with pytest.raises(InvalidInput, match="batch is a whole number"):
        points.import_parquet(tmp_path / "points.parquet", batch=0)
    assert not list(tmp_path.glob("*parquet*"))
