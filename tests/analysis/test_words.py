"""Terms of texts, held against what a reader finds in them."""

import numpy as np
import pytest

from latentstore.analysis import words


def said(texts, least=1):
    """Every term as it is written, and in how many texts."""
    terms = words.find(texts, least=least)
    counts = np.bincount(terms.terms, minlength=len(terms.length)).tolist()
    written = terms.written(range(len(counts)))
    return {written[term]: count for term, count in enumerate(counts)}


def test_forms_of_a_word_are_one_term_shown_as_most_write_it():
    assert said(["cards arrived", "my card arrived", "card, arrived", "the cards"]) == {
        "card": 4,
        "arrived": 3,
        "card arrived": 2,
    }


def test_words_without_meaning_stand_inside_a_phrase_and_never_at_its_ends():
    assert set(said(["the proof of my identity for you"])) == {"proof", "identity", "proof of identity"}


def test_a_negation_is_kept_in_a_phrase():
    assert "card not working" in said(["my card isn't working"])


def test_phrases_do_not_reach_over_punctuation_paragraphs_or_texts():
    assert set(said(["red. house\n\ngarden, tree", "bird"])) == {"red", "house", "garden", "tree", "bird"}


def test_particles_end_phrases_and_do_not_stand_alone():
    assert set(said(["top up, up there"])) == {"top", "top up"}


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("<p class='a'>bread</p> &amp; <br/>butter", {"bread", "butter"}),
        ("see https://example.org/a?b=c or ask me@example.org", {"ask"}),
        ("returns :class:`Fraction`", {"returns", "Fraction"}),
        ("1999 24 0x3f2a77 4711ab ab", {"ab"}),
        ("C++ or C#", {"C++", "C#", "C++ or C#"}),
        ("a" * 50 + " word", {"word"}),
    ],
)
def test_markup_addresses_and_numbers_make_no_terms(text, terms):
    assert set(said([text])) == terms


def test_dotted_names_are_terms_beside_their_parts():
    assert set(said(["os.path.link_tree(x)"])) == {
        "os",
        "path",
        "link",
        "tree",
        "link tree",
        "os.path",
        "os.path.link_tree",
    }


def test_writing_without_spaces_gives_runs_of_characters():
    assert set(said(["日本語", "日本人"], least=2)) == {"日本"}


def test_case_is_lower_where_that_is_common():
    assert set(said(["Return value", "Return", "return"], least=1)) == {"return", "value", "return value"}
    assert set(said(["ask NASA", "NASA"])) == {"ask", "NASA", "ask NASA"}


def test_terms_of_too_few_texts_are_left_out():
    assert said(["red house", "red house", "blue house"], least=2) == {"red": 2, "house": 3, "red house": 2}


def test_no_texts_have_no_terms():
    assert said([]) == said([None, "", " ", "the of"]) == {}


def test_counts_say_how_many_texts_of_each_group_say_a_term():
    terms = words.find(["red", "red", None, "red blue", "blue"])
    table, sizes = terms.table(np.array([0, 0, 0, 1, -1]), 2)
    written = terms.written(range(2))
    assert {written[term]: table[term].tolist() for term in written} == {"red": [2, 1], "blue": [0, 1]}
    assert sizes.tolist() == [2, 1]


def test_terms_do_not_depend_on_the_order_of_texts():
    texts = [f"{first} {second}" for first in ("red", "blue", "green") for second in ("house", "tree", "car")]
    one, other = words.find(texts), words.find(texts[::-1])
    assert one.written(range(9)) == other.written(range(9))


def test_contrast_finds_what_one_side_says_and_ranks_it():
    a = ["the red house"] * 15 + ["a garden"] * 10
    b = ["the blue house"] * 25
    assert words.contrast(a, b) == (("red house", "garden"), ("blue house",))


def test_contrast_of_one_text_gives_the_words_that_others_lack():
    assert words.contrast(["my card was swallowed by a whale"], ["my card arrived", "no card"])[0] == (
        "swallowed",
        "whale",
    )


def test_contrast_tells_nothing_of_sides_that_say_the_same():
    rng = np.random.default_rng(0)
    texts = [" ".join(f"word{rng.integers(200):03}x" for _ in range(8)) for _ in range(400)]
    assert words.contrast(texts[:200], texts[200:]) == ((), ())
    assert words.contrast([], ["red"]) == words.contrast([None], [""]) == ((), ())


def test_a_phrase_has_the_stems_of_its_words():
    assert words.stems("Cards of identity") == {"card", "ident"}
    assert words.stems("os.path") == {"os", "path"}
    assert words.stems("year 1999") == {"year", "1999"}
    assert words.stems("the") == {"the"}
