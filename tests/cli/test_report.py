"""latentstore report: from its arguments to the page, the data, and what the store keeps of it."""

import json
import re

import latentstore


def test_a_page_and_its_findings_in_words(run, own, tmp_path):
    told = run("report", own)
    assert told.status == 0
    assert told.out.startswith("- There are 4 texts here. (counted)\n")
    assert re.search(r"report\.html: 4 items, [\d.]+ kB, \d+ s; open it in a browser\n$", told.out)
    html = (tmp_path / "report.html").read_text()
    assert "Apples grow on trees." in html


def test_findings_are_kept_as_columns_and_the_next_report_tells_of_change(run, own):
    run("report", own)
    with latentstore.open(own) as store:
        docs = store.collection("docs")
        assert {"cluster", "outlier", "duplicate_of", "map_x"} <= docs.info()["columns"].keys()
        assert docs.count("cluster is not null") == 4
        docs.delete(["a.md#1"] if "a.md#1" in docs else [next(iter(docs.sql("select id from items")))["id"]])
    texts = [one["text"] for one in json.loads(run("report", own, "--format", "json").out)]
    assert any("0 came and 1 went" in text for text in texts)


def test_without_keep_the_store_stays_as_it_is(run, stored, tmp_path):
    before = {path: path.read_bytes() for path in stored.rglob("*") if path.is_file() and path.name != "lock"}
    told = run("report", stored, "--no-keep", "--data", "findings", "-o", "r.html")
    assert told.status == 0
    assert {path: path.read_bytes() for path in before} == before
    assert "items.parquet" in told.err
    assert {"items.parquet", "clusters.parquet", "atlas.parquet", "report.json"} <= {
        path.name for path in (tmp_path / "findings").iterdir()
    }


def test_title_filter_and_format(run, stored, tmp_path):
    told = run("report", stored, "--no-keep", "--title", "Plums & <pears>", "--where", "year > 0", "--format", "jsonl")
    assert json.loads(told.out.splitlines()[0])["text"] == "There are 2 texts here."
    assert "report.html: 2 items" in told.err
    assert "<h1>Plums &amp; &lt;pears&gt;</h1>" in (tmp_path / "report.html").read_text()


def test_what_cannot_be_written_to_is_said_in_a_line_before_the_work(run, stored, tmp_path):
    (tmp_path / "mine.html").write_text("mine")
    refused = run("report", stored, "--no-keep", "-o", "mine.html")
    assert (refused.status, refused.out, len(refused.lines())) == (1, "", 1)
    assert "exists and is no report of latentstore" in refused.err
    assert (tmp_path / "mine.html").read_text() == "mine"
    assert run("report", stored, "--no-keep", "-o", "mine.html", "--force").status == 0


def test_a_space_or_a_column_that_is_not_there_is_said_in_a_line(run, stored):
    for arguments, word in ((["--space", "nowhere"], "nowhere"), (["--where", "shelf = 1"], "shelf")):
        refused = run("report", stored, "--no-keep", *arguments)
        assert (refused.status, len(refused.lines())) == (1, 1)
        assert word in refused.err


def test_an_empty_collection_has_a_report(run, tmp_path):
    with latentstore.open(tmp_path / "e.latent") as store:
        store.create("docs", encoders=["hashing"])
    told = run("report", "e.latent")
    assert (told.status, told.out.splitlines()[-1].split(",")[0]) == (0, "report.html: 0 items")
    assert "the collection is empty" in (tmp_path / "report.html").read_text()
