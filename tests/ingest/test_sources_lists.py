"""Lists of sources, standard input, and files whose names do not tell what they are."""

import gzip
import hashlib
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import wave
import zipfile
from pathlib import Path

import duckdb
import numpy as np
import pyarrow
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image

from ingest.limits import Limits
from ingest.results import Problem, Unreadable
from ingest.sources import Kind, Patterns, find, members, scratch, survey
from ingest.sources.magic import kind_of_file
from latentstore.errors import InvalidInput, NotFound


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Where temporary files of this process go."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with scratch():
        yield tmp_path / "temporary"


def test_a_list_gives_its_files_and_folders_relative_to_itself(tmp_path):
    for name in ("sub/a.txt", "sub/more/b.md", "sub/more/c.unknown", "sub/#d.txt", "e.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("x")
    lines = (
        f"\ufeff# a comment\r\n\r\n  a.txt\r\nmore\nmore/c.unknown\n{tmp_path}/e.txt\nfile://{tmp_path}/sub/%23d.txt"
    )
    (tmp_path / "sub" / "list").write_text(lines)
    found = list(find([f"@{tmp_path}/sub/list"], Patterns()))
    assert [one.name for one in found] == ["a.txt", "b.md", "c.unknown", "e.txt", "#d.txt"]
    assert [one.named for one in found] == [True, False, True, True, True]


def test_a_line_of_a_list_is_never_more_than_a_path_or_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("-", "@other", "duckdb:x?y"):
        Path(name).write_text("x")
    Path("list").write_text("-\n@other\nduckdb:x?y\n")
    assert [one.name for one in find(["@list"], Patterns())] == ["-", "@other", "duckdb:x?y"]


def test_a_line_that_leads_nowhere_is_a_problem_and_the_others_are_read(tmp_path):
    (tmp_path / "list").write_text("nosuch.txt\na.txt\n")
    (tmp_path / "a.txt").write_text("x")
    problem, document = find([f"@{tmp_path}/list"], Patterns())
    assert problem.source == f"{tmp_path}/nosuch.txt"
    assert "line 1 of" in problem.reason and "there is no" in problem.reason
    assert document.name == "a.txt"


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(NotFound, match="nosuch"):
        survey([f"@{tmp_path}/nosuch"], Patterns())


def piped(code: str, given: bytes, **environment: str) -> str:
    """What a program prints that has `given` on its standard input."""
    start = "from ingest.sources import *\nfrom ingest.limits import Limits\nfrom ingest.results import *\n"
    done = subprocess.run(
        [sys.executable, "-c", start + code], input=given, capture_output=True, env=os.environ | environment, check=True
    )
    return done.stdout.decode().strip()


def test_standard_input_is_read_once_and_can_be_opened_again(tmp_path):
    code = """
with scratch():
    counted = survey(["-"], Patterns())
    (document,) = find(["-"], Patterns())
    for _ in range(2):
        with document.local() as path:
            print(path.read_text(), document.uri, document.kind, counted.bytes)
"""
    line = f"some words stdin:{hashlib.sha256(b'some words').hexdigest()[:16]} text 10"
    assert piped(code, b"some words", TMPDIR=str(tmp_path)).splitlines() == [line, line]
    assert list(tmp_path.iterdir()) == []


def test_standard_input_is_read_as_the_name_says_that_it_is_given(tmp_path):
    code = "(document,) = find(['-'], Patterns(), name='rows.csv')\nprint(document.uri, document.kind)"
    assert piped(code, b"text\nx\n", TMPDIR=str(tmp_path)) == "stdin:rows.csv csv"
    assert list(tmp_path.iterdir()) == []


def test_standard_input_without_a_name_is_known_by_its_first_bytes(tmp_path):
    code = "(document,) = find(['-'], Patterns())\nprint(document.kind)"
    assert piped(code, gzip.compress(b"text"), TMPDIR=str(tmp_path)) == "archive"


def test_standard_input_past_the_limit_is_refused_and_leaves_nothing(tmp_path):
    code = """
try:
    list(find(["-"], Patterns(), limits=Limits(bytes=5)))
except Unreadable as cause:
    print(cause)
"""
    assert "is larger than 5 bytes" in piped(code, b"some words", TMPDIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_job_leaves_the_next_one_removes(tmp_path):
    left = "with scratch():\n  list(find(['-'], Patterns()))\n  import os; os._exit(0)"
    piped(left, b"some words", TMPDIR=str(tmp_path))
    (folder,) = tmp_path.iterdir()
    assert any(file.read_bytes() == b"some words" for file in folder.iterdir())
    piped("list(find(['-'], Patterns()))", b"others", TMPDIR=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_a_job_under_way_is_left_alone(tmp_path, place):
    (archive,) = find([gzipped(tmp_path / "a.txt.gz")], Patterns())
    with archive.local() as at:
        (member,) = members(archive, at, Patterns(), Limits(), {})
        with member.local() as path:
            piped("list(find(['-'], Patterns()))", b"others", TMPDIR=str(place))
            assert path.read_bytes() == b"text"
    assert [file.name for file in path.parent.iterdir()] == [".lock"]


def gzipped(path: Path) -> Path:
    path.write_bytes(gzip.compress(b"text"))
    return path


def picture(form: str, **options) -> bytes:
    held = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(held, form, **options)
    return held.getvalue()


def zip_of(**members: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "/", 1), content)
    return held.getvalue()


def sound() -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(1600))
    return held.getvalue()


def table(write) -> bytes:
    held = io.BytesIO()
    write(pyarrow.table({"text": ["x"]}), held)
    return held.getvalue()


def tar() -> bytes:
    held = io.BytesIO()
    tarfile.open(fileobj=held, mode="w").close()
    with tarfile.open(fileobj=(held := io.BytesIO()), mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return held.getvalue()


KNOWN = {
    "a JPEG": (Kind.IMAGE, lambda: picture("JPEG")),
    "a PNG": (Kind.IMAGE, lambda: picture("PNG")),
    "a WebP": (Kind.IMAGE, lambda: picture("WEBP")),
    "a GIF": (Kind.IMAGE, lambda: picture("GIF")),
    "a BMP": (Kind.IMAGE, lambda: picture("BMP")),
    "a TIFF": (Kind.IMAGE, lambda: picture("TIFF")),
    "a WAV": (Kind.AUDIO, sound),
    "a Parquet file": (Kind.PARQUET, lambda: table(pyarrow.parquet.write_table)),
    "a Feather file": (Kind.ARROW, lambda: table(pyarrow.feather.write_feather)),
    "a zip": (Kind.ARCHIVE, lambda: zip_of(a="x")),
    "a DOCX": (Kind.DOCX, lambda: zip_of(**{"word_document.xml": "<x/>"})),
    "an EPUB": (Kind.EPUB, lambda: zip_of(mimetype="application/epub+zip")),
    "a tar": (Kind.ARCHIVE, tar),
    "a gzip": (Kind.ARCHIVE, lambda: gzip.compress(b"x")),
    "a PDF": (Kind.PDF, lambda: b"%PDF-1.7\n"),
    "a page": (Kind.HTML, lambda: b"\xef\xbb\xbf\n<!DOCTYPE html><p>x"),
    "a text": (None, lambda: b"some words"),
    "nothing": (None, lambda: b""),
}


@pytest.mark.parametrize("what", KNOWN)
def test_the_first_bytes_tell_what_a_name_does_not(tmp_path, what):
    kind, made = KNOWN[what]
    (tmp_path / "file").write_bytes(made())
    assert kind_of_file(tmp_path / "file") is kind


def test_a_named_file_of_unknown_ending_is_what_its_bytes_say(tmp_path):
    (tmp_path / "download").write_bytes(table(pyarrow.parquet.write_table))
    (tmp_path / "words.xyz").write_bytes(b"some words")
    found = find([tmp_path / "download", tmp_path / "words.xyz"], Patterns())
    assert [one.kind for one in found] == [Kind.PARQUET, Kind.TEXT]


def test_a_compressed_file_without_a_telling_name_holds_what_its_bytes_say(tmp_path):
    (tmp_path / "backup").write_bytes(gzip.compress(tar()))
    (tmp_path / "words").write_bytes(gzip.compress(b"some words"))
    for name, kinds in (("backup", [("a.txt", Kind.TEXT)]), ("words", [("words", Kind.TEXT)])):
        (archive,) = find([tmp_path / name], Patterns())
        listed = members(archive, tmp_path / name, Patterns(), Limits(), {})
        assert [(one.name, one.kind) for one in listed] == kinds


def test_a_duckdb_file_as_a_source_needs_a_query(tmp_path):
    duckdb.connect(str(tmp_path / "a.db")).close()
    with pytest.raises(InvalidInput, match="say which rows are meant: 'duckdb:"):
        survey([tmp_path / "a.db"], Patterns())


def test_a_source_of_another_type_is_refused():
    with pytest.raises(InvalidInput, match="a source is a path, an address or a Table, got int"):
        survey([3], Patterns())


def test_problems_are_no_files_in_a_survey(tmp_path):
    (tmp_path / "list").write_text("nosuch\n")
    assert [type(one) for one in find([f"@{tmp_path}/list"], Patterns())] == [Problem]
    assert survey([f"@{tmp_path}/list"], Patterns()).files == 0


def test_a_member_past_a_limit_leaves_nothing_behind(tmp_path, place):
    (archive,) = find([gzipped(tmp_path / "a.txt.gz")], Patterns())
    (member,) = members(archive, tmp_path / "a.txt.gz", Patterns(), Limits(bytes=2), {})
    with pytest.raises(Unreadable, match="is larger than 2 bytes"), member.local():
        pass
    assert [file.name for folder in place.iterdir() for file in folder.iterdir()] == [".lock"]
