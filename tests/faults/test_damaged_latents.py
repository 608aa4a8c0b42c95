"""Flipped bits in the files of a latent space: noticed, told, never a wrong latent, and never the cause of a lost item."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import stores
from truth import gaussian

import latentstore
from latentstore import Corrupted

N, DIM = 120, 6
MODEL = ("weights.safetensors", "config.json", "record.json")
DERIVED = ("vectors-0.f32", "rows-0.i64", "sums-0.u64", "space.json")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("latents") / "pile"
    with latentstore.open(place) as store:
        points = store.create("points", metric="l2")
        points.add(vectors=gaussian(N, DIM, 0), ids=stores.names(0, N))
        points.space().fit("pca", 2, "axes")
    return place


def damaged(whole: Path, tmp_path: Path, name: str, part: float) -> Path:
    place = Path(latentstore.restore(whole, tmp_path / "copy") and tmp_path / "copy")
    [path] = (place / "points" / "spaces" / "axes@1").rglob(name)
    stores.flip(path, int(path.stat().st_size * part), 1)
    return place


def latents_are_right(points: latentstore.Collection) -> None:
    space = points.space("axes")
    ids, found = space.vectors()
    there, seen = points.space().vectors()
    assert ids == there
    np.testing.assert_allclose(found, space.latent.encode(seen), atol=1e-4)


@pytest.mark.parametrize("part", [0.3, 0.99])
@pytest.mark.parametrize("name", MODEL)
def test_a_damaged_model_is_told_and_costs_only_what_needs_it(
    whole: Path, tmp_path: Path, name: str, part: float
) -> None:
    place = damaged(whole, tmp_path, name, part)
    with latentstore.open(place) as store:
        points = store.collection("points")
        [problem] = points.verify().problems
        assert "axes@1" in problem
        with pytest.raises(Corrupted):
            points.space("axes").latent  # noqa: B018
        points.add(vectors=gaussian(1, DIM, 5), ids=["new"])
        assert points.space("axes").lag == 1 and len(points.space("axes")) == N
        assert len(points.search(gaussian(1, DIM, 5)[0], k=3)) == 3
    report = latentstore.repair(place)
    assert report.lost == [] and "axes@1" in "".join(report.problems)
    with latentstore.open(place) as store:
        assert len(store.collection("points")) == N + 1
        assert store.collection("points").space().fit("pca", 2, "axes").switch().lag == 0
        store.collection("points").drop_space("axes@1")
        assert store.verify().ok


@pytest.mark.parametrize("part", [0.3, 0.99])
@pytest.mark.parametrize("name", DERIVED)
def test_damaged_latents_are_told_mended_and_made_anew(whole: Path, tmp_path: Path, name: str, part: float) -> None:
    place = damaged(whole, tmp_path, name, part)
    try:
        with latentstore.open(place, read_only=True) as store:
            assert not store.verify().ok
    except Corrupted:
        pass
    report = latentstore.repair(place)
    assert report.ok and report.lost == []
    with latentstore.open(place) as store:
        points = store.collection("points")
        points.space("axes").backfill()
        latents_are_right(points)
        assert store.verify().ok


@pytest.mark.parametrize("name", [*MODEL, *DERIVED])
def test_a_lost_file_of_a_latent_space_loses_no_item(whole: Path, tmp_path: Path, name: str) -> None:
    place = damaged(whole, tmp_path, name, 0)
    next((place / "points" / "spaces" / "axes@1").rglob(name)).unlink()
    report = latentstore.repair(place)
    assert report.lost == [] and report.ok is (name in DERIVED)
    with latentstore.open(place) as store:
        points = store.collection("points")
        assert len(points) == N and len(points.search(gaussian(1, DIM, 5)[0], k=N)) == N
        if name in DERIVED:
            points.space("axes").backfill()
            latents_are_right(points)


def test_an_item_whose_own_vector_is_lost_is_lost_whatever_its_latent(whole: Path, tmp_path: Path) -> None:
    place = tmp_path / "copy"
    latentstore.restore(whole, place)
    stores.flip(place / "points" / "spaces" / "vectors" / "vectors-0.f32", 4 * DIM * 7)
    report = latentstore.repair(place)
    assert report.ok and report.lost == ["points: i7"]
    with latentstore.open(place) as store:
        latents_are_right(store.collection("points"))
