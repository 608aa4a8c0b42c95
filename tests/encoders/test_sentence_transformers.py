import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from latentstore.encoders import load
from latentstore.encoders.base import Encoder
from latentstore.encoders.contract import EncoderContract
from latentstore.encoders.sentence_transformers import SentenceTransformersEncoder
from latentstore.errors import EncoderMissing, InvalidInput
from latentstore.types import Metric, Modality
from tests.encoders import tiny


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestSentenceTransformersEncoder(EncoderContract):
    items = ("a storm is coming", "der hund unter dem tisch", "fish", "how do i read a file line by line ?")

    @pytest.fixture(autouse=True)
    def folder(self, model):
        self.place = str(model)

    def make(self) -> Encoder:
        return SentenceTransformersEncoder(self.place)


def test_vectors_are_the_models_own_with_its_prompt_for_each_role(model):
    from sentence_transformers import SentenceTransformer

    encoder, original = load(str(model)), SentenceTransformer(str(model), device="cpu")
    for role, prompt in [("query", "query : "), ("document", "passage : ")]:
        wanted = original.encode([prompt + "a storm", prompt + "fish"], show_progress_bar=False)
        np.testing.assert_allclose(encoder.encode(["a storm", "fish"], role=role), wanted, atol=1e-4)


def test_metric_dimension_and_window_are_those_the_model_declares(model):
    encoder = load(str(model))
    assert (encoder.metric, encoder.dim) == (Metric.IP, 24)
    assert encoder.window == 16 - 2 - 2  # [CLS], [SEP], `passage`, `:`
    assert encoder.count_tokens(["fish " * 40, ""]) == [40, 0]
    assert encoder.token_spans("a storm") == [(0, 1), (2, 7)]


def test_a_copy_elsewhere_is_the_same_encoder_and_changed_weights_are_another(model, tmp_path):
    copy, changed = (shutil.copytree(model, tmp_path / name) for name in ("copy", "changed"))
    (copy / "README.md").write_text("other words")
    data = bytearray((changed / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (changed / "model.safetensors").write_bytes(data)
    own = load(str(model)).fingerprint
    assert load(str(copy)).fingerprint == own != load(str(changed)).fingerprint


def test_code_that_a_model_brings_along_is_never_run(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "evil")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "evil.Evil"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(EncoderMissing, match=r"evil\.Evil.*never run"):
        load(str(folder)).encode(["fish"])
    assert not (tmp_path / "ran").exists()


def test_a_folder_without_safetensors_or_without_a_model_is_refused(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "pickled")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EncoderMissing, match="no safetensors"):
        _ = load(str(folder)).fingerprint
    (tmp_path / "empty").mkdir()
    with pytest.raises(EncoderMissing, match=r"neither modules\.json nor config\.json"):
        load(str(tmp_path / "empty")).encode(["fish"])


def test_a_hub_name_offline_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(EncoderMissing, match=r"nobody/nothing.*HF_HUB_OFFLINE.*folder of a saved model"):
        load("nobody/nothing").encode(["fish"])
    with pytest.raises(InvalidInput, match="expected a folder"):
        SentenceTransformersEncoder("")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
class TestSeeingModel(EncoderContract):
    items = ("a storm is coming", tiny.pictures()[0], "fish", tiny.pictures()[1])

    @pytest.fixture(autouse=True)
    def folder(self, seeing_model):
        self.place = str(seeing_model)

    def make(self) -> Encoder:
        return SentenceTransformersEncoder(self.place)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_model_that_sees_takes_texts_and_pictures_and_agrees_with_transformers(seeing_model, saved_model, model):
    encoder, bare = load(str(seeing_model)), load(str(saved_model("clip")))
    assert encoder.modalities == {Modality.TEXT, Modality.IMAGE} and load(str(model)).modalities == {Modality.TEXT}
    items = [tiny.pictures()[0], "a storm", tiny.pictures()[1], "fish"]
    found = encoder.encode(items)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    np.testing.assert_allclose(found, bare.encode(items), atol=1e-5)
    assert encoder.window == bare.window == 14


def test_counting_tokens_in_another_thread_changes_no_vector(model):
    encoder, texts = load(str(model)), ["fish storm der hund " * 20] * 16
    wanted, done = encoder.encode(texts), threading.Event()

    def count():
        while not done.is_set():
            assert encoder.count_tokens(["fish " * 40] * 8) == [40] * 8

    with ThreadPoolExecutor(2) as pool:
        counting = [pool.submit(count) for _ in range(2)]
        try:
            for _ in range(40):
                np.testing.assert_allclose(encoder.encode(texts), wanted, atol=1e-4)
        finally:
            done.set()
    assert [one.result() for one in counting] == [None, None]
