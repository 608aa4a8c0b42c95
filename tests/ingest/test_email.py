# ruff: noqa: RUF001 - texts in many scripts
import mailbox
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from ingest.readers import email as reader
from ingest.results import Problem, Unreadable
from tests.ingest.reading import everything, passages, texts


def mail(subject="On apples", body="Apples are red.\n\nPears are green.\n", **headers):
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = headers.get("sender", "Ann Lee <ann@example.org>")
    message["To"] = "Bo <bo@example.org>"
    message["Date"] = "Wed, 06 May 2020 07:08:09 +0200"
    message.set_content(body)
    return message


def saved(message, tmp_path, name="a.eml"):
    path = tmp_path / name
    path.write_bytes(message if isinstance(message, bytes) else bytes(message))
    return path


def test_subject_and_body_are_read_with_who_sent_it_when(tmp_path):
    ((text, known),) = passages(saved(mail(), tmp_path))
    assert text == "On apples\n\nApples are red.\n\nPears are green."
    assert known.pop("sent").astimezone(UTC) == datetime(2020, 5, 6, 5, 8, 9, tzinfo=UTC)
    assert known == {
        "title": "On apples",
        "subject": "On apples",
        "sender": "Ann Lee <ann@example.org>",
        "to": "Bo <bo@example.org>",
        "part": 1,
    }


def test_of_two_forms_the_plain_one_is_read_else_the_text_of_the_page(tmp_path):
    message = mail()
    message.add_alternative("<p>As a page.</p>", subtype="html")
    assert texts(saved(message, tmp_path)) == ["On apples\n\nApples are red.\n\nPears are green."]
    page = mail(body="")
    page.set_content("<style>a</style><p>As a page,<p>and more.", subtype="html")
    assert texts(saved(page, tmp_path)) == ["On apples\n\nAs a page,\n\nand more."]


def test_attachments_are_named_and_not_read(tmp_path):
    message = mail()
    message.add_attachment("Attached words", filename="Grüße.txt")
    message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="b.pdf")
    ((text, known),) = passages(saved(message, tmp_path))
    assert "Attached" not in text and known["attachments"] == "Grüße.txt, b.pdf"


def test_a_forwarded_mail_and_quoted_lines_are_read(tmp_path):
    inner = mail("Inner", "Inner words.\n> quoted words\n")
    outer = mail("Outer", "Outer words.")
    outer.make_mixed()
    outer.attach(EmailMessage())
    outer.get_payload()[-1].set_content(inner)
    del outer.get_payload()[-1]["Content-Disposition"]
    assert texts(saved(outer, tmp_path)) == ["Outer\n\nOuter words.\n\nInner words.\n> quoted words"]


@pytest.mark.parametrize(
    ("charset", "coding"), [("utf-8", "base64"), ("koi8-r", "quoted-printable"), ("iso-8859-5", "8bit")]
)
def test_bodies_are_read_in_the_encoding_they_are_in(tmp_path, charset, coding):
    message = mail("Привет, мир")
    message.set_content("Съешь же ещё этих мягких булок.", charset=charset, cte=coding)
    ((text, known),) = passages(saved(message, tmp_path))
    assert text == "Привет, мир\n\nСъешь же ещё этих мягких булок." and known["subject"] == "Привет, мир"


def test_bytes_that_no_header_names_are_found_out(tmp_path):
    raw = "Subject: Größe\r\nFrom: Jörg <j@x.org>\r\n\r\nГрустно и светло, и снова пошёл дождь.".encode()
    ((text, known),) = passages(saved(raw, tmp_path))
    assert (known["subject"], known["sender"], text) == (
        "Größe",
        "Jörg <j@x.org>",
        "Größe\n\nГрустно и светло, и снова пошёл дождь.",
    )
    wrong = (
        b"Subject: a\nContent-Type: text/plain; charset=nosuch\n\n"
        + "Größe über alles, süß und schön, fünf für Gäste".encode("cp1252")
    )
    assert texts(saved(wrong, tmp_path)) == ["a\n\nGröße über alles, süß und schön, fünf für Gäste"]


def box(tmp_path, messages):
    path = tmp_path / "a.mbox"
    made = mailbox.mbox(path)
    for message in messages:
        made.add(message)
    made.close()
    return path


def test_each_mail_of_a_box_is_its_own(tmp_path):
    path = box(tmp_path, [mail(f"Mail {n}", f"Words {n}.\n\nFrom here on {n}.") for n in range(50)])
    found = passages(path)
    assert [text for text, _ in found] == [f"Mail {n}\n\nWords {n}.\n\nFrom here on {n}." for n in range(50)]
    assert [known["mail"] for _, known in found] == list(range(1, 51))


def test_a_long_mail_of_a_box_keeps_its_subject_in_every_passage(tmp_path):
    found = passages(box(tmp_path, [mail("A", "word " * 100), mail("B", "word " * 100)]), tokens=60)
    assert [known["subject"] for _, known in found] == [known["title"] for _, known in found]
    assert {known["mail"]: known["subject"] for _, known in found} == {1: "A", 2: "B"}
    assert sum(text.count("word") for text, _ in found) == 200


def test_a_mail_longer_than_what_is_held_is_read_so_far_and_the_next_one_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "HELD", 5000)
    path = box(tmp_path, [mail("Long", "word " * 5000), mail("Next", "Whole.")])
    found = everything(path)
    (problem,) = [one for one in found if isinstance(one, Problem)]
    assert problem.reason == "mail 1: is longer than 5,000 bytes; what follows those was not read"
    assert found[-1].item.text == "Next\n\nWhole."


def test_a_time_of_no_zone_is_one_in_utc(tmp_path):
    message = mail()
    message.replace_header("Date", "Wed, 06 May 2020 07:08:09 -0000")
    ((_, known),) = passages(saved(message, tmp_path))
    assert known["sent"] == datetime(2020, 5, 6, 7, 8, 9, tzinfo=UTC)


@pytest.mark.parametrize("name", ["a.eml", "a.mbox"])
@pytest.mark.parametrize("data", [b"just words\nand more", b"\xff\xfe\0\1" * 100, b"\n\nwords"])
def test_what_is_no_mail_is_told(tmp_path, name, data):
    with pytest.raises(Unreadable, match=r"is no (e-mail|mbox)"):
        everything(saved(data, tmp_path, name))


NESTED = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(2000))
HOSTILE = {
    "nested": b"Subject: a\n" + NESTED + b"\nwords",
    "nested and long": NESTED[: len(NESTED) // 3] + b"\nw\n" * 1_000_000,
    "a long header": b"Subject: a\nTo: " + b"x <a@b>, " * 100_000 + b"\n\nwords",
    "long parameters": b"Subject: a\nContent-Type: text/plain; " + b'a="b\\"; ' * 1_000_000 + b"\n\nwords",
    "many headers": b"Subject: a\n" + b"X-A: b\n" * 100_000 + b"\nwords",
    "too many parts": b"Subject: a\nContent-Type: multipart/mixed; boundary=b\n" + b"\n--b\n\nwords" * 1_000_000,
    "many parts": b"Subject: a\nContent-Type: multipart/mixed; boundary=b\n" + b"\n--b\n\nwords" * 20_000,
    "broken words": b"Subject: =?utf-8?B?//?= =?nosuch?Q?x?=\nDate: never\nFrom: =?utf-8?Q?=ZZ\nContent-Transfer-Encoding: base64\n\n!!",
    "a line without end": b"Subject: a\n\n" + b"words " * 500_000,
    "no body": b"Subject: a",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_mail_made_to_do_harm_is_read_as_far_as_it_goes_or_refused(tmp_path, kind):
    try:
        found = texts(saved(HOSTILE[kind], tmp_path))
    except Unreadable as cause:
        told = {
            "nested": "1,000 that have parts",
            "nested and long": "parts within parts",
            "too many parts": "has more than 50,000 parts",
        }
        assert told[kind] in str(cause)
    else:
        assert found[0].startswith("a") or kind == "broken words"
