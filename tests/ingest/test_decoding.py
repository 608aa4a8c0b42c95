# ruff: noqa: RUF001 - texts in many scripts
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


SAMPLES = {
    "de": "Die Größe der Straße überraschte die Gäste: „Fünf Äpfel“ – für 3 € je Stück. Über dem Dach hängen dünne Wolken.",
    "fr": "L’été dernier, nous avons mangé des crêpes à la crème près de l’hôtel. Le garçon était très naïf.",
    "cs": "Příliš žluťoučký kůň úpěl ďábelské ódy. Dítě šlo do školy a potkalo učitele.",
    "tr": "Pijamalı hasta yağız şoföre çabucak güvendi. Işık ılık süt içti, çünkü üşüyordu.",
    "ru": "Съешь же ещё этих мягких французских булок, да выпей чаю. Вчера мы долго гуляли по городу.",
    "el": "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία. Τα παιδιά παίζουν στον κήπο κάθε μέρα.",
    "he": "דג סקרן שט בים מאוכזב ולפתע מצא חברה. הילדים משחקים בגינה.",
    "ja": "昨日は友達と一緒に公園へ行きました。天気がとても良かったです。カタカナも書きます。",
    "zh": "我能吞下玻璃而不伤身体。昨天我们去公园玩，天气非常好，孩子们很高兴。",
    "ko": "다람쥐 헌 쳇바퀴에 타고파. 어제 우리는 공원에 가서 놀았습니다. 날씨가 정말 좋았어요.",
}
ENCODED = [
    *(("de", name) for name in ("cp1252", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")),
    *(("fr", "cp1252"), ("cs", "cp1250"), ("tr", "cp1254"), ("el", "cp1253"), ("he", "cp1255"), ("ko", "euc_kr")),
    *(("ru", name) for name in ("cp1251", "koi8_r", "cp866", "iso8859_5", "utf-16-le", "utf-32-be")),
    *(("ja", name) for name in ("shift_jis", "euc_jp", "utf-16-le", "utf-16-be")),
    *(("zh", name) for name in ("gb18030", "gb2312", "utf-16-le", "utf-16-be")),
]


@pytest.mark.parametrize(("language", "encoding"), ENCODED)
def test_an_encoding_that_nothing_names_is_found_out(tmp_path, language, encoding):
    path = tmp_path / "a.txt"
    text = f"# 1\n{SAMPLES[language]}\nend\n"
    path.write_bytes(text.encode(encoding))
    assert "".join(piece for piece, _ in characters(path, encoding_of(path))) == text


def test_an_encoding_is_guessed_from_where_it_shows_and_held_against_the_rest(tmp_path):
    path = tmp_path / "a.txt"
    text = "plain words\n" * 100_000 + SAMPLES["ru"] + "\nplain words\n" * 100_000
    path.write_bytes(text.encode("koi8_r"))
    assert "".join(piece for piece, _ in characters(path, encoding_of(path))) == text
    path.write_bytes(text.encode("cp932") + b"\x98 no byte of Cyrillic in Windows")
    assert encoding_of(path) in ("latin-1", "koi8_r", "cp866", "gb18030", "cp1252", "big5")
    path.read_bytes().decode(encoding_of(path))


def test_a_declared_encoding_is_believed_where_the_bytes_agree(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Ω".encode("iso8859_7"))
    assert encoding_of(path, "ISO-8859-7") == "iso8859-7"
    path.write_bytes("カ".encode("iso2022_jp"))
    assert path.read_bytes().decode(encoding_of(path, "iso-2022-jp")) == "カ"


def test_utf8_is_read_as_what_it_is_whatever_is_declared(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("Grüße".encode())
    assert encoding_of(path, "latin-1") == encoding_of(path, "no such") == encoding_of(path, "rot13") == "utf-8"


def test_what_says_latin_1_is_windows_1252_as_browsers_have_it(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("“Größe”".encode("cp1252"))
    assert encoding_of(path, "ISO-8859-1") == "cp1252"


@pytest.mark.parametrize("data", [b"words\0" * 10, bytes(range(256)) * 30, b"\x7fELF\2\1\1" + bytes(99), b"\0" * 64])
def test_bytes_that_are_no_text_are_refused(tmp_path, data):
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    with pytest.raises(Unreadable, match="NUL byte"):
        encoding_of(path)
