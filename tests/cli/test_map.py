"""The command map: what it prints, and what it leaves."""

import csv
import io
import json

import latentstore


def test_a_map_says_how_far_it_can_be_believed_and_where_clusters_lie(run, own):
    run("cluster", own)
    shown = run("map", own)
    assert shown.status == 0
    assert "4 items of space hashing" in shown.out
    assert "trustworthiness 1.000" in shown.out
    assert "radius" in shown.out
    assert "kept as study 2 and in 2 columns (map_x, map_y)" in shown.err


def test_coordinates_come_as_csv_and_are_those_that_were_kept(run, own):
    rows = list(csv.DictReader(io.StringIO(run("map", own, "--format", "csv").out)))
    with latentstore.open(own, read_only=True) as store:
        kept = {item.id: item.metadata["map_x"] for item in store.collection("docs").get([row["id"] for row in rows])}
    assert {row["id"]: float(row["x"]) for row in rows} == kept


def test_without_keeping_nothing_changes(run, own):
    rows = json.loads(run("map", own, "--no-keep", "--format", "json", "--method", "pca").out)
    assert [set(row) for row in rows] == [{"id", "x", "y"}] * 4
    with latentstore.open(own, read_only=True) as store:
        assert "map_x" not in store.collection("docs").get([rows[0]["id"]])[0].metadata
