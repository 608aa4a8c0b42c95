"""Invariant 8: a vector made by one encoder never meets another's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from truth import committed, gaussian

from latentstore import Collection, EncoderMismatch, EncoderMissing, Store
from latentstore.encoders import register
from latentstore.encoders.hashing import HashingEncoder

Reopen = Callable[[], Store]


class Versioned(HashingEncoder):
    """A hashing encoder whose fingerprint says which version of it is installed."""

    installed = "v1"

    def __init__(self) -> None:
        super().__init__()
        self.name, self.fingerprint = "versioned", f"versioned-{self.installed}"


register("versioned", f"{__name__}:Versioned")


@pytest.fixture
def versioned(store: Store, monkeypatch: pytest.MonkeyPatch) -> Collection:
    """Two texts encoded by v1."""
    monkeypatch.setattr(Versioned, "installed", "v1")
    made = store.create("versioned", encoders=["versioned"])
    made.add(["red fox", "blue whale"], ids=["a", "b"], metadata=[{"n": 1}, {"n": 2}])
    return made


def test_invariant_8_another_version_is_refused_when_it_is_first_used(
    versioned: Collection, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Versioned, "installed", "v2")
    again = reopen().collection("versioned")
    before = committed(again)
    for ask in (
        lambda: again.add(["late"]),
        lambda: again.search("fox"),
        lambda: again.search(["fox", "whale"]),
        lambda: again.space().encode(["fox"]),
        lambda: again.space().encoder,
    ):
        with pytest.raises(EncoderMismatch, match=r"versioned-v1.*versioned-v2"):
            ask()
    assert committed(again) == before


def test_invariant_8_what_needs_no_encoder_goes_on_without_the_right_one(
    versioned: Collection, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Versioned, "installed", "v2")
    again = reopen().collection("versioned")
    own = HashingEncoder().encode(["red fox"])[0]
    assert again.search(own, 1, where="n < 5").ids == ["a"] and again.similar("a").ids == ["b"]
    assert again.sql("select sum(n) from items").values == [(3,)]
    again.add(vectors=own[None], ids=["c"], fingerprint="versioned-v1")
    assert again.similar("a", 1).ids == ["c"]


@pytest.mark.parametrize("fingerprint", [None, "versioned-v2", "hashing-1-64", ""])
def test_invariant_8_vectors_come_in_under_the_fingerprint_of_the_space_alone(
    versioned: Collection, fingerprint: str | None
) -> None:
    before = committed(versioned)
    with pytest.raises(
        EncoderMismatch, match="'versioned' holds vectors of encoder 'versioned' with fingerprint versioned-v1"
    ):
        versioned.add(vectors=gaussian(1, 64), fingerprint=fingerprint)
    assert committed(versioned) == before
    assert versioned.add(vectors=gaussian(1, 64), fingerprint=versioned.space().fingerprint).inserted == 1


def test_invariant_8_a_space_for_vectors_from_elsewhere_takes_no_fingerprint(points: Collection) -> None:
    with pytest.raises(EncoderMismatch, match="leave fingerprint out"):
        points.add(vectors=gaussian(1), fingerprint="hashing-1-64")
    with pytest.raises(EncoderMissing, match="vectors from elsewhere"):
        points.search("a text")
    assert len(points) == 0


def test_invariant_8_each_space_of_a_collection_keeps_its_own_fingerprint(store: Store) -> None:
    both = store.create("both", encoders=["hashing", "hashing:32"])
    both.add(["red fox"], ids=["a"])
    marks = {name: both.space(name).fingerprint for name in both.spaces()}
    assert marks == {"hashing": "hashing-1-64", "hashing-32": "hashing-1-32"}
    with pytest.raises(EncoderMismatch):
        both.add(vectors={"hashing": gaussian(1, 64), "hashing-32": gaussian(1, 32)}, fingerprint=marks["hashing"])
    assert len(both) == 1
    for name, dim in (("hashing", 64), ("hashing-32", 32)):
        np.testing.assert_array_equal(both.space(name).vectors()[1], HashingEncoder(dim).encode(["red fox"]))


def test_invariant_8_a_missing_encoder_is_named_with_what_it_is_needed_for(store: Store, reopen: Reopen) -> None:
    from latentstore.encoders import registry

    register("passing", f"{__name__}:Versioned")
    store.create("docs", encoders=["passing"]).add(["red fox"], ids=["a"])
    del registry._registered["passing"]
    docs = reopen().collection("docs")
    with pytest.raises(EncoderMissing, match="space 'passing' needs its encoder 'passing'"):
        docs.search("fox")
    assert docs.similar("a").ids == [] and docs.get("a")[0].text == "red fox"
