import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunking import Span, Splitter, WordTokens, markdown_headings


class Letters:
    """A tokenizer of the hardest sort: each byte a token, several at one character."""

    window = 8

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        return [(at, at + 1) for at, letter in enumerate(text) if not letter.isspace() for _ in letter.encode()]


def passages(text: str, limit: int, markdown: bool = False) -> list[str]:
    return [text[span.start : span.end] for span in spans(text, limit, markdown)]


def spans(text: str, limit: int, markdown: bool = False) -> list[Span]:
    headings = markdown_headings(text) if markdown else ()
    return list(Splitter(WordTokens(), limit).split(text, headings))


def tokens(text: str) -> int:
    return len(WordTokens().token_spans(text))


TEXTS = st.text(st.sampled_from("ab. \n#!?`ü。A"), max_size=200)


@given(TEXTS, st.integers(1, 9), st.booleans())
def test_passages_hold_every_visible_character_once_and_in_order(text, limit, markdown):
    assert "".join("".join(passages(text, limit, markdown)).split()) == "".join(text.split())


@given(TEXTS, st.integers(1, 9), st.booleans())
def test_no_passage_is_longer_than_the_limit_or_bordered_by_white_space(text, limit, markdown):
    for passage in passages(text, limit, markdown):
        assert passage == passage.strip() != ""
        assert tokens(passage) <= limit


@given(TEXTS, st.integers(2, 9))
def test_a_tokenizer_with_several_tokens_a_character_is_split_too(text, limit):
    spans = list(Splitter(Letters(), limit).split(text))
    assert all(s.end - s.start == 1 or len(Letters().token_spans(text[s.start : s.end])) <= limit for s in spans)
    assert "".join("".join(text[s.start : s.end] for s in spans).split()) == "".join(text.split())


def test_a_character_of_more_tokens_than_the_limit_stays_whole():
    assert [(s.start, s.end) for s in Splitter(Letters(), 1).split("ü。a")] == [(0, 1), (1, 2), (2, 3)]


def test_paragraphs_are_joined_while_they_fit_and_cut_at_blank_lines():
    text = "one two three\n\nfour five six\n\nseven eight nine"
    assert passages(text, 6) == ["one two three\n\nfour five six", "seven eight nine"]


def test_a_long_paragraph_is_cut_at_sentences_into_about_equal_parts():
    text = " ".join(f"This is sentence number {n}." for n in range(4))
    assert passages(text, 18) == [
        "This is sentence number 0. This is sentence number 1.",
        "This is sentence number 2. This is sentence number 3.",
    ]


def test_an_abbreviation_before_a_small_letter_is_no_end_of_a_sentence():
    assert passages("Fruit, e.g. apples and pears. Then nuts.", 10) == ["Fruit, e.g. apples and pears.", "Then nuts."]


def test_a_sentence_too_long_is_cut_at_spaces():
    assert passages("a b c d e f g", 3) == ["a b c", "d e f", "g"]


def test_lines_are_kept_together_in_a_list_that_is_cut():
    text = "\n".join(f"- item number {n}" for n in range(6))
    assert all(passage.startswith("- item") for passage in passages(text, 9))


def test_markdown_headings_begin_passages_and_title_those_that_follow():
    body = "word " * 12
    text = f"# Top\n\n{body}\n\n## Second part ##\n\n{body}\n{body}"
    found = spans(text, 20, markdown=True)
    assert [span.title for span in found] == ["Top", "Second part", "Second part"]
    assert text[found[1].start :].startswith("## Second part")


def test_a_heading_inside_a_code_fence_is_code():
    text = "# Real\n\n```\n# no heading\n```\n\nwords here"
    assert {span.title for span in spans(text, 4, markdown=True)} == {"Real"}


def test_a_heading_above_little_text_does_not_stand_alone():
    text = "# Title\n\n## Section\n\n" + "word " * 10
    assert len(passages(text, 40, markdown=True)) == 1


LEVELS = st.lists(st.sets(st.integers(0, 200)), max_size=3)


@given(TEXTS, st.integers(1, 9), LEVELS)
def test_nested_borders_lose_nothing_and_no_passage_is_too_long(text, limit, levels):
    nested = [sorted(set().union(*levels[: n + 1])) for n in range(len(levels))]
    found = [text[s.start : s.end] for s in Splitter(WordTokens(), limit).split(text, levels=nested)]
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(tokens(passage) <= limit and passage == passage.strip() for passage in found)


def test_what_stands_between_two_strong_borders_stays_whole_where_it_fits():
    units = ["a a a a a", "b b b\n\nb b b"]
    text = "\n\n".join(units)
    splitter = Splitter(WordTokens(), 9)
    assert [text[s.start : s.end] for s in splitter.split(text, levels=[[text.index("b")]])] == units
    assert passages(text, 9) != units


def test_what_does_not_fit_is_taken_apart_at_the_next_level():
    text = "a a a a\n\nb b b\n\nb b\n\nc c c c c"
    levels = [[text.index("c")], [text.index("b"), text.index("c")]]
    found = [text[s.start : s.end] for s in Splitter(WordTokens(), 7).split(text, levels=levels)]
    assert found == ["a a a a", "b b b\n\nb b", "c c c c c"]


def test_a_long_paragraph_of_wrapped_lines_is_cut_between_sentences():
    sentences = [
        f"Sentence number {n} says that apples of sort {n} are {'so ' * (n % 7)}red and sweet." for n in range(20)
    ]
    wrapped = textwrap.fill(" ".join(sentences), 72)
    assert all(passage.endswith("sweet.") for passage in passages(wrapped, 60))


def test_a_long_paragraph_of_lines_of_their_own_is_cut_between_them():
    lines = [f"apples {n}; pears {n}. {'x ' * (n % 7)}plums {n}" for n in range(40)]
    assert [line for passage in passages("\n".join(lines), 60) for line in passage.split("\n")] == lines


def test_white_space_alone_is_no_passage():
    assert passages(" \n\n\t ", 5) == passages("", 5) == []


@pytest.mark.parametrize(("wanted", "limit"), [(None, 128), (50, 50), (1000, 256)])
def test_the_limit_is_half_the_window_unless_asked_and_never_past_it(wanted, limit):
    assert Splitter.fitting(WordTokens(), wanted).limit == limit
