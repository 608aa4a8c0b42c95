import threading

import pytest

from ingest.results import Unreadable
from tests.ingest.reading import everything, passages, texts

PAGE = """<!DOCTYPE html>
<html lang="en-GB"><head><title>Apples &amp; pears</title><meta name="author" content="Ann Lee">
<meta property="article:published_time" content="2020-05-06"><style>p { color: red }</style><script>var secret = "<p>";</script></head>
<body><header><a href="/">Logo words</a></header>
<nav><ul><li><a href="/a">Menu words</a></li></ul></nav>
<main><h1>Apples<a class="headerlink" href="#a">¶</a></h1>
<p>Apples are <b>red</b>,
   round&nbsp;and <a href="x">sweet</a>.<br>Really.</p>
<ul><li>Jonagold<li>Braeburn</ul>
<h2>Prices</h2>
<table><tr><th>sort</th><th>price</th></tr><tr><td>Jonagold</td><td>3&nbsp;€</td></tr></table>
<pre>def eat():
    pass
</pre><p hidden>hidden words</p><div class="sidebar">Side words</div></main>
<aside>Aside words</aside><footer>Footer words</footer></body></html>
"""


def write(tmp_path, text, name="a.html", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def test_the_main_text_is_read_in_order_and_nothing_else(tmp_path):
    ((text, known),) = passages(write(tmp_path, PAGE))
    assert text == (
        "Apples\n\nApples are red, round and sweet.\nReally.\nJonagold\nBraeburn\n\nPrices\nsort | price\nJonagold | 3 €"
        "\n\ndef eat():\n    pass"
    )
    assert known == {
        "title": "Apples",
        "author": "Ann Lee",
        "published": "2020-05-06",
        "language": "en-GB",
        "part": 1,
    }


def test_headings_begin_passages_and_title_those_that_follow(tmp_path):
    found = passages(write(tmp_path, PAGE), tokens=20)
    assert [known["title"] for _, known in found] == ["Apples", "Prices"]


def test_a_page_without_headings_has_its_own_title(tmp_path):
    ((text, known),) = passages(write(tmp_path, "<title>Of\nnothing</title><p>Words."))
    assert (text, known["title"]) == ("Words.", "Of nothing")


def test_without_a_main_element_links_and_what_is_named_as_something_else_are_left_out(tmp_path):
    links = "".join(f"<li><a href={n}>Link {n}</a>" for n in range(20))
    body = f"<div id=top-nav>Nav words</div><ul>{links}</ul><div class='content'><h1>Real</h1><p>Real words <a>here</a>, many.</div>"
    footer = "<div class='site-footer wide'>Copyright words</div><div role=navigation>Role words</div>"
    assert texts(write(tmp_path, f"<body>{body}{footer}")) == ["Real\n\nReal words here, many."]


def test_a_page_of_links_alone_is_read_as_it_is(tmp_path):
    assert texts(write(tmp_path, "<nav><a href=x>One</a></nav>")) == ["One"]


def test_a_teaser_in_an_article_is_not_the_main_text_of_a_long_page(tmp_path):
    page = f"<article>Teaser.</article><div><p>{'Long words go on. ' * 20}</div>"
    assert "Long words go on" in " ".join(texts(write(tmp_path, page)))


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ('<meta charset="koi8-r">', "koi8_r"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">', "cp1251"),
        ('<?xml version="1.0" encoding="shift_jis"?>', "cp932"),
        ('<meta charset="latin-1">', "utf-8"),
        ("", "utf-16"),
        ("", "cp1251"),
    ],
)
def test_a_page_is_read_in_the_encoding_it_is_in(tmp_path, head, encoding):
    words = "Съешь же ещё этих мягких французских булок, да выпей чаю."
    assert texts(write(tmp_path, f"{head}<p>{words}", encoding=encoding)) == [words]


def test_a_page_without_words_gives_nothing(tmp_path):
    for page in ("", "  \n", "<html>", "<script>x = 1</script><style>a</style>", "<!-- only -->"):
        assert everything(write(tmp_path, page)) == []


HOSTILE = {
    "deep": "<div>" * 100_000 + "deep words" + "</div>" * 100_000,
    "never closed": "<b><i><table><tr><td>" * 20_000 + "deep words",
    "an entity bomb": '<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><p>deep words &b;',
    "attributes": f"<p {'a=b ' * 200_000}>deep words",
    "an attribute without end": "<p>deep words</p><a href='" + "x" * 1_000_000,
    "a comment without end": "<p>deep words</p><!--" + "x" * 1_000_000,
    "closed twice": "</p></div></html>" * 1000 + "deep words",
    "broken": "<p>deep <b>words</p></b><<>< / <p",
    "many headings": "<h1>" * 5000 + "deep words",
    "a fetched part": '<link rel=stylesheet href="http://127.0.0.1:1/"><iframe src="file:///etc/passwd"></iframe><p>deep words',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_page_made_to_do_harm_is_read_as_far_as_it_goes(tmp_path, kind):
    found = " ".join(texts(write(tmp_path, HOSTILE[kind])))
    assert "deep words" in found


def test_a_long_page_is_read_whole(tmp_path):
    page = "".join(f"<p>Paragraph {n} has <b>some</b> words.</p>\n" for n in range(40_000))
    found = " ".join(texts(write(tmp_path, f"<body><article>{page}</article><footer>Footer")))
    assert found.count("has some words.") == 40_000 and "Paragraph 39999 " in found and "Footer" not in found


def test_bytes_that_are_no_page_are_refused(tmp_path):
    path = tmp_path / "a.html"
    path.write_bytes(bytes(range(256)) * 8)
    with pytest.raises(Unreadable, match="NUL byte"):
        everything(path)


def test_many_threads_read_at_once(tmp_path):
    paths = [write(tmp_path, f"<p>{'words ' * n}{n}", f"{n}.html") for n in range(1, 60)]
    found = {}
    threads = [threading.Thread(target=lambda path=path: found.update({path: texts(path)})) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[path][0].rsplit(" ", 1)[1] for path in paths] == [str(n) for n in range(1, 60)]
