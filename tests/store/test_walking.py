"""Walking among scikit-learn's digits: steps, directions, sums and samples held against numpy and against a classifier of pixels."""

from __future__ import annotations

import io
import shutil

import numpy as np
import pytest
import soundfile
from PIL import Image
from scipy.stats import norm
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier

import latentstore
from latentstore import DimensionMismatch, InvalidInput, Item, ItemNotFound, NotFinite
from tests.truth import distances, gaussian

DIGITS = load_digits()
PICTURES = (DIGITS.images * 15.9375).astype(np.uint8)
THREES, EIGHTS = (np.flatnonzero(DIGITS.target == digit).tolist() for digit in (3, 8))
READS = KNeighborsClassifier(5).fit(DIGITS.data * 15.9375, DIGITS.target)


def png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def scans(positions):
    return [
        Item(f"d{at}", image=PICTURES[at], metadata={"digit": int(DIGITS.target[at])}, attachments={"content": png(PICTURES[at])})
        for at in positions
    ]  # fmt: skip


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """1,797 scans of 8 x 8, with their pictures, and principal components of them."""
    with latentstore.open(tmp_path_factory.mktemp("walking") / "pile.latent") as store:
        collection = store.create("digits", encoders=["image"])
        collection.add(scans(range(len(PICTURES))))
        collection.space().fit("pca", 24, "plain")
        collection.space().fit("pca", 16, "white", whiten=True)
        yield collection


@pytest.fixture(scope="module")
def plain(digits):
    return digits.space("plain")


def pixels(walk):
    return np.stack([np.asarray(one, np.float64).reshape(-1) for one in walk.content])


def read(walk):
    return READS.predict(pixels(walk)).tolist()


def own(space, name):
    return space.vectors([name])[1][0]


def test_a_three_begins_as_a_three_and_ends_as_an_eight(plain):
    found = [read(plain.interpolate(f"d{a}", f"d{b}")) for a, b in zip(THREES[:20], EIGHTS[:20], strict=True)]
    assert np.mean([(steps[0], steps[-1]) == (3, 8) for steps in found]) >= 0.95


def test_the_ends_of_a_morph_are_the_items_own_latents(plain):
    for path in ("linear", "spherical"):
        walk = plain.interpolate("d45", "d53", 5, path=path)
        assert (walk.latents[0] == own(plain, "d45")).all() and (walk.latents[-1] == own(plain, "d53")).all()
        assert walk.captions[0] == walk.nearest[0] == "d45" and walk.captions[-1] == walk.nearest[-1] == "d53"
        assert walk.distances[[0, -1]] == pytest.approx(0)


def test_a_straight_way_is_even_in_the_latents(plain):
    latents = plain.interpolate("d45", "d53", 6).latents
    np.testing.assert_allclose(latents, np.linspace(latents[0], latents[-1], 6), atol=1e-5)


def test_each_step_is_beside_the_real_item_nearest_to_it(plain):
    walk = plain.interpolate("d45", "d53", 7)
    ids, vectors = plain.vectors()
    for latent, name, distance in zip(walk.latents, walk.nearest, walk.distances, strict=True):
        far = distances(latent, vectors, "l2")
        assert distance == pytest.approx(far.min(), abs=1e-5) and far[ids.index(name)] == pytest.approx(
            far.min(), abs=1e-5
        )


def test_each_step_shows_what_the_model_decodes(plain):
    walk = plain.interpolate("d45", "d53", 4)
    expected = np.rint(plain.latent.decode_rows(walk.latents) * 255)
    np.testing.assert_allclose(pixels(walk), expected, atol=1)


def test_steps_can_be_even_in_what_is_seen(digits):
    space = digits.space("white")  # whose latents weigh all components alike, and whose pictures do not
    uneven, even = (
        np.linalg.norm(np.diff(pixels(space.interpolate("d45", "d53", 9, path="spherical", even=pace)), axis=0), axis=1)
        for pace in ("latent", "decoded")
    )
    assert uneven.max() / uneven.min() > 1.15 > 1.1 > even.max() / even.min()


def test_points_are_walked_between_as_items_are(plain):
    a, b = own(plain, "d45"), own(plain, "d53")
    walk = plain.interpolate(a.tolist(), b)
    np.testing.assert_array_equal(walk.latents, plain.interpolate("d45", "d53").latents)
    assert walk.captions[0] == "start" and walk.captions[-1] == "end"


def test_off_data_is_low_for_items_that_were_learnt_from_and_full_far_away(plain):
    off = plain.off_data(plain.vectors()[1])
    assert np.median(off) < 0.2
    assert (plain.off_data(gaussian(5, 24) * 100) == 1).all()


def test_a_decoded_picture_is_that_of_its_latent(plain):
    one = plain.decode(own(plain, "d7"))
    assert one.nearest == ["d7"] and len(one.content) == 1
    assert np.abs(pixels(one)[0] - PICTURES[7].reshape(-1)).mean() < 20


def test_a_direction_between_two_digits_tells_them_apart_and_leads_from_one_to_the_other(plain):
    towards = plain.direction("digit = 8", "digit = 3")
    assert towards.accuracy > 0.95 and towards.sides == (len(EIGHTS), len(THREES))
    moved = plain.move("d45", towards, [0, 1.5, 3])
    along = moved.latents @ towards.vector
    np.testing.assert_allclose(np.diff(along), 1.5 * towards.deviation, rtol=1e-4)
    assert moved.captions == ["d45", "+1.5 sd", "+3 sd"] and read(moved)[0] == 3
    ends = [read(plain.move(f"d{at}", towards, [2.5]))[0] for at in THREES[:50]]
    assert np.mean(np.array(ends) == 8) > 0.5


def test_the_direction_the_other_way_is_the_opposite(plain):
    one, two = plain.direction("digit = 8", "digit = 3"), plain.direction("digit = 3", "digit = 8")
    np.testing.assert_allclose(one.vector, -two.vector, atol=1e-6)
    assert one.deviation == pytest.approx(two.deviation) and one.accuracy == pytest.approx(two.accuracy)


def test_a_direction_from_lists_is_that_from_filters(plain):
    lists = plain.direction([f"d{at}" for at in EIGHTS], [f"d{at}" for at in THREES])
    np.testing.assert_allclose(lists.vector, plain.direction("digit = 8", "digit = 3").vector, atol=1e-6)
    assert lists.label == f"{len(EIGHTS)} items rather than {len(THREES)} items"


def test_a_direction_without_a_second_side_leads_from_the_rest(plain):
    found = plain.direction("digit = 0")
    ids, vectors = plain.vectors()
    zero = DIGITS.target == 0
    apart = vectors[zero].mean(axis=0) - vectors[~zero].mean(axis=0)
    np.testing.assert_allclose(found.vector, apart / np.linalg.norm(apart), atol=1e-5)
    assert found.deviation == pytest.approx((vectors @ found.vector).std(), rel=1e-4)
    assert ids[int(np.argmax(vectors @ found.vector))] == found.high[0]


def test_directions_are_one_a_class_and_one_a_principal_axis(plain):
    found = plain.directions(by="digit")
    classes, axes = found[:10], found[10:]
    assert {one.label for one in classes} == {f"digit = {at}" for at in range(10)}
    assert all(one.accuracy > 0.9 for one in classes) and all(one.accuracy is None for one in axes)
    assert sum(one.share for one in axes) == pytest.approx(1, abs=1e-3)
    # Principal components have their axes already.
    np.testing.assert_allclose(np.abs([one.vector[at] for at, one in enumerate(axes[:5])]), 1, atol=0.02)


def test_a_less_b_plus_c_finds_what_is_near_without_the_three(plain):
    found = plain.arithmetic(["d45", "d53"], ["d60"], k=5)
    point = own(plain, "d45") + own(plain, "d53") - own(plain, "d60")
    np.testing.assert_allclose(found.latents[0], point, atol=1e-5)
    ids, vectors = plain.vectors()
    order = [ids[at] for at in np.argsort(distances(point, vectors, "l2"))]
    assert found.hits.ids == [one for one in order if one not in ("d45", "d53", "d60")][:5]
    assert found.title == "d45 + d53 - d60"


def test_a_traversal_shows_the_dimensions_that_change_most_over_their_own_span(plain):
    found = plain.traverse("d7", steps=5)
    assert len(found) == 8 * 5 and found.columns == 5
    dims = [int(one.removeprefix("dim ").partition(":")[0]) for one in found.captions[::5]]
    assert set(dims[:3]) == {0, 1, 2}  # of principal components, the first
    _, vectors = plain.vectors()
    for dim, line in zip(dims, found.latents.reshape(8, 5, 24), strict=True):
        np.testing.assert_allclose(
            line[:, dim], np.quantile(vectors[:, dim], norm.cdf([-2.5, -1.25, 0, 1.25, 2.5])), atol=1e-5
        )
        assert (np.delete(line, dim, axis=1) == np.delete(own(plain, "d7"), dim)).all()


def test_a_traversal_from_nowhere_starts_in_the_middle(plain):
    found = plain.traverse(dims=[3], steps=2)
    ids, vectors = plain.vectors()
    middle = vectors[int(np.argmin(distances(vectors.mean(axis=0), vectors, "l2")))]
    assert (np.delete(found.latents, 3, axis=1) == np.delete(middle, 3)).all()
    assert found.title.endswith(ids[int(np.argmin(distances(vectors.mean(axis=0), vectors, "l2")))])


def test_samples_lie_near_the_data_and_are_the_same_for_the_same_seed(plain):
    found = plain.sample(40, reject=0.6)
    assert (found.off_data <= 0.6).all() and found.refused > 5
    assert str(found.refused) in found.note
    np.testing.assert_array_equal(found.latents, plain.sample(40, reject=0.6).latents)
    assert len(set(read(found))) > 4


def test_samples_near_an_item_are_like_it(plain):
    assert np.mean(np.array(read(plain.sample(20, near="d3", spread=0.3))) == DIGITS.target[3]) > 0.9


def test_only_a_model_with_a_prior_samples_it(digits, plain):
    with pytest.raises(InvalidInput, match="follow no prior"):
        plain.sample(4, source="prior")
    assert len(digits.space("white").sample(4, source="prior")) == 4


def test_items_are_beside_their_reconstructions_worst_first(plain):
    names = [f"d{at}" for at in range(10)]
    found = plain.reconstruct(names, worst_first=True)
    assert (np.diff(found.errors) <= 0).all() and set(found.ids) == set(names)
    for name, original, back, error in zip(found.ids, found.originals, pixels(found), found.errors, strict=True):
        np.testing.assert_array_equal(np.asarray(original), PICTURES[int(name[1:])])
        # A picture is bytes, the error is that of the numbers before.
        assert np.square((np.asarray(original).reshape(-1) - back) / 255).mean() == pytest.approx(error, abs=2e-4)


def test_what_is_not_in_the_store_is_reconstructed_too(plain):
    strange = Image.fromarray(np.random.default_rng(0).integers(0, 255, (8, 8)).astype(np.uint8))
    found = plain.reconstruct([Item(image=PICTURES[3]), strange])
    assert found.ids == [None, None] and found.errors[1] > 3 * found.errors[0]
    assert found.nearest[0] == "d3"


def test_a_space_without_a_decoder_answers_with_real_items_and_says_so(digits):
    walk = digits.space("image").interpolate("d45", "d53", 5)
    assert walk.content is None and walk.off_data is None and walk.kind is None
    assert "no decoder" in walk.note and walk.nearest[0] == "d45" and walk.nearest[-1] == "d53"
    assert digits.space("image").direction("digit = 0").accuracy > 0.9
    for refused in (lambda space: space.sample(4), lambda space: space.reconstruct(["d1"])):
        with pytest.raises(InvalidInput, match="space with a model"):
            refused(digits.space("image"))


def test_texts_of_the_nearest_items_stand_in_the_rows(words):
    words.add(["the red house", "a blue sea", "the red sea"], ids=["a", "b", "c"])
    rows = words.space().interpolate("a", "b", 3).rows()
    assert rows.columns == ["caption", "nearest", "distance", "text"]
    assert [row["text"] for row in rows][::2] == ["the red house", "a blue sea"]


@pytest.mark.parametrize(
    ("walk", "error", "says"),
    [
        (lambda space: space.interpolate("d1", "d1"), InvalidInput, "'d1' twice"),
        (lambda space: space.interpolate("d1", "gone"), ItemNotFound, "'gone'"),
        (lambda space: space.interpolate("d1", [0.0] * 3), DimensionMismatch, "24"),
        (lambda space: space.interpolate("d1", [np.nan] * 24), NotFinite, "finite"),
        (lambda space: space.interpolate("d1", "d2", 1), InvalidInput, "steps"),
        (lambda space: space.interpolate("d1", "d2", path="round"), InvalidInput, "linear, spherical"),
        (lambda space: space.decode(np.zeros((2, 3))), DimensionMismatch, "24"),
        (lambda space: space.decode(np.zeros((0, 24))), InvalidInput, "no latents"),
        (lambda space: space.direction("digit = 77"), InvalidInput, "no item"),
        (lambda space: space.direction([]), InvalidInput, "no items"),
        (lambda space: space.direction("digit = 1", ["d1"]), InvalidInput, "both sides"),
        (lambda space: space.direction(["gone"]), ItemNotFound, "'gone'"),
        (lambda space: space.directions(by="digits"), InvalidInput, "'digit'"),
        (lambda space: space.move("d1", np.zeros(24), [1]), InvalidInput, "Direction"),
        (lambda space: space.move("d1", space.direction("digit = 1"), ["far"]), InvalidInput, "numbers"),
        (lambda space: space.arithmetic([]), InvalidInput, "plus"),
        (lambda space: space.traverse(dims=[24]), InvalidInput, "0 to 23"),
        (lambda space: space.traverse("d1", span=0), InvalidInput, "span"),
        (lambda space: space.sample(0), InvalidInput, "n is"),
        (lambda space: space.sample(5, near=np.full(24, 1e4)), InvalidInput, "higher reject"),
        (lambda space: space.reconstruct([]), InvalidInput, "no items"),
        (lambda space: space.reconstruct(np.zeros((2, 64), np.float32)), InvalidInput, "image"),
    ],
)
def test_what_cannot_be_walked_is_refused_in_words(plain, walk, error, says):
    with pytest.raises(error, match=says):
        walk(plain)


def test_a_direction_means_nothing_in_another_space(digits, plain):
    with pytest.raises(InvalidInput, match="find it again"):
        digits.space("white").move("d1", plain.direction("digit = 1"), [1])


@pytest.mark.slow
def test_a_vae_morphs_evenly_and_a_direction_makes_eights_of_threes(digits):
    space = digits.space().fit("vae", 16, "bent")
    pairs = list(zip(THREES[:20], EIGHTS[:20], strict=True))
    uneven, even = (
        [space.interpolate(f"d{a}", f"d{b}", even=pace) for a, b in pairs] for pace in ("latent", "decoded")
    )
    assert np.mean([(read(walk)[0], read(walk)[-1]) == (3, 8) for walk in even]) >= 0.95
    spans = [[np.linalg.norm(np.diff(pixels(walk), axis=0), axis=1) for walk in walks] for walks in (uneven, even)]
    assert np.median([span.max() / span.min() for span in spans[0]]) > 1.5
    assert max(span.max() / span.min() for span in spans[1]) < 1.1
    towards = space.direction("digit = 8", "digit = 3")
    assert towards.accuracy > 0.97
    assert np.mean([read(space.move(f"d{at}", towards, [3]))[0] == 8 for at in THREES[:50]]) > 0.7


def opened(path):
    return Image.open(io.BytesIO(path.read_bytes()))


def test_walks_are_written_as_pictures_and_films(plain, tmp_path):
    walk = plain.interpolate("d45", "d53", 5)
    strip = opened(walk.save(tmp_path / "morph.png"))
    assert strip.width > 3 * strip.height
    film = opened(walk.save(tmp_path / "morph.gif", title="a morph"))
    assert film.n_frames == 8  # forth, and back without either end
    table = opened(plain.traverse(dims=[0, 1, 2, 3], steps=2).save(tmp_path / "dims.png"))
    assert table.height > table.width
    both = opened(plain.reconstruct(["d1", "d2", "d3", "d4"]).save(tmp_path / "both.png"))
    assert both.height > opened(plain.interpolate("d1", "d2", 4).save(tmp_path / "one.png")).height


def test_what_cannot_be_drawn_is_refused_and_leaves_no_file(digits, plain, tmp_path):
    walk = plain.interpolate("d45", "d53", 3)
    with pytest.raises(InvalidInput, match=r"\.png, \.gif"):
        walk.save(tmp_path / "morph.wav")
    with pytest.raises(InvalidInput, match="no folder"):
        walk.save(tmp_path / "gone" / "morph.png")
    with pytest.raises(InvalidInput, match="no decoder"):
        digits.space("image").interpolate("d45", "d53").save(tmp_path / "morph.png")
    assert not list(tmp_path.iterdir())


def test_sounds_are_walked_heard_and_seen(store, tmp_path):
    rng = np.random.default_rng(0)
    time = np.arange(4000) / 8000
    names = []
    for at in range(40):
        names.append(tmp_path / f"{at}.wav")
        soundfile.write(
            names[-1], 0.5 * np.sin(2 * np.pi * (300 + 40 * at) * time) + 0.01 * rng.standard_normal(4000), 8000
        )
    tones = store.create("tones", encoders=["audio"])
    tones.add([Item(f"t{at}", audio=name) for at, name in enumerate(names)])
    space = tones.space().fit("pca", 16, "tones")
    walk = space.interpolate("t3", "t30", 3)
    assert walk.kind == "sound" and walk.nearest[::2] == ["t3", "t30"]
    # Each end still hums where its tone did.
    for sound, tone in ((walk.content[0], 420), (walk.content[-1], 1500)):
        loudest = np.argmax(np.abs(np.fft.rfft(sound.samples))) * sound.rate / len(sound.samples)
        assert abs(loudest / tone - 1) < 0.15
    heard, rate = soundfile.read(walk.save(tmp_path / "walk.wav"))
    assert len(heard) / rate > 3 * walk.content[0].seconds
    assert opened(walk.save(tmp_path / "walk.png")).width > 1000


def few(store, **more):
    """A small collection with a latent space over vectors from elsewhere."""
    points = store.create("points", metric="l2")
    points.add(vectors=gaussian(80, 8), ids=[f"p{at}" for at in range(80)])
    return points, points.space().fit("pca", 4, "small", **more)


def test_vectors_are_decoded_to_vectors(store):
    points, space = few(store)
    walk = space.interpolate("p0", "p1", 3)
    assert walk.kind == "vector" and walk.content.shape == (3, 8)
    again = space.reconstruct(["p0", "p1"])
    np.testing.assert_allclose(again.originals, points.space().vectors(["p0", "p1"])[1], atol=1e-5)
    np.testing.assert_allclose(again.content, walk.content[[0, 2]], atol=1e-5)
    assert space.reconstruct(gaussian(80, 8)[:2]).errors == pytest.approx(again.errors)


def test_a_store_that_is_read_only_is_walked(store):
    _, space = few(store)
    before = space.interpolate("p0", "p1").latents
    store.close()
    with latentstore.open(store.path, read_only=True) as again:
        space = again.collection("points").space("small")
        np.testing.assert_array_equal(space.interpolate("p0", "p1").latents, before)
        assert len(space.sample(3)) == 3 and space.direction(["p0"], ["p1"]).accuracy is None


def test_a_space_that_lags_says_so_and_walks_among_what_it_has(store):
    points, space = few(store)
    model = points.engine.space_folder("small@1") / "model"
    shutil.move(model, model.with_name("away"))
    store.close()
    with latentstore.open(store.path) as again:
        points = again.collection("points")
        points.add(vectors=gaussian(1, 8, seed=5), ids=["late"])
        shutil.move(model.with_name("away"), model)
        space = points.space("small")
        with pytest.warns(UserWarning, match="1 item") as told:
            assert len(space.interpolate("p0", "p1")) == 9
        assert told[0].filename == __file__
        with pytest.warns(UserWarning), pytest.raises(ItemNotFound, match="backfill"):
            space.interpolate("p0", "late")
        space.backfill()
        assert space.interpolate("p0", "late").nearest[-1] == "late"


def test_an_empty_space_is_not_walked(points):
    with pytest.raises(InvalidInput, match="no items"):
        points.space().decode([[0.0]])
