"""Stores to damage, each made once, and the process that looks at what is left of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stores

HERE = Path(__file__).parent
Verdict = dict[str, Any]


class Probe:
    """A process of its own; one question at a time."""

    def __init__(self, log: Path) -> None:
        paths = [str(HERE), str(HERE.parent), str(HERE.parent.parent)]
        self._log = log
        with log.open("w") as errors:
            self._process = subprocess.Popen(
                [sys.executable, HERE / "probe.py"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )

    def ask(self, **question: Any) -> Verdict:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(question, default=str) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the probe died: {self._log.read_text()[-2000:]}"
        return json.loads(line)  # type: ignore[no-any-return]

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="session")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    running = Probe(tmp_path_factory.mktemp("probe") / "log")
    yield running
    running.close()


class Originals:
    """By kind: the store as it was closed, as it was while open (its log not yet folded in), and its model."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for kind in stores.KINDS:
            store, model = stores.build(folder / kind, kind)
            stores.save_model(folder / f"{kind}.json", model)
            stores.copied(folder / kind, folder / f"{kind}-killed")
            store.close()

    def model(self, name: str) -> Path:
        return self.folder / f"{name.removesuffix('-killed')}.json"


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    return Originals(tmp_path_factory.mktemp("originals"))


@pytest.fixture
def look(probe: Probe, originals: Originals, tmp_path: Path) -> Callable[..., Verdict]:
    """Damage a copy of a store, and ask the probe about it; `repair`: once more, after repair."""

    def ask(name: str, damage: Callable[[Path], Any], into: Path = tmp_path, **question: Any) -> Verdict:
        copy = stores.copied(originals.folder / name, into / "damaged")
        damage(copy)
        return probe.ask(store=copy, model=originals.model(name), **question)

    ask.originals = originals.folder  # type: ignore[attr-defined]
    return ask
