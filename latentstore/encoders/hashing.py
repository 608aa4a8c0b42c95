"""HashingEncoder: a bag of words as a sum of hashed ±1 vectors. Knows no meaning; tiny, the same everywhere."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from latentstore.encoders.base import Description, Role, check_texts
from latentstore.errors import InvalidInput
from latentstore.types import Float32, Metric, Modality

_WORD = re.compile(r"\w+")
_DEFAULT = 64
_LARGEST = 65_536


class HashingEncoder:
    """Texts that share words lie close, others at right angles. A text without a word is the zero vector."""

    metric = Metric.COSINE
    modalities = frozenset({Modality.TEXT})

    def __init__(self, dim: int | str = _DEFAULT) -> None:
        """dim: 8 to 65,536; a string of digits too, as a spec has it. Raises InvalidInput."""
        if not str(dim).isdecimal() or not 8 <= int(dim) <= _LARGEST:
            raise InvalidInput(f"the hashing encoder's dimension is a number from 8 to {_LARGEST}, got {dim!r}")
        self.dim = int(dim)
        self.name = "hashing" if self.dim == _DEFAULT else f"hashing:{self.dim}"
        self.fingerprint = f"hashing-1-{self.dim}"

    def encode(self, items: Sequence[str], *, role: Role = "document") -> Float32:
        """items: n texts. Returns (n, dim) float32 of unit length, or zero. Raises InvalidInput."""
        texts = check_texts(items, role)
        vectors = np.zeros((len(texts), self.dim), np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            for word in _WORD.findall(text.casefold()):
                vector += _word_vector(word, self.dim)
        lengths = np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
        vectors /= np.maximum(lengths, 1)  # no sum is shorter than 1 but zero
        return vectors

    @classmethod
    def describe(cls) -> Description:
        return Description("hashing", ("text",), _DEFAULT, "none: computed from the words; for tests", True, "")


@lru_cache(65_536)
def _word_vector(word: str, dim: int) -> Float32:
    digest = hashlib.shake_128(word.encode()).digest((dim + 7) // 8)
    bits = np.unpackbits(np.frombuffer(digest, np.uint8), count=dim)
    return np.where(bits, 1, -1).astype(np.float32)
