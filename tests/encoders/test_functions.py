"""A function as an encoder: held to the contract, to its own word, and to its version."""

import threading
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentstore import EncoderMismatch, EncoderMissing
from latentstore.encoders import describe, from_function, load, registry
from latentstore.encoders.base import Encoder
from latentstore.encoders.contract import EncoderContract
from latentstore.errors import AlreadyExists, EncoderFailed, InvalidInput
from latentstore.types import Metric, Modality
from tests.encoders import tiny


@pytest.fixture(autouse=True)
def names_of_this_test(monkeypatch):
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))


def lengths(texts):
    return [[len(text), text.count(" "), text.count("e") + 0.5] for text in texts]


def means(items):
    """Of pictures: their colour; of sounds: their level and rate; of texts: zeros."""
    rows = {str: lambda _: [0, 0, 0], Image.Image: lambda one: np.asarray(one).mean(axis=(0, 1))}
    return np.array([rows[type(item)](item) if type(item) in rows else [*heard(item), 1] for item in items])


def heard(sound):
    samples, rate = sound
    assert samples.dtype == np.float32 and samples.ndim == 1
    return float(np.abs(samples).mean()), rate / 1000


class TestFunctionEncoder(EncoderContract):
    def make(self) -> Encoder:
        return from_function("lengths", lengths, dim=3, metric="l2", version="1")


class TestFunctionOfPictures(EncoderContract):
    items = tuple(tiny.pictures(40))

    def make(self) -> Encoder:
        return from_function("means", means, dim=3, modalities=["image"], version="1")


def make(function=lengths, **changes) -> Any:
    return from_function(**{"name": "mine", "function": function, "dim": 3, "version": "1"} | changes)


def test_every_kind_is_given_to_the_function_ready_to_use_in_the_order_asked(tmp_path):
    encoder = make(means, modalities=["text", "image", "audio"])
    (pixels,), (sound,) = tiny.pictures(1), tiny.sounds(0.5)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    found = encoder.encode(["a text", tmp_path / "one.png", sound, pixels, (np.stack([sound[0], sound[0]], 1), 8_000)])
    level = [np.abs(sound[0]).mean(), 8, 1]
    wanted = [[0, 0, 0], pixels.mean(axis=(0, 1)), level, pixels.mean(axis=(0, 1)), level]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)
    with pytest.raises(InvalidInput, match="item 0 is bytes, which tells neither a picture nor a sound"):
        encoder.encode([b"abc"])


def test_items_come_in_bounded_lists_to_one_thread_at_a_time():
    sizes, inside = [], threading.Lock()

    def counted(texts):
        assert inside.acquire(blocking=False)
        sizes.append(len(texts))
        inside.release()
        return lengths(texts)

    texts = [f"text {'e' * (at % 50)}" for at in range(2_500)]
    np.testing.assert_array_equal(make(counted).encode(texts), np.array(lengths(texts), np.float32))
    assert sizes == [1_024, 1_024, 452]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda texts: [[1, 2]] * len(texts), r"gave an array of shape \(2, 2\) for 2 items, expected \(2, 3\)"),
        (lambda texts: [[1, 2, 3]], r"shape \(1, 3\) for 2 items"),
        (lambda texts: [1, 2, 3], r"shape \(3,\)"),
        (lambda texts: None, r"shape \(\)"),
        (lambda texts: [[1, 2, 3], [1, 2]], "no array of numbers"),
        (lambda texts: [["a", "b", "c"]] * 2, "no array of numbers"),
        (lambda texts: [[1, 2, float("nan")]] * 2, "NaN"),
        (lambda texts: [[1, 2, 1e300]] * 2, "beyond float32"),
    ],
)
def test_a_function_that_gives_something_else_is_told_so_and_nothing_is_stored(store, function, said):
    make(function)
    collection = store.create("texts", encoders=["mine"])
    with pytest.raises(EncoderFailed, match=said):
        collection.add(["a", "b"])
    assert len(collection) == 0 and collection.verify().ok


def test_what_the_function_raises_goes_through():
    def broken(texts):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        make(broken).encode(["a"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"function": "lengths"}, "expected a function"),
        ({"dim": 0}, "dim is"),
        ({"dim": True}, "dim is"),
        ({"dim": 3.0}, "dim is"),
        ({"version": ""}, "version is a text"),
        ({"version": 1}, "version is a text"),
        ({"metric": "manhattan"}, "metric is one of cosine, ip, l2"),
        ({"modalities": "text"}, "modalities is a list"),
        ({"modalities": []}, "modalities is a list"),
        ({"modalities": ["vector"]}, "modalities is a list"),
        ({"name": "a:b"}, "without ':'"),
        ({"name": ""}, "without ':'"),
    ],
)
def test_what_cannot_be_meant_is_refused_and_nothing_registered(changes, said):
    with pytest.raises(InvalidInput, match=said):
        make(**changes)
    assert "mine" not in registry.names()


def test_a_function_is_listed_found_by_name_and_may_be_registered_again():
    first = make()
    assert load("mine") is first and (first.metric, first.modalities) == (Metric.COSINE, {Modality.TEXT})
    row = next(row for row in describe() if row.name == "mine")
    assert (row.modalities, row.dim, row.installed) == (("text",), 3, True)
    again = make(version="2")
    assert load("mine") is again and again.fingerprint != first.fingerprint == "function:mine:1"
    with pytest.raises(InvalidInput, match="takes no argument"):
        load("mine:3")
    with pytest.raises(AlreadyExists, match="stands for"):
        make(name="hashing")
    with pytest.raises(AlreadyExists, match="stands for"):
        registry.register("mine", "other.module:Class")


def test_invariant_8_a_store_knows_the_function_by_its_version_and_does_without_it(store, reopen):
    make()
    store.create("texts", encoders=["mine"]).add(["one", "twenty one"], ids=["a", "b"])
    collection = reopen().collection("texts")
    assert collection.search("ten").ids == ["a", "b"]
    make(version="2")
    with pytest.raises(EncoderMismatch, match=r"function:mine:1.*function:mine:2"):
        reopen().collection("texts").search("ten")
    del registry._registered["mine"]
    collection = reopen().collection("texts")
    with pytest.raises(EncoderMissing, match="from_function in each process"):
        collection.search("ten")
    assert collection.search([3, 0, 1.5]).ids == ["a", "b"] and len(collection) == 2
