import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.readers import READERS
from ingest.results import Problem, Unreadable
from ingest.sources import Document, Kind, Patterns, find, kind_of, roots, survey, uri_of
from latentstore.errors import InvalidInput, NotFound


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.md", "a.txt", "sub/c.TXT", ".hidden.txt", ".git/d.txt", "model.bin", "noending"):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text")
    return tmp_path / "docs"


def names(folder: Path, include=(), exclude=()) -> list[str]:
    return [str(Path(found.uri).relative_to(folder)) for found in find([folder], Patterns(include, exclude))]


def test_a_folder_gives_its_readable_files_in_order_and_no_hidden_ones(folder):
    assert names(folder) == ["a.txt", "b.md", "sub/c.TXT"]


def test_patterns_match_the_name_or_the_path_below_the_source(folder):
    assert names(folder, include=("*.md",)) == ["b.md"]
    assert names(folder, include=("sub/*",)) == ["sub/c.TXT"]
    assert names(folder, exclude=("sub", "a.*")) == ["b.md"]


def test_an_include_pattern_that_asks_for_an_unknown_ending_gets_it_read_as_text(folder):
    found = list(find([folder], Patterns(include=("noending",))))
    assert [document.kind for document in found] == [Kind.TEXT]


def test_links_are_not_followed_neither_to_files_nor_to_folders(folder, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    (folder / "link.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (folder / "linked").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder)
    assert names(folder) == ["a.txt", "b.md", "sub/c.TXT"]


def test_pipes_and_sockets_in_a_folder_are_passed_over(folder, monkeypatch):
    os.mkfifo(folder / "pipe.txt")
    monkeypatch.chdir(folder)  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.txt")
        assert names(folder) == ["a.txt", "b.md", "sub/c.TXT"]


def test_a_pipe_that_takes_the_place_of_a_file_is_not_waited_for(folder):
    first = next(iter(find([folder], Patterns())))
    (folder / "a.txt").unlink()
    os.mkfifo(folder / "a.txt")
    with pytest.raises(Unreadable, match="no longer a file"), first.local():
        pass


def test_a_file_that_vanishes_after_it_was_found_is_an_error_of_its_own(folder):
    first, second, _ = find([folder], Patterns())
    (folder / "a.txt").unlink()
    with pytest.raises(FileNotFoundError), first.local():
        pass
    with second.local() as path:
        assert path == folder / "b.md"


def test_a_folder_that_vanishes_while_it_is_walked_is_a_problem(folder, tmp_path):
    found = find([folder], Patterns())
    next(found)
    shutil.rmtree(folder / "sub")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.txt").write_text("secret")
    (folder / "sub").symlink_to(tmp_path / "outside")  # and what takes its place leads out
    assert [one.source for one in found if isinstance(one, Problem)] == [f"{folder}/sub/"]


@contextmanager
def without_rights() -> Iterator[None]:
    """Nothing is forbidden to root."""
    before = os.geteuid()
    os.seteuid(before or 65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_a_folder_without_permission_is_a_problem_and_the_rest_is_found(folder):
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        Path(place).chmod(0o755)
        folder = shutil.copytree(folder, Path(place, "docs"))
        (folder / "sub").chmod(0)
        with without_rights():
            found = list(find([folder], Patterns()))
        (folder / "sub").chmod(0o755)
    assert [one.uri for one in found if isinstance(one, Document)] == [f"{folder}/a.txt", f"{folder}/b.md"]
    assert [one for one in found if isinstance(one, Problem)] == [
        Problem(f"{folder}/sub/", "cannot be listed: Permission denied")
    ]


def test_a_tree_deeper_than_any_path_can_say_is_found_as_far_as_it_goes(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deeper", dir_fd=here)
        below = os.open("deeper", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    (tmp_path / "deeper" / "a.txt").write_text("text")
    document, problem = find([tmp_path], Patterns())
    subprocess.run(["rm", "-rf", tmp_path / "deeper"], check=True)
    assert document.uri == f"{tmp_path}/deeper/a.txt"
    assert isinstance(problem, Problem) and problem.reason == "cannot be listed: File name too long"


def test_names_that_are_no_unicode_are_found_and_opened(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9 \n.txt")).write_bytes(b"text")
    (document,) = find([tmp_path], Patterns())
    assert document.uri == f"{tmp_path}/caf\\xe9 \n.txt"
    with document.local() as found:
        assert found.read_bytes() == b"text"


def test_every_kind_but_an_archive_has_a_reader():
    assert set(READERS) == set(Kind) - {Kind.ARCHIVE}


@pytest.mark.parametrize("name", ["README", "License", "CHANGELOG"])
def test_well_known_names_without_an_ending_are_texts(name):
    assert kind_of(name) is Kind.TEXT


def test_a_stamp_differs_when_a_file_is_written_anew(folder):
    (before,) = find([folder / "a.txt"], Patterns())
    (folder / "a.txt").write_text("TEXT")
    os.utime(folder / "a.txt", (before.modified, before.modified))
    (after,) = find([folder / "a.txt"], Patterns())
    assert after.size == before.size and after.stamp != before.stamp


def test_a_name_that_begins_like_a_home_may_be_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("~draft.txt").write_text("x")
    assert [one.name for one in find(["~draft.txt"], Patterns())] == ["~draft.txt"]


def test_roots_are_what_uris_begin_with(folder, tmp_path):
    (tmp_path / "list.txt").write_text("docs\nhttps://user:secret@example.org/a.txt\n")
    assert roots([folder, folder / "a.txt", "-", f"@{tmp_path}/list.txt", f"file://{folder}"]) == [
        f"{folder}/",
        f"{folder}/a.txt",
        f"{folder}/",
        "https://example.org/a.txt",
        f"{folder}/",
    ]


def test_a_file_given_twice_is_found_once(folder):
    found = list(find([folder, folder / "a.txt"], Patterns()))
    assert [document.name for document in found].count("a.txt") == 1


def test_a_file_named_as_a_source_is_read_whatever_its_name(folder):
    (document,) = find([folder / ".hidden.txt"], Patterns())
    assert document.named and document.kind is Kind.TEXT


def test_a_survey_counts_files_bytes_and_the_endings_passed_over(folder):
    counted = survey([folder], Patterns())
    assert (counted.files, counted.bytes, counted.ignored) == (3, 12, {".bin": 1, "no ending": 1})


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFound, match="nosuch"):
        survey([tmp_path / "nosuch"], Patterns())


def test_a_source_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="neither a folder nor a file"):
        survey([tmp_path / "pipe"], Patterns())


def test_a_name_that_is_no_unicode_becomes_a_uri_that_is():
    assert uri_of(Path(os.fsdecode(b"/tmp/\xff.txt"))) == "/tmp/\\xff.txt"
