import os
from pathlib import Path

import pytest

from ingest.sources import Kind, Patterns, find, survey, uri_of
from latentstore.errors import InvalidInput, NotFound


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.md", "a.txt", "sub/c.TXT", ".hidden.txt", ".git/d.txt", "picture.png", "noending"):
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


def test_a_pipe_in_a_folder_is_passed_over(folder):
    os.mkfifo(folder / "pipe.txt")
    assert "pipe.txt" not in names(folder)


def test_a_file_given_twice_is_found_once(folder):
    found = list(find([folder, folder / "a.txt"], Patterns()))
    assert [document.name for document in found].count("a.txt") == 1


def test_a_file_named_as_a_source_is_read_whatever_its_name(folder):
    (document,) = find([folder / ".hidden.txt"], Patterns())
    assert document.named and document.kind is Kind.TEXT


def test_a_survey_counts_files_bytes_and_the_endings_passed_over(folder):
    counted = survey([folder], Patterns())
    assert (counted.files, counted.bytes, counted.ignored) == (3, 12, {".png": 1, "no ending": 1})


def test_a_source_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFound, match="nosuch"):
        survey([tmp_path / "nosuch"], Patterns())


def test_a_source_that_is_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInput, match="neither a folder nor a file"):
        survey([tmp_path / "pipe"], Patterns())


def test_a_name_that_is_no_unicode_becomes_a_uri_that_is():
    assert uri_of(Path(os.fsdecode(b"/tmp/\xff.txt"))) == "/tmp/\\xff.txt"
