"""SentenceTransformersEncoder: any sentence-transformers model, from a folder or by its name on the hub, with the
prompts, the similarity and the window that the model itself declares. Only safetensors weights are read."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from latentstore.encoders.base import Description, Role, check_texts, let_idle_threads_sleep
from latentstore.encoders.minilm_files import hub_cache, offline
from latentstore.errors import EncoderMissing, InvalidInput
from latentstore.types import Float32, Metric, Modality

# What the vectors follow from; read-me files, training scripts and other runtimes' exports do not matter. `*` spans `/`.
_PATTERNS = ("*.json", "*.safetensors", "*.model", "*vocab.txt", "*merges.txt")
_IGNORED = ("onnx/*", "openvino/*", ".*", "data_config.json")
_WANTED: dict[str, Any] = {"allow_patterns": list(_PATTERNS), "ignore_patterns": list(_IGNORED)}
_METRICS = {None: Metric.COSINE, "cosine": Metric.COSINE, "dot": Metric.IP, "euclidean": Metric.L2}


class SentenceTransformersEncoder:
    """The model is read by the first call that needs it, which takes seconds."""

    modalities = frozenset({Modality.TEXT})

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
        return f"sentence-transformers:{_checksum(self._folder)}"

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

    def encode(self, items: Sequence[str], *, role: Role = "document") -> Float32:
        """items: n texts; what lies past the window is not seen. Returns (n, dim) float32.

        Raises InvalidInput naming position and type of what is no text, EncoderMissing when the model cannot be loaded.
        """
        texts = check_texts(items, role)
        return self._run(texts, role) if texts else np.empty((0, self.dim), np.float32)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, nothing cut, neither special tokens nor a prompt."""
        return [len(ids) for ids in self._ids(check_texts(texts))]

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets [start, end) of each token, ascending. Raises InvalidInput for a slow tokenizer."""
        check_texts([text])
        if not self._model.tokenizer.is_fast:
            raise InvalidInput(
                f"model {self._place} has no fast tokenizer, which alone knows offsets; save it with one"
            )
        found = self._model.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return [(int(start), int(end)) for start, end in found["offset_mapping"]]

    @classmethod
    def describe(cls) -> Description:
        return Description("sentence-transformers", ("text",), None, "a folder, or the hub as owner/name", True, "")

    @cached_property
    def _folder(self) -> Path:
        with self._loading:
            return Path(self._place) if Path(self._place).is_dir() else _snapshot(self._place)

    @cached_property
    def _model(self) -> Any:
        with self._loading:
            return self.__dict__.get("_model") or _load(self._folder)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        found = self._model.tokenizer(texts, add_special_tokens=False, truncation=False, verbose=False) if texts else {}
        return list(found.get("input_ids", ()))

    def _run(self, texts: list[str], role: Role) -> Float32:
        encode = self._model.encode_query if role == "query" else self._model.encode_document
        return np.ascontiguousarray(encode(texts, show_progress_bar=False, convert_to_numpy=True), np.float32)


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


def _snapshot(name: str) -> Path:
    """The folder of the hub's cache with model `name`, fetched if need be. Raises EncoderMissing."""
    import huggingface_hub
    from huggingface_hub.constants import ENDPOINT

    try:
        folder = Path(huggingface_hub.snapshot_download(name, local_files_only=True, **_WANTED))
        if any(folder.glob("**/*.safetensors")):
            return folder
    # Not in the cache, or no name that the hub knows: the next step says which.
    except Exception as cause:
        if offline():
            raise EncoderMissing(_absent(name, "HF_HUB_OFFLINE forbids to fetch it")) from cause
    try:
        files = huggingface_hub.HfApi().model_info(name, files_metadata=True).siblings or []
        size = sum(file.size or 0 for file in files if file.rfilename.endswith((".safetensors", ".json", ".txt")))
        print(f"latentstore: fetching {name} ({size / 1e6:.0f} MB) from {ENDPOINT} into {hub_cache()}", file=sys.stderr)
        return Path(huggingface_hub.snapshot_download(name, **_WANTED))
    # The hub's client raises whatever its transport raises, which changes with its version.
    except Exception as cause:
        raise EncoderMissing(_absent(name, f"{ENDPOINT} does not give it: {cause}")) from cause


def _absent(name: str, reason: str) -> str:
    return (
        f"model {name!r} is no folder here, is not in the hub's cache {hub_cache()}, and {reason}; "
        "give the folder of a saved model, or fetch it once where there is a network"
    )


def _checksum(folder: Path) -> str:
    """Of the contents and relative names of the files that matter; equal for every copy of the model."""
    total = xxhash.xxh3_128()
    files = {name: folder / name for name in sorted(_names(folder))}
    if not any(name.endswith(".safetensors") for name in files):
        raise EncoderMissing(
            f"{folder} holds no safetensors weights; other formats can run code when read, save it anew"
        )
    for name, file in files.items():
        total.update(name.encode() + b"\0" + file.stat().st_size.to_bytes(8, "little"))
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                total.update(block)
    return str(total.hexdigest())


def _names(folder: Path) -> Iterator[str]:
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        wanted = any(fnmatchcase(name, pattern) for pattern in _PATTERNS)
        if wanted and file.is_file() and not any(fnmatchcase(name, pattern) for pattern in _IGNORED):
            yield name
