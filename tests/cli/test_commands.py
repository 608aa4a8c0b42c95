"""Every other command, from its arguments to what it leaves on disk and says of it."""

import json
import re

import numpy as np
import pytest

import latentstore
from tests.truth import everything

IDS = ["a.md#1", "a.md#2", "t.csv#1", "t.csv#2"]


def contents(path, name="docs"):
    """id → text, uri, metadata and vector of all that a store holds."""
    with latentstore.open(path, read_only=True) as store:
        docs = store.collection(name)
        ids, vectors = docs.space().vectors()
        return everything(docs, list(ids)), dict(zip(ids, vectors.tolist(), strict=True))


def flip(path, at):
    changed = bytearray(path.read_bytes())
    changed[at] ^= 0xFF
    path.write_bytes(changed)


def test_info_tells_counts_columns_and_the_encoder(run, stored):
    told = json.loads(run("info", stored, "--format", "json").out)[0]
    assert (told["collection"], told["items"], told["columns"]["year"]) == ("docs", 4, "BIGINT")
    assert [(s["encoder"], s["dim"], s["vectors"]) for s in told["spaces"]] == [("hashing", 64, 4)]


def test_info_for_people_says_the_same_without_nulls_and_brackets(run, stored):
    shown = run("info", stored).out
    assert "4 vectors, of 64 dimensions, cosine, encoder hashing" in shown
    assert "year BIGINT" in shown
    assert not re.search(r"[\[\]{}]|None", shown)


def test_info_shows_the_recall_that_was_measured(run, tmp_path):
    vectors = np.random.default_rng(0).standard_normal((6000, 16)).astype(np.float32)
    with latentstore.open(tmp_path / "big.latent") as store:
        points = store.create("points", index="hnsw")
        points.add(vectors=vectors)
        points.optimize()
        measured = points.info()["spaces"][0]["index"]["recall"]["0.9"]["measured"]
    assert f"0.9 → {measured}" in " ".join(run("info", tmp_path / "big.latent").out.split())


def test_sql_answers_as_csv_and_as_a_table(run, stored):
    query = "select year, text from items where year is not null order by year"
    assert run("sql", stored, query, "--format", "csv").out == "year,text\n1999,Pears are sweet\n2004,Plums are blue\n"
    assert run("sql", stored, query).out.split()[-4:] == ["2004", "Plums", "are", "blue"]


def test_a_table_cuts_long_values_and_says_so_and_json_does_not(run, tmp_path):
    (tmp_path / "long.jsonl").write_text(json.dumps({"text": "word " * 200}))
    run("ingest", "l.latent", "long.jsonl", "--encoder", "hashing", "--chunk-tokens", 256)
    shown = run("sql", "l.latent", "select text from items")
    assert "…" in shown.out
    assert "--format json" in shown.err
    told = run("sql", "l.latent", "select text from items", "--format", "jsonl")
    assert (json.loads(told.out)["text"], told.err) == ("word " * 200, "")


def test_encoders_lists_what_can_be_named(run):
    rows = json.loads(run("encoders", "--format", "json").out)
    assert {"hashing": 64, "text": 384}.items() <= {row["name"]: row["dim"] for row in rows}.items()


def test_verify_finds_a_flipped_bit_and_repair_mends_it(run, own):
    before = contents(own)
    flip(next(own.glob("docs/spaces/*/vectors-*")), 5)
    found = run("verify", own)
    assert found.status == 1
    assert "1 vectors differ from their checksums" in " ".join(found.out.split())
    assert found.lines() == [f"error: 1 problem; try: latentstore repair {own}"]
    mended = run("repair", own)
    assert (mended.status, mended.err) == (0, "")
    assert mended.out.endswith(f"{own} is whole\n")
    assert run("verify", own).out == f"{own} is whole\n"
    assert contents(own) == before


def test_verify_and_repair_give_machines_rows_only(run, own):
    assert run("verify", own, "--format", "json").out == "[]\n"
    assert run("repair", own, "--format", "csv").out == "outcome,what\n"


def test_optimize_clears_deleted_items_away(run, own):
    with latentstore.open(own) as store:
        store.collection("docs").delete(where="year > 0")
    assert "2 deleted" in run("info", own).out
    assert run("optimize", own).out == f"{own} is up to date\n"
    assert json.loads(run("info", own, "--format", "json").out)[0]["spaces"][0]["dead"] == 0


def test_what_is_exported_comes_back_the_same_by_import(run, stored):
    assert run("export", stored, "docs.parquet").out == "wrote 4 items to docs.parquet\n"
    assert run("import", "copy.latent", "docs.parquet").out == (
        "read 4 items from docs.parquet into collection 'docs' of copy.latent\n"
    )
    assert contents("copy.latent") == contents(stored)


def test_a_second_import_refuses_known_ids_unless_told_what_to_do(run, own):
    run("export", own, "docs.parquet")
    before = contents(own)
    assert run("import", own, "docs.parquet").status == 1
    assert run("import", own, "docs.parquet", "--on-conflict", "skip").status == 0
    assert run("import", own, "docs.parquet", "--on-conflict", "replace").status == 0
    assert contents(own) == before


def test_a_store_comes_back_from_its_backup(run, stored):
    made = run("backup", stored, "kept")
    assert made.out == f"a copy of {stored} is in kept\n"
    assert made.err == "bring it back with: latentstore restore kept NEW.latent\n"
    assert run("restore", "kept", "back.latent").out == "back.latent is back, and whole\n"
    assert contents("back.latent") == contents(stored)


def test_a_damaged_backup_is_not_restored(run, stored, tmp_path):
    run("backup", stored, "kept")
    flip(next(tmp_path.glob("kept/docs/spaces/*/vectors-*")), 5)
    refused = run("restore", "kept", "back.latent")
    assert (refused.status, len(refused.lines())) == (1, 1)
    assert not (tmp_path / "back.latent").exists()


def test_where_a_store_has_several_collections_one_is_named(run, own):
    with latentstore.open(own) as store:
        store.create("more", encoders=["hashing"]).add(["only one"])
    refused = run("sql", own, "select count(*) n from items")
    assert refused.lines() == [
        "error: the store has 2 collections: docs, more; name one with --collection",
    ]
    assert run("sql", own, "select count(*) n from items", "--collection", "more", "--format", "csv").out == "n\n1\n"
    assert [row["items"] for row in json.loads(run("info", own, "--format", "json").out)] == [4, 1]


@pytest.mark.parametrize("name", ["a.md#1", "t.csv#2"])
def test_ids_are_those_that_the_readers_promise(stored, name):
    assert f"{stored.parent}/{name}" in contents(stored)[0]
