"""An encoder from somebody else's package: found when it is installed, held to the contract, missed politely when it is gone."""

import os
import subprocess
import sys

import numpy as np
import pytest

import latentstore
from latentstore import EncoderMismatch, EncoderMissing
from latentstore.encoders import registry

ENCODER = """
import numpy as np
from latentstore import Metric, Modality
from latentstore.encoders import check_texts

class Lengths:
    name, dim, metric, fingerprint = "lengths", 3, Metric.L2, "lengths-1"
    modalities = frozenset({Modality.TEXT})
    def encode(self, items, *, role="document"):
        texts = check_texts(items, role)
        rows = [[len(text), text.count(" "), text.count("e")] for text in texts]
        return np.array(rows, np.float32).reshape(-1, 3)

class Careless(Lengths):
    def encode(self, items, *, role="document"):
        return np.array([[len(str(item)), 0, 0] for item in items]).reshape(-1, 3)
"""
CONTRACT = """
from latentstore.encoders.contract import EncoderContract
from lengths import Careless, Lengths

class TestLengths(EncoderContract):
    def make(self): return Lengths()

class TestCareless(EncoderContract):
    def make(self): return Careless()
"""


@pytest.fixture
def package(tmp_path):
    """A folder as pip would leave it: a module, and its metadata with an entry point."""
    folder = tmp_path / "site"
    (folder / "lengths-1.0.dist-info").mkdir(parents=True)
    (folder / "lengths.py").write_text(ENCODER)
    (folder / "lengths-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: lengths\nVersion: 1.0\n")
    points = "[latentstore.encoders]\nlengths = lengths:Lengths\n"
    (folder / "lengths-1.0.dist-info" / "entry_points.txt").write_text(points)
    return folder


def run(package, *command):
    environment = os.environ | {"PYTHONPATH": str(package)}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment)


@pytest.fixture
def filled(package, tmp_path):
    """A store made by a process that has the package, which this one has not."""
    script = (
        "import sys, latentstore; s = latentstore.open(sys.argv[1]); c = s.create('texts', encoders=['lengths']);"
        "c.add(['one', 'twenty one'], ids=['a', 'b'], metadata=[{'n': 1}, {'n': 2}]); print(c.search('ten').ids); s.close()"
    )
    done = run(package, "-c", script, str(tmp_path / "pile.latent"))
    assert done.stdout == "['a', 'b']\n", done.stderr
    with latentstore.open(tmp_path / "pile.latent", create=False) as store:
        yield store.collection("texts")


def test_an_installed_package_adds_its_encoder_by_an_entry_point(package):
    done = run(package, "-m", "latentstore", "encoders", "--format", "csv")
    assert "lengths" in done.stdout and "hashing" in done.stdout, done.stderr


def test_without_its_encoder_a_store_serves_vectors_filters_and_sql(filled):
    ids, vectors = filled.space().vectors()
    assert ids == ["a", "b"] and vectors.tolist() == [[3, 0, 1], [10, 1, 2]]
    assert filled.search([9, 1, 2], 1).ids == ["b"] and filled.search([9, 1, 2], where="n = 1").ids == ["a"]
    assert filled.similar("a").ids == ["b"] and filled.sql("select sum(n) from items").values == [(3,)]
    filled.add(vectors=[[1, 1, 1]], ids=["c"], fingerprint="lengths-1")
    assert filled.verify().ok and len(filled) == 3


def test_without_its_encoder_a_store_says_what_is_missing_and_stores_nothing(filled):
    asked = [lambda: filled.search("x"), lambda: filled.add(["x"]), lambda: filled.space().encode(["x"])]
    for ask in asked:
        with pytest.raises(EncoderMissing, match=r"needs its encoder 'lengths'.*known are"):
            ask()
    assert len(filled) == 2


def test_invariant_8_an_encoder_that_has_changed_is_refused_and_its_vectors_too(filled, package, monkeypatch):
    monkeypatch.syspath_prepend(package)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    registry.register("lengths", "lengths:Lengths")
    import lengths

    monkeypatch.setattr(lengths.Lengths, "fingerprint", "lengths-2")
    for ask in [lambda: filled.search("x"), lambda: filled.add(["x"])]:
        with pytest.raises(EncoderMismatch, match=r"lengths-1.*lengths-2"):
            ask()
    for fingerprint in ("lengths-2", None):
        with pytest.raises(EncoderMismatch, match="lengths-1"):
            filled.add(vectors=np.ones((1, 3)), fingerprint=fingerprint)
    monkeypatch.setattr(lengths.Lengths, "fingerprint", "lengths-1")
    assert filled.search("ten").ids == ["a", "b"] and len(filled) == 2


def test_a_stranger_inherits_the_contract_which_finds_what_is_careless(package, tmp_path):
    (tmp_path / "test_mine.py").write_text(CONTRACT)
    done = run(package, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(tmp_path))
    failed = {line.split("::", 1)[1].split(" ")[0] for line in done.stdout.splitlines() if line.startswith("FAILED")}
    assert not [name for name in failed if name.startswith("TestLengths")], done.stdout
    for name in ("finite_float32", "no_items", "foreign_item", "unknown_role"):
        assert any(name in one for one in failed), name
