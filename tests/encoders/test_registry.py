import subprocess
import sys

import pytest

from latentstore.encoders import describe, load, names, register, registry, resolve, windowed
from latentstore.errors import AlreadyExists, EncoderMissing, InvalidInput


def test_built_in_names_are_known_and_each_has_a_description():
    assert {"text", "hashing", "sentence-transformers"} <= set(names())
    assert [row.name for row in describe()] == names()
    assert {row.name: row.dim for row in describe()}["text"] == 384


def test_a_spec_with_an_argument_makes_the_encoder_it_names():
    encoder = load("hashing:128")
    assert (encoder.name, encoder.dim) == ("hashing:128", 128)
    assert load(encoder.name).fingerprint == encoder.fingerprint


def test_a_class_of_a_stranger_is_found_by_its_registered_name(tmp_path, monkeypatch):
    (tmp_path / "stranger_encoder.py").write_text(
        "class Stranger:\n    dim = 3\n    modalities = frozenset({'text'})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    register("stranger", "stranger_encoder:Stranger")
    assert load("stranger").dim == 3
    assert next(row for row in describe() if row.name == "stranger").installed


def test_a_registered_class_that_does_not_import_says_what_to_install(monkeypatch):
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    register("absent", "no_such_package.part:Thing", install="some-wheel")
    with pytest.raises(EncoderMissing, match="pip install some-wheel"):
        load("absent")
    row = next(row for row in describe() if row.name == "absent")
    assert not row.installed and "some-wheel" in row.install


def test_a_name_cannot_be_taken_twice_nor_be_malformed():
    with pytest.raises(AlreadyExists, match="hashing"):
        register("hashing", "other.module:Class")
    for name, target in [("a:b", "m:C"), ("a/b", "m:C"), ("", "m:C"), ("good", "module"), ("good", ":C")]:
        with pytest.raises(InvalidInput):
            register(name, target)
    assert "good" not in names()


def test_an_unknown_name_is_answered_with_the_nearest_and_all_known():
    with pytest.raises(EncoderMissing, match=r"did you mean 'hashing'.*text"):
        load("hashin")


def test_a_folder_becomes_a_spec_that_holds_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    assert resolve("mine") == resolve("sentence-transformers:mine") == f"sentence-transformers:{tmp_path / 'mine'}"
    assert resolve("sentence-transformers:owner/model") == "sentence-transformers:owner/model"
    assert resolve("text") == "text"


def test_naming_and_describing_encoders_imports_no_heavy_library():
    script = (
        "import sys, latentstore.encoders as e; e.describe(); [e.load(n) for n in ('text', 'hashing')];"
        "e.load('sentence-transformers:x/y'); sys.exit(', '.join({'torch', 'sentence_transformers', 'transformers',"
        " 'tokenizers', 'huggingface_hub'} & set(sys.modules)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_asking_for_a_window_reads_no_model():
    assert windowed(load("sentence-transformers:no/such")) is not None
    assert windowed(load("hashing")) is None
