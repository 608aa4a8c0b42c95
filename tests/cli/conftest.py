"""Real processes: what a person types, what comes out of which stream, and the exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = [sys.executable, "-m", "latentstore"]


@pytest.fixture
def cli(tmp_path: Path) -> Run:
    def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            check=False,
            capture_output=True,
            text=True,
            encoding="utf-8",
            cwd=tmp_path,
            env={**os.environ, **environment},
            timeout=120,
        )

    return run


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of two passages and a table; read it, do not change it."""
    import ingest

    folder = tmp_path_factory.mktemp("stored")
    (folder / "a.txt").write_text("Apples grow on trees.")
    (folder / "t.csv").write_text("text,year\nPears are sweet,1999\nPlums are blue,2004\n")
    ingest.run(folder / "s.latent", [folder / "a.txt", folder / "t.csv"], encoder="hashing")
    return folder / "s.latent"
