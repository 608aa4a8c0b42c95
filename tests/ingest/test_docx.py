import io
import zipfile

import docx
import pytest
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml

from ingest.results import Unreadable
from tests.ingest.reading import everything, passages, texts

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


@pytest.fixture
def made():
    document = docx.Document()
    document.core_properties.title = "The report"
    document.core_properties.author = "Ann"
    document.core_properties.language = "en"
    document.add_heading("Apples", 1)
    document.add_paragraph("Apples are ").add_run("red").bold = True
    table = document.add_table(2, 2)
    for at, text in enumerate(["sort", "price", "Jonagold", "3 €"]):
        table.cell(at // 2, at % 2).text = text
    document.add_heading("Pears", 2)
    document.add_paragraph("Pears\tare\ngreen.")
    return document


def saved(document, tmp_path):
    path = tmp_path / "a.docx"
    document.save(path)
    return path


def raw(tmp_path, body, parts=None):
    """A DOCX of one part, and of what is given besides."""
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("word/document.xml", f"<w:document {W}><w:body>{body}</w:body></w:document>")
        for name, text in (parts or {}).items():
            file.writestr(name, text)
    return path


def paragraph(inner):
    return f"<w:p>{inner}</w:p>"


def run(text):
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def test_paragraphs_and_tables_are_read_in_order(tmp_path, made):
    assert texts(saved(made, tmp_path)) == [
        "Apples\n\nApples are red\n\nsort | price\nJonagold | 3 €\n\nPears\n\nPears\tare\ngreen."
    ]


def test_passages_know_the_heading_above_and_what_the_document_says_of_itself(tmp_path, made):
    found = passages(saved(made, tmp_path), tokens=12)
    assert [(text.split("\n")[0], known["title"]) for text, known in found] == [
        ("Apples", "Apples"),
        ("Pears", "Pears"),
    ]
    assert {key: found[0][1][key] for key in ("author", "language", "created")} == {
        "author": "Ann",
        "language": "en",
        "created": made.core_properties.created.date().isoformat(),
    }


def test_a_document_without_headings_has_its_own_title(tmp_path):
    document = docx.Document()
    document.core_properties.title = "The report"
    document.add_paragraph("Words.")
    assert passages(saved(document, tmp_path))[0][1]["title"] == "The report"


def test_every_word_that_the_library_finds_is_read(tmp_path):
    document = docx.Document()
    for n in range(300):
        document.add_paragraph(f"Paragraph {n} has words.", style="List Bullet" if n % 3 else None)
    path = saved(document, tmp_path)
    expected = " ".join(one.text for one in docx.Document(path).paragraphs)
    assert " ".join(texts(path, tokens=40)).split() == expected.split()


def test_a_heading_is_known_by_its_style_in_any_language(tmp_path, made):
    style = made.styles.add_style("Überschrift", 1)
    style.base_style = made.styles["Heading 1"]
    made.add_paragraph("Quitten", style="Überschrift")
    made.add_paragraph("Quitten sind gelb.")
    assert passages(saved(made, tmp_path), tokens=8)[-1][1]["title"] == "Quitten"


def test_deleted_words_and_codes_are_left_out_and_inserted_ones_read(tmp_path):
    body = paragraph(
        run("kept ")
        + "<w:del><w:r><w:delText>deleted</w:delText></w:r></w:del>"
        + f"<w:ins>{run('inserted ')}</w:ins><w:r><w:instrText>PAGE</w:instrText></w:r>"
        + f"<w:hyperlink>{run('linked')}</w:hyperlink>"
    )
    assert texts(raw(tmp_path, body)) == ["kept inserted linked"]


def test_words_of_text_boxes_and_controls_are_read_once(tmp_path):
    mc = 'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    box = f"<w:txbxContent>{paragraph(run('boxed'))}</w:txbxContent>"
    drawn = f"<w:r><mc:AlternateContent {mc}><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback></mc:AlternateContent></w:r>"
    control = f"<w:sdt><w:sdtContent>{paragraph(run('controlled'))}</w:sdtContent></w:sdt>"
    assert texts(raw(tmp_path, paragraph(run("around") + drawn) + control)) == ["boxed\n\naround\n\ncontrolled"]


def test_a_table_in_a_table_keeps_its_words_in_its_cell(tmp_path):
    document = docx.Document()
    outer = document.add_table(1, 2)
    outer.cell(0, 0).text = "left"
    outer.cell(0, 1).add_table(1, 1).cell(0, 0).text = "inner"
    document.add_paragraph("after")
    assert texts(saved(document, tmp_path)) == ["left | inner\n\nafter"]


def test_a_note_stands_below_the_paragraph_that_refers_to_it(tmp_path):
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    relations = '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
    notes = f'<w:footnotes {W}><w:footnote w:id="7">{paragraph(run("The note."))}</w:footnote></w:footnotes>'
    parts = {
        "_rels/.rels": relations.format(
            f'<Relationship Id="a" Type="{kind}/officeDocument" Target="word/document.xml"/>'
        ),
        "word/_rels/document.xml.rels": relations.format(
            f'<Relationship Id="b" Type="{kind}/footnotes" Target="footnotes.xml"/>'
        ),
        "word/footnotes.xml": notes,
    }
    body = paragraph(run("Words") + '<w:r><w:footnoteReference w:id="7"/></w:r>') + paragraph(run("More."))
    assert texts(raw(tmp_path, body, parts)) == ["Words\n\nThe note.\n\nMore."]


def test_a_tab_stop_is_no_tab(tmp_path, made):
    made.paragraphs[0]._p.get_or_add_pPr().append(parse_xml(f'<w:tabs {W}><w:tab w:val="left"/></w:tabs>'))
    assert made.paragraphs[0]._p.find(f".//{qn('w:tab')}") is not None
    assert texts(saved(made, tmp_path))[0].startswith("Apples\n")


BOMB = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "boom"}">' for n in range(12))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"<!DOCTYPE a [{BOMB}]><w:document {W}><w:p><w:r><w:t>&e11;</w:t></w:r></w:p></w:document>", "document type"),
        (
            f'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><w:document {W}><w:t>&x;</w:t></w:document>',
            "document type",
        ),
        (f"<w:document {W}>" + "<w:p>" * 100_000, "no XML"),
        (f"<w:document {W}><w:body><w:p><w:r><w:t>cut", "no XML"),
        ("no xml", "no XML"),
        ("", "no XML"),
    ],
)
def test_xml_made_to_do_harm_is_refused(tmp_path, text, reason):
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("word/document.xml", text)
    with pytest.raises(Unreadable, match=reason):
        everything(path)


def test_a_part_that_expands_without_end_is_refused(tmp_path):
    path = tmp_path / "a.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("word/document.xml", "w") as part:
        part.write(f"<w:document {W}>".encode())
        for _ in range(70):
            part.write(b" " * (1 << 20))
        part.write(b"</w:document>")
    with pytest.raises(Unreadable, match=r"word/document\.xml.*expands to more than 200 times its size"):
        everything(path)
    with pytest.raises(Unreadable, match="larger than 1,000,000 bytes"):
        everything(path, bytes=1_000_000)


def test_what_is_no_document_is_told(tmp_path):
    path = tmp_path / "a.docx"
    for data in (b"", b"PK\3\4", b"words", bytes(1000)):
        path.write_bytes(data)
        with pytest.raises(Unreadable, match="zip archive"):
            everything(path)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("other.txt", "words")
    path.write_bytes(held.getvalue())
    with pytest.raises(Unreadable, match=r"lacks its part word/document\.xml"):
        everything(path)


def test_an_encrypted_document_is_told(tmp_path):
    path = tmp_path / "a.docx"
    path.write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(1000))
    with pytest.raises(Unreadable, match="is encrypted"):
        everything(path)


def test_a_document_cut_short_is_refused(tmp_path, made):
    whole = saved(made, tmp_path).read_bytes()
    for cut in range(100, len(whole), 5000):
        (tmp_path / "a.docx").write_bytes(whole[:cut])
        with pytest.raises(Unreadable):
            everything(tmp_path / "a.docx")


def test_a_long_document_is_read_whole(tmp_path):
    body = "".join(paragraph(run(f"Paragraph {n} has words.")) for n in range(30_000))
    assert " ".join(texts(raw(tmp_path, body))).count("has words.") == 30_000
