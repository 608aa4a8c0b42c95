"""Texts and pictures in one answer: neither kind drowns the other, though their distances do not compare.

No contrastive model can be had without a network, so one is made here of real parts: texts as the built-in encoder places them,
and each photo where a ridge regression from its appearance puts it, which was fitted to the names of the photos. As in such
models, texts lie far closer to texts than to any picture.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import latentstore
from latentstore import Item, Metric, Modality
from latentstore.encoders import load, registry

PHOTOS = Path(__file__).parents[3] / "shared" / "data" / "images" / "photos"
COUNT = 300
RIDGE = 10.0
GAP = 4.0  # how far pictures lie aside, all of them in one direction

pytestmark = pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the photos in ../shared/data/images/photos")


def name_of(path: Path) -> str:
    return path.stem.partition("_")[2].replace("_", " ")


@cache
def photos() -> list[Path]:
    return sorted(PHOTOS.glob("*.jpg"))[:: 1000 // COUNT][:COUNT]


@cache
def fitted() -> tuple[Any, Any]:
    """From appearance to the space of texts, and where the gap leads."""
    seen = load("image").encode(photos())
    meant = load("text").encode([name_of(path) for path in photos()])
    seen = seen - seen.mean(axis=0)
    weights = np.linalg.solve(seen.T @ seen + RIDGE * np.eye(seen.shape[1]), seen.T @ (meant - meant.mean(axis=0)))
    return weights, np.eye(meant.shape[1])[0]


class TwoTowers:
    name, dim, metric, fingerprint = "test-two-towers", 384, Metric.COSINE, "two towers"
    modalities = frozenset({Modality.TEXT, Modality.IMAGE})

    def encode(self, items: Any, *, role: str = "document") -> Any:
        if not items:
            return np.empty((0, self.dim), np.float32)
        if isinstance(items[0], str):
            return load("text").encode(items, role=role)
        weights, aside = fitted()
        made = load("image").encode(items) @ weights
        made /= np.linalg.norm(made, axis=1, keepdims=True)
        return (made + GAP * aside).astype(np.float32)


registry.register("test-two-towers", f"{__name__}:TwoTowers")


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with latentstore.open(tmp_path_factory.mktemp("mixed") / "pile.latent") as store:
        made = store.create("both", encoders=["text", "test-two-towers"])
        names = [name_of(path) for path in photos()]
        made.add([Item(f"photo of {name}", image=path) for name, path in zip(names, photos(), strict=True)])
        made.add([Item(f"text on {name}", text=f"What is known of the {name}.") for name in names])
        yield made


def shares(found: list[Any], kind: str) -> float:
    """In how many answers the one right item of a kind is."""
    return float(np.mean([f"{kind} {name_of(path)}" in hits.ids for path, hits in zip(photos(), found, strict=True)]))


@pytest.fixture(scope="module")
def queries() -> list[str]:
    return [name_of(path) for path in photos()]


def test_without_calibration_pictures_drown(collection, queries):
    space = collection.space("test-two-towers")
    ids, vectors = space.vectors()
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    asked = space.encode(queries, role="query")
    best = np.argsort(-(asked @ vectors.T), axis=1)[:, :10]
    assert np.mean([sum(ids[at].startswith("photo") for at in row) for row in best]) < 0.5


def test_each_kind_is_found_in_the_mixture_nearly_as_often_as_alone(collection, queries):
    mixed = collection.search(queries, k=10)
    photos_alone = collection.search(queries, k=5, where="modality = 'image'")
    texts_alone = collection.search(queries, k=5, space="text")
    assert shares(photos_alone, "photo of") > 0.5
    assert shares(mixed, "photo of") > 0.85 * shares(photos_alone, "photo of")
    assert shares(mixed, "text on") > 0.95 * shares(texts_alone, "text on")


def test_an_item_in_several_spaces_comes_once_with_its_best_score(collection):
    hits = collection.search("goldfish", k=20)
    assert len(set(hits.ids)) == len(hits) == 20
    assert list(hits.scores) == sorted(hits.scores, reverse=True)
    assert {hit.space for hit in hits} <= {"text", "test-two-towers"}


def test_what_has_nothing_to_do_with_a_query_is_not_lifted_to_have_both_kinds(collection):
    collection.add([Item(f"answer {n}", text=f"The rent of flat {n} is due in March.") for n in range(5)])
    hits = collection.search("when must I pay the rent for my flat?", k=5)
    assert {hit.id.partition(" ")[0] for hit in hits} == {"answer"}
