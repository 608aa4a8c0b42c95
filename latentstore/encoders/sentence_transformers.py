"""SentenceTransformersEncoder: any sentence-transformers model, from a folder or by its name on the hub, with the
prompts, the similarity and the window that the model itself declares. Only safetensors weights are read."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from latentstore.encoders import kinds, saved
from latentstore.encoders.base import Description, Role, check_texts, let_idle_threads_sleep
from latentstore.errors import EncoderMissing, InvalidInput
from latentstore.types import Float32, Metric, Modality

_METRICS = {None: Metric.COSINE, "cosine": Metric.COSINE, "dot": Metric.IP, "euclidean": Metric.L2}
_PICTURES = 16  # decoded together


class SentenceTransformersEncoder:
    """The model is read by the first call that needs it, which takes seconds."""

    def __init__(self, place: str) -> None:
        """place: a folder, or `owner/name` on the hub. Raises InvalidInput when it is empty."""
        if not place:
            raise InvalidInput(
                "expected a folder or a name: sentence-transformers:FOLDER or sentence-transformers:OWNER/NAME"
            )
        self._place = place
        self._loading = threading.RLock()
        self.name = f"sentence-transformers:{place}"

    @cached_property
    def fingerprint(self) -> str:
        """Of the weights, tokenizer and configuration. Raises EncoderMissing."""
        return f"sentence-transformers:{saved.checksum(self._folder)}"

    @cached_property
    def modalities(self) -> frozenset[Modality]:
        """Texts, and pictures where the model puts them into the same space. Raises EncoderMissing."""
        return frozenset({Modality.TEXT, Modality.IMAGE} if _sees(str(self._folder)) else {Modality.TEXT})

    @cached_property
    def dim(self) -> int:
        """Raises EncoderMissing when the model cannot be loaded, as do the other facts."""
        return int(self._run([""], "document").shape[1])

    @cached_property
    def metric(self) -> Metric:
        """Raises InvalidInput for a similarity that the store does not have."""
        named = self._model.similarity_fn_name
        if named not in _METRICS:
            raise InvalidInput(f"model {self._place} compares by {named}; a space compares by cosine, ip or l2")
        return _METRICS[named]

    @cached_property
    def window(self) -> int:
        """Tokens of a document that fit beside its prompt and the special tokens."""
        model = self._model
        named = [name for name in ("document", "passage", "corpus", model.default_prompt_name) if name in model.prompts]
        prompt = model.prompts[named[0]] if named else ""
        taken = model.tokenizer.num_special_tokens_to_add() + len(self._ids([prompt])[0])
        return int(model.max_seq_length or model.tokenizer.model_max_length) - int(taken)

    def encode(self, items: Sequence[Any], *, role: Role = "document") -> Float32:
        """items: n texts, or pictures too as `modalities` says; what lies past the window is not seen. Returns (n, dim)
        float32.

        Raises InvalidInput naming position and type of what is no such item, EncoderMissing when the model cannot be loaded.
        """
        groups = kinds.grouped(items, self.modalities, role)
        vectors = np.empty((len(items), self.dim), np.float32)
        for modality, at in groups.items():
            run = self._run_texts if modality is Modality.TEXT else self._run_pictures
            vectors[at] = run(items, at, role)
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, nothing cut, neither special tokens nor a prompt."""
        return [len(ids) for ids in self._ids(check_texts(texts))]

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets [start, end) of each token, ascending. Raises InvalidInput for a slow tokenizer."""
        check_texts([text])
        if not self._counting.is_fast:
            raise InvalidInput(
                f"model {self._place} has no fast tokenizer, which alone knows offsets; save it with one"
            )
        found = self._counting(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [(int(start), int(end)) for start, end in found["offset_mapping"]]

    @classmethod
    def describe(cls) -> Description:
        source = "a folder, or the hub as owner/name"
        return Description("sentence-transformers", ("image", "text"), None, source, True, "")

    @cached_property
    def _folder(self) -> Path:
        with self._loading:
            return saved.folder_of(self._place)

    @cached_property
    def _model(self) -> Any:
        with self._loading:
            return self.__dict__.get("_model") or _load(self._folder)

    @cached_property
    def _counting(self) -> Any:
        """A tokenizer of its own: whether it cuts is state, and counting must not turn that off for an encoding thread."""
        with self._loading:
            return self.__dict__.get("_counting") or copy.deepcopy(self._model.tokenizer)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        found = self._counting(texts, add_special_tokens=False, truncation=False, verbose=False) if texts else {}
        return list(found.get("input_ids", ()))

    def _run_texts(self, items: Sequence[Any], at: list[int], role: Role) -> Float32:
        return self._run(kinds.texts(items, at), role)

    def _run_pictures(self, items: Sequence[Any], at: list[int], role: Role) -> Float32:
        batches = (at[start : start + _PICTURES] for start in range(0, len(at), _PICTURES))
        return np.concatenate(
            [self._run([kinds.picture(items, position) for position in batch], role) for batch in batches]
        )

    def _run(self, texts: list[Any], role: Role) -> Float32:
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        return np.ascontiguousarray(encode(texts, show_progress_bar=False, convert_to_numpy=True), np.float32)


def _sees(folder: str) -> bool:
    modules = saved.configuration(folder, "modules.json")
    first = modules[0] if isinstance(modules, list) and modules and isinstance(modules[0], dict) else {}
    if str(first.get("type")).endswith(".CLIPModel"):
        return True
    path = f"{first.get('path') or ''}/sentence_bert_config.json".lstrip("/")
    settings = saved.configuration(folder, path) if first else None
    return isinstance(settings, dict) and "image" in settings.get("modality_config", {})


def _load(folder: Path) -> Any:
    let_idle_threads_sleep()
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as cause:
        raise EncoderMissing(
            f"sentence-transformers does not import: {cause}; pip install sentence-transformers"
        ) from cause
    _refuse_code(folder)
    try:
        return SentenceTransformer(str(folder), local_files_only=True, model_kwargs={"use_safetensors": True})
    # A model of any architecture fails in its own way.
    except Exception as cause:
        raise EncoderMissing(f"the model in {folder} cannot be loaded: {cause}") from cause


def _refuse_code(folder: Path) -> None:
    """Raises EncoderMissing for a folder that is no model, or whose modules are classes of its own."""
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise EncoderMissing(f"{folder} holds no sentence-transformers model: neither modules.json nor config.json")
    if not (folder / "modules.json").is_file():
        return
    try:
        kinds = [module["type"] for module in json.loads((folder / "modules.json").read_bytes())]
    except (ValueError, TypeError, KeyError) as cause:
        raise EncoderMissing(
            f"{folder / 'modules.json'} is no list of modules: {cause}; save the model anew"
        ) from cause
    for kind in kinds:
        if not str(kind).startswith("sentence_transformers."):
            raise EncoderMissing(
                f"the model in {folder} brings code of its own ({kind}), which is never run; use another"
            )
