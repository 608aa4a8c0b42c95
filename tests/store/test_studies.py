"""What analyses leave in a store: studies in the catalog, findings as columns, together or not at all."""

from __future__ import annotations

import numpy as np
import pytest

import latentstore
from latentstore import Collection, InvalidInput, ReadOnlyStore
from latentstore.engine.studies.keep import Outcome, history, keep, last
from latentstore.engine.studies.sample import take
from tests.truth import gaussian


@pytest.fixture
def twenty(points: Collection) -> Collection:
    points.add(vectors=gaussian(20), ids=[f"i{at}" for at in range(20)], metadata=[{"year": at} for at in range(20)])
    return points


def kept(docs: Collection, columns, where=None, kind="clusters", **arrays):
    return keep(docs.engine, take(docs.engine, None, where), Outcome(kind, {"k": 2}, 7, 0.5, {"a": 1}, arrays, columns))


def test_a_finding_is_a_column_to_filter_by_and_to_see(twenty):
    kept(twenty, {"cluster": ["refunds"] * 5 + ["cards"] * 15})
    assert twenty.count("cluster = 'refunds'") == 5
    hits = twenty.search(gaussian(20)[3], k=1, where="cluster = 'refunds'")
    assert hits[0].metadata == {"year": 3, "cluster": "refunds"}


def test_a_study_comes_back_with_its_arrays_after_reopening(twenty, reopen):
    rows = np.arange(20)
    study = kept(twenty, {"cluster": ["a"] * 20}, labels=rows, sure=rows > 3)
    found = last(reopen().collection("points").engine, "clusters", "vectors")
    assert found.study == study
    np.testing.assert_array_equal(found.arrays["labels"], rows)
    np.testing.assert_array_equal(found.arrays["sure"], rows > 3)


def test_a_later_study_empties_the_column_where_it_did_not_look(twenty):
    kept(twenty, {"cluster": ["a"] * 20})
    kept(twenty, {"cluster": ["b"] * 4}, where="year < 4")
    assert twenty.count("cluster = 'b'") == 4
    assert twenty.count("cluster is null") == 16


def test_what_is_missing_is_null(twenty):
    values = np.arange(20.0)
    values[3] = np.nan
    kept(twenty, {"outlier_score": values})
    assert [item.metadata["outlier_score"] for item in twenty.get(["i2", "i3"])] == [2.0, None]


def test_a_column_of_the_user_is_left_alone(points):
    points.add(vectors=gaussian(3), metadata=[{"Cluster": "mine"}] * 3)
    study = kept(points, {"cluster": ["a", "b", "c"]})
    assert study.columns == {"cluster": "cluster_vectors"}
    assert points.count("\"Cluster\" = 'mine'") == 3


def test_two_spaces_have_columns_of_their_own(store):
    docs = store.create("docs", encoders=["hashing", "hashing:64"])
    docs.add(["a few words", "some others"])
    found = {
        space: keep(
            docs.engine, take(docs.engine, space), Outcome("clusters", {}, 0, 0.1, columns={"cluster": ["a", "b"]})
        )
        for space in docs.spaces()
    }
    first, second = docs.spaces()
    assert found[first].columns["cluster"] == "cluster"
    assert found[second].columns["cluster"] == f"cluster_{second}"


def test_items_deleted_meanwhile_are_passed_over(twenty):
    sample = take(twenty.engine)
    twenty.delete(["i0", "i19"])
    keep(twenty.engine, sample, Outcome("clusters", {}, 0, 0.1, columns={"cluster": [f"c{at}" for at in range(20)]}))
    assert twenty.get(["i1"])[0].metadata["cluster"] == "c1"
    assert twenty.verify().ok and len(twenty) == 18


def test_only_the_newest_studies_keep_their_arrays_and_all_are_listed(twenty):
    for at in range(5):
        kept(twenty, {}, labels=np.full(3, at))
    assert [study.id for study in history(twenty.engine)] == [1, 2, 3, 4, 5]
    assert last(twenty.engine, "clusters", "vectors").arrays["labels"].tolist() == [4, 4, 4]
    held = twenty.engine.catalog
    with held.reading() as cursor:
        assert cursor.execute("select id from studies where arrays is null order by id").fetchall() == [(1,), (2,)]


def test_a_store_opened_for_reading_keeps_nothing(twenty, store):
    store.close()
    with latentstore.open(store.path, read_only=True) as again:
        docs = again.collection("points")
        with pytest.raises(ReadOnlyStore):
            kept(docs, {"cluster": ["a"] * 20})


def test_a_study_that_cannot_be_kept_changes_nothing(twenty):
    kept(twenty, {"cluster": ["a"] * 20})
    with pytest.raises(InvalidInput):
        kept(twenty, {"cluster": [object()] * 20})
    assert twenty.count("cluster = 'a'") == 20 and len(history(twenty.engine)) == 1


def test_a_sample_is_taken_once_while_the_vectors_stay(twenty):
    graph = take(twenty.engine).graph(5)
    kept(twenty, {"cluster": ["a"] * 20})
    assert take(twenty.engine).graph(5).neighbors.base is graph.neighbors.base
    twenty.add(vectors=gaussian(1, seed=9))
    assert len(take(twenty.engine).graph(5)) == 21


def test_studies_survive_the_loss_of_the_catalog_where_it_still_reads(twenty, store):
    kept(twenty, {"cluster": ["a"] * 20}, labels=np.arange(20))
    path = store.path
    store.close()
    (path / "points" / "catalog.duckdb").unlink()
    report = latentstore.repair(path)
    assert any("studies: lost with the catalog" in line for line in report.mended)
    with latentstore.open(path) as again:
        assert again.collection("points").count("cluster = 'a'") == 20


def test_an_unknown_column_is_named_with_the_closest(twenty):
    with pytest.raises(InvalidInput, match="did you mean 'year'"):
        take(twenty.engine).column("yaer")
