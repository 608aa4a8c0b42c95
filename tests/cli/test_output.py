import json
from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pytest

from latentstore.cli.output import Format, emit, plain, printable, short, shown, table
from latentstore.cli.progress import Progress, duration

ROWS = [{"a": 1, "b": "x"}, {"a": None, "b": 'long, "quoted"\nline'}]


def test_json_is_one_array(capsys):
    emit(ROWS, ["a", "b"], Format.JSON)
    assert json.loads(capsys.readouterr().out) == ROWS


def test_jsonl_is_an_object_a_line(capsys):
    emit(ROWS, ["a", "b"], Format.JSONL)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


def test_csv_has_a_header_and_quotes_what_needs_it(capsys):
    emit(ROWS, ["b", "a"], Format.CSV)
    assert capsys.readouterr().out == 'b,a\nx,1\n"long, ""quoted""\nline",\n'


def test_no_rows_are_an_empty_array_or_a_bare_header(capsys):
    emit([], ["a"], Format.JSON)
    emit([], ["a"], Format.CSV)
    assert capsys.readouterr().out == "[]\na\n"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (float("nan"), None),
        (float("-inf"), None),
        (datetime(2020, 1, 2, tzinfo=UTC), "2020-01-02T00:00:00+00:00"),
        (date(2020, 1, 2), "2020-01-02"),
        (b"\0\xff", "AP8="),
        (Decimal("1.50"), "1.50"),
        (np.float32(0.5), 0.5),
        ({"k": [1, (2.5, None)]}, {"k": [1, [2.5, None]]}),
    ],
)
def test_every_value_has_a_json_form(value, expected):
    assert plain(value) == expected


def test_tables_show_nothing_for_missing_and_four_digits_of_a_float():
    assert [shown(value) for value in (None, 0.123456, True, ["ä"])] == ["", "0.1235", "true", '["ä"]']


def test_a_table_shows_a_thousand_rows_and_says_how_many_there_are(capsys):
    table([{"n": n} for n in range(1001)], ["n"])
    told = capsys.readouterr()
    assert told.out.split()[-1] == "999"
    assert told.err == "the first 1,000 of 1,001 rows; --format json, jsonl or csv has them all\n"


def test_values_are_cut_at_a_word_and_only_when_they_are_too_long():
    assert (short("one two\nthree", 13), short("one two three", 12)) == ("one two three", "one two …")
    assert short("x" * 20, 10) == "xxxxxxxx …"


def test_control_characters_do_not_reach_a_terminal():
    assert printable("a\x1b[31m\x07b\n\tc") == "a�[31m�b\n\tc"


@pytest.mark.parametrize(("seconds", "told"), [(4.2, "4 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations_are_told_in_words(seconds, told):
    assert duration(seconds) == told


def test_without_a_terminal_progress_is_a_line_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr("latentstore.cli.progress.PLAIN_SECONDS", 0.0)
    with Progress("baking") as progress:
        progress.update(1, 4, "1 cake")
    assert capsys.readouterr().err.startswith("baking: 25%, 1 cake, ")


def test_quick_jobs_stay_silent_without_a_terminal(capsys):
    with Progress("baking") as progress:
        progress.update(4, 4)
    assert capsys.readouterr().err == ""
