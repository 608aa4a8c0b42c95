"""What a report says of latent spaces, held against the spaces themselves."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from latentstore import Item
from latentstore.media import images
from latentstore.reports import data, page
from latentstore.reports.collect import collect
from latentstore.reports.model import check
from latentstore.reports.studied import Options


def stripes(n=90, seed=0):
    """n pictures, 16 x 16, of a bar whose place and brightness vary, and one of noise."""
    rng = np.random.default_rng(seed)
    pictures = np.zeros((n, 16, 16), np.uint8)
    for one, at, grey in zip(pictures, rng.integers(2, 12, n), rng.integers(90, 255, n), strict=True):
        one[:, at : at + 3] = grey
    pictures[-1] = rng.integers(0, 255, (16, 16))
    return pictures


def filled(store):
    both = store.create("both", encoders=["image"])
    ids = [f"p{at}" for at in range(90)]
    both.add(
        [Item(image=one, attachments={"thumbnail": png(one)}) for one in stripes()],
        ids=ids,
        metadata=[{"left": bool(one[:, :8].any())} for one in stripes()],
    )
    return both


def png(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def fitted(store):
    both = filled(store)
    return both, both.space().fit("pca", dim=4)


def own(collection, space="pca4"):
    (section,) = collect(collection, Options(spaces=[space], keep=False)).page.sections
    return section


def pixels(section, made):
    return np.asarray(Image.open(io.BytesIO(section.decoded[made.picture].data)))


def test_a_model_is_told_by_its_record(fitted):
    both, space = fitted
    (told,) = own(both).latents
    error = space.record["error"]
    assert (told.space, told.kind, told.dim, told.items, told.source) == ("pca4@1", "pca", 4, 90, "image")
    assert (told.error, told.pca, told.nothing, told.unit) == tuple(
        error[k] for k in ("mean", "pca", "nothing", "unit")
    )
    assert told.form == "16 x 16 grey pictures" and told.train == ()


def test_items_are_shown_beside_their_reconstructions_the_worst_being_what_is_like_no_other(fitted):
    both, space = fitted
    section = own(both)
    (told,) = section.latents
    errors = dict(zip(*(lambda r: (r.ids, r.errors))(space.reconstruct(list(section.points.ids))), strict=True))
    worst = [one for one in told.rebuilt if one.rank == "worst"]
    assert section.points.ids[worst[0].point] == max(errors, key=errors.get) == "p89"
    order = [one.error for rank in ("best", "middle") for one in told.rebuilt if one.rank == rank]
    assert order == sorted(order) and order[0] == min(errors.values()) and told.judged == 90
    for one in told.rebuilt:
        made = space.reconstruct([section.points.ids[one.point]])
        assert one.error == pytest.approx(made.errors[0], rel=1e-5)
        assert np.array_equal(pixels(section, one.original), np.asarray(made.originals[0]))
        assert np.abs(pixels(section, one.made).astype(int) - np.asarray(made.content[0])).max() <= 1


def test_samples_are_those_of_the_space_and_walks_go_through_the_middle(fitted):
    both, space = fitted
    section = own(both)
    drawn = space.sample(24, seed=0)
    assert len(section.latents[0].samples) == 24
    for one, picture in zip(section.latents[0].samples, drawn.content, strict=True):
        assert np.array_equal(pixels(section, one), np.asarray(picture))
    _, latents = space.vectors()
    middle = space.decode(latents.mean(axis=0)).content[0]
    for axis in section.shape.axes:
        assert len(axis.walk) == 7
        assert np.abs(pixels(section, axis.walk[3]).astype(int) - np.asarray(middle)).max() <= 1
    low, high = (pixels(section, section.shape.axes[0].walk[at]).astype(float) for at in (0, -1))
    assert np.abs(low - high).mean() > 10


def test_a_report_of_the_collection_tells_of_its_latent_spaces_in_passing(fitted):
    both, _ = fitted
    both.space("image").fit("pca", dim=2, name="pca4")  # a second version, not in use
    made = collect(both, Options(keep=False)).page
    (section,) = made.sections
    (told,) = section.latents
    assert (section.space, told.space, told.dim, told.short) == ("image", "pca4", 4, True)
    assert [axis.walk for axis in section.shape.axes] == [[]] * len(section.shape.axes)
    assert len(told.samples) == 6 and {one.rank for one in told.rebuilt} == {"best", "middle", "worst"}
    text = page.render(made)
    assert "Latent spaces of these items" in text
    version = own(both, "pca4@2")
    assert (version.space, version.latents[0].dim) == ("pca4@2", 2)


def test_a_model_of_vectors_has_no_pictures_and_tells_which_items_it_cannot_explain(points):
    rng = np.random.default_rng(0)
    flat = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 8))
    flat[7] += 5 * np.linalg.qr(flat.T, mode="complete")[0][:, 5]
    points.add([f"text {at}" for at in range(60)], vectors=flat.astype(np.float32), ids=[f"v{at}" for at in range(60)])
    points.space().fit("pca", dim=2)
    section = own(points, "pca2")
    (told,) = section.latents
    assert (section.decoded, told.samples) == ([], ())
    assert next(section.points.ids[one.point] for one in told.rebuilt if one.rank == "worst") == "v7"


def test_a_damaged_model_is_a_note_and_the_rest_of_the_report_is_there(fitted):
    both, _ = fitted
    (file,) = both.engine.folder.glob("spaces/pca4@1/model/weights.safetensors")
    whole = file.read_bytes()
    file.write_bytes(whole[:-8] + b"\1" * 8)
    both.engine.models.clear()
    (section,) = collect(both, Options(keep=False)).page.sections
    assert section.latents == [] and any("no account of pca4@1" in note for note in section.notes)
    assert section.levels and section.shape is not None


def test_items_whose_pictures_are_gone_are_counted(store, tmp_path):
    files = [tmp_path / f"{at}.png" for at in range(40)]
    for file, one in zip(files, stripes(40), strict=True):
        Image.fromarray(one).save(file)
    both = store.create("both", encoders=["image"])
    both.add([Item(image=file) for file in files], ids=[file.stem for file in files])
    both.space().fit("pca", dim=2)
    for file in files[:9]:
        file.unlink()
    (told,) = own(both, "pca2").latents
    assert told.judged == 31 and "of 9 of 40 items nothing is at hand any more that the model could see" in told.notes


def test_what_was_decoded_is_on_the_page_and_not_among_the_data(fitted, tmp_path):
    both, _ = fitted
    made = collect(both, Options(spaces=["pca4"], keep=False))
    check(made.page)
    data.write_all(tmp_path / "d", made.page, made.studied)
    sheet = json.loads((tmp_path / "d" / "report.json").read_text())
    assert sheet["sections"][0]["decoded"] == [] and sheet["sections"][0]["latents"][0]["judged"] == 90
    assert images.load(made.page.sections[0].decoded[0].data).size == (16, 16)
