"""demo: real documentation, by a tiny encoder here; what the answers are worth is measured with the real one."""

import json
import re
import shlex
import shutil
import subprocess
import sys

import pytest
from PIL import Image

import latentstore
from latentstore import Item
from latentstore.cli.demo import QUESTIONS
from latentstore.encoders.text import TextEncoder

COLLECT = """
import json
from dataclasses import asdict
from latentstore.cli.pydocs import collect
print(json.dumps([asdict(item) for item in collect()]))
"""


@pytest.fixture(scope="module")
def passages():
    """id → item, as a plain interpreter has them: pytest puts functions of its own into `sys`."""
    told = subprocess.run([sys.executable, "-c", COLLECT], capture_output=True, check=True).stdout
    return {row["id"]: Item(**row) for row in json.loads(told)}


def held(path):
    with latentstore.open(path, read_only=True) as store:
        return {row["id"]: row["text"] for row in store.collection("python").sql("select id, text from items")}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """The folder of a first run, and what it told."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "latentstore", "demo", "d.latent", "--encoder", "hashing"]
    return folder, subprocess.run(command, cwd=folder, capture_output=True, encoding="utf-8", check=True)


def test_the_demo_stores_every_passage_and_answers_every_question(passages, first):
    folder, told = first
    assert held(folder / "d.latent") == {item.id: item.text for item in passages.values()}
    assert [question for question in QUESTIONS if question not in told.stdout] == []
    assert f"{len(passages):,} passages in {folder}/d.latent" in told.stdout
    assert told.stderr.startswith("collecting the documentation of Python 3.")


def test_the_demo_turns_a_3_into_an_8_and_draws_new_digits(first):
    folder, told = first
    assert re.search(r"real scans nearest to them show 3 [\d ]+ 8\.", told.stdout)
    with Image.open(folder / "digits-3-to-8.gif") as film, Image.open(folder / "digits-new.png") as sheet:
        assert film.n_frames >= 25
        assert min(sheet.size) > 500
    with latentstore.open(folder / "digits.latent", read_only=True) as store:
        record = store.collection("digits").space("vae16").record
    assert record["items"] == 1797
    assert record["error"]["mean"] < 0.85 * record["error"]["pca"]


def test_what_the_demo_says_to_try_runs(run, first, tmp_path):
    shutil.copytree(first[0] / "digits.latent", tmp_path / "digits.latent")
    advised = re.findall(r"^  latentstore (.* digits\.latent\b[^#\n]*)", first[1].stdout, re.MULTILINE)
    assert len(advised) == 5
    for line in advised:
        assert (line, run(*shlex.split(line)).status) == (line, 0)


def test_a_second_demo_adds_what_is_missing_and_drops_what_is_gone(cli, passages, first, tmp_path):
    for name in ("d.latent", "digits.latent"):
        shutil.copytree(first[0] / name, tmp_path / name)
    with latentstore.open(tmp_path / "d.latent") as store:
        docs = store.collection("python")
        docs.delete(ids=["len"])
        docs.add([Item("len", "another text"), Item("stale", "gone from Python")])
    second = cli("demo", "d.latent", "--encoder", "hashing")
    assert [question for question in QUESTIONS if question not in second.out] == []
    assert f"d.latent has {len(passages) - 1:,} of {len(passages):,} passages" in second.err
    assert held(tmp_path / "d.latent") == {item.id: item.text for item in passages.values()}


def test_a_demo_leaves_a_store_of_something_else_alone(run, own):
    refused = run("demo", own)
    assert (refused.status, refused.out) == (1, "")
    assert "is a store of something else" in refused.err


def test_passages_are_several_thousand_each_with_its_name_and_within_the_window(passages):
    assert 4_000 <= len(passages) <= 8_000
    assert [id for id, item in passages.items() if not item.text.startswith(item.metadata["name"])] == []
    lengths = TextEncoder().count_tokens([item.text for item in passages.values()])
    assert max(lengths) <= TextEncoder.window


def test_no_passage_says_what_another_says(passages):
    bodies = [" ".join(item.text.partition(": ")[2].split()).casefold() for item in passages.values()]
    long = [body for body in bodies if len(body) > 40]
    assert len(long) - len(set(long)) <= 5


@pytest.mark.parametrize(
    "name",
    [
        "random.choice",
        "asyncio.sleep",
        "os.path.join",
        "csv.reader",
        "datetime.date.weekday",
        "str.split",
        "json.dumps",
    ],
)
def test_things_are_named_as_people_write_them(passages, name):
    assert re.match(rf"{re.escape(name)}(\(.*?\))?: \w", passages[name].text)


def test_the_real_encoder_puts_the_right_passage_above_its_rivals(passages):
    answers = {
        "How do I pick a random element from a list?": "random.choice",
        "How do I cache the results of a slow function?": "functools.cache",
        "a temporary folder that deletes itself": "tempfile.TemporaryDirectory",
        "What does yield do?": "topic The yield statement",
    }
    rivals = [id for id, item in passages.items() if item.metadata["module"] in ("random", "functools", "tempfile")]
    candidates = list(dict.fromkeys([*answers.values(), *rivals]))
    encoder = TextEncoder()
    vectors = encoder.encode([passages[id].text for id in candidates], role="query")
    best = (encoder.encode(list(answers), role="query") @ vectors.T).argmax(axis=1)
    assert [candidates[at] for at in best] == list(answers.values())
