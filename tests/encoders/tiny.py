"""Tiny models of random weights, made and saved as their libraries save them."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import numpy as np

SENTENCES = "<pad> <unk> <s> </s> a storm is coming der hund unter dem tisch fish photo of cat dog barking"
WORDS = SENTENCES.split(" ")
SIZES = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
MEAN, STD = [0.1, 0.5, 0.4], [0.2, 0.3, 0.25]
SIDE = {"height": 32, "width": 32}


def made(name: str, folder: Path) -> Path:
    """The folder of the model that a function below is named after."""
    import torch
    from transformers.utils import logging

    torch.manual_seed(0)
    logging.disable_progress_bar()
    level = logging.get_verbosity()
    logging.set_verbosity_error()  # a tiny vocabulary has no place for a standard token
    with contextlib.ExitStack() as after:
        after.callback(logging.enable_progress_bar)
        after.callback(logging.set_verbosity, level)
        BUILDERS[name](folder)
    return folder


def pictures(n: int = 3, height: int = 32, width: int = 32) -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (n, height, width, 3), np.uint8))


def sounds(*seconds: float, rate: int = 8_000) -> list[tuple[np.ndarray, int]]:
    draw = np.random.default_rng(1)
    return [(draw.uniform(-0.5, 0.5, int(length * rate)).astype(np.float32), rate) for length in seconds]


def tokenizer(folder: Path, limit: int = 16, names: tuple[str, ...] = ("input_ids", "attention_mask")) -> None:
    """A token a word; `<s>` before a text and `</s>` behind it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, unk_token="<unk>"))
    made.normalizer, made.pre_tokenizer = normalizers.NFC(), pre_tokenizers.Whitespace()
    made.post_processor = processors.TemplateProcessing(single="<s> $A </s>", special_tokens=[("<s>", 2), ("</s>", 3)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    PreTrainedTokenizerFast(
        tokenizer_object=made, model_max_length=limit, model_input_names=list(names), **special
    ).save_pretrained(folder)


def ids(text: str) -> list[int]:
    return [2, *(WORDS.index(word) if word in WORDS else 1 for word in text.split()), 3]


def _texts(**more):
    return SIZES | {"vocab_size": len(WORDS), "max_position_embeddings": 16, "pad_token_id": 0} | more


def clip(folder):
    import transformers as hf

    seen = SIZES | {"image_size": 32, "patch_size": 8}
    config = hf.CLIPConfig(text_config=_texts(bos_token_id=2, eos_token_id=3), vision_config=seen, projection_dim=24)
    hf.CLIPModel(config).save_pretrained(folder)
    hf.CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size=SIDE, image_mean=MEAN, image_std=STD
    ).save_pretrained(folder)
    tokenizer(folder)


def siglip(folder):
    import transformers as hf

    seen = SIZES | {"image_size": 32, "patch_size": 8}
    hf.SiglipModel(hf.SiglipConfig(text_config=_texts(projection_size=32), vision_config=seen)).save_pretrained(folder)
    hf.SiglipImageProcessorPil(size=SIDE, image_mean=MEAN, image_std=STD).save_pretrained(folder)
    tokenizer(folder, names=("input_ids",))
    told = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(told | {"tokenizer_class": "SiglipTokenizer"}))


def siglip2(folder):
    import transformers as hf

    seen = SIZES | {"num_patches": 16, "patch_size": 8}
    texts = _texts(projection_size=32)
    hf.Siglip2Model(hf.Siglip2Config(text_config=texts, vision_config=seen)).save_pretrained(folder)
    hf.Siglip2ImageProcessorPil(patch_size=8, max_num_patches=16).save_pretrained(folder)
    tokenizer(folder, names=("input_ids",))


def clap(folder, *, fused=False):
    import transformers as hf

    sizes = {"window_size": 8, "spec_size": 256, "hidden_size": 16, "patch_embeds_hidden_size": 8, "depths": [1, 1]}
    heads = {"num_attention_heads": [2, 2], "num_hidden_layers": 2, "num_classes": 4, "aff_block_r": 1}
    heard = sizes | heads | {"enable_fusion": fused}
    config = hf.ClapConfig(text_config=_texts(max_position_embeddings=18), audio_config=heard, projection_dim=24)
    hf.ClapModel(config).save_pretrained(folder)
    settings = {"sampling_rate": 8_000, "hop_length": 80, "fft_window_size": 256, "max_length_s": 2}
    truncation = "fusion" if fused else "rand_trunc"
    hf.ClapFeatureExtractor(frequency_max=4_000, truncation=truncation, **settings).save_pretrained(folder)
    tokenizer(folder)


def fused_clap(folder):
    clap(folder, fused=True)


def _dino2(folder, model, config):
    import transformers as hf

    model(
        config(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8)
    ).save_pretrained(folder)
    hf.BitImageProcessorPil(size={"shortest_edge": 32}, crop_size=SIDE, image_mean=MEAN, image_std=STD).save_pretrained(
        folder
    )


def dinov2(folder):
    import transformers as hf

    _dino2(folder, hf.Dinov2Model, hf.Dinov2Config)


def dinov2_registers(folder):
    import transformers as hf

    _dino2(folder, hf.Dinov2WithRegistersModel, hf.Dinov2WithRegistersConfig)


def dinov3(folder):
    """Its own processor cannot be made without torchvision: the file is as the hub has it."""
    import transformers as hf

    hf.DINOv3ViTModel(hf.DINOv3ViTConfig(**SIZES, image_size=32, patch_size=8)).save_pretrained(folder)
    settings = {"image_processor_type": "DINOv3ViTImageProcessorFast", "do_resize": True, "size": SIDE, "resample": 2}
    scale = {"do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": MEAN, "image_std": STD}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | scale | {"do_center_crop": None}))


def ast(folder):
    import transformers as hf

    hf.ASTModel(hf.ASTConfig(**SIZES, max_length=128, num_mel_bins=16)).save_pretrained(folder)
    hf.ASTFeatureExtractor(num_mel_bins=16, max_length=128).save_pretrained(folder)


def _speech(folder, model, config):
    import transformers as hf

    filters = {"conv_dim": (16, 16), "conv_stride": (5, 4), "conv_kernel": (10, 8)}
    places = {"num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2}
    model(config(**SIZES, **filters, **places)).save_pretrained(folder)
    hf.Wav2Vec2FeatureExtractor().save_pretrained(folder)


def wav2vec2(folder):
    import transformers as hf

    _speech(folder, hf.Wav2Vec2Model, hf.Wav2Vec2Config)


def hubert(folder):
    import transformers as hf

    _speech(folder, hf.HubertModel, hf.HubertConfig)


BUILDERS = {
    build.__name__: build
    for build in (clip, siglip, siglip2, clap, fused_clap, dinov2, dinov2_registers, dinov3, ast, wav2vec2, hubert)
}
