"""The documentation is true: what it names exists, what it shows runs, and what it prints is what comes out."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import latentstore
from benchmarks import tables
from latentstore.cli import app

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
COMMANDS = sorted({*app.BUILT_IN, *(point.name for point in entry_points(group=app.GROUP))})
PATH = f"{Path(sys.executable).parent}:/usr/bin:/bin"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def examples(name: str | None) -> list[str]:
    """The command lines that a help shows; None: that of `latentstore` itself."""
    root = app.build()
    told = root.help if name is None else root.get_command(None, name).help
    return [line.strip() for line in told.splitlines() if line.strip().startswith("latentstore ")]


EVERY_EXAMPLE = list(dict.fromkeys(line for name in (None, *COMMANDS) for line in examples(name)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_stands_in_the_readme(name):
    assert re.search(rf"`{name}\b", README)


def test_the_readme_and_the_entry_points_name_the_same_commands():
    named = re.findall(r"`([a-z]+)\b[^`]*`", "".join(re.findall(r"^\| (`.*?) \|", README, re.MULTILINE)))
    assert sorted(named) == COMMANDS


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_has_an_example_of_its_command(name):
    assert examples(name) != []
    assert {line.split()[1] for line in examples(name)} == {name}


@pytest.mark.parametrize("line", EVERY_EXAMPLE)
def test_every_example_parses_and_fits_a_line_of_80_columns(line):
    root = app.build()
    _, name, *arguments = shlex.split(line)
    root.get_command(None, name).make_context(name, arguments)
    assert len(f"   {line}") <= 80


@pytest.mark.timeout(600)
def test_every_example_runs(tmp_path, monkeypatch):
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "rent.md").write_text("We asked the landlord to lower the rent.\n")
    reviews = [f"{('fine', 'dull')[at % 2]} film {at},{('topic', 'term')[at % 2]},{1990 + at}" for at in range(40)]
    (tmp_path / "reviews.csv").write_text("review,kind,year\n" + "\n".join(reviews))
    photos = tmp_path / "photos"
    photos.mkdir()
    for at, scan in enumerate(load_digits().images[:202]):
        path = photos / f"{at}.png" if at < 200 else tmp_path / ("photo.jpg", "holiday.jpg")[at - 200]
        Image.fromarray((scan * 15).astype(np.uint8)).save(path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert app.run(["ingest", "last-year.latent", "reviews.csv", "--text-column", "review"]) == 0
    assert app.run(["ingest", "album.latent", "photo.jpg", "holiday.jpg", "photos"]) == 0
    (tmp_path / "points.jsonl").write_text(json.dumps({"latent": [0.0] * 32}))
    for line in [line for name in ("ingest", *app.BUILT_IN) if name != "demo" for line in examples(name)]:
        arguments = shlex.split(line.replace("/home/me", str(tmp_path)))
        assert (line, app.run(arguments[1:])) == (line, 0)


def test_the_python_tour_prints_what_the_readme_shows(tmp_path):
    (script,) = blocks(README, "python")
    shown = README[README.index(script) :].split("```\n")[2]
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == (shown, "")


def test_the_snippet_of_analyses_runs_and_leaves_the_studies_that_it_names(tmp_path):
    (script,) = blocks(README, "py")
    texts = [f"{kind} number {at}" for at in range(30) for kind in ("a card that was lost", "a loaf of bread")]
    metadata = [
        {"kind": text.split()[1], "split": ("train", "test")[at % 2], "year": 2000 + at}
        for at, text in enumerate(texts)
    ]
    with latentstore.open(tmp_path / "pile.latent") as store:
        docs = store.create("docs", encoders=["text"])
        docs.add(texts, metadata=metadata)
        exec(script, {"docs": docs})
        assert [study.kind for study in docs.studies()] == [
            *("clusters", "outliers", "duplicates", "map", "labels", "change")
        ]


def told(text: str, here: Path) -> list[str]:
    """Lines without what differs from run to run: the folder, the seconds, the width that paths give a table."""
    text = text.replace(str(here.resolve()), "/home/me")
    text = re.sub(r"\b\d+ s\b", "0 s", text)
    return [re.sub(r"─+", "─", line.strip()) for line in text.splitlines()]


def test_the_shell_tour_prints_what_the_readme_shows(tmp_path):
    tour = "".join(blocks(README, "console"))
    for step in re.split(r"^\$ ", tour, flags=re.MULTILINE)[1:]:
        command, _, shown = step.partition("\n")
        ended = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env={"PATH": PATH, "COLUMNS": "200"},
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
        assert (command, told(ended.stdout, tmp_path)) == (command, told(shown, tmp_path))
        assert ended.returncode == 0


def tree() -> dict[str, set[str]]:
    """Folder → the modules and folders that the tree in ARCHITECTURE.md names in it."""
    named: dict[str, set[str]] = {}
    top = folder = ""
    for line in blocks(ARCHITECTURE, "")[0].splitlines():
        first = line.split()[0]
        if first.endswith("/"):
            top, folder = (first, first) if not line.startswith(" ") else (top, f"{top}{first}")
            named.setdefault(top, set()).add(first.rstrip("/"))
        elif not line.startswith("    "):
            folder = top
        named.setdefault(folder, set()).update(re.findall(r"\b\w+\.py\b", line.split(" only ")[0]))
    return named


def test_the_tree_in_architecture_names_only_what_exists():
    missing = [f"{folder}{name}" for folder, names in tree().items() for name in names if name.endswith(".py")]
    assert [path for path in missing if not (ROOT / path).is_file()] == []
    assert len(missing) > 20


def test_the_tree_in_architecture_leaves_out_no_module_at_the_top():
    there = {
        path.name
        for path in (ROOT / "latentstore").iterdir()
        if path.name[0] != "_" and (path.suffix == ".py" or (path / "__init__.py").exists())
    }
    assert there - tree()["latentstore/"] == set()


def test_every_file_that_the_readme_links_exists():
    links = re.findall(r"\]\((?!http)([^)#]+)", README + ARCHITECTURE)
    assert links != []
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_readme_shows_the_figures_that_the_benchmarks_kept():
    assert tables.markdown() in README
