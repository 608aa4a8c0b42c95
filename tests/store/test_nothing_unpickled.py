"""Invariant 9: nothing on disk is ever unpickled, and a collection's filters read that collection alone."""

from __future__ import annotations

import ast
import contextlib
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from truth import gaussian

import ingest
import latentstore
from latentstore import InvalidFilter, LatentstoreError, Store

UNSAFE = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "yaml"}
PACKAGES = [Path(package.__file__).parent for package in (latentstore, ingest)]  # type: ignore[arg-type]
SOURCES = sorted(path for package in PACKAGES for path in package.rglob("*.py"))


def _called(node: ast.AST) -> str:
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def _unsafe(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.partition(".")[0] in UNSAFE)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in UNSAFE:
            yield node.module or ""
        if _called(node) in {"torch.load", "np.load", "numpy.load", "eval", "exec", "pd.read_pickle", "__import__"}:
            yield _called(node)
        if isinstance(node, ast.keyword) and node.arg in {"allow_pickle", "trust_remote_code"} and not _is_false(node):
            yield node.arg


def _is_false(node: ast.keyword) -> bool:
    return isinstance(node.value, ast.Constant) and node.value.value is False


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_invariant_9_no_source_has_a_way_to_unpickle(path: Path) -> None:
    assert list(_unsafe(ast.parse(path.read_text(encoding="utf-8")))) == []


def test_the_check_above_sees_what_it_looks_for() -> None:
    bad = (
        "import pickle\nfrom joblib import load\nnp.load(f)\ntorch.load(f)\nx(allow_pickle=True)\nx(allow_pickle=False)"
    )
    assert sorted(_unsafe(ast.parse(bad))) == ["allow_pickle", "joblib", "np.load", "pickle", "torch.load"]


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (str(self.mark), "w")


EVERYTHING = """
import sys
seen = []
sys.addaudithook(lambda event, args: seen.append(event) if event == "pickle.find_class" else None)
import latentstore
store = latentstore.open(sys.argv[1])
for name in store.collections():
    items = store.collection(name)
    items.search("red fox") if name == "words" else items.search([1.0] * 16, where="n > 1")
    items.get(["0"]), items.similar("0"), items.sql("select * from items"), items.space().vectors(), items.verify()
    items.optimize()
store.backup(sys.argv[2])
latentstore.restore(sys.argv[2], sys.argv[2] + "2")
items.export_parquet(sys.argv[2] + ".parquet")
items.import_parquet(sys.argv[2] + ".parquet", on_conflict="replace")
store.close()
latentstore.repair(sys.argv[1])
print(len(seen), "unpickled")
"""


def _stocked(store: Store) -> None:
    points = store.create("points", index="hnsw")
    names = [str(at) for at in range(2000)]
    points.add(vectors=gaussian(2000), ids=names, metadata=[{"n": at, "j": {"a": [at]}} for at in range(2000)])
    points.optimize()
    store.create("words", encoders=["hashing"]).add(["red fox", "whale"], ids=["0", "1"])
    store.close()


def test_invariant_9_no_command_over_a_whole_store_unpickles_anything(store: Store, tmp_path: Path) -> None:
    _stocked(store)
    command = [sys.executable, "-c", EVERYTHING, store.path, tmp_path / "copy"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "0 unpickled\n"), done.stderr


def test_invariant_9_a_pickle_in_the_place_of_any_file_is_never_run(store: Store, tmp_path: Path) -> None:
    _stocked(store)
    mark = tmp_path / "exploded"
    files = [path for path in store.path.rglob("*") if path.is_file() and path.name != "lock"]
    assert len(files) > 12
    for number, path in enumerate(files):
        copy = Path(shutil.copytree(store.path, tmp_path / str(number)))
        (copy / path.relative_to(store.path)).write_bytes(pickle.dumps([Bomb(mark), path.read_bytes()[:2000]]))
        with contextlib.suppress(LatentstoreError), latentstore.open(copy) as opened:
            opened.collection("points").search(gaussian(1)[0])
            opened.verify()
    assert not mark.exists()
    pickle.loads(pickle.dumps(Bomb(mark))).close()
    assert mark.exists()  # it would have been seen


def test_invariant_9_objects_that_hide_in_arrays_and_metadata_are_refused(store: Store, tmp_path: Path) -> None:
    points = store.create("points")
    bomb = Bomb(tmp_path / "exploded")
    with pytest.raises(LatentstoreError):
        points.add(vectors=np.array([[bomb] * 16], dtype=object))
    with pytest.raises(LatentstoreError, match="'x', row 0: metadata cannot hold Bomb"):
        points.add(vectors=gaussian(1), metadata=[{"x": bomb}])
    assert len(points) == 0 and not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(
    "reach",
    [
        "n in (select n from other.items)",
        "n in (select n from '{path}/other/catalog.duckdb'.items)",
        "exists (select 1 from read_blob('{path}/other/catalog.duckdb'))",
        "n = (select seq from state)",
        "n in (select slots from spaces)",
    ],
)
def test_invariant_9_a_filter_reads_its_own_collection_and_no_other(store: Store, reach: str) -> None:
    mine, other = store.create("mine"), store.create("other")
    for held in (mine, other):
        held.add(vectors=gaussian(2), metadata=[{"n": 1}, {"n": 2}])
    where = reach.format(path=store.path)
    for ask in (
        lambda: mine.search(gaussian(1)[0], where=where),
        lambda: mine.count(where),
        lambda: mine.delete(where=where),
        lambda: mine.sql(f"select * from items where {where}"),
    ):
        with pytest.raises(InvalidFilter):
            ask()
    assert len(mine) == len(other) == 2
