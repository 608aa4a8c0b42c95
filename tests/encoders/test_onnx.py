"""ONNX models made node by node, so that numpy can say what comes out."""

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentstore.encoders import load, registry, windowed
from latentstore.encoders.base import Encoder
from latentstore.encoders.contract import EncoderContract
from latentstore.encoders.onnx import OnnxEncoder
from latentstore.encoders.onnx_sheet import EXAMPLES
from latentstore.errors import EncoderMissing, InvalidInput
from latentstore.types import Metric, Modality
from tests.encoders import tiny

RANDOM = np.random.default_rng(3)
WORDS = RANDOM.standard_normal((len(tiny.WORDS), 8)).astype(np.float32)
PIXELS = RANDOM.standard_normal((6 * 4 * 3, 8)).astype(np.float32)
FILTERS = RANDOM.standard_normal((8, 1, 16)).astype(np.float32)
SEQUENCE, BATCH = ["n", "t"], "n"


def save(folder, nodes, inputs, outputs, constants, sheet):
    from onnx import TensorProto, checker, helper, numpy_helper
    from onnx import save as write

    kinds = {"ids": TensorProto.INT64, "mask": TensorProto.INT64}
    infos = [helper.make_tensor_value_info(name, kinds.get(name, TensorProto.FLOAT), shape) for name, shape in inputs]
    outs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs]
    values = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph([helper.make_node(*node[:3], **node[3]) for node in nodes], "g", infos, outs, values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model)
    write(model, folder / "model.onnx")
    (folder / "model.json").write_text(json.dumps(sheet))
    return folder / "model.onnx"


def of_texts(folder, sequence=SEQUENCE, **changes):
    """A vector a token, which is then pooled."""
    nodes = [("Gather", ["words", "ids"], ["states"], {}), ("Shape", ["mask"], ["unused"], {})]
    sheet = EXAMPLES[Modality.TEXT] | {"inputs": {"ids": "ids", "mask": "mask"}, "output": "states", "window": 16}
    tiny.tokenizer(folder)
    inputs, outputs = [("ids", sequence), ("mask", sequence)], [("states", [*sequence, 8])]
    return save(folder, nodes, inputs, outputs, {"words": WORDS}, sheet | changes)


def of_pictures(folder, batch=BATCH, **changes):
    nodes = [("Flatten", ["pixels"], ["flat"], {}), ("MatMul", ["flat", "weights"], ["embedding"], {})]
    sheet = EXAMPLES[Modality.IMAGE] | {"inputs": {"pixels": "pixels"}, "size": [4, 6]} | changes
    shape = [batch, 4, 6, 3] if sheet["layout"] == "NHWC" else [batch, 3, 4, 6]
    return save(folder, nodes, [("pixels", shape)], [("embedding", [batch, 8])], {"weights": PIXELS}, sheet)


def of_sounds(folder, **changes):
    nodes = [
        ("Unsqueeze", ["samples", "axis"], ["one"], {}),
        ("Conv", ["one", "filters"], ["bands"], {"strides": [8]}),
        ("Transpose", ["bands"], ["states"], {"perm": [0, 2, 1]}),
    ]
    sheet = EXAMPLES[Modality.AUDIO] | {
        "inputs": {"samples": "samples"},
        "output": "states",
        "rate": 8_000,
        "seconds": 1,
    }
    constants = {"filters": FILTERS, "axis": np.array([1], np.int64)}
    return save(folder, nodes, [("samples", SEQUENCE)], [("states", ["n", "t2", 8])], constants, sheet | changes)


class Contract(EncoderContract):
    build: Any

    @pytest.fixture(autouse=True)
    def path(self, tmp_path: Any) -> None:
        self.place = str(type(self).build(tmp_path))

    def make(self) -> Encoder:
        return OnnxEncoder(self.place)


class TestTexts(Contract):
    build = of_texts
    items = ("a storm is coming", "der hund", "fish", "photo of a cat")


class TestPictures(Contract):
    build = of_pictures
    items = tuple(tiny.pictures(4))


class TestSounds(Contract):
    build = of_sounds
    items = tiny.sounds(0.4, 1, 2.6)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_texts_are_pooled_over_their_own_tokens_whatever_they_are_batched_with(tmp_path, pooling):
    texts = ["a storm is coming", "fish", "", "der hund unter dem tisch " * 5]
    found = load(f"onnx:{of_texts(tmp_path, pooling=pooling)}").encode(texts)
    for row, text in zip(found, texts, strict=True):
        ids = tiny.ids(text)
        states = WORDS[ids if len(ids) <= 16 else [*ids[:15], ids[-1]]]
        np.testing.assert_allclose(row, unit(states.mean(axis=0) if pooling == "mean" else states[0]), atol=1e-5)


def test_the_window_leaves_room_for_what_the_tokenizer_adds(tmp_path):
    encoder = load(f"onnx:{of_texts(tmp_path)}")
    assert windowed(encoder) is encoder and encoder.window == 14
    assert encoder.count_tokens(["fish " * 40, ""]) == [40, 0]
    assert encoder.token_spans("der  hund") == [(0, 3), (5, 9)]


def test_a_model_for_one_item_of_one_length_is_given_that(tmp_path):
    encoder = load(f"onnx:{of_texts(tmp_path, [1, 12])}")
    texts = ["a storm is coming", "fish " * 20]
    rows = [tiny.ids(texts[0]), [2, *[tiny.WORDS.index("fish")] * 10, 3]]
    np.testing.assert_allclose(encoder.encode(texts), [unit(WORDS[row].mean(axis=0)) for row in rows], atol=1e-5)


@pytest.mark.parametrize(("layout", "fit", "batch"), [("NCHW", "crop", "n"), ("NHWC", "stretch", 1)])
def test_pictures_are_fitted_scaled_and_laid_out_as_the_sheet_says(tmp_path, layout, fit, batch):
    encoder = load(f"onnx:{of_pictures(tmp_path, batch, layout=layout, fit=fit, normalise=False, metric='l2')}")
    assert encoder.metric is Metric.L2 and encoder.modalities == {Modality.IMAGE} and windowed(encoder) is None
    pictures = tiny.pictures(3, 16, 12)  # as 8 by 6 it covers 4 by 6
    found = encoder.encode([Image.fromarray(picture) for picture in pictures])
    for row, picture in zip(found, pictures, strict=True):
        seen = Image.fromarray(picture).resize((6, 4 if fit == "stretch" else 8), Image.Resampling.BICUBIC)
        middle = np.asarray(seen)[:4] if fit == "stretch" else np.asarray(seen)[2:6]
        values = (middle / 255 - EXAMPLES["image"]["mean"]) / EXAMPLES["image"]["std"]
        flat = (values if layout == "NHWC" else values.transpose(2, 0, 1)).ravel()
        np.testing.assert_allclose(row, flat @ PIXELS, rtol=1e-4, atol=1e-3)


def test_all_of_a_long_sound_is_heard_in_equal_parts(tmp_path):
    ((samples, rate),) = tiny.sounds(2.5)
    found = load(f"onnx:{of_sounds(tmp_path)}").encode([(samples, rate)])
    heard = [part[: len(samples) // 3] for part in np.array_split(samples, 3)]
    frames = [np.lib.stride_tricks.sliding_window_view(part, 16)[::8] @ FILTERS[:, 0].T for part in heard]
    np.testing.assert_allclose(found[0], unit(np.mean([part.mean(axis=0) for part in frames], axis=0)), atol=1e-4)


def test_a_copy_is_the_same_encoder_and_another_sheet_or_weights_outside_are_another(tmp_path):
    (tmp_path / "own").mkdir()
    own = load(f"onnx:{of_texts(tmp_path / 'own')}").fingerprint
    copies = [shutil.copytree(tmp_path / "own", tmp_path / name) for name in ("copy", "sheet", "weights", "tokenizer")]
    sheet = json.loads((copies[1] / "model.json").read_text())
    (copies[1] / "model.json").write_text(json.dumps(sheet | {"pooling": "cls"}))
    (copies[2] / "model.onnx_data").write_bytes(b"weights")
    (copies[3] / "tokenizer.json").write_text("{}")
    found = [load(f"onnx:{copy / 'model.onnx'}").fingerprint for copy in copies]
    assert found[0] == own and len({own, *found[1:]}) == 4


def test_a_path_holds_from_any_working_directory(tmp_path, monkeypatch):
    path = of_pictures(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load("onnx:model.onnx").name == registry.resolve("onnx:model.onnx") == f"onnx:{path}"


def test_a_missing_sheet_or_model_is_said_with_whole_examples(tmp_path):
    path = of_pictures(tmp_path)
    (tmp_path / "model.json").unlink()
    with pytest.raises(EncoderMissing, match=r"model\.json is missing.*a whole one is") as told:
        load(f"onnx:{path}")
    assert all(json.dumps(example) in str(told.value) for example in EXAMPLES.values())
    path.unlink()
    with pytest.raises(EncoderMissing, match="there is no model at"):
        load(f"onnx:{path}")
    with pytest.raises(InvalidInput, match=r"onnx:PATH/model\.onnx"):
        load("onnx:model.bin")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "video"}, "has no kind text, image or audio"),
        ({"means": 1}, "has 'means', which means nothing here"),
        ({"size": None}, r"has size None, expected \[height, width\]"),
        ({"std": [0, 0, 0]}, r"has std \[0, 0, 0\]"),
        ({"pooling": "max"}, "has pooling 'max', expected mean, cls or none"),
        ({"metric": "manhattan"}, "expected cosine, ip or l2"),
        ({"normalise": 1}, "expected true or false"),
        ({"layout": ["NCHW"]}, "expected NCHW or NHWC"),
        ({"inputs": {"ids": "pixels"}}, "names no inputs as"),
    ],
)
def test_a_wrong_sheet_is_refused_by_what_is_wrong_with_an_example(tmp_path, change, said):
    path = of_pictures(tmp_path, **change)
    with pytest.raises(InvalidInput, match=rf"model\.json .*{said}.*a whole one is"):
        load(f"onnx:{path}")


def test_every_example_is_a_whole_sheet_and_no_line_of_it_is_needless(tmp_path):
    path = of_pictures(tmp_path)
    for kind, example in EXAMPLES.items():
        (tmp_path / "model.json").write_text(json.dumps(example))
        assert load(f"onnx:{path}").modalities == {kind}
        for name in set(example) - {"kind"}:
            (tmp_path / "model.json").write_text(json.dumps({key: example[key] for key in example if key != name}))
            with pytest.raises(InvalidInput, match=f"lacks '{name}'"):
                load(f"onnx:{path}")


def test_a_sheet_that_is_not_of_its_model_is_refused_with_what_the_model_has(tmp_path):
    sheet = {"output": "logits"}
    with pytest.raises(
        InvalidInput, match=r"has the inputs ids, mask and the outputs states.*names ids, mask and logits"
    ):
        load(f"onnx:{of_texts(tmp_path, **sheet)}").encode(["fish"])
    with pytest.raises(InvalidInput, match=r"shape \(1, 3, 8\); pooling 'none' takes \(n, dim\)"):
        load(f"onnx:{of_texts(tmp_path, pooling='none')}").encode(["fish"])
    with pytest.raises(InvalidInput, match=r"refuses what model\.json describes"):
        load(f"onnx:{of_pictures(tmp_path, size=[5, 5])}").encode(tiny.pictures(1))


def test_damaged_files_are_one_clear_error(tmp_path):
    path = of_texts(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(EncoderMissing, match=r"tokenizer\.json is no tokenizer"):
        load(f"onnx:{path}").encode(["fish"])
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(EncoderMissing, match=r"tokenizer\.json is missing"):
        load(f"onnx:{path}").encode(["fish"])
    path = of_pictures(tmp_path)
    path.write_bytes(b"no model")
    with pytest.raises(EncoderMissing, match="cannot be loaded"):
        load(f"onnx:{path}").encode(tiny.pictures(1))


def test_without_the_runtime_the_line_that_installs_it_is_shown(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    row = next(row for row in registry.describe() if row.name == "onnx")
    assert not row.installed and row.install == "pip install 'latentstore[onnx]'"
    encoder = load(f"onnx:{of_pictures(tmp_path)}")
    assert encoder.fingerprint.startswith("onnx-1:")
    with pytest.raises(EncoderMissing, match=r"pip install 'latentstore\[onnx\]'"):
        encoder.encode(tiny.pictures(1))


def test_nothing_is_written_about_the_user_and_nothing_heavy_imported_before_it_is_needed(tmp_path):
    path = of_pictures(tmp_path)
    script = (
        "import sys; from latentstore.encoders import load; e = load(sys.argv[1]); e.fingerprint;"
        "print(sorted({'onnxruntime', 'tokenizers', 'PIL'} & set(sys.modules)));"
        "import numpy; print(e.encode([numpy.zeros((4, 6, 3), 'u1')]).shape)"
    )
    home = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "home" / "cache")}
    clean = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    (tmp_path / "home").mkdir()
    command = [sys.executable, "-c", script, f"onnx:{path}"]
    done = subprocess.run(command, capture_output=True, text=True, env=clean | home)
    assert done.stdout == "[]\n(1, 8)\n", done.stderr
    assert list((tmp_path / "home").rglob("*")) == []
