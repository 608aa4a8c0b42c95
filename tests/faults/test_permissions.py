"""Folders and files that may not be written, or not even read: reading goes on where it can, and the rest is one clear error."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stores
import verdicts

Look = Callable[..., dict[str, Any]]
NOBODY = 65534

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can give a store to another user")


@pytest.fixture
def lobby() -> Iterator[Path]:
    """A folder that every user may enter, as those of pytest may not be."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _as_nobody(look: Look, originals: Any, lobby: Path, name: str, change: Callable[[Path], Any]) -> dict[str, Any]:
    """What a user without rights finds in a store that was changed."""
    warm = stores.copied(originals.folder / name, lobby / "warm")
    return look(name, change, into=lobby, uid=NOBODY, warm=warm)


def _all(store: Path, files: int, folders: int, owner: int = 0) -> None:
    for path in (*store.rglob("*"), store):
        os.chown(path, owner, owner)
        path.chmod(folders if path.is_dir() else files)


@pytest.mark.parametrize("name", ["graph", "graph-killed", "words"])
@pytest.mark.parametrize("lock", ["with its lock file", "without its lock file"])
def test_a_read_only_folder_can_be_read_and_says_why_it_cannot_be_written(
    look: Look, originals: Any, lobby: Path, name: str, lock: str
) -> None:
    def change(store: Path) -> None:
        if lock == "without its lock file":
            (store / "lock").unlink()
        _all(store, 0o444, 0o555)

    found = _as_nobody(look, originals, lobby, name, change)
    verdicts.sound(found)
    assert list(verdicts.refusals(found)) == ["write: open"]
    said = found["write: open"]
    assert "StorageFailure" in said and "lock: Permission denied" in said and "read_only=True" in said
    assert found["read: graph: exact" if name != "words" else "read: words: exact"] == "right"


# Where what is not to be read stands, and whether the store can do without it.
UNREADABLE = {
    ".": False,
    "store.json": False,
    "lock": False,
    "graph": False,
    "graph/catalog.duckdb": False,
    "graph/spaces": False,
    "graph/spaces/vectors": False,
    "graph/spaces/vectors/vectors-1.f32": False,
    "graph/spaces/vectors/rows-1.i64": False,
    "graph/spaces/vectors/sums-1.u64": False,
    "graph/records-1.bin": False,
    "graph/records-1.at": False,
    "graph/spaces/vectors/index-*.faiss": True,
    "graph/spaces/vectors/space.json": True,
    "graph/outline.json": True,
    "graph/committed": True,
}


@pytest.mark.parametrize(("path", "spare"), UNREADABLE.items())
def test_what_may_not_be_read_is_named_or_done_without(
    look: Look, originals: Any, lobby: Path, path: str, spare: bool
) -> None:
    def change(store: Path) -> None:
        _all(store, 0o644, 0o755, owner=NOBODY)
        named = store if path == "." else next(store.glob(path))
        named.chmod(0)

    found = _as_nobody(look, originals, lobby, "graph", change)
    verdicts.sound(found)
    said = verdicts.refusals(found)
    assert bool(said) is not spare
    assert all("Permission denied" in one and "StorageFailure" in one for one in said.values())
    assert all("graph" in one if path.startswith("graph") else True for one in said.values())
