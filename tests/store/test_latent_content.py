"""What latent spaces see of pictures and sounds: the same at an add as when they catch up, whatever is kept of an item."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from PIL import Image

import ingest
import latentstore
from latentstore import Collection, InvalidInput, Item, Space, Store


def bar(at: int, side: int = 24) -> Image.Image:
    """Grey, with a bar that stands and shines as the number says."""
    pixels = np.full((side, side), 20, np.uint8)
    width = side // 6
    pixels[:, at * width % (side - width) :][:, :width] = 80 + at % 160
    return Image.fromarray(pixels)


def draw(folder: Path, names: range, side: int = 24) -> Path:
    folder.mkdir(exist_ok=True)
    for at in names:
        bar(at, side).save(folder / f"{at:03}.png")
    return folder


def png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def same_when_it_catches_up(collection: Collection, space: Space, learnt: str) -> None:
    """A fit to the first items alone is the same model; what it then makes of all others is what the adds made of them."""
    again = collection.space(space.info()["latent"]["of"]).fit("pca", space.dim or 0, where=learnt)
    assert again.fingerprint == space.fingerprint
    ids, added = space.vectors()
    assert again.vectors()[0] == ids
    np.testing.assert_allclose(again.vectors()[1], added, atol=1e-4)


@pytest.fixture
def pictures(store: Store, tmp_path: Path) -> Collection:
    ingest.run(store, [draw(tmp_path / "pictures", range(60))], encoders=["image", "hashing"])
    return store.collection("docs")


def test_a_folder_of_pictures_is_fitted_to_what_they_show(pictures: Collection, tmp_path: Path) -> None:
    space = pictures.space("image").fit("pca", 8)
    told = space.info()["latent"]
    assert (told["source"], told["of"], told["form"]) == ("image", "image", "24 x 24 grey pictures")
    [shown] = space.latent.decode(space.vectors([str(tmp_path / "pictures" / "007.png")])[1])
    assert np.abs(np.asarray(shown, np.float32) - np.asarray(bar(7), np.float32)).mean() < 12


def test_a_job_gives_its_pictures_their_latents_and_its_texts_none(
    pictures: Collection, store: Store, tmp_path: Path
) -> None:
    space = pictures.space("image").fit("pca", 8)
    (tmp_path / "notes.txt").write_text("a text among pictures")
    ingest.run(store, [draw(tmp_path / "more", range(60, 80)), tmp_path / "notes.txt"])
    assert len(pictures) == 81 and space.lag == 0
    assert space.vectors()[0] == pictures.space("image").vectors()[0]
    new = tmp_path / "more" / "070.png"
    np.testing.assert_allclose(space.vectors([str(new)])[1], space.encode([new]), atol=1e-4)
    same_when_it_catches_up(pictures, space, "uri not like '%/more/%'")
    assert pictures.verify().ok


def test_of_a_large_picture_its_thumbnail_is_seen_so_that_its_file_may_go(store: Store, tmp_path: Path) -> None:
    ingest.run(store, [draw(tmp_path / "large", range(30), side=400)], encoders=["image"])
    docs = store.collection("docs")
    for path in (tmp_path / "large").iterdir():
        path.unlink()
    space = docs.space().fit("pca", 4)
    assert space.latent.form.caption() == "64 x 64 grey pictures" and len(space) == 30
    ingest.run(store, [draw(tmp_path / "more", range(30, 40), side=400)])
    for path in (tmp_path / "more").iterdir():
        path.unlink()
    same_when_it_catches_up(docs, space, "uri not like '%/more/%'")


def test_a_picture_of_which_nothing_is_left_has_no_place_and_is_counted(store: Store, tmp_path: Path) -> None:
    docs = store.create("docs", encoders=["image"])
    folder = draw(tmp_path / "pictures", range(40))
    docs.add([Item(path.name, image=path) for path in sorted(folder.iterdir())])
    (folder / "003.png").unlink()
    (folder / "004.png").write_bytes(b"no picture")
    space = docs.space().fit("pca", 4)
    assert len(space) == 38 and space.lag == 0 and space.record["left_out"] == 2
    assert not {"003.png", "004.png"} & set(space.vectors()[0])
    assert docs.verify().ok


def test_pictures_that_are_kept_whole_are_seen_whole(store: Store) -> None:
    docs = store.create("docs", encoders=["image"])
    kept = [Item(f"p{at:02}", image=bar(at), attachments={"content": png(bar(at))}) for at in range(40)]
    docs.add(kept[:30])
    space = docs.space().fit("pca", 4)
    docs.add(kept[30:])
    same_when_it_catches_up(docs, space, "id < 'p30'")
    np.testing.assert_allclose(space.encode([bar(35)]), space.vectors(["p35"])[1], atol=1e-4)


def test_pictures_of_which_nothing_is_kept_are_seen_as_their_vectors(store: Store) -> None:
    docs = store.create("docs", encoders=["image"])
    docs.add([Item(f"p{at}", image=bar(at)) for at in range(40)])
    space = docs.space().fit("pca", 4)
    assert space.info()["latent"]["source"] == "vectors"
    docs.add([Item("new", image=bar(50))])
    np.testing.assert_allclose(space.encode([bar(50)]), space.vectors(["new"])[1], atol=1e-3)
    with pytest.raises(InvalidInput, match="no picture of the items is at hand"):
        docs.space().fit("pca", 4, source="image")


def tone(at: int, seconds: float = 0.5, rate: int = 16000) -> Any:
    time = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * (200 + 40 * at) * time)).astype(np.float32)


def record(folder: Path, names: range, seconds: float = 0.5) -> Path:
    folder.mkdir(exist_ok=True)
    for at in names:
        soundfile.write(folder / f"{at:03}.wav", tone(at, seconds), 16000)
    return folder


def test_sounds_are_seen_in_their_files_at_adds_and_later(store: Store, tmp_path: Path) -> None:
    ingest.run(store, [record(tmp_path / "sounds", range(30))], encoders=["audio"])
    docs = store.collection("docs")
    space = docs.space().fit("pca", 5)
    assert space.info()["latent"]["source"] == "audio" and len(space) == 30
    ingest.run(store, [record(tmp_path / "more", range(30, 36))])
    same_when_it_catches_up(docs, space, "uri not like '%/more/%'")


def test_a_part_of_a_recording_is_seen_as_that_part(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "long"
    folder.mkdir()
    for name, first in (("a", 0), ("b", 12)):
        whole = np.concatenate([tone(first + at, 1.0) for at in range(12)])
        soundfile.write(folder / f"{name}.wav", whole, 16000)
    docs = store.create("docs", encoders=["audio"])
    ingest.run(store, [folder / "a.wav"], options=ingest.Options(window=1.0))
    space = docs.space().fit("pca", 3)
    ingest.run(store, [folder / "b.wav"], options=ingest.Options(window=1.0))
    assert len(docs) == 24 and len(space) == 24
    same_when_it_catches_up(docs, space, "uri like '%a.wav'")


def test_a_silent_sound_has_no_place_and_stops_nothing(store: Store, tmp_path: Path) -> None:
    folder = record(tmp_path / "sounds", range(24))
    soundfile.write(folder / "silent.wav", np.zeros(8000, np.float32), 16000)
    docs = store.create("docs", encoders=["audio"])
    docs.add([Item(path.name, audio=path) for path in sorted(folder.iterdir())])
    space = docs.space().fit("pca", 3)
    assert len(space) == 24 and space.record["left_out"] == 1
    docs.add([Item("quiet", audio=(np.zeros(8000, np.float32), 16000)), Item("loud", audio=(tone(3), 16000))])
    assert len(space) == 25 and space.lag == 0
    assert docs.verify().ok


def test_a_picture_whose_file_has_changed_is_not_taken_for_what_was_stored(store: Store, tmp_path: Path) -> None:
    ingest.run(store, [draw(tmp_path / "pictures", range(30))], encoders=["image"])
    docs = store.collection("docs")
    bar(200, side=30).save(tmp_path / "pictures" / "005.png")
    space = docs.space().fit("pca", 4)
    [shown] = space.latent.decode(space.vectors([str(tmp_path / "pictures" / "005.png")])[1])
    assert np.abs(np.asarray(shown, np.float32) - np.asarray(bar(5), np.float32)).mean() < 12


def test_latent_spaces_are_there_when_a_store_of_pictures_is_opened_again(pictures: Collection, store: Store) -> None:
    pictures.space("image").fit("pca", 8)
    store.close()
    with latentstore.open(store.path, read_only=True) as again:
        docs = again.collection("docs")
        found = docs.search(bar(11), space="pca8", k=3)
        assert len(found) == 3 and found.distances[0] < 0.2
