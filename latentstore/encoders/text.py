"""TextEncoder: all-MiniLM-L6-v2, 384 dimensions, 256 tokens, English. The vectors are sentence-transformers' own to a
cosine above .999, from whichever of two forward passes is sooner done: numpy, which starts at once, or torch."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from latentstore.encoders import minilm_files
from latentstore.encoders.base import Description, Role, check_texts, let_idle_threads_sleep
from latentstore.encoders.minilm_numpy import DIM, NumpyMiniLM
from latentstore.errors import EncoderMissing
from latentstore.types import Float32, Metric, Modality

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LIMIT = 256  # tokens that the model reads, [CLS] and [SEP] among them
SPECIAL = 2
PATIENCE = 4096  # tokens that numpy encodes while torch would still be importing
_BLOCK = 4096  # texts tokenized together: bounds what is held beside the vectors
_SMALL = 16  # texts that numpy packs together


class _Forward(Protocol):
    def encode(self, ids: list[list[int]]) -> Float32: ...


class TextEncoder:
    """Construction reads nothing. All instances in a process share one copy of the weights."""

    name = "text"
    dim = DIM
    metric = Metric.COSINE
    modalities = frozenset({Modality.TEXT})
    window = LIMIT - SPECIAL
    # The weights, their pooling and window; not the package, the path, the processor or the precision.
    fingerprint = f"all-MiniLM-L6-v2:{minilm_files.PINS[minilm_files.WEIGHTS].sha256[:16]}:mean:{LIMIT}"

    def __init__(self) -> None:
        self._spent = 0

    def encode(self, items: Sequence[str], *, role: Role = "document") -> Float32:
        """items: n texts; what lies past the window is not seen. Returns (n, 384) float32 of unit length.

        Raises InvalidInput naming position and type of what is no text, EncoderMissing when there are no weights.
        """
        texts = check_texts(items, role)
        vectors = np.empty((len(texts), DIM), np.float32)
        for start in range(0, len(texts), _BLOCK):
            ids = [_cut(tokens) for tokens in _tokens(texts[start : start + _BLOCK])]
            vectors[start : start + len(ids)] = self._forward(sum(map(len, ids)), role).encode(ids)
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Word pieces of each text, nothing cut and no special token; more than `window` are not seen by `encode`."""
        return [len(tokens) - SPECIAL for tokens in _tokens(check_texts(texts))]

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets [start, end) of each word piece, ascending."""
        (text,) = check_texts([text])
        return list(_tokenizer().encode(text, add_special_tokens=False).offsets)

    @classmethod
    def describe(cls) -> Description:
        try:
            source, install = minilm_files.locate(fetch=False).source, ""
        except EncoderMissing:
            source, install = f"hub {minilm_files.REPOSITORY}, when first used", minilm_files.INSTALL
        return Description(cls.name, ("text",), DIM, source, not install, install)

    def _forward(self, tokens: int, role: Role) -> _Forward:
        if role == "query":  # A search must not stop for an import, however many came before it.
            return _torch() if tokens > PATIENCE else _numpy()
        self._spent += tokens
        return _torch() if self._spent > PATIENCE or "torch" in sys.modules else _numpy()


class _InSmallPacks:
    """Few texts at a time through the numpy pass, whose temporaries then stay in the cache."""

    def __init__(self, forward: NumpyMiniLM) -> None:
        self._forward = forward

    def encode(self, ids: list[list[int]]) -> Float32:
        packs = (ids[start : start + _SMALL] for start in range(0, len(ids), _SMALL))
        return np.concatenate([self._forward.encode(pack) for pack in packs])


_loading = threading.RLock()


def _tokens(texts: list[str]) -> Iterator[list[int]]:
    tokenizer = _tokenizer()
    for start in range(0, len(texts), _BLOCK):
        yield from (found.ids for found in tokenizer.encode_batch_fast(texts[start : start + _BLOCK]))


def _cut(tokens: list[int]) -> list[int]:
    return tokens if len(tokens) <= LIMIT else [*tokens[: LIMIT - 1], tokens[-1]]


def _files() -> minilm_files.Files:
    with _loading:
        return _located()


def _tokenizer() -> Tokenizer:
    with _loading:
        return _read_tokenizer()


def _numpy() -> _Forward:
    with _loading:
        return _read_numpy()


def _torch() -> _Forward:
    with _loading:
        return _read_torch()


@cache
def _located() -> minilm_files.Files:
    return minilm_files.locate()


@cache
def _read_tokenizer() -> Tokenizer:
    from tokenizers import Tokenizer

    tokenizer: Tokenizer = Tokenizer.from_file(str(_files().tokenizer))
    tokenizer.no_padding()
    tokenizer.no_truncation()  # so that one tokenizer, never changed again, both counts and encodes
    return tokenizer


@cache
def _read_numpy() -> _Forward:
    return _InSmallPacks(NumpyMiniLM(_files().weights))


@cache
def _read_torch() -> _Forward:
    let_idle_threads_sleep()
    from latentstore.encoders.minilm_torch import TorchMiniLM

    minilm_files.prove(_files().weights)  # a trifle beside importing torch
    return TorchMiniLM(_files().weights)
