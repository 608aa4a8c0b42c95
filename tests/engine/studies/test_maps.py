"""Maps of stores: what is said of them, what is kept, and where new items go."""

import numpy as np
import pytest
from sklearn.manifold import trustworthiness

from latentstore.errors import InvalidInput


@pytest.fixture
def docs(store):
    """Three groups of vectors, 40 items each."""
    rng = np.random.default_rng(0)
    centers = np.repeat(rng.normal(size=(3, 16)), 40, axis=0)
    made = store.create("docs")
    made.add(
        vectors=(centers + 0.3 * rng.normal(size=(120, 16))).astype(np.float32), ids=[f"i{at}" for at in range(120)]
    )
    return made


def test_a_map_is_kept_as_a_study_and_as_columns(docs):
    found = docs.space().map()
    assert (found.study.kind, found.study.rows, dict(found.study.columns)) == (
        "map",
        120,
        {"map_x": "map_x", "map_y": "map_y"},
    )
    item = docs.get(["i7"])[0].metadata
    np.testing.assert_allclose([item["map_x"], item["map_y"]], found.coordinates[7], rtol=1e-6)
    assert found.study.summary["trustworthiness"] == found.trustworthiness


def test_what_it_says_of_its_trustworthiness_is_true(docs):
    found = docs.space().map()
    _, vectors = docs.space().vectors()
    oracle = trustworthiness(vectors, found.coordinates, n_neighbors=found.neighbors, metric="euclidean")
    angular = trustworthiness(
        vectors / np.linalg.norm(vectors, axis=1, keepdims=True), found.coordinates, n_neighbors=15
    )
    assert found.trustworthiness == pytest.approx(angular, abs=1e-3)
    assert min(oracle, found.continuity) > 0.8


def test_new_items_are_placed_and_old_ones_do_not_move(docs):
    space = docs.space()
    found = space.map()
    _, vectors = space.vectors()
    places = space.place(vectors[[5, 100]] * 1.001)
    apart = np.linalg.norm(places[:, None] - found.coordinates[None], axis=2)
    assert apart[0].argsort()[:10].max() < 40
    assert apart[1].argsort()[:10].min() >= 80
    np.testing.assert_array_equal(space.map(keep=False).coordinates, found.coordinates)


def test_items_that_are_gone_place_nothing(docs):
    space = docs.space()
    found = space.map()
    _, vectors = space.vectors()
    docs.delete(ids=[f"i{at}" for at in range(40)])
    place = space.place(vectors[:1])[0]
    apart = np.linalg.norm(found.coordinates - place, axis=1)
    assert apart[40:].min() < apart[:40].min()


def test_nothing_is_kept_where_that_is_asked_and_no_map_places_nothing(docs):
    assert docs.space().map(keep=False).study is None
    with pytest.raises(InvalidInput, match="no map to place items on"):
        docs.space().place(np.ones((1, 16), dtype=np.float32))


def test_one_item_has_a_map_and_none_is_refused_in_words(store):
    made = store.create("few")
    made.add(vectors=np.ones((1, 4), dtype=np.float32), ids=["only"])
    assert made.space().map().coordinates.tolist() == [[0.0, 0.0]]
    made.delete(ids=["only"])
    with pytest.raises(InvalidInput, match="maps need at least 1 item"):
        made.space().map()
    with pytest.raises(InvalidInput, match="umap"):
        made.space().map("umap")
