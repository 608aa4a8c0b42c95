import threading
import zlib

import pytest

from ingest.readers.pdf import paragraphs
from ingest.results import Problem, Unreadable
from tests.ingest.reading import everything, passages, texts


def pdf(pages, info="", streams=None, trailer="", kids=None):
    """A PDF of pages of lines, in Helvetica, with a table of where its objects are."""
    numbers = [5 + 2 * at for at in range(len(pages))]
    kids = kids if kids is not None else " ".join(f"{number} 0 R" for number in numbers)
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R >>",
        2: f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>",
        3: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        4: f"<< {info} >>",
    }
    for number, lines in zip(numbers, pages, strict=True):
        shown = " ".join(f"({line}) Tj 0 -14 Td" for line in lines)
        stream = f"BT /F1 11 Tf 50 780 Td {shown} ET"
        objects[number] = (
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> "
            f"/Contents {number + 1} 0 R >>"
        )
        objects[number + 1] = f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream"
    objects.update(streams or {})
    return written(objects, trailer)


def written(objects, trailer=""):
    data, places = b"%PDF-1.7\n", {}
    for number, held in objects.items():
        places[number] = len(data)
        held = held.encode("cp1252") if isinstance(held, str) else held
        data += b"%d 0 obj\n" % number + held + b"\nendobj\n"
    table = b"".join(
        b"%010d 00000 n \n" % places[n] if n in places else b"0000000000 65535 f \n" for n in range(max(places) + 1)
    )
    end = f"trailer << /Size {max(places) + 1} /Root 1 0 R /Info 4 0 R {trailer} >>\nstartxref\n{len(data)}\n%%EOF"
    return data + b"xref\n0 %d\n" % (max(places) + 1) + table + end.encode()


def write(tmp_path, data, name="a.pdf"):
    path = tmp_path / name
    path.write_bytes(data)
    return path


PAGES = [
    [
        "Apples are fruits that grow on trees in many lands of the north and are quite of-",
        "ten eaten.",
        "Second paragraph.",
    ],
    ["Pears are fruits, too."],
]


def test_pages_are_read_in_order_and_a_passage_has_the_page_that_it_begins_on(tmp_path):
    found = passages(write(tmp_path, pdf(PAGES)), tokens=20)
    assert [(text, known["page"]) for text, known in found] == [
        ("Apples are fruits that grow on trees in many lands of the north and are quite often eaten.", 1),
        ("Second paragraph.\n\nPears are fruits, too.", 1),
    ]
    one = passages(write(tmp_path, pdf(PAGES)), tokens=6)
    assert next(known["page"] for text, known in one if text.startswith("Pears")) == 2


def test_what_the_file_says_of_itself_is_kept(tmp_path):
    info = "/Title (On\n apples) /Author (Ann) /CreationDate (D:20200506070809Z)"
    ((_, known),) = passages(write(tmp_path, pdf(PAGES, info)))
    assert known == {"title": "On apples", "author": "Ann", "created": "2020-05-06", "page": 1, "part": 1}


def test_a_sentence_goes_on_over_the_page(tmp_path):
    pages = [["The sentence begins on a page"], ["and ends on the next."]]
    assert texts(write(tmp_path, pdf(pages))) == ["The sentence begins on a page and ends on the next."]


LONG = "words that fill a printed line to its end and go on"


@pytest.mark.parametrize(
    ("printed", "joined"),
    [
        (f"{LONG}\r\n{LONG}\r\nend.\r\nNext", f"{LONG} {LONG} end.\n\nNext"),
        (f"{LONG} exam\x02ple {LONG}\r\nmore", f"{LONG} example {LONG} more"),
        (f"{LONG} exam-\r\nple {LONG}\r\nmore", f"{LONG} example {LONG} more"),
        (f"{LONG} Jean-\r\nPaul {LONG}", f"{LONG} Jean- Paul {LONG}"),
        (f"Heading\r\n{LONG}", f"Heading\n{LONG}"),
        (f"{LONG} {LONG}\r\n• an item\r\n• another", f"{LONG} {LONG}\n• an item\n• another"),
        ("昨日は友達と一緒に公園へ\r\n行きました。天気がとても", "昨日は友達と一緒に公園へ行きました。天気がとても"),
        ("", ""),
    ],
)
def test_printed_lines_become_paragraphs(printed, joined):
    assert paragraphs(printed) == joined


def test_pages_without_text_are_said_to_be_scanned_perhaps(tmp_path):
    with pytest.raises(Unreadable, match="no text on its 2 pages: perhaps they are scanned"):
        everything(write(tmp_path, pdf([[], []])))


def test_more_pages_than_the_limit_are_refused(tmp_path):
    with pytest.raises(Unreadable, match="has 2 pages, more than 1; the limit can be raised"):
        everything(write(tmp_path, pdf(PAGES)), pages=1)


def test_an_encrypted_file_is_told(tmp_path):
    guard = f"<< /Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <{'ab' * 32}> /U <{'cd' * 32}> >>"
    data = pdf(PAGES, streams={99: guard}, trailer=f"/Encrypt 99 0 R /ID [<{'00' * 16}> <{'00' * 16}>]")
    with pytest.raises(Unreadable, match="is encrypted; save it without its password"):
        everything(write(tmp_path, data))


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7\n", b"words", b"%PDF-1.4" + bytes(5000), pdf(PAGES)[:60]])
def test_what_is_no_pdf_is_told(tmp_path, data):
    with pytest.raises(Unreadable, match=r"cannot be read as PDF|has no pages|no text"):
        everything(write(tmp_path, data))


def test_a_file_cut_short_gives_the_pages_that_are_left_or_is_refused(tmp_path):
    whole = pdf([["First page."], ["Second page."], ["Third page."]])
    for cut in range(0, len(whole), 97):
        try:
            found = everything(write(tmp_path, whole[:cut]))
        except Unreadable:
            continue
        words = " ".join(one.item.text for one in found if not isinstance(one, Problem))
        assert set(words.split()) <= {"First", "Second", "Third", "page."}


def test_a_page_that_cannot_be_read_is_a_problem_and_the_others_are_read(tmp_path):
    found = everything(write(tmp_path, pdf([["First."], ["Second."], ["Third."]], streams={7: "<< /Type /Nothing >>"})))
    (problem,) = [one for one in found if isinstance(one, Problem)]
    assert "page 2" in problem.reason
    assert [one.item.text for one in found if one is not problem] == ["First.\n\nThird."]


def test_pages_that_loop_are_refused_or_end(tmp_path):
    for data in (
        pdf(PAGES, kids="2 0 R 2 0 R"),
        pdf(PAGES, kids="5 0 R 2 0 R"),
        pdf(PAGES, streams={2: "<< /Type /Pages /Count 1000000 /Kids [2 0 R] >>"}),
        pdf(PAGES, streams={6: b"<< /Length 6 0 R >>\nstream\nBT ET\nendstream"}),
    ):
        try:
            found = everything(write(tmp_path, data), pages=100)
        except Unreadable:
            continue
        assert len(found) <= 3


def test_a_form_that_draws_itself_ends(tmp_path):
    form = "<< /Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << /XObject << /X 90 0 R >> /Font << /F1 3 0 R >> >> "
    words = "BT /F1 11 Tf 50 700 Td (Inner words.) Tj ET /X Do"
    page = "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /XObject << /X 90 0 R >> >> /Contents 91 0 R >>"
    streams = {
        5: page,
        90: f"{form} /Length {len(words)} >>\nstream\n{words}\nendstream",
        91: "<< /Length 5 >>\nstream\n/X Do\nendstream",
    }
    found = " ".join(texts(write(tmp_path, pdf([[]], streams=streams))))
    assert set(found.split()) == {"Inner", "words."}


def packed(content, kind=b""):
    held = zlib.compress(content)
    return b"<< /Filter /FlateDecode %s /Length %d >>\nstream\n" % (kind, len(held)) + held + b"\nendstream"


WORDS = b"BT /F1 11 Tf 50 700 Td (Words.) Tj ET\n"


def test_a_page_that_expands_a_thousandfold_is_read_while_it_is_short_and_refused_when_it_is_not(tmp_path):
    assert texts(write(tmp_path, pdf([[]], streams={6: packed(WORDS + b"0 0 m\n" * 1_000_000)}))) == ["Words."]
    bomb = pdf([[]], streams={6: packed(WORDS + b"0 0 m\n" * 4_000_000)})
    with pytest.raises(
        Unreadable, match="expands to more than 200 times its size, as bombs do; the limit can be raised"
    ):
        everything(write(tmp_path, bomb))
    assert texts(write(tmp_path, bomb), expansion=2000) == ["Words."]


def test_a_blank_picture_is_no_bomb(tmp_path):
    picture = packed(
        bytes(20 << 20), b"/Subtype /Image /Width 5120 /Height 4096 /BitsPerComponent 8 /ColorSpace /DeviceGray"
    )
    assert texts(write(tmp_path, pdf([["Words."]], streams={50: picture}))) == ["Words."]


def test_a_name_that_is_no_unicode_is_opened(tmp_path):
    path = tmp_path / "\udcff.pdf"
    path.write_bytes(pdf(PAGES))
    assert len(everything(path)) == 1


def test_many_threads_read_at_once(tmp_path):
    paths = [write(tmp_path, pdf([[f"File {n} page {page}."] for page in range(20)]), f"{n}.pdf") for n in range(12)]
    found = {}
    threads = [threading.Thread(target=lambda path=path: found.update({path: texts(path)})) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for n, path in enumerate(paths):
        assert found[path] == ["\n\n".join(f"File {n} page {page}." for page in range(20))]
