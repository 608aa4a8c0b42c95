"""Latent spaces in a store: each item has the latent that the model makes of what it saw of the item, in every version, always."""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest

import latentstore
from latentstore import Collection, Corrupted, InvalidInput, ReadOnlyStore, Space, SpaceNotFound, Store

DIM = 12


def vectors(start: int, stop: int) -> np.ndarray:
    """A cloud with three directions that matter; a row depends on its number alone."""
    mix = np.random.default_rng(0).standard_normal((3, DIM))
    rows = [np.random.default_rng(at).standard_normal(3) @ mix for at in range(start, stop)]
    noise = [np.random.default_rng((1, at)).standard_normal(DIM) * 0.1 for at in range(start, stop)]
    return (np.array(rows) + np.array(noise)).astype(np.float32)


def add(points: Collection, start: int, stop: int, **how: object) -> None:
    points.add(vectors=vectors(start, stop), ids=[f"i{at}" for at in range(start, stop)], **how)


@pytest.fixture
def points(store: Store) -> Collection:
    made = store.create("points", metric="l2")
    add(made, 0, 200)
    return made


@pytest.fixture
def fitted(points: Collection) -> Space:
    return points.space().fit("pca", 3, "axes")


def agrees(points: Collection, name: str = "axes") -> None:
    """Every item of the followed space is in the latent one, at the latent that the model makes of its vector, and no other."""
    space = points.space(name)
    ids, latents = space.vectors()
    there, seen = points.space().vectors()
    assert ids == there
    np.testing.assert_allclose(latents, space.latent.encode(seen), atol=1e-4)
    assert space.lag == 0
    assert points.verify().ok


def test_a_fit_gives_every_item_its_latent(points: Collection, fitted: Space) -> None:
    agrees(points)
    assert (fitted.name, fitted.version, fitted.dim, str(fitted.metric)) == ("axes", 1, 3, "l2")
    assert points.spaces() == ["vectors", "axes"]
    assert fitted.record["error"]["mean"] < 0.1
    exact = points.search(fitted.latent.encode(vectors(7, 8))[0], space="axes", k=1)
    assert exact.ids == ["i7"] and exact.distances[0] < 1e-4


def test_a_latent_decodes_to_what_it_was_made_of(points: Collection, fitted: Space) -> None:
    ids, latents = fitted.vectors()
    apart = fitted.latent.decode(latents) - vectors(0, 200)
    assert ids[0] == "i0" and np.abs(apart).mean() < 0.2 * np.abs(vectors(0, 200)).mean()


def test_an_item_that_is_added_has_its_latent_when_the_add_returns(points: Collection, fitted: Space) -> None:
    for at in range(200, 205):
        add(points, at, at + 1)
    add(points, 205, 260)
    assert len(fitted) == 260
    agrees(points)


def test_an_item_that_is_replaced_or_deleted_leaves_its_latent(points: Collection, fitted: Space) -> None:
    points.add(vectors=vectors(900, 905), ids=[f"i{at}" for at in range(5)], on_conflict="replace")
    points.delete(ids=["i9", "i10"])
    agrees(points)
    points.add(vectors=vectors(5, 15), ids=[f"i{at}" for at in range(5, 15)], on_conflict="skip")
    agrees(points)
    points.optimize()
    agrees(points)


def test_latent_spaces_outlive_the_process(points: Collection, fitted: Space, reopen: Callable[[], Store]) -> None:
    points.space().fit("pca", 2, "axes").switch()
    add(points, 200, 210)
    again = reopen().collection("points")
    agrees(again)
    assert [(one.version, one.active, one.dim) for one in again.space("axes").versions()] == [
        (1, False, 3),
        (2, True, 2),
    ]
    add(again, 210, 220)
    agrees(again)


def test_an_add_where_nothing_was_fitted_imports_no_models(tmp_path: Path) -> None:
    script = (
        "import sys, latentstore; store = latentstore.open(sys.argv[1]); store.create('a').add(vectors=[[1.0, 2.0]]);"
        "store.collection('a').info(); print([name for name in sys.modules if name.startswith(('latentstore.latent', 'torch'))])"
    )
    told = subprocess.run([sys.executable, "-c", script, tmp_path / "pile"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_items_that_come_while_a_model_is_trained_are_in_its_space(points: Collection) -> None:
    coming = iter(range(200, 400, 5))

    def meanwhile(step: str, share: float) -> None:
        at = next(coming)
        add(points, at, at + 5)
        points.delete(ids=[f"i{at - 150}"])

    points.space().fit("pca", 3, "axes", progress=meanwhile)
    assert next(coming) > 215
    agrees(points)


def test_fits_of_one_name_at_once_become_two_versions(points: Collection) -> None:
    made: list[Space] = []
    both = [threading.Thread(target=lambda: made.append(points.space().fit("pca", 3, "axes"))) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(one.version for one in made) == [1, 2]
    assert sum(one.active for one in made[0].versions()) == 1
    agrees(points)
    agrees(points, "axes@1")
    agrees(points, "axes@2")


def test_a_name_stands_for_one_version_at_every_moment(points: Collection, fitted: Space) -> None:
    points.space().fit("pca", 2, "axes")
    named, second, done = points.space("axes"), points.space("axes@2"), threading.Event()
    either = {tuple(points.similar("i3", space=f"axes@{version}", k=5).ids) for version in (1, 2)}
    seen: list[tuple[str, ...]] = []

    def look() -> None:
        while not done.is_set():
            seen.append(tuple(points.similar("i3", space="axes", k=5).ids))

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(20):
        assert named.switch().version == 2
        assert named.rollback().version == 1
    done.set()
    looking.join()
    assert seen and set(seen) <= either
    assert named.switch(2).dim == 2 and second.dim == 2 and fitted.dim == 3


def test_only_versions_that_are_there_can_be_switched_to(points: Collection, fitted: Space) -> None:
    with pytest.raises(SpaceNotFound, match="there are 1"):
        fitted.switch(4)
    with pytest.raises(InvalidInput, match="oldest"):
        fitted.rollback()
    with pytest.raises(InvalidInput, match="was not fitted"):
        points.space().switch()


def test_a_version_is_dropped_with_its_files_and_its_number_is_free(points: Collection, fitted: Space) -> None:
    points.space().fit("pca", 2, "axes")
    fitted.outliers()
    with pytest.raises(InvalidInput, match="switch to one"):
        points.drop_space("axes")
    points.space("axes").switch(2)
    points.drop_space("axes@1")
    assert [one.version for one in points.space("axes").versions()] == [2]
    assert not (points.engine.folder / "spaces" / "axes@1").exists()
    assert points.studies() == []
    add(points, 200, 210)
    points.space("axes").map(keep=False)
    points.drop_space("axes")
    assert points.spaces() == ["vectors"] and points.verify().ok
    anew = points.space().fit("pca", 4, "axes")
    assert anew.version == 1
    agrees(points)
    other = points.space().fit("pca", 4, "other")
    np.testing.assert_allclose(anew.map(keep=False).coordinates, other.map(keep=False).coordinates)


def test_a_space_of_the_collection_is_not_dropped(points: Collection, fitted: Space) -> None:
    with pytest.raises(InvalidInput, match="was not fitted"):
        points.drop_space("vectors")
    fitted.fit("pca", 2, "smaller")
    with pytest.raises(InvalidInput, match="'smaller@1' is made from"):
        points.drop_space("axes")


def test_a_space_that_was_fitted_to_a_fitted_one_follows_it(points: Collection, fitted: Space) -> None:
    smaller = fitted.fit("pca", 2, "smaller")
    add(points, 200, 230)
    ids, latents = smaller.vectors()
    assert len(ids) == 230
    np.testing.assert_allclose(latents, smaller.latent.encode(fitted.vectors()[1]), atol=1e-4)
    np.testing.assert_allclose(smaller.encode(vectors(3, 5)), latents[3:5], atol=1e-4)


def spoilt(space: Space, points: Collection) -> tuple[Path, bytes]:
    """The weights of a model with one bit flipped, in a process that has not read them."""
    path = points.engine.folder / "spaces" / f"{space.name}@{space.version}" / "model" / "weights.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    points.engine.models.clear()
    return path, whole


def test_a_model_that_was_tampered_with_is_noticed_and_fails_no_add(points: Collection, fitted: Space) -> None:
    path, whole = spoilt(fitted, points)
    add(points, 200, 600)
    assert fitted.lag == 400 and points.info()["spaces"][1]["latent"]["lag"] == 400
    assert any("could not follow" in note for note in points.info()["notes"])
    with pytest.raises(Corrupted, match="changed from outside"):
        fitted.backfill()
    assert [line for line in points.verify().problems if "not the one that was fitted" in line]
    with pytest.warns(UserWarning, match="lags: 400 items"):
        assert points.search(fitted.vectors(["i3"])[1][0], space="axes", k=1).ids == ["i3"]
    path.write_bytes(whole)
    assert fitted.backfill() == 400
    agrees(points)
    assert fitted.backfill() == 0


def test_a_space_that_lags_takes_nothing_new_until_it_has_caught_up(points: Collection, fitted: Space) -> None:
    path, whole = spoilt(fitted, points)
    add(points, 200, 210)
    path.write_bytes(whole)
    add(points, 210, 220)
    assert fitted.lag == 20 and len(fitted) == 200
    points.delete(ids=["i205"])
    assert fitted.lag == 19
    assert fitted.backfill() == 19
    add(points, 220, 230)
    agrees(points)


def test_a_backfill_that_was_stopped_goes_on_where_it_stopped(points: Collection, fitted: Space) -> None:
    path, whole = spoilt(fitted, points)
    add(points, 200, 1400)
    path.write_bytes(whole)
    told = []

    def stop(step: str, share: float) -> None:
        told.append(share)
        if share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted.backfill(stop)
    left = fitted.lag
    assert 0 < left < 1000 and len(fitted) == 1400 - left
    assert fitted.backfill() == left
    assert told == sorted(told)
    agrees(points)


def test_what_a_stopped_fit_leaves_is_gone_but_for_its_checkpoints(
    points: Collection, reopen: Callable[[], Store]
) -> None:
    def stop(step: str, share: float) -> None:
        if step == "encoding all items":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        points.space().fit("pca", 3, "axes", progress=stop)
    folder = points.engine.folder
    assert [path.name for path in (folder / "spaces").iterdir()] == ["vectors"]
    [kept] = (folder / "fits").iterdir()
    assert kept.is_dir()
    again = reopen().collection("points")
    assert again.spaces() == ["vectors"] and kept.exists()
    again.space().fit("pca", 3, "axes")
    assert not (folder / "fits").exists()
    agrees(again)


def test_a_search_without_a_space_leaves_latent_ones_out(store: Store) -> None:
    words = store.create("words", encoders=["hashing"])
    words.add([f"text {at} of {at % 7} kinds" for at in range(60)], ids=[f"t{at}" for at in range(60)])
    latent = words.space().fit("pca", 4)
    assert latent.name == "pca4"
    hits = words.search("text 3 of 3 kinds", k=2)
    assert hits.ids[0] == "t3" and hits[0].space is None
    assert words.search("text 3 of 3 kinds", k=1, space="pca4").ids == ["t3"]
    np.testing.assert_allclose(latent.encode(["text 5 of 5 kinds"])[0], latent.vectors(["t5"])[1][0], atol=1e-4)
    with pytest.raises(InvalidInput, match="its model alone makes its vectors"):
        words.add(["a"], vectors={"pca4": [[1.0, 2, 3, 4]]})


def test_a_table_leaves_latent_spaces_behind_and_an_import_fills_them(
    points: Collection, fitted: Space, tmp_path: Path
) -> None:
    points.export_parquet(tmp_path / "all.parquet")
    points.delete(ids=[f"i{at}" for at in range(50)])
    points.import_parquet(tmp_path / "all.parquet", on_conflict="skip")
    assert len(fitted) == 200
    agrees(points)


def test_a_backup_has_the_models_too(points: Collection, fitted: Space, store: Store, tmp_path: Path) -> None:
    points.space().fit("pca", 2, "axes").switch()
    store.backup(tmp_path / "copy")
    latentstore.restore(tmp_path / "copy", tmp_path / "back")
    with latentstore.open(tmp_path / "back") as again:
        copy = again.collection("points")
        agrees(copy)
        assert copy.space("axes").dim == 2 and copy.space("axes").rollback().dim == 3
        add(copy, 200, 210)
        agrees(copy)


def test_nothing_is_fitted_in_a_store_that_is_read(points: Collection, fitted: Space, store: Store) -> None:
    store.close()
    with latentstore.open(store.path, read_only=True) as again:
        there = again.collection("points")
        agrees(there)
        for refused in (there.space().fit, there.space("axes").backfill, there.space("axes").switch):
            with pytest.raises(ReadOnlyStore):
                refused()


@pytest.mark.parametrize("lost", ["catalog.duckdb", "outline.json", "space.json"])
def test_repair_brings_latent_spaces_back_without(points: Collection, fitted: Space, store: Store, lost: str) -> None:
    """Each time without one more of the files that say what there is."""
    points.space().fit("pca", 2, "axes")
    add(points, 200, 230)
    folder = points.engine.folder
    store.close()
    names = ["catalog.duckdb", "outline.json", "space.json"]
    for name in names[: names.index(lost) + 1]:
        (folder / name if name != "space.json" else folder / "spaces" / "vectors" / name).unlink()
    report = latentstore.repair(store.path)
    with latentstore.open(store.path) as again:
        there = again.collection("points")
        assert not there.verify().problems, report
        assert there.space("axes").version == 2
        agrees(there)
        agrees(there, "axes@1")
        add(there, 300, 310)
        agrees(there)


def test_repair_cuts_a_damaged_latent_space_and_backfill_makes_the_rest_anew(
    points: Collection, fitted: Space, store: Store
) -> None:
    path = points.engine.folder / "spaces" / "axes@1" / "vectors-0.f32"
    store.close()
    data = bytearray(path.read_bytes())
    data[120 * 12] ^= 1
    path.write_bytes(data)
    report = latentstore.repair(store.path)
    assert report.ok and not report.lost and "120 vectors kept" in "".join(report.mended)
    with latentstore.open(store.path) as again:
        there = again.collection("points")
        assert there.space("axes").lag == 80
        assert there.space("axes").backfill() == 80
        agrees(there)


def test_repair_gives_up_a_latent_space_of_which_nothing_is_left(
    points: Collection, fitted: Space, store: Store
) -> None:
    folder = points.engine.folder / "spaces" / "axes@1"
    points.space().fit("pca", 2, "axes")
    store.close()
    shutil.rmtree(folder)
    report = latentstore.repair(store.path)
    assert report.ok and not report.lost
    with latentstore.open(store.path) as again:
        assert again.collection("points").space("axes").version == 2
        agrees(again.collection("points"))


def test_a_catalog_from_before_latent_spaces_learns_of_them(points: Collection, store: Store) -> None:
    path = points.engine.folder / "catalog.duckdb"
    store.close()
    with duckdb.connect(str(path)) as catalog:
        for name in ("source", "upto", "active"):
            catalog.execute(f"alter table spaces drop column {name}")
        catalog.execute("update state set version = 2")
    with latentstore.open(store.path) as again:
        there = again.collection("points")
        there.space().fit("pca", 3, "axes")
        agrees(there)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"kind": "pca", "dim": 3, "name": "vectors"}, "one of the collection's own"),
        ({"kind": "pca", "dim": 3, "name": "a@1"}, "a space's name is"),
        ({"kind": "pca", "dim": 3, "source": "smell"}, "source is one of"),
        ({"kind": "pca", "dim": 3, "source": "image"}, "no picture of the items is at hand"),
        ({"kind": "pca", "dim": 40}, "at most 12"),
        ({"kind": "pca", "dim": 3, "where": "id < 'i10'"}, "there are 2"),
        ({"kind": "magic", "dim": 3}, "expected one of the models"),
    ],
)
def test_a_fit_that_cannot_be_is_refused_in_a_sentence_and_leaves_nothing(
    points: Collection, how: dict, says: str
) -> None:
    with pytest.raises(InvalidInput, match=says):
        points.space().fit(**how)
    assert points.spaces() == ["vectors"]
    assert not (points.engine.folder / "fits").exists()


def test_a_training_that_was_stopped_goes_on_from_its_checkpoint(points: Collection) -> None:
    told: list[float] = []

    def stop(step: str, share: float) -> None:
        told.append(share)
        if step == "training" and share > 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        points.space().fit("autoencoder", 3, "curved", epochs=12, progress=stop)
    resumed = points.space().fit("autoencoder", 3, "curved", epochs=12)
    assert resumed.record["training"]["resumed"]
    assert not (points.engine.folder / "fits").exists()
    unbroken = points.space().fit("autoencoder", 3, "unbroken", epochs=12)
    np.testing.assert_allclose(resumed.vectors()[1], unbroken.vectors()[1], atol=1e-3)
    add(points, 200, 220)
    agrees(points, "curved")


_STARVED = """
import resource, sys, latentstore
with latentstore.open(sys.argv[1]) as store:
    points = store.collection("points")
    for limit, kind in ((0, "pca"), (300, "pca"), (900, "pca"), (1700, "pca"), (2200, "pca"), (2200, "autoencoder")):
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        try:
            points.space().fit(kind, 3, "axes", epochs=2)
        except latentstore.StorageFailure as refusal:
            print("limit set for this process" in str(refusal))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert points.spaces() == ["vectors"], limit
        assert [path.name for path in (points.engine.folder / "spaces").iterdir()] == ["vectors"]
        assert points.verify().ok
"""


def test_a_full_disk_is_one_error_and_leaves_nothing_of_a_fit(points: Collection, store: Store) -> None:
    store.close()
    told = subprocess.run([sys.executable, "-c", _STARVED, store.path], capture_output=True, text=True, check=False)
    assert told.stdout.split() == ["True"] * 6, told.stderr
    with latentstore.open(store.path) as again:
        again.collection("points").space().fit("pca", 3, "axes")
        agrees(again.collection("points"))


def test_a_space_that_is_in_use_keeps_its_store_open(points: Collection, store: Store) -> None:
    store.close()
    space = latentstore.open(store.path).collection("points").space()
    gc.collect()
    assert space.fit("pca", 3).version == 1


@pytest.mark.parametrize("kind", ["autoencoder", "vae", "gan"])
def test_every_kind_of_model_follows_and_is_found_again(
    points: Collection, reopen: Callable[[], Store], kind: str
) -> None:
    points.space().fit(kind, 3, "axes", epochs=3)
    add(points, 200, 240)
    agrees(points)
    again = reopen().collection("points")
    assert again.space("axes").info()["latent"]["kind"] == kind
    add(again, 240, 260)
    agrees(again)
