"""ingest: every kind of file, what comes out of which stream, and a second run."""

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

import latentstore

HASHING = ("--encoder", "hashing")


def texts(path):
    with latentstore.open(path, read_only=True) as store:
        return sorted(row["text"] for row in store.collection("docs").sql("select text from items"))


def files(folder):
    """One of each kind that is read."""
    (folder / "a.txt").write_text("in a text")
    (folder / "b.md").write_text("in Markdown")
    (folder / "c.csv").write_text("text,n\nin csv,1\n")
    (folder / "d.tsv").write_text("text\tn\nin tsv\t2\n")
    (folder / "e.jsonl").write_text('{"text": "in jsonl", "n": 3}\n')
    pyarrow.parquet.write_table(pa.table({"text": ["in Parquet"], "n": [4]}), folder / "f.parquet")


def test_a_folder_of_every_kind_is_taken_in(run, tmp_path):
    (tmp_path / "in").mkdir()
    files(tmp_path / "in")
    told = run("ingest", "s.latent", "in", *HASHING)
    assert told.status == 0
    assert told.out.startswith("6 files; 6 items (6 new); ")
    assert told.err == 'now try: latentstore search s.latent "what to look for, in your own words"\n'
    assert texts("s.latent") == ["in Markdown", "in Parquet", "in a text", "in csv", "in jsonl", "in tsv"]


def test_running_it_again_changes_only_what_changed(run, tmp_path):
    (tmp_path / "in").mkdir()
    files(tmp_path / "in")
    run("ingest", "s.latent", "in", *HASHING)
    (tmp_path / "in" / "a.txt").write_text("another text")
    (tmp_path / "in" / "c.csv").write_text("text,n\nin csv,1\nmore,5\n")
    told = run("ingest", "s.latent", "in")
    assert told.out.startswith("2 files, 4 unchanged; 3 items (1 new, 1 changed, 1 unchanged); ")
    assert {"another text", "more"} <= set(texts("s.latent"))


def test_columns_and_patterns_are_chosen_by_options(run, tmp_path):
    (tmp_path / "r.csv").write_text("nr,review\nx7,fine\n")
    run("ingest", "s.latent", "r.csv", "--text-column", "review", "--id-column", "nr", *HASHING)
    (tmp_path / "in" / "drafts").mkdir(parents=True)
    (tmp_path / "in" / "drafts" / "no.md").write_text("a draft")
    (tmp_path / "in" / "no.txt").write_text("a text")
    (tmp_path / "in" / "yes.md").write_text("a page")
    run("ingest", "s.latent", "in", "--include", "*.md", "--exclude", "drafts")
    assert texts("s.latent") == ["a page", "fine"]
    with latentstore.open("s.latent", read_only=True) as store:
        assert "x7" in store.collection("docs")


def test_what_cannot_be_read_is_told_on_standard_error_and_the_rest_comes_in(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.txt").write_text("good")
    (tmp_path / "in" / "bad.txt").write_bytes(b"a\0b")
    (tmp_path / "in" / "pic.png").write_bytes(b"")
    told = run("ingest", "s.latent", "in", *HASHING)
    assert (told.status, texts("s.latent")) == (0, ["good"])
    assert told.lines()[:2] == [
        f"not read: {tmp_path}/in/bad.txt: is not text: a NUL byte at position 1",
        "passed over, of kinds not read: 1 image (no encoder here takes it)",
    ]


def test_a_job_of_which_nothing_could_be_read_fails(run, tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"a\0b")
    assert run("ingest", "s.latent", "bad.txt", *HASHING).status == 1


def test_a_folder_with_nothing_to_read_says_so(run, tmp_path):
    (tmp_path / "in").mkdir()
    told = run("ingest", "s.latent", "in", *HASHING)
    assert (told.status, told.err) == (0, "nothing to read was found there\n")


def test_machines_get_the_result_whole(run, tmp_path):
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "bad.txt").write_bytes(b"a\0b")
    told = json.loads(run("ingest", "s.latent", "good.txt", "bad.txt", *HASHING, "--format", "jsonl").out)
    assert (told["added"], told["bad"], told["stopped"]) == (1, 1, False)
    assert told["problems"][0]["source"] == f"{tmp_path}/bad.txt"


@pytest.mark.parametrize(
    "wrong", [("nosuch",), ("t.csv",), ("t.csv", "--id-column", "x"), ("a.txt", "--encoder", "no")]
)
def test_a_refused_job_makes_no_store(run, tmp_path, wrong):
    (tmp_path / "t.csv").write_text("review\nfine\n")
    (tmp_path / "a.txt").write_text("fine")
    refused = run("ingest", "s.latent", *wrong)
    assert (refused.status, refused.out, len(refused.lines())) == (1, "", 1)
    assert not (tmp_path / "s.latent").exists()


def test_errors_of_earlier_runs_are_listed_until_they_are_mended(run, tmp_path):
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "bad.txt").write_bytes(b"a\0b")
    run("ingest", "s.latent", "good.txt", "bad.txt", *HASHING)
    (listed,) = json.loads(run("ingest", "s.latent", "--errors", "--format", "json").out)
    assert listed["source"] == f"{tmp_path}/bad.txt" and "NUL" in listed["reason"]
    (tmp_path / "bad.txt").write_text("mended")
    run("ingest", "s.latent", "good.txt", "bad.txt")
    assert run("ingest", "s.latent", "--errors").out == "every source could be read\n"


def test_a_dry_run_tells_what_would_be_done_and_makes_no_store(run, tmp_path):
    (tmp_path / "in").mkdir()
    files(tmp_path / "in")
    told = run("ingest", "s.latent", "in", *HASHING, "--dry-run")
    assert told.status == 0 and not (tmp_path / "s.latent").exists()
    assert told.out.startswith("6 new files, 0 changed, 0 unchanged; ")
    assert "about 6 items, " in told.out


def test_sync_removes_what_has_gone_and_a_moved_file_is_not_encoded_again(run, tmp_path):
    (tmp_path / "in").mkdir()
    files(tmp_path / "in")
    run("ingest", "s.latent", "in", *HASHING)
    (tmp_path / "in" / "a.txt").rename(tmp_path / "in" / "z.txt")
    (tmp_path / "in" / "b.md").unlink()
    told = run("ingest", "s.latent", "in", "--sync")
    wanted = "1 file, 4 unchanged, 1 moved, 1 gone; 1 item (1 new, 1 removed), 1 vector taken from equal content; "
    assert told.out.startswith(wanted)


def test_a_strict_job_fails_with_the_first_problem(run, tmp_path):
    (tmp_path / "bad.txt").write_bytes(b"a\0b")
    told = run("ingest", "s.latent", "bad.txt", *HASHING, "--strict")
    assert (told.status, len(told.lines())) == (1, 1) and "NUL" in told.err


@pytest.mark.parametrize("wrong", ["pixels", "pixels=many", "speed=3"])
def test_a_limit_that_is_none_is_refused(run, tmp_path, wrong):
    (tmp_path / "a.txt").write_text("fine")
    told = run("ingest", "s.latent", "a.txt", "--limit", wrong)
    assert told.status == 1 and "NAME=VALUE" in told.err
