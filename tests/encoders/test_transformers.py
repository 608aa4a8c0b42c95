"""Every model that `transformers:` reads, held against the model itself, given what was prepared by hand."""

import json
import shutil
from typing import Any

import numpy as np
import pytest
from PIL import Image

from latentstore.encoders import load, windowed
from latentstore.encoders.base import Encoder
from latentstore.encoders.contract import EncoderContract
from latentstore.encoders.transformers import TransformersEncoder
from latentstore.errors import EncoderMissing, InvalidInput
from latentstore.types import Metric, Modality
from tests.encoders import tiny

TEXTS = ["a storm is coming", "der hund", "fish"]


class Contract(EncoderContract):
    folder_name: str

    @pytest.fixture(autouse=True)
    def folder(self, saved_model: Any) -> None:
        self.place = str(saved_model(self.folder_name))

    def make(self) -> Encoder:
        return TransformersEncoder(self.place)


class TestClip(Contract):
    folder_name = "clip"
    items = (TEXTS[0], tiny.pictures()[0], TEXTS[1], tiny.pictures()[1])


class TestSiglip(Contract):
    folder_name = "siglip"
    items = (TEXTS[0], tiny.pictures()[0], TEXTS[1], tiny.pictures()[1])


class TestSiglip2(Contract):
    folder_name = "siglip2"
    items = (tiny.pictures()[0], TEXTS[0], TEXTS[1], tiny.pictures(1, 20, 44)[0])


class TestClap(Contract):
    folder_name = "clap"
    items = [TEXTS[0], *tiny.sounds(0.3, 2, 5), TEXTS[1]]  # noqa: RUF012 - a tuple is one sound


class TestDinov2(Contract):
    folder_name = "dinov2"
    items = tuple(tiny.pictures(4))


class TestDinov3(Contract):
    folder_name = "dinov3"
    items = tuple(tiny.pictures(4))


class TestAst(Contract):
    folder_name = "ast"
    items = tiny.sounds(0.05, 1, 2)


class TestWav2Vec2(Contract):
    folder_name = "wav2vec2"
    items = tiny.sounds(0.3, 1, 0.7, 0.7)


class TestHubert(Contract):
    folder_name = "hubert"
    items = tiny.sounds(0.3, 1, 0.7)


def same(found, wanted):
    np.testing.assert_allclose(found, wanted.detach().numpy(), atol=1e-5)


def scaled(pictures, mean=tiny.MEAN, std=tiny.STD):
    import torch

    values = (np.stack(pictures) / 255 - mean) / std
    return torch.tensor(values.transpose(0, 3, 1, 2), dtype=torch.float32)


def padded(texts, length):
    """Token ids and mask, (n, length)."""
    import torch

    rows = [tiny.ids(text) for text in texts]
    full = [[*row, *[0] * (length - len(row))] for row in rows]
    return torch.tensor(full), torch.tensor([[int(at < len(row)) for at in range(length)] for row in rows])


def test_clip_gives_its_own_embeddings_of_texts_and_pictures_in_one_call(saved_model):
    from transformers import CLIPModel

    ids, mask = padded(TEXTS, 6)
    original = CLIPModel.from_pretrained(saved_model("clip"))
    wanted = original(input_ids=ids, attention_mask=mask, pixel_values=scaled(tiny.pictures()))
    mixed = [item for pair in zip(TEXTS, tiny.pictures(), strict=True) for item in pair]
    found = load(f"transformers:{saved_model('clip')}").encode(mixed)
    same(found[::2], wanted.text_embeds)
    same(found[1::2], wanted.image_embeds)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_siglip_pads_texts_to_the_full_length_and_knows_neither_capitals_nor_punctuation(saved_model):
    from transformers import SiglipModel

    ids, _ = padded(TEXTS, 16)
    original = SiglipModel.from_pretrained(saved_model("siglip"))
    wanted = original(input_ids=ids, pixel_values=scaled(tiny.pictures()))
    encoder = load(str(saved_model("siglip")))
    same(encoder.encode([f" {text.upper()} - (?)!" for text in TEXTS]), wanted.text_embeds)
    assert encoder.token_spans("Der, \\Hund]") == [(0, 3), (6, 10)]
    same(encoder.encode(tiny.pictures()), wanted.image_embeds)


def test_siglip_2_knows_no_capitals_and_keeps_punctuation(saved_model):
    encoder = load(str(saved_model("siglip2")))
    plain, loud, dotted = encoder.encode(["der hund", "DER Hund", "der hund."])
    assert np.abs(plain - loud).max() < 1e-6 < 1e-3 < np.abs(plain - dotted).max()


def test_siglip_2_sees_pictures_of_any_shape_through_its_own_patches(saved_model):
    import torch
    from transformers import Siglip2Model

    (picture,) = tiny.pictures(1, 32, 32)  # 16 patches of 8 by 8, which is what it takes
    rows = picture.reshape(4, 8, 4, 8, 3).transpose(0, 2, 1, 3, 4).reshape(1, 16, -1) / 127.5 - 1
    original = Siglip2Model.from_pretrained(saved_model("siglip2"))
    wanted = original.get_image_features(
        torch.tensor(rows, dtype=torch.float32), torch.ones(1, 16, dtype=torch.int64), torch.tensor([[4, 4]])
    ).pooler_output
    same(load(str(saved_model("siglip2"))).encode([picture]), wanted / wanted.norm())


@pytest.mark.parametrize("name", ["clap", "fused_clap"])
def test_clap_gives_its_own_embeddings_and_hears_all_of_a_long_sound(saved_model, name):
    from transformers import ClapFeatureExtractor, ClapModel

    original = ClapModel.from_pretrained(saved_model(name))
    extractor = ClapFeatureExtractor.from_pretrained(saved_model(name))
    (long,) = tiny.sounds(4)
    halves = extractor(list(long[0].reshape(2, -1)), sampling_rate=8_000, return_tensors="pt")
    heard = original.get_audio_features(halves["input_features"], halves["is_longer"] & False).pooler_output
    encoder = load(str(saved_model(name)))
    same(encoder.encode([(long[0][:16_000], 8_000)]), heard[:1])
    same(encoder.encode([long]), heard.mean(dim=0, keepdim=True) / heard.mean(dim=0).norm())
    ids, mask = padded(TEXTS, 6)
    same(encoder.encode(TEXTS), original.get_text_features(ids, mask).pooler_output)


@pytest.mark.parametrize("name", ["dinov2", "dinov2_registers", "dinov3"])
def test_dino_gives_the_state_of_the_whole_picture(saved_model, name):
    import transformers

    model = {"dinov2": "Dinov2Model", "dinov3": "DINOv3ViTModel"}.get(name, "Dinov2WithRegistersModel")
    original = getattr(transformers, model).from_pretrained(saved_model(name))
    wanted = original(scaled(tiny.pictures())).last_hidden_state[:, 0]
    encoder = load(str(saved_model(name)))
    same(encoder.encode(tiny.pictures()), wanted)
    assert (encoder.metric, encoder.dim, encoder.modalities) == (Metric.COSINE, 32, {Modality.IMAGE})


@pytest.mark.parametrize(("name", "model"), [("wav2vec2", "Wav2Vec2Model"), ("hubert", "HubertModel")])
def test_speech_models_give_the_mean_state_whatever_lengths_are_asked_together(saved_model, name, model):
    import torch
    import transformers

    original = getattr(transformers, model).from_pretrained(saved_model(name))
    asked = tiny.sounds(0.5, 0.2, 0.5, rate=16_000)
    found = load(str(saved_model(name))).encode(asked)
    for row, (samples, _) in zip(found, asked, strict=True):
        level = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
        same(row, original(torch.tensor(level[None])).last_hidden_state[0].mean(dim=0))


def test_ast_gives_its_pooled_state_and_the_mean_of_it_over_a_long_recording(saved_model):
    from transformers import ASTFeatureExtractor, ASTModel

    (long,) = tiny.sounds(2.5, rate=16_000)  # it hears 1.28 s
    extractor = ASTFeatureExtractor.from_pretrained(saved_model("ast"))
    halves = extractor(list(long[0].reshape(2, -1)), sampling_rate=16_000, return_tensors="pt")
    wanted = ASTModel.from_pretrained(saved_model("ast"))(**halves).pooler_output
    same(load(str(saved_model("ast"))).encode([long]), wanted.mean(dim=0, keepdim=True))


def test_pictures_come_from_files_bytes_and_pillow_alike(saved_model, tmp_path):
    (pixels,) = tiny.pictures(1)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    ways = [tmp_path / "one.png", (tmp_path / "one.png").read_bytes(), Image.fromarray(pixels), pixels]
    encoder = load(str(saved_model("dinov2")))
    found = encoder.encode([*ways, str(tmp_path / "one.png")])  # a str is a path to what takes no texts
    np.testing.assert_allclose(found, np.repeat(found[:1], 5, axis=0), atol=1e-5)


def test_the_window_of_texts_is_what_the_model_reads(saved_model):
    encoder = load(str(saved_model("clip")))
    facts = windowed(encoder)
    assert facts is encoder and facts.window == 14
    words = ["a"] * 14
    seen, cut, changed = encoder.encode([" ".join(words), " ".join([*words, "cat"]), " ".join([*words[:-1], "cat"])])
    assert np.abs(seen - cut).max() < 1e-6 < 1e-3 < np.abs(seen - changed).max()
    assert facts.count_tokens(["a " * 40, ""]) == [40, 0]
    assert facts.token_spans("der  hund") == [(0, 3), (5, 9)]
    assert windowed(load(str(saved_model("dinov2")))) is None


def test_a_copy_is_the_same_encoder_and_another_preparation_is_another(saved_model, tmp_path):
    copy, changed = (shutil.copytree(saved_model("clip"), tmp_path / name) for name in ("copy", "changed"))
    settings = json.loads((changed / "preprocessor_config.json").read_text())
    (changed / "preprocessor_config.json").write_text(json.dumps(settings | {"image_mean": [0, 0, 0]}))
    own = load(str(saved_model("clip"))).fingerprint
    assert load(str(copy)).fingerprint == own != load(str(changed)).fingerprint


def test_weights_that_are_missing_in_part_are_refused_rather_than_left_to_chance(saved_model, tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(saved_model("clip"), tmp_path / "partial")
    weights = load_file(folder / "model.safetensors")
    del weights["text_projection.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(EncoderMissing, match=r"lack 1 of the model's.*text_projection\.weight"):
        load(str(folder)).encode(TEXTS)


def test_code_and_pickles_that_a_model_brings_along_are_never_read(saved_model, tmp_path):
    folder = shutil.copytree(saved_model("clip"), tmp_path / "evil")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Evil: pass\n")
    for name, key in [("config.json", "AutoModel"), ("preprocessor_config.json", "AutoImageProcessor")]:
        settings = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps(settings | {"auto_map": {key: "evil.Evil"}}))
    mixed = [TEXTS[0], tiny.pictures()[0]]
    wanted = load(str(saved_model("clip"))).encode(mixed)
    np.testing.assert_allclose(load(str(folder)).encode(mixed), wanted, atol=1e-6)
    assert not (tmp_path / "ran").exists()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EncoderMissing, match="no safetensors"):
        _ = load(str(folder)).fingerprint
    with pytest.raises(EncoderMissing, match="cannot be loaded"):
        load(str(folder)).encode(mixed)


def test_a_folder_that_lacks_a_part_says_which(saved_model, tmp_path):
    folder = shutil.copytree(saved_model("clip"), tmp_path / "parts")
    for name, items in [("tokenizer.json", TEXTS), ("preprocessor_config.json", tiny.pictures())]:
        (folder / name).unlink()
        with pytest.raises(EncoderMissing, match=name.partition(".")[0]):
            load(str(folder)).encode(items)


def test_what_is_no_model_known_here_is_said_at_once(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(EncoderMissing, match=r"type 'llama'; those read here are clip, siglip.*sentence-transformers:"):
        load(f"transformers:{tmp_path}")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(EncoderMissing, match=r"config\.json is no JSON"):
        load(f"transformers:{tmp_path}")
    (tmp_path / "config.json").unlink()
    with pytest.raises(EncoderMissing, match=r"no config\.json"):
        load(f"transformers:{tmp_path}")
    with pytest.raises(InvalidInput, match="expected a folder"):
        TransformersEncoder("")


def test_what_is_no_picture_is_refused_by_position_and_one_item_needs_a_list(saved_model, tmp_path):
    encoder = load(str(saved_model("clip")))
    with pytest.raises(InvalidInput, match=r"item 1 is no picture but bytes.*begins with b'no picture'"):
        encoder.encode(["a", b"no picture"])
    with pytest.raises(InvalidInput, match=r"item 2 holds half of a surrogate pair"):
        encoder.encode(["a", tiny.pictures()[0], "\ud800"])
    for one in ("a", b"a", tiny.pictures()[0], Image.fromarray(tiny.pictures()[0])):
        with pytest.raises(InvalidInput, match="expected a list of items"):
            encoder.encode(one)
    with pytest.raises(InvalidInput, match="expected a list of items, got one tuple"):
        load(str(saved_model("hubert"))).encode(tiny.sounds(1)[0])


def test_a_sentence_finds_pictures_and_a_picture_finds_sentences_in_a_store(store, saved_model, tmp_path):
    from latentstore import Item

    encoder = load(str(saved_model("clip")))
    paths = [tmp_path / f"{n}.png" for n in range(3)]
    for path, pixels in zip(paths, tiny.pictures(), strict=True):
        Image.fromarray(pixels).save(path)
    collection = store.create("both", encoders=[str(saved_model("clip"))])
    collection.add([Item("t", "a storm"), *(Item(str(n), image=str(path)) for n, path in enumerate(paths))])
    vectors = encoder.encode(["a storm", *paths])
    for query in ("der hund", paths[1]):
        near = dict(zip(["t", "0", "1", "2"], vectors @ encoder.encode([query])[0], strict=True))
        hits = collection.search(query)
        assert {hit.id: 1 - hit.distance for hit in hits} == pytest.approx(near, abs=1e-4)
        pictures = [hit.id for hit in hits if hit.id != "t"]
        assert pictures == sorted(pictures, key=lambda name: -near[name])
