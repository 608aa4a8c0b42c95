import zipfile

import pytest

from ingest.results import Problem, Unreadable
from tests.ingest.reading import everything, passages, texts

CONTAINER = (
    '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    '<rootfile full-path="OEBPS/book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
)
XHTML = 'xmlns="http://www.w3.org/1999/xhtml"'
CHAPTERS = {
    "one.xhtml": f"<?xml version='1.0' encoding='utf-8'?><html {XHTML}><head><title>x</title></head><body><nav>Kept words.</nav>"
    "<h1>The First</h1><p>Call me Ann&#233;.</p><h2>Inside</h2><p>More words.</p></body></html>",
    "text/two%20b.xhtml": f"<html {XHTML}><body><p>Second words.</p></body></html>",
    "three.xhtml": f"<html {XHTML}><body><h1>The Third</h1><p>Third words.</p></body></html>",
}


def opf(spine, extra=""):
    items = "".join(f'<item id="{name}" href="{name}" media-type="application/xhtml+xml"/>' for name in CHAPTERS)
    refs = "".join(f'<itemref idref="{name}"/>' for name in spine)
    return (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<dc:title>The Book</dc:title><dc:creator>Ann Lee</dc:creator><dc:creator>Bo Day</dc:creator><dc:language>en</dc:language>"
        f"<dc:date>1999-12-31T00:00:00Z</dc:date></metadata><manifest>{items}{extra}</manifest><spine>{refs}</spine></package>"
    )


def book(tmp_path, spine=tuple(CHAPTERS), parts=None, extra=""):
    path = tmp_path / "a.epub"
    held = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": opf(spine, extra),
        **{f"OEBPS/{name.replace('%20', ' ')}": text for name, text in CHAPTERS.items()},
        **(parts or {}),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in held.items():
            if text is not None:
                file.writestr(name, text)
    return path


def test_chapters_are_read_in_the_order_of_the_spine_and_never_share_a_passage(tmp_path):
    path = book(tmp_path, ("three.xhtml", "one.xhtml", "text/two%20b.xhtml"))
    assert texts(path) == [
        "The Third\n\nThird words.",
        "Kept words.\n\nThe First\n\nCall me Anné.\n\nInside\n\nMore words.",
        "Second words.",
    ]


def test_passages_know_book_chapter_and_heading(tmp_path):
    found = passages(book(tmp_path, ("three.xhtml", "text/two%20b.xhtml")))
    told = {"book": "The Book", "author": "Ann Lee, Bo Day", "published": "1999-12-31", "language": "en"}
    assert [known for _, known in found] == [
        {"title": "The Third", "chapter": "The Third", **told, "part": 1},
        {"title": "The Book", **told, "part": 2},
    ]


NAV = (
    f"<html {XHTML}><body><nav><ol><li><a href='one.xhtml'>Chapter <i>One</i></a></li><li><a href='text/two%20b.xhtml#x'>Two</a>"
    "</li><li><a href='one.xhtml#inside'>Inside</a></li></ol></nav></body></html>"
)
NCX = (
    '<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>Chapter One</text></navLabel>'
    '<content src="one.xhtml"/><navPoint><navLabel><text>Two</text></navLabel><content src="text/two%20b.xhtml"/></navPoint>'
    "</navPoint></navMap></ncx>"
)


@pytest.mark.parametrize(
    ("extra", "parts"),
    [
        (
            '<item id="n" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>',
            {"OEBPS/nav.xhtml": NAV},
        ),
        ('<item id="n" href="toc.ncx" media-type="application/x-dtbncx+xml"/>', {"OEBPS/toc.ncx": NCX}),
    ],
)
def test_the_table_of_contents_names_the_chapters(tmp_path, extra, parts):
    found = passages(book(tmp_path, (*CHAPTERS, "n"), parts, extra), tokens=6)
    by_text = {text.split("\n")[-1]: known for text, known in found}
    assert by_text["More words."]["chapter"] == "Chapter One" and by_text["More words."]["title"] == "Inside"
    assert by_text["Second words."]["chapter"] == by_text["Second words."]["title"] == "Two"
    assert by_text["Third words."]["chapter"] == "The Third"


def test_a_chapter_that_is_missing_is_a_problem_and_the_others_are_read(tmp_path):
    found = everything(book(tmp_path, parts={"OEBPS/three.xhtml": None}))
    (problem,) = [one for one in found if isinstance(one, Problem)]
    assert problem.reason == "chapter OEBPS/three.xhtml: lacks its part OEBPS/three.xhtml"
    assert len(found) == 3


def encryption(algorithm, part):
    return (
        '<encryption xmlns="urn:oasis:names:tc:opendocument:xmlns:container" xmlns:e="http://www.w3.org/2001/04/xmlenc#">'
        f'<e:EncryptedData><e:EncryptionMethod Algorithm="{algorithm}"/><e:CipherData><e:CipherReference URI="{part}"/>'
        "</e:CipherData></e:EncryptedData></encryption>"
    )


def test_a_book_under_rights_management_is_told_and_hidden_fonts_are_no_matter(tmp_path):
    aes = "http://www.w3.org/2001/04/xmlenc#aes128-cbc"
    with pytest.raises(Unreadable, match="encrypted by its seller"):
        everything(book(tmp_path, parts={"META-INF/encryption.xml": encryption(aes, "OEBPS/one.xhtml")}))
    font = encryption("http://www.idpf.org/2008/embedding", "OEBPS/font.otf")
    assert len(texts(book(tmp_path, parts={"META-INF/encryption.xml": font}))) == 3


def test_a_reference_that_climbs_out_of_the_book_reaches_nothing(tmp_path):
    extra = '<item id="up" href="../../../../etc/passwd" media-type="text/html"/>'
    found = everything(book(tmp_path, ("up", "three.xhtml"), extra=extra))
    assert isinstance(found[0], Problem) and found[1].item.text.startswith("The Third")


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"META-INF/container.xml": None}, "does not say where its book begins"),
        ({"OEBPS/book.opf": None}, r"lacks its part OEBPS/book\.opf"),
        ({"OEBPS/book.opf": "<package"}, "is no XML"),
        ({"OEBPS/book.opf": "<package/>"}, "names no chapters"),
        ({"OEBPS/book.opf": "<a>" * 10_000}, "is no XML"),
        ({"OEBPS/book.opf": "<package>" + " " * (33 << 20) + "</package>"}, "larger than"),
    ],
)
def test_a_book_that_is_broken_or_made_to_do_harm_is_refused(tmp_path, parts, reason):
    with pytest.raises(Unreadable, match=reason):
        everything(book(tmp_path, parts=parts))


def test_entities_of_a_book_are_not_expanded(tmp_path):
    bomb = '<!DOCTYPE package [<!ENTITY a "boom"><!ENTITY b SYSTEM "file:///etc/passwd">]>'
    harmful = bomb + opf(CHAPTERS).replace("The Book", "The &a;&b;Book")
    assert passages(book(tmp_path, parts={"OEBPS/book.opf": harmful}))[1][1]["book"] == "The &a;&b;Book"


def test_more_chapters_than_the_limit_are_refused(tmp_path):
    with pytest.raises(Unreadable, match="has 3 chapters, more than 2; the limit can be raised"):
        everything(book(tmp_path), pages=2)
