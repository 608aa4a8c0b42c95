"""The public names: one sorted list, complete, each explained; and what importing them must not bring."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import latentstore

HEAVY = (
    *("torch", "sentence_transformers", "transformers", "tokenizers", "faiss", "pandas", "polars", "rich", "typer"),
    *("igraph", "openTSNE", "scipy", "sklearn", "snowballstemmer"),
)
IMPORTED = """
import socket, sys
def refuse(*_, **__):
    raise SystemExit("importing talks to the network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
started = []
sys.addaudithook(lambda event, args: started.append(event) if event in ("socket.connect", "subprocess.Popen", "os.fork") else None)
import latentstore
import ingest
print(*sorted({name.partition(".")[0] for name in sys.modules}), *started)
"""


def test_all_is_sorted_and_holds_every_public_name() -> None:
    public = {
        name for name, value in vars(latentstore).items() if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert latentstore.__all__ == sorted(public)


@pytest.mark.parametrize("name", latentstore.__all__)
def test_every_public_name_is_explained_where_it_stands(name: str) -> None:
    member = getattr(latentstore, name)
    assert member.__doc__ and member.__doc__[:1].isupper() and member.__doc__.rstrip().endswith((".", "`", ")"))
    # A dataclass without a docstring is given its own signature for one.
    assert not member.__doc__.startswith(f"{name}(")


@pytest.mark.parametrize("kind", ["Store", "Collection", "Space", "Hits", "Rows"])
def test_every_public_method_is_explained_or_says_it_all_in_its_signature(kind: str) -> None:
    members = inspect.getmembers(getattr(latentstore, kind), callable)
    public = [method for name, method in members if not name.startswith("_")]
    bare = {method.__name__ for method in public if not method.__doc__}
    assert bare <= {"to_arrow", "to_pandas", "spaces"}


def test_every_error_is_one_of_the_packages_own_and_in_its_tree() -> None:
    errors = [one for one in map(latentstore.__dict__.get, latentstore.__all__) if inspect.isclass(one)]
    mine = [error for error in errors if issubclass(error, Exception)]
    assert len(mine) > 20 and all(issubclass(error, latentstore.LatentstoreError) for error in mine)
    assert inspect.getmodule(mine[0]).__doc__
    for error in mine:
        assert error.__name__ in inspect.getmodule(error).__doc__  # type: ignore[operator,union-attr]


def test_importing_brings_nothing_heavy_and_asks_no_network() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True)
    found = set(done.stdout.split())
    assert {"latentstore", "ingest"} <= found
    assert not found & {*HEAVY, "socket.connect", "subprocess.Popen", "os.fork"}
