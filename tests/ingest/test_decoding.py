import pytest

from ingest.readers import decoding
from ingest.readers.decoding import characters, encoding_of
from ingest.results import Unreadable

TEXT = "Grüße, мир\nsecond line\n"


@pytest.mark.parametrize(
    ("encoding", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-32", "utf-32"),
    ],
)
def test_unicode_encodings_are_found_and_their_marks_are_no_text(tmp_path, encoding, found):
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding=encoding)
    assert encoding_of(path) == found
    assert "".join(piece for piece, _ in characters(path, found)) == TEXT


def test_western_bytes_are_read_as_windows_1252(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("“Grüße” 5 €".encode("cp1252"))
    assert encoding_of(path) == "cp1252"


def test_bytes_that_windows_1252_lacks_are_read_as_latin_1(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf\xe9 \x81")
    assert encoding_of(path) == "latin-1"


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_character_cut_by_a_piece_is_no_error(tmp_path, monkeypatch, size):
    monkeypatch.setattr(decoding, "PIECE", size)
    path = tmp_path / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    assert encoding_of(path) == "utf-8"
    assert "".join(piece for piece, _ in characters(path, "utf-8")) == TEXT


def test_a_utf8_file_that_ends_within_a_character_is_not_taken_for_utf8(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("naïve ü".encode()[:-1])
    assert encoding_of(path) == "cp1252"


def test_a_file_with_a_nul_byte_is_no_text_and_the_position_is_told(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc\0def")
    with pytest.raises(Unreadable, match="NUL byte at position 3"):
        encoding_of(path)


def test_a_mark_that_the_bytes_break_is_told(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff\xfea\0b")
    with pytest.raises(Unreadable, match="begins like utf-16"):
        encoding_of(path)


def test_every_line_end_becomes_a_newline_as_read_text_has_it(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"a\r\nb\rc\n")
    assert "".join(piece for piece, _ in characters(path, "utf-8")) == path.read_text() == "a\nb\nc\n"


def test_an_empty_file_is_empty_text(tmp_path):
    path = tmp_path / "a.txt"
    path.touch()
    assert list(characters(path, encoding_of(path))) == []
