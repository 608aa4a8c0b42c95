"""Saved models: where the folder of one is, what kind it is, and what its vectors follow from.

A place is a folder, or `owner/name`: in the hub's cache, else fetched from the hub after a line on standard error that
says what, from where and how large. Only safetensors weights are taken, and nothing that a model brings along is run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import xxhash

from latentstore.encoders.architectures import ARCHITECTURES
from latentstore.encoders.minilm_files import hub_cache, offline
from latentstore.errors import EncoderMissing

SENTENCE_TRANSFORMERS = "sentence-transformers"
TRANSFORMERS = "transformers"

# What the vectors follow from; read-me files, training scripts and other runtimes' exports do not matter. `*` spans `/`.
_PATTERNS = ("*.json", "*.safetensors", "*.model", "*vocab.txt", "*merges.txt")
_IGNORED = ("onnx/*", "openvino/*", ".*", "data_config.json")
_WANTED: dict[str, Any] = {"allow_patterns": list(_PATTERNS), "ignore_patterns": list(_IGNORED)}


def kind(place: str) -> str:
    """Which encoder reads the model: `sentence-transformers` or `transformers`. Raises EncoderMissing."""
    if configuration(place, "modules.json") is not None:
        return SENTENCE_TRANSFORMERS
    found = configuration(place, "config.json")
    return (
        TRANSFORMERS if isinstance(found, dict) and found.get("model_type") in ARCHITECTURES else SENTENCE_TRANSFORMERS
    )


def configuration(place: str, name: str) -> Any:
    """What the JSON file `name` of the model says; None where it has no such file. A model that is not here is asked for
    at the hub, no more of it than this file. Raises EncoderMissing."""
    folder = Path(place) if Path(place).is_dir() else _cached(place)
    path = folder / name if folder is not None else _asked(place, name, hub_cache())
    if path is None or not path.is_file():
        return None
    try:
        return json.loads(path.read_bytes())
    except ValueError as cause:
        raise EncoderMissing(f"{path} is no JSON: {cause}; save the model anew") from cause


def folder_of(place: str) -> Path:
    """The folder with the model's files, fetched if need be. Raises EncoderMissing."""
    if Path(place).is_dir():
        return Path(place)
    return _cached(place) or _fetched(place)


def checksum(folder: Path) -> str:
    """Of the contents and relative names of the files that matter; equal for every copy of the model."""
    names = sorted(_names(folder))
    if not any(name.endswith(".safetensors") for name in names):
        raise EncoderMissing(
            f"{folder} holds no safetensors weights; other formats can run code when read, save it anew"
        )
    return checksum_of((name, folder / name) for name in names)


def checksum_of(files: Iterable[tuple[str, Path]]) -> str:
    """Of names and contents, in the order given."""
    total = xxhash.xxh3_128()
    for name, file in files:
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


def _cached(name: str) -> Path | None:
    """The folder of the hub's cache with the whole model."""
    import huggingface_hub

    try:
        found = huggingface_hub.snapshot_download(name, cache_dir=hub_cache(), local_files_only=True, **_WANTED)
    # Not in the cache, or no name that the hub knows: whoever asks next says which.
    except Exception:
        return None
    return Path(found) if any(Path(found).glob("**/*.safetensors")) else None


@cache
def _asked(name: str, file: str, into: Path) -> Path | None:
    """One small file of a model on the hub; None where the model has none such."""
    import huggingface_hub
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    _refuse_offline(name)
    print(f"latentstore: asking {ENDPOINT} for {file} of {name}", file=sys.stderr)
    try:
        return Path(huggingface_hub.hf_hub_download(name, file, cache_dir=into))
    except LocalEntryNotFoundError as cause:  # the hub did not answer
        raise EncoderMissing(_absent(name, f"{ENDPOINT} does not give it: {cause}")) from cause
    except EntryNotFoundError:
        return None
    # The hub's client raises whatever its transport raises, which changes with its version.
    except Exception as cause:
        raise EncoderMissing(_absent(name, f"{ENDPOINT} does not give it: {cause}")) from cause


def _fetched(name: str) -> Path:
    import huggingface_hub
    from huggingface_hub.constants import ENDPOINT

    _refuse_offline(name)
    try:
        files = huggingface_hub.HfApi().model_info(name, files_metadata=True).siblings or []
        size = sum(file.size or 0 for file in files if file.rfilename.endswith((".safetensors", ".json", ".txt")))
        print(f"latentstore: fetching {name} ({size / 1e6:.0f} MB) from {ENDPOINT} into {hub_cache()}", file=sys.stderr)
        return Path(huggingface_hub.snapshot_download(name, cache_dir=hub_cache(), **_WANTED))
    # The hub's client raises whatever its transport raises, which changes with its version.
    except Exception as cause:
        raise EncoderMissing(_absent(name, f"{ENDPOINT} does not give it: {cause}")) from cause


def _refuse_offline(name: str) -> None:
    if offline():
        raise EncoderMissing(_absent(name, "HF_HUB_OFFLINE forbids to fetch it"))


def _absent(name: str, reason: str) -> str:
    return (
        f"model {name!r} is no folder here, is not in the hub's cache {hub_cache()}, and {reason}; "
        "give the folder of a saved model, or fetch it once where there is a network"
    )
