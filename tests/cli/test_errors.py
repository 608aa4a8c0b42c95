"""What goes wrong is one line on standard error and exit status 1, or 2 for wrong usage; nothing on standard output."""

import os

import pytest

import latentstore

READING = [
    ("search", "x"),
    ("similar", "x"),
    ("info",),
    ("sql", "select 1"),
    ("verify",),
    ("repair",),
    ("optimize",),
    ("export", "out.parquet"),
    ("backup", "out"),
]


def refused(outcome, status, *fragments):
    assert (outcome.status, outcome.out) == (status, "")
    (line,) = outcome.lines()
    assert line.startswith("error: ")
    for fragment in fragments:
        assert fragment in line


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
def test_a_store_that_is_not_there_is_not_made(run, tmp_path, command):
    refused(run(command[0], "no.latent", *command[1:]), 1, "there is no store at no.latent")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [*READING, ("ingest", "a.txt"), ("import", "x.parquet"), ("demo",)], ids=" ".join)
def test_a_folder_of_something_else_is_left_alone(run, tmp_path, command):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("not ours")
    (tmp_path / "a.txt").write_text("a text")
    refused(run(command[0], "photos", *command[1:]), 1)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("search", "x", "--where", "yeer > 3"), ("no column 'yeer'", "uri, line")),
        (("search", "x", "--where", "year >"), ("does not parse",)),
        (("search", "x", "--columns", "nosuch"), ("'nosuch'", "there are line")),
        (("search", "x", "--collection", "nosuch"), ("no collection 'nosuch'", "it has: docs")),
        (("similar", "nosuch"), ("'nosuch'",)),
        (("sql", "drop table items"), ("only SELECT",)),
        (("sql", "select * from read_csv('/etc/passwd')"), ("read_csv",)),
        (("info", "--collection", "nosuch"), ("it has: docs",)),
        (("optimize", "--collection", "nosuch"), ("it has: docs",)),
        (("export", "here"), ("here exists",)),
        (("backup", "here"), ("here exists",)),
        (("import", "nosuch.parquet"), ("no file nosuch.parquet",)),
        (("import", "here"), ("here is not a Parquet file",)),
        (("ingest", "nosuch"), ("there is no nosuch",)),
        (("ingest", "t.csv"), ("no column 'text'", "review", "--text-column")),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_wrong_name_is_told_with_what_there_is(run, own, tmp_path, arguments, fragments):
    (tmp_path / "here").write_text("in the way")
    (tmp_path / "t.csv").write_text("review\nfine\n")
    refused(run(arguments[0], own, *arguments[1:]), 1, *fragments)
    assert run("verify", own).status == 0


def test_restore_wants_a_backup_and_an_empty_place(run, own, tmp_path):
    refused(run("restore", tmp_path / "nosuch", "new.latent"), 1, "is not a backup")
    run("backup", own, "kept")
    refused(run("restore", "kept", own), 1, "exists")


def test_an_empty_store_says_how_to_fill_it(run, tmp_path):
    latentstore.open(tmp_path / "e.latent").close()
    refused(run("search", "e.latent", "x"), 1, "no collection yet", "latentstore ingest")


def test_a_locked_store_says_who_holds_it(cli, own):
    with latentstore.open(own):
        refused(cli("search", own, "x"), 1, f"pid {os.getpid()}", "close it there")


@pytest.mark.parametrize(
    ("arguments", "fragments"),
    [
        (("search",), ("Missing argument 'STORE'", "latentstore search --help")),
        (("search", "s.latent"), ("takes one of QUERY",)),
        (("search", "s.latent", " "), ("QUERY", "is empty")),
        (("search", "s.latent", "x", "-k", "0"), ("-k", "greater than or equal to 1")),
        (("search", "s.latent", "x", "--format", "xml"), ("--format",)),
        (("search", "s.latent", "x", "--bogus"), ("--bogus",)),
        (("serch",), ("did you mean 'search'? Try: latentstore --help",)),
        (("ingest", "s.latent"), ("name a folder, a file, an archive or an address",)),
        (("import", "s.latent", "x", "--on-conflict", "maybe"), ("--on-conflict",)),
    ],
    ids=lambda value: " ".join(value),
)
def test_wrong_usage_is_exit_status_2_and_points_to_help(run, arguments, fragments):
    refused(run(*arguments), 2, *fragments)


def test_no_command_shows_the_help(run):
    bare, asked = run(), run("--help")
    assert bare.out.strip() == asked.out.strip()
    assert (bare.status, asked.status) == (2, 0)
