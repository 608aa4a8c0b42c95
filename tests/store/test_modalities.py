"""Pictures and sounds beside texts, through encoders that a stranger might register."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

import latentstore
from latentstore import InvalidInput, Item, Metric, Modality, Store
from latentstore.encoders import registry
from latentstore.encoders.hashing import HashingEncoder
from latentstore.engine import content


class Brightness:
    """Mean of each colour of an (h, w, 3) array, or of the bytes of a file."""

    name, dim, metric, modalities, fingerprint = "test-brightness", 3, Metric.L2, {Modality.IMAGE}, "brightness"

    def encode(self, items: Any, *, role: str = "document") -> Any:
        means = [
            np.frombuffer(one.read_bytes(), "u1").reshape(-1, 3) if isinstance(one, Path) else one for one in items
        ]
        return np.array([one.reshape(-1, 3).mean(0) for one in means], np.float32).reshape(-1, 3)


class Loudness:
    """Root mean square and rate."""

    name, dim, metric, modalities, fingerprint = "test-loudness", 2, Metric.L2, {Modality.AUDIO}, "loudness"

    def encode(self, items: Any, *, role: str = "document") -> Any:
        return np.array([[np.sqrt((x**2).mean()), rate] for x, rate in items], np.float32).reshape(-1, 2)


registry.register("test-brightness", f"{__name__}:Brightness")
registry.register("test-loudness", f"{__name__}:Loudness")

RED, BLUE = (np.full((2, 2, 3), colour, np.uint8) for colour in ([200, 0, 0], [0, 0, 200]))


@pytest.fixture
def media(store: Store) -> latentstore.Collection:
    made = store.create("media", encoders=["hashing", "test-brightness", "test-loudness"])
    made.add(
        [
            Item("note", text="a red fish"),
            Item("red", image=RED, metadata={"what": "colour"}),
            Item("captioned", text="a blue fish", image=BLUE),
            Item("noise", audio=(np.ones(8, np.float32), 8000)),
        ]
    )
    return made


def test_each_space_holds_what_its_encoder_takes(media: latentstore.Collection) -> None:
    ids = {name: media.space(name).vectors()[0] for name in media.spaces()}
    assert list(ids.values()) == [["note", "captioned"], ["red", "captioned"], ["noise"]]


def test_a_query_goes_to_the_first_space_that_takes_it(media: latentstore.Collection) -> None:
    assert media.search("fish red", k=1).ids == ["note"]
    assert media.search(Item(image=RED + 3), k=1).ids == ["red"]
    assert media.search(Item(audio=(np.zeros(8, np.float32), 8000))).ids == ["noise"]
    assert [hits.ids[0] for hits in media.search([Item(image=BLUE), Item(image=RED)])] == ["captioned", "red"]


def test_a_path_is_where_an_item_comes_from(media: latentstore.Collection, tmp_path: Path) -> None:
    path = tmp_path / "green.png"
    path.write_bytes(bytes([0, 200, 0]))
    media.add([Item("green", image=str(path))])
    assert media.get("green")[0].uri == str(path)
    assert media.search(path, k=1).ids == ["green"]


def test_what_no_space_takes_is_refused_and_nothing_is_stored(store: Store) -> None:
    texts = store.create("texts", encoders=["hashing"])
    with pytest.raises(InvalidInput, match=r"item 1 gives nothing.*hashing"):
        texts.add(["fine", Item(image=RED)])
    assert len(texts) == 0
    with pytest.raises(InvalidInput, match="takes text, got image"):
        texts.search(Item(image=RED))


@pytest.mark.parametrize("query", [Item(), [Item(image=RED), "text"], Path("notes.txt"), ["text", 7]])
def test_a_query_that_cannot_be_told_is_refused(media: latentstore.Collection, query: Any) -> None:
    with pytest.raises(InvalidInput):
        media.search(query)


def test_vectors_may_be_given_for_some_items_of_a_space_only(store: Store) -> None:
    made = store.create("both", encoders=["hashing", "test-brightness"])
    words = made.space("hashing").encode(["a fish"])[0]
    prints = {name: made.space(name).fingerprint for name in made.spaces()}
    vectors = {"hashing": [words, None], "test-brightness": [None, [9, 9, 9]]}
    made.add([Item("a", text="a fish"), Item("b", uri="b.png")], vectors=vectors, fingerprint=prints)  # type: ignore[arg-type]
    assert made.space("hashing").vectors()[0] == ["a"] and made.space("test-brightness").vectors()[0] == ["b"]
    with pytest.raises(InvalidInput, match="item 0"):
        made.add([Item("c")], vectors={"hashing": [None]}, fingerprint=prints)  # type: ignore[arg-type]


def test_what_are_no_vectors_and_fingerprints_of_no_space_are_refused(store: Store) -> None:
    made = store.create("texts", encoders=["hashing"])
    own = made.space().fingerprint
    for wrong in (5, {"hashing": 5}):
        with pytest.raises(InvalidInput, match="got int"):
            made.add(["a fish"], vectors=wrong, fingerprint=own)
    with pytest.raises(latentstore.SpaceNotFound, match="nope"):
        made.add(["a fish"], fingerprint={"nope": "x"})
    assert len(made) == 0


def kinds(collection: latentstore.Collection) -> dict[str, str | None]:
    return {row["id"]: row["modality"] for row in collection.sql("select id, modality from items")}


def test_items_beside_pictures_and_sounds_know_what_they_are(media: latentstore.Collection) -> None:
    told = {"note": "text", "red": "image", "captioned": "image", "noise": "audio"}
    assert kinds(media) == told
    media.add([Item("later", text="a green fish")])
    media.update(["red"], [{"what": "a colour"}])
    assert kinds(media) == {**told, "later": "text"}
    assert media.count("modality = 'image'") == 2
    assert media.get("red")[0].metadata == {"what": "a colour", "modality": "image"}


def test_a_collection_of_texts_has_no_modality(words: latentstore.Collection) -> None:
    words.add(["a fish"], ids=["a"])
    assert words.get("a")[0].metadata == {}
    assert words.info()["columns"] == {}


def test_items_from_before_the_first_picture_have_no_modality(store: Store) -> None:
    made = store.create("both", encoders=["hashing", "test-brightness"])
    made.add([Item("early", text="a fish")])
    made.add([Item("red", image=RED)])
    assert kinds(made) == {"early": None, "red": "image"}


@pytest.mark.parametrize("name", ["modality", "MODALITY"])
def test_the_name_modality_is_kept_for_the_store(media: latentstore.Collection, name: str) -> None:
    with pytest.raises(latentstore.ReservedName, match="modality"):
        media.add([Item("x", text="fish", metadata={name: "image"})])
    with pytest.raises(latentstore.ReservedName, match="modality"):
        media.update(["note"], [{name: "image"}])


def test_modalities_travel_through_parquet(media: latentstore.Collection, store: Store, tmp_path: Path) -> None:
    media.export_parquet(tmp_path / "media.parquet")
    copy = store.create("copy", encoders=["hashing", "test-brightness", "test-loudness"])
    assert copy.import_parquet(tmp_path / "media.parquet") == 4
    assert kinds(copy) == kinds(media) and copy.get("red") == media.get("red")


def test_a_repair_without_the_catalog_brings_modalities_back(media: latentstore.Collection, store: Store) -> None:
    before = kinds(media)
    store.close()
    (store.path / "media" / "catalog.duckdb").unlink()
    latentstore.repair(store.path)
    with latentstore.open(store.path, create=False) as opened:
        assert kinds(opened.collection("media")) == before


class Both:
    """Texts and pictures in one plane, pictures far aside."""

    name, dim, metric, fingerprint = "test-both", 2, Metric.L2, "both"
    modalities = frozenset({Modality.TEXT, Modality.IMAGE})

    def encode(self, items: Any, *, role: str = "document") -> Any:
        places = [(len(one), 0.0) if isinstance(one, str) else (float(one.mean()), 500.0) for one in items]
        return np.array(places, np.float32).reshape(-1, 2)


registry.register("test-both", f"{__name__}:Both")


@pytest.fixture
def plane(store: Store) -> latentstore.Collection:
    """Texts of 1 to 60 letters, and pictures as bright; both have their length or brightness as `n`."""
    made = store.create("plane", encoders=["test-both"])
    made.add([Item(f"text {n}", text="x" * n, metadata={"n": n}) for n in range(1, 61)])
    made.add([Item(f"image {n}", image=np.full((1, 1, 3), n, np.uint8), metadata={"n": n}) for n in range(1, 61)])
    return made


def test_kinds_that_lie_apart_are_mixed_by_how_close_they_are_for_their_kind(plane: latentstore.Collection) -> None:
    hits = plane.search("x" * 30, k=40)
    assert [hit.space for hit in hits] == ["test-both"] * 40
    assert {hit.id: hit.distance for hit in hits}["image 30"] == pytest.approx(500)
    assert sum(name.startswith("image") for name in hits.ids) in range(15, 26)


def test_a_mixture_keeps_to_its_filter_and_leaves_nothing_out_that_passes(plane: latentstore.Collection) -> None:
    hits = plane.search("x" * 30, k=20, where="n between 3 and 5 -- a few")
    assert set(hits.ids) == {f"{kind} {n}" for kind in ("text", "image") for n in (3, 4, 5)}
    assert plane.search("x", where="n = 0").ids == []
    assert set(plane.search("x", k=3, where="modality = 'image'").ids) <= {f"image {n}" for n in range(1, 61)}


@pytest.mark.parametrize("where", ["1=1) or (1=1", "n > 3) --", "n > 3 /*"])
def test_a_filter_is_one_condition_in_a_mixture_too(plane: latentstore.Collection, where: str) -> None:
    with pytest.raises(latentstore.InvalidFilter):
        plane.search("x", where=where)


def test_scores_of_a_mixture_do_not_hang_on_the_filter(plane: latentstore.Collection) -> None:
    free = {hit.id: hit.score for hit in plane.search("x" * 9, k=120)}
    some = {hit.id: hit.score for hit in plane.search("x" * 9, k=120, where="n < 4")}
    assert len(some) == 6 and some == pytest.approx({name: free[name] for name in some})


def test_a_deleted_item_leaves_a_mixture_at_once_and_a_new_one_joins_it(plane: latentstore.Collection) -> None:
    plane.search("x" * 30)
    plane.delete(["image 30", "text 30"])
    plane.add([Item("new", image=np.full((1, 1, 3), 30, np.uint8))])
    found = plane.search("x" * 30, k=500).ids
    assert len(found) == 119 and "new" in found and not {"image 30", "text 30"} & set(found)


def test_the_plan_of_a_mixture_has_a_line_for_each_list(plane: latentstore.Collection) -> None:
    steps = plane.search("x", explain=True).plan
    assert steps is not None
    assert [step.detail.split(":")[0] for step in steps if step.step == "calibrate"] == [
        "test-both, image",
        "test-both, text",
    ]


def test_a_few_pictures_that_lie_close_together_do_not_make_another_stand_out(store: Store) -> None:
    made = store.create("few", encoders=["test-both"])
    made.add([Item(f"text {n}", text="x" * n) for n in range(1, 201)])
    shades = (100, 199, 200, 201, 203)
    made.add([Item(f"image {n}", image=np.full((1, 1, 3), n, np.uint8)) for n in shades])
    scores = {hit.id: hit.score for hit in made.search("x" * 100, k=300)}
    assert 0 < scores["image 100"] < 3


def test_items_that_are_all_alike_stand_out_by_nothing(store: Store) -> None:
    made = store.create("twins", encoders=["test-both"])
    made.add([Item(f"image {n}", image=RED) for n in range(9)])
    made.add([Item(f"text {n}", text="x" * n) for n in range(1, 90)])
    hits = made.search("x" * 40, k=98)
    assert {hit.score for hit in hits if hit.id.startswith("image")} == {0.0}


def test_similar_looks_where_the_item_has_a_vector(media: latentstore.Collection) -> None:
    assert media.similar("red").ids == ["captioned"]
    assert media.similar("note").ids == ["captioned"]
    with pytest.raises(latentstore.ItemNotFound, match="hashing"):
        media.similar("red", space="hashing")


def picture_bytes(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(RED).save(file, kind)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_bytes_are_told_a_picture_by_their_beginning(kind: str) -> None:
    assert content.of(picture_bytes(kind)) == ([picture_bytes(kind)], Modality.IMAGE, False)


@pytest.mark.parametrize(
    ("kind", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("OGG", "VORBIS"), ("MP3", "MPEG_LAYER_III")]
)
def test_bytes_are_told_a_sound_by_their_beginning(kind: str, subtype: str) -> None:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(8000, np.float32), 8000, format=kind, subtype=subtype)
    assert content.of(file.getvalue()) == ([file.getvalue()], Modality.AUDIO, False)


def test_arrays_and_pairs_are_told_pictures_sounds_and_vectors(media: latentstore.Collection) -> None:
    sound = (np.zeros(8, np.float32), 8000)
    assert media.search(RED + 3, k=1).ids == ["red"]
    assert media.search(sound).ids == ["noise"]
    assert [hits.ids for hits in media.search([sound, sound])] == [["noise"]] * 2
    vector = media.space("hashing").vectors(["note"])[1]
    assert media.search(vector[0], k=1).ids == media.search(vector, k=1)[0].ids == ["note"]


@pytest.mark.parametrize("query", [b"", b"\x00" * 40, b"%PDF-1.7", b"plain words"])
def test_bytes_of_neither_are_refused(media: latentstore.Collection, query: bytes) -> None:
    with pytest.raises(InvalidInput, match="neither an image nor a sound"):
        media.search(query)


class Absent(HashingEncoder):
    """An encoder that can be taken away."""

    here = True

    def __init__(self) -> None:
        if not Absent.here:
            raise latentstore.EncoderMissing("encoder 'test-absent' is not installed")
        super().__init__()
        self.name = "test-absent"


registry.register("test-absent", f"{__name__}:Absent")


def test_a_space_whose_encoder_is_not_here_is_passed_over_with_a_word(
    store: Store, reopen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store.create("both", encoders=["hashing", "test-absent"])
    made.add([Item("fish", text="a red fish")])
    assert made.search("fish")[0].space in ("hashing", "test-absent")
    monkeypatch.setattr(Absent, "here", False)
    with pytest.warns(UserWarning, match="not searched: .*test-absent"):
        assert reopen().collection("both").search("fish").ids == ["fish"]
