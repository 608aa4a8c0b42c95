"""The command line as a person meets it: `run` in this process, `cli` in one of its own, where streams and signals count."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from latentstore.cli import main

COMMAND = [sys.executable, "-m", "latentstore"]


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit status, standard output, standard error."""

    status: int
    out: str
    err: str

    def lines(self) -> list[str]:
        return self.err.splitlines()


Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The real entry point, in a folder of its own, without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)

    def go(*arguments: object) -> Outcome:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        told = capsys.readouterr()
        return Outcome(int(left.value.code or 0), told.out, told.err)

    return go


@pytest.fixture
def cli(tmp_path: Path) -> Run:
    """The same in a process of its own."""

    def go(*arguments: object, **environment: str) -> Outcome:
        ended = subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            encoding="utf-8",
            cwd=tmp_path,
            env={**os.environ, **environment},
            timeout=120,
        )
        return Outcome(ended.returncode, ended.stdout, ended.stderr)

    return go


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two passages of a text and two rows of a table; read it, do not change it."""
    import ingest

    folder = tmp_path_factory.mktemp("stored")
    (folder / "a.md").write_text("# Fruit\n\nApples grow on trees.\n\n# Roots\n\nCarrots grow in the earth.\n")
    (folder / "t.csv").write_text("text,year\nPears are sweet,1999\nPlums are blue,2004\n")
    options = ingest.Options(chunk_tokens=8)
    ingest.run(folder / "s.latent", [folder / "a.md", folder / "t.csv"], encoders=["hashing"], options=options)
    return folder / "s.latent"


@pytest.fixture
def own(stored: Path, tmp_path: Path) -> Path:
    """A copy of `stored` to change or to damage."""
    return Path(shutil.copytree(stored, tmp_path / "own.latent"))


@pytest.fixture(scope="session")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of 400 scans of handwritten digits with a space "main" of 8 dimensions, fitted by pca; read it, do not change it."""
    import latentstore
    from latentstore.cli import digits

    path = tmp_path_factory.mktemp("scanned") / "digits.latent"
    with latentstore.open(path) as store:
        docs = store.create("digits", encoders=["image"])
        docs.add(digits.scans()[:400])
        docs.space().fit("pca", 8, "main")
    return path


@pytest.fixture
def album(scanned: Path, tmp_path: Path) -> Path:
    """A copy of `scanned` to change."""
    return Path(shutil.copytree(scanned, tmp_path / "album.latent"))
