"""What a page shows and plays, within its budget."""

import io
import wave

import numpy as np
import pytest
import soundfile
from PIL import Image

from latentstore import Item
from latentstore.engine.studies import sample as samples
from latentstore.media import images, sounds
from latentstore.reports import media

RNG = np.random.default_rng(0)


def noise(side=160):
    return images.thumbnail(Image.fromarray(RNG.integers(0, 255, (side, side, 3), dtype=np.uint8)))


def wav(seconds=1.0, rate=8000, tone=440):
    samples_ = (np.sin(np.arange(int(seconds * rate)) / rate * tone * 2 * np.pi) * 20000).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, rate, 0, "NONE", ""))
        out.writeframes(samples_.tobytes())
    return file.getvalue()


def taken(points, items):
    points.add(
        items=items,
        vectors=RNG.standard_normal((len(items), 4)).astype(np.float32),
        ids=[f"i{at}" for at in range(len(items))],
    )
    return samples.take(points.engine)


def gathered(sample, modality, named, budget=10**6):
    return media.gather(sample, modality, list(range(len(sample))), named, budget)


def test_thumbnails_are_shown_as_they_are_kept(points):
    kept = [noise() for _ in range(3)]
    sample = taken(points, [Item(text="x", attachments={"thumbnail": one}) for one in kept])
    found = gathered(sample, "image", [1])
    assert [found.media[at].data for at in range(3)] == kept
    assert (found.media[0].mime, found.note) == ("image/jpeg", "")


def test_what_is_named_is_whole_and_the_rest_smaller_where_room_is_short(points):
    kept = [noise() for _ in range(20)]
    sample = taken(points, [Item(text="x", attachments={"thumbnail": one}) for one in kept])
    budget = len(kept[0]) * 4 // 3 * 6
    found = gathered(sample, "image", [4, 9], budget)
    assert [found.media[at].data for at in (4, 9)] == [kept[4], kept[9]]
    assert len(found.media) > 6
    others = [Image.open(io.BytesIO(one.data)).size for at, one in found.media.items() if at not in (4, 9)]
    assert set(others) == {(72, 72)}
    assert sum(len(one.data) for one in found.media.values()) * 4 / 3 <= budget


def test_points_that_find_no_room_are_counted(points):
    sample = taken(points, [Item(text="x", attachments={"thumbnail": noise()}) for _ in range(10)])
    found = gathered(sample, "image", [0], 12_000)
    missing = 10 - len(found.media)
    assert missing > 0
    assert found.note == f"{missing} of 10 points are shown without a picture: the page has no room for more"


def test_a_named_picture_without_a_thumbnail_is_opened_where_its_file_is(points, tmp_path):
    Image.new("RGB", (300, 200), "teal").save(tmp_path / "a.png")
    uris = [str(tmp_path / "a.png"), str(tmp_path / "gone.png"), "https://a.org/b.png"]
    found = gathered(taken(points, [Item(text="x", uri=uri) for uri in uris]), "image", [0, 1, 2])
    assert list(found.media) == [0]
    assert Image.open(io.BytesIO(found.media[0].data)).size == (160, 107)
    assert found.note.startswith("2 of 3 points are shown without a picture: none is kept")


def played(one):
    samples_, rate = soundfile.read(io.BytesIO(one.data))
    return samples_, rate


def test_named_sounds_play_from_what_is_kept_and_others_show_their_waveform(points):
    kept = {"content": wav(), "thumbnail": sounds.waveform(sounds.load(wav()))}
    found = gathered(taken(points, [Item(text="x", attachments=kept) for _ in range(3)]), "audio", [1])
    assert [found.media[at].mime for at in range(3)] == ["image/png", "audio/mpeg", "image/png"]
    samples_, rate = played(found.media[1])
    assert (rate, found.media[1].description) == (8000, "1.0 s")
    loudest = np.abs(np.fft.rfft(samples_)).argmax() * rate / len(samples_)
    assert loudest == pytest.approx(440, abs=5)


def test_the_part_of_a_recording_that_an_item_is_is_cut_out_of_its_file(points, tmp_path):
    tones = b"".join(wav(10, tone=tone)[44:] for tone in (300, 600, 900))
    with wave.open(str(tmp_path / "r.wav"), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(tones)
    items = [Item(text="x", uri=str(tmp_path / "r.wav"), metadata={"start": 10.0 * at}) for at in range(3)]
    found = gathered(taken(points, items), "audio", [0, 1, 2])
    for at, tone in enumerate((300, 600, 900)):
        samples_, rate = played(found.media[at])
        assert len(samples_) / rate == pytest.approx(5, abs=0.2)
        assert np.abs(np.fft.rfft(samples_)).argmax() * rate / len(samples_) == pytest.approx(tone, abs=5)


def test_a_sound_whose_file_is_gone_or_no_sound_is_left_out(points, tmp_path):
    (tmp_path / "text.wav").write_text("no sound")
    uris = [str(tmp_path / "text.wav"), str(tmp_path / "gone.wav")]
    found = gathered(taken(points, [Item(text="x", uri=uri) for uri in uris]), "audio", [0, 1])
    assert found.media == {}
    assert found.note.startswith("2 of 2 points are shown without a sound or waveform")


def test_texts_have_no_media(points):
    assert gathered(taken(points, [Item(text="x", attachments={"thumbnail": noise()})]), "text", [0]).media == {}
