"""The tables that a report leaves, held against the store and against the page."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from latentstore import Item
from latentstore.media import images
from latentstore.reports import data
from latentstore.reports.collect import collect
from latentstore.reports.studied import Options


@pytest.fixture(scope="module")
def tables(reported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    data.write_all(folder / "d", reported.report.page, reported.report.studied)
    return {path.stem: pq.read_table(path) for path in (folder / "d").glob("*.parquet")}


def columns(table, *names):
    return list(zip(*(table[name].to_pylist() for name in names), strict=True))


def test_every_item_is_a_row_with_its_metadata(reported, tables):
    items = {item.id: item for item in reported.collection.get(tables["items"]["id"].to_pylist())}
    found = columns(tables["items"], "id", "text", "topic", "year")
    assert len(found) == len(reported.collection)
    assert found == [(i, items[i].text, items[i].metadata["topic"], items[i].metadata["year"]) for i, *_ in found]


def test_groups_outliers_and_places_of_items_are_those_of_the_page(reported, tables):
    (section,), items = reported.report.page.sections, tables["items"]
    assert items["id"].to_pylist() == list(section.points.ids)
    assert items[section.level].to_pylist() == section.shown.labels.tolist()
    names = {cluster.number: cluster.name for cluster in section.shown.clusters}
    assert items[f"{section.level}_name"].to_pylist() == [names[number] for number in section.shown.labels.tolist()]
    assert np.array_equal(items["outlier_score"].to_numpy(), section.outliers.scores)
    assert np.allclose(np.column_stack([items["x"], items["y"]]), section.points.coordinates)


def test_duplicates_point_to_what_is_kept_and_are_listed_as_groups(tables):
    assert dict(columns(tables["items"], "id", "duplicate_of"))["twin"] == "rent-0"
    assert ("rent-0", True, "exact") in columns(tables["duplicates"], "kept_id", "kept", "kind")
    assert ("rent-0", "twin", False) in columns(tables["duplicates"], "kept_id", "id", "kept")


def test_clusters_and_outliers_have_their_tables(reported, tables):
    (section,) = reported.report.page.sections
    told = {(level.name, one.number, one.name, one.size) for level in section.levels for one in level.clusters}
    assert set(columns(tables["clusters"], "level", "number", "name", "size")) == told
    assert tables["outliers"]["id"][0].as_py() == "stranger"
    assert len(tables["outliers"]["nearest"][0].as_py()) == 3


def test_axes_have_their_variance_their_ends_and_their_columns(reported, tables):
    (section,), axes = reported.report.page.sections, tables["axes"]
    assert np.allclose(axes["share"], section.shape.shares)
    assert np.allclose(axes["cumulative"], np.cumsum(section.shape.shares))
    assert axes["low"][0].as_py() == [section.points.ids[at] for at in section.shape.axes[0].low]
    assert (axes["high"].null_count, axes["steadiness"].null_count) == (len(axes) - 5, len(axes) - 5)
    told = {(axis.number, tie.column, tie.share) for axis in section.shape.axes for tie in axis.ties}
    assert set(columns(tables["axis_columns"], "axis", "column", "share")) == told
    kinds = {
        name: (low is None, middle is None)
        for name, low, middle in columns(tables["axis_columns"], "column", "low", "low_median")
    }
    assert kinds == {"topic": (False, True), "year": (True, False)}


def test_the_atlas_has_texts_places_and_neighbours_by_row(reported, tables):
    atlas = tables["atlas"]
    assert atlas["text"].to_pylist() == tables["items"]["text"].to_pylist()
    assert np.allclose(atlas["projection_x"], tables["items"]["x"])
    _, vectors = reported.collection.space().vectors(atlas["id"].to_pylist())
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    apart = 1 - units[5] @ units.T
    apart[5] = np.inf
    near = atlas["neighbors"][5].as_py()
    assert np.allclose(near["distances"], np.sort(apart)[:15], atol=1e-5)
    assert np.allclose(apart[near["ids"]], near["distances"], atol=1e-5)


def test_the_sheet_is_the_page_as_json(reported, tmp_path):
    data.write_all(tmp_path / "d", reported.report.page, reported.report.studied)
    sheet = json.loads((tmp_path / "d" / "report.json").read_text())
    assert (sheet["latentstore"], sheet["format"], sheet["items"]) == ("report", 1, 122)
    assert [one["text"] for one in sheet["summary"]] == [one.text for one in reported.report.page.summary]
    assert sheet["sections"][0]["points"]["ids"] == list(reported.report.page.sections[0].points.ids)


def test_of_an_empty_collection_the_tables_have_their_columns(points, tmp_path):
    made = collect(points)
    files = data.write_all(tmp_path / "d", made.page, made.studied)
    assert {file.name for file in files} >= {"items.parquet", "clusters.parquet", "duplicates.parquet", "report.json"}
    assert pq.read_table(tmp_path / "d" / "items.parquet").schema.names[:4] == ["space", "id", "text", "uri"]


def test_several_spaces_share_the_tables_and_have_an_atlas_each_with_their_pictures(store, tmp_path):
    both = store.create("both", encoders=["hashing", "image"])
    both.add([f"text {at}" for at in range(6)])
    kept = [images.thumbnail(np.full((40, 40, 3), at * 20, np.uint8)) for at in range(8)]
    both.add([Item(image=one, attachments={"thumbnail": one}) for one in kept])
    made = collect(both, Options(keep=False))
    data.write_all(tmp_path / "d", made.page, made.studied)
    spaces = pq.read_table(tmp_path / "d" / "items.parquet")["space"].to_pylist()
    assert (spaces.count("image"), spaces.count("hashing")) == (8, 6)
    pictures = pq.read_table(tmp_path / "d" / "atlas-image.parquet")["image"].to_pylist()
    assert [one["bytes"] for one in pictures] == kept
    assert (tmp_path / "d" / "atlas-hashing.parquet").exists()


def test_metadata_with_the_name_of_a_finding_keeps_both(store, tmp_path):
    docs = store.create("docs", encoders=["hashing"])
    docs.add(["a b", "c d", "e f"], metadata=[{"x": at, "tags": ["p", "q"]} for at in range(3)])
    made = collect(docs, Options(keep=False))
    data.write_all(tmp_path / "d", made.page, made.studied)
    items = pq.read_table(tmp_path / "d" / "items.parquet")
    assert items["metadata_x"].to_pylist() == [0, 1, 2]
    assert items["tags"].to_pylist() == [["p", "q"]] * 3
