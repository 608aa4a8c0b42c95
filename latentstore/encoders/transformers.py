"""TransformersEncoder: models of pictures, sounds and texts by the transformers package, from a folder or by name on the
hub. CLIP, SigLIP and SigLIP 2 put texts and pictures into one space, CLAP texts and sounds; DINOv2 and DINOv3 take
pictures; AST, Wav2Vec2 and HuBERT take sounds. Which it is, its config.json says.

Vectors of models that were trained to compare (the first four) have unit length. A sound longer than a model hears at
once is heard in parts of equal length, and its vector is their mean. Nothing is chosen by chance, as CLAP's own
preparation would. Only safetensors weights are read, in float32, and a model that lacks some is refused.
"""

from __future__ import annotations

import re
import string
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any

import numpy as np

from latentstore.encoders import kinds, saved
from latentstore.encoders.architectures import ARCHITECTURES, Architecture
from latentstore.encoders.base import Description, Role, check_texts, let_idle_threads_sleep
from latentstore.errors import EncoderMissing, InvalidInput
from latentstore.types import Float32, Metric, Modality

_BATCH = {Modality.TEXT: 32, Modality.IMAGE: 16, Modality.AUDIO: 4}  # small ones are the faster ones on a processor
_SHORTEST = 0.1  # seconds of a sound; shorter ones get silence, since filters need some samples


class TransformersEncoder:
    """The model is read by the first call that needs it, which takes seconds. One that takes texts is Windowed."""

    metric = Metric.COSINE
    _kind: Architecture

    def __new__(cls, place: str) -> TransformersEncoder:
        """place: a folder, or `owner/name` on the hub. Raises InvalidInput when it is empty, EncoderMissing when there is
        no such model, or it is none that is known here."""
        if not place:
            raise InvalidInput("expected a folder or a name: transformers:FOLDER or transformers:OWNER/NAME")
        kind = _architecture(place)
        self = super().__new__(_WithTexts if Modality.TEXT in kind.modalities else cls)
        self._kind = kind
        return self

    def __init__(self, place: str) -> None:
        self._place = place
        self._loading = threading.RLock()
        self.name = f"transformers:{place}"

    @property
    def modalities(self) -> frozenset[Modality]:
        return self._kind.modalities

    @cached_property
    def fingerprint(self) -> str:
        """Of the weights, tokenizer and configuration, and of how a vector is taken. Raises EncoderMissing."""
        return f"transformers-1:{saved.checksum(self._folder)}:{self._kind.pooling}"

    @cached_property
    def dim(self) -> int:
        """Raises EncoderMissing."""
        return int(attrgetter(self._kind.width)(self._config))

    def encode(self, items: Sequence[Any], *, role: Role = "document") -> Float32:
        """items: n texts, pictures or sounds, as `modalities` says, also of several kinds; of a text, what lies past the
        window is not seen. Returns (n, dim) float32. Raises InvalidInput naming the position and type of what is no such
        item, EncoderMissing when the model cannot be loaded."""
        groups = kinds.grouped(items, self.modalities, role)
        vectors = np.empty((len(items), self.dim), np.float32)
        for modality, at in groups.items():
            vectors[at] = self._made(modality, items, at)
        return vectors

    @classmethod
    def describe(cls) -> Description:
        source = "CLIP, SigLIP, CLAP, DINO, AST, Wav2Vec2 or HuBERT: a folder, or the hub as owner/name"
        return Description("transformers", ("audio", "image", "text"), None, source, True, "")

    def _made(self, modality: Modality, items: Sequence[Any], at: list[int]) -> Float32:
        if modality is Modality.AUDIO:
            return self._of_sounds(items, at)
        found = [self._of_pictures(items, part) for part in _batches(at, _BATCH[Modality.IMAGE])]
        return np.concatenate(found)

    def _of_pictures(self, items: Sequence[Any], at: Sequence[int]) -> Float32:
        pictures = [kinds.picture(items, position) for position in at]
        return self._vectors("get_image_features", self._processor(images=pictures, return_tensors="pt"))

    def _of_sounds(self, items: Sequence[Any], at: list[int]) -> Float32:
        """The sum of each sound's parts, which points where their mean does, then divided."""
        rate = int(self._processor.sampling_rate)
        largest = self._heard_at_once(rate)
        sums, counts = np.zeros((len(at), self.dim), np.float32), np.zeros((len(at), 1), np.float32)
        for row, position in enumerate(at):
            samples = kinds.sound(items, position, rate).samples
            found = kinds.parts(samples, largest, int(_SHORTEST * rate))
            # Never two lengths in a batch: what pads them would be heard by the models that know no mask.
            for _, same in groupby(sorted(found, key=len), key=len):
                for part in _batches(list(same), _BATCH[Modality.AUDIO]):
                    sums[row] += self._heard(part, rate).sum(axis=0)
            counts[row] = len(found)
        return kinds.unit(sums) if self._kind.pooling == "features" else sums / counts

    def _heard_at_once(self, rate: int) -> int:
        """Samples: CLAP's processor counts them, AST's counts frames of a hundredth of a second."""
        if self._kind.seconds:
            return int(self._kind.seconds * rate)
        samples = getattr(self._processor, "nb_max_samples", None)
        return int(samples or self._processor.max_length * rate // 100)

    def _heard(self, samples: list[Float32], rate: int) -> Float32:
        ready = self._processor(samples, sampling_rate=rate, return_tensors="pt")
        if "is_longer" in ready:  # set by chance for a batch without a long sound
            ready["is_longer"] = ready["is_longer"] & False
        ready.pop("attention_mask", None)
        return self._vectors("get_audio_features", ready)

    def _vectors(self, features: str, ready: Any) -> Float32:
        import torch

        model = self._model
        with torch.inference_mode():
            ready = {name: tensor.to(model.device) for name, tensor in ready.items()}
            if self._kind.pooling == "features":
                return kinds.unit(getattr(model, features)(**ready).pooler_output.cpu().numpy())
            made = model(**ready)
            taken = made.pooler_output if self._kind.pooling == "pooler" else made.last_hidden_state.mean(dim=1)
            return np.ascontiguousarray(taken.cpu().numpy(), np.float32)

    @cached_property
    def _folder(self) -> Path:
        with self._loading:
            return saved.folder_of(self._place)

    @cached_property
    def _config(self) -> Any:
        with _told(self._folder):
            return _class(self._kind.model).config_class.from_pretrained(self._folder, local_files_only=True)

    @cached_property
    def _model(self) -> Any:
        with self._loading:
            return self.__dict__.get("_model") or _load(self._folder, self._kind)

    @cached_property
    def _processor(self) -> Any:
        """Of pictures or of sounds."""
        with self._loading, _told(self._folder):
            if self._kind.processor is not None:
                return _class(self._kind.processor).from_pretrained(self._folder, local_files_only=True)
            # By Pillow even where torchvision is: their pixels differ, and the vectors would.
            return _class("AutoImageProcessor").from_pretrained(
                self._folder, backend="pil", trust_remote_code=False, local_files_only=True
            )


class _WithTexts(TransformersEncoder):
    """A TransformersEncoder whose `modalities` hold texts."""

    @cached_property
    def window(self) -> int:
        """Tokens of a text that fit beside the special tokens."""
        return self._limit - int(self._tokenizer.num_special_tokens_to_add())

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, nothing cut, no special token."""
        checked = check_texts(texts)
        return [len(ids) for ids in self._tokenized(checked, add_special_tokens=False)["input_ids"]] if checked else []

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets [start, end) of each token, ascending."""
        found = self._tokenized(check_texts([text]), add_special_tokens=False, return_offsets_mapping=True)
        return [(int(start), int(end)) for start, end in found["offset_mapping"][0]]

    def _made(self, modality: Modality, items: Sequence[Any], at: list[int]) -> Float32:
        if modality is not Modality.TEXT:
            return super()._made(modality, items, at)
        texts = kinds.texts(items, at)
        order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
        vectors = np.empty((len(texts), self.dim), np.float32)
        for rows in _batches(order, _BATCH[Modality.TEXT]):
            vectors[rows] = self._of_texts([texts[row] for row in rows])
        return vectors

    def _of_texts(self, texts: list[str]) -> Float32:
        padding = "max_length" if self._kind.padded else True
        ready = self._tokenized(texts, padding=padding, truncation=True, max_length=self._limit, return_tensors="pt")
        return self._vectors("get_text_features", ready)

    def _tokenized(self, texts: list[str], **settings: Any) -> Any:
        with self._loading:  # padding and truncation are state of the tokenizer
            return self._tokenizer(texts, verbose=False, **settings)

    @property
    def _limit(self) -> int:
        most = int(self._config.text_config.max_position_embeddings) - self._kind.spare
        return min(int(self._tokenizer.model_max_length), most)

    @cached_property
    def _tokenizer(self) -> Any:
        with self._loading, _told(self._folder):
            return self.__dict__.get("_tokenizer") or _tokenizer(self._folder, lower=self._kind.padded)


def _architecture(place: str) -> Architecture:
    found = saved.configuration(place, "config.json")
    if not isinstance(found, dict):
        raise EncoderMissing(f"{place} holds no model of transformers: no config.json, or none that says what it is")
    named = found.get("model_type")
    if named not in ARCHITECTURES:
        raise EncoderMissing(
            f"{place} is a model of type {named!r}; those read here are {', '.join(ARCHITECTURES)}; for a model of texts "
            f"try sentence-transformers:{place}"
        )
    return ARCHITECTURES[named]


def _load(folder: Path, kind: Architecture) -> Any:
    import torch

    with _told(folder), _no_bars():
        model, report = _class(kind.model).from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    if missing := sorted(report["missing_keys"]):
        raise EncoderMissing(
            f"the weights in {folder} lack {len(missing)} of the model's, such as {missing[0]!r}, which would be left to "
            "chance; save the whole model"
        )
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def _no_bars() -> Iterator[None]:
    """A bar for a second's work is noise among the lines of a job."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """What transformers raises of the files becomes EncoderMissing: each model fails in its own way."""
    try:
        yield
    except EncoderMissing:
        raise
    except Exception as cause:
        raise EncoderMissing(f"the model in {folder} cannot be loaded: {cause}") from cause


def _tokenizer(folder: Path, *, lower: bool) -> Any:
    if not (folder / "tokenizer.json").is_file():
        raise EncoderMissing(f"{folder} holds no tokenizer.json; save the model with a fast tokenizer")
    # The file says nearly all of it; the class that it names may need further packages.
    tokenizer = _class("PreTrainedTokenizerFast").from_pretrained(folder, local_files_only=True)
    if lower:
        named = saved.configuration(str(folder), "tokenizer_config.json") or {}
        backend = tokenizer.backend_tokenizer
        backend.normalizer = _plain(backend.normalizer, bare=named.get("tokenizer_class") == "SiglipTokenizer")
    return tokenizer


def _plain(rest: Any, *, bare: bool) -> Any:
    """What SigLIP's own tokenizers do before all else: no capitals, and where `bare` no punctuation."""
    from tokenizers import Regex, normalizers

    steps: list[Any] = [normalizers.Lowercase()]
    if bare:
        spaces = normalizers.Replace(Regex(r"\s+"), " ")
        steps += [normalizers.Replace(Regex(f"[{re.escape(string.punctuation)}]"), ""), spaces, normalizers.Strip()]
    return normalizers.Sequence([*steps, rest] if rest else steps)


def _class(name: str) -> Any:
    let_idle_threads_sleep()
    try:
        import transformers

        return getattr(transformers, name)
    except (ImportError, AttributeError) as cause:
        raise EncoderMissing(
            f"transformers has no {name}: {cause}; pip install --upgrade transformers, or sentence-transformers"
        ) from cause


def _batches(given: list[Any], size: int) -> Iterator[list[Any]]:
    return (given[start : start + size] for start in range(0, len(given), size))
