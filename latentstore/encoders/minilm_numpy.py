"""all-MiniLM-L6-v2 in numpy, float32, straight from the memory-mapped weights. Starts in a twentieth of a second,
where importing torch takes two: it answers queries. Texts are packed end to end, without padding."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np

from latentstore.types import Float32, Int64

LAYERS = 6
HEADS = 12
DIM = 384
EPSILON = 1e-12  # of each layer norm

_DTYPES = {"F32": np.float32, "I64": np.int64}


def read_safetensors(path: Path) -> dict[str, Any]:
    """Name → read-only array over the mapped file; nothing is copied. Raises ValueError for a file of another form."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    return {name: _tensor(data, start, facts) for name, facts in header.items()}


def _tensor(data: mmap.mmap, start: int, facts: dict[str, Any]) -> Any:
    first, last = facts["data_offsets"]
    dtype = np.dtype(_DTYPES[facts["dtype"]])
    flat = np.frombuffer(data, dtype, (last - first) // dtype.itemsize, start + first)
    return flat.reshape(facts["shape"])


class NumpyMiniLM:
    """The forward pass. Safe to call from several threads: weights are only read."""

    def __init__(self, weights: Path) -> None:
        self._weights = read_safetensors(weights)

    def encode(self, ids: list[list[int]]) -> Float32:
        """ids: for each of n texts its tokens, the special ones included. Returns (n, 384) float32 of unit length."""
        lengths = [len(tokens) for tokens in ids]
        packed = np.concatenate([np.asarray(tokens, np.int64) for tokens in ids])
        positions = np.concatenate([np.arange(length) for length in lengths])
        ends = np.cumsum(lengths).tolist()
        texts = [slice(end - length, end) for end, length in zip(ends, lengths, strict=True)]
        hidden = self._embed(packed, positions)
        for layer in range(LAYERS):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden, texts)
        pooled = np.stack([hidden[text].mean(axis=0) for text in texts])
        return np.asarray(pooled / np.linalg.norm(pooled, axis=1, keepdims=True), np.float32)

    def _embed(self, ids: Int64, positions: Int64) -> Float32:
        table = {
            kind: self._weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type")
        }
        total = table["word"][ids] + table["position"][positions] + table["token_type"][0]  # (t, 384)
        return self._norm("embeddings.LayerNorm", total)

    def _layer(self, at: str, hidden: Float32, texts: list[slice]) -> Float32:
        query, key, value = (self._linear(f"{at}attention.self.{part}", hidden) for part in ("query", "key", "value"))
        context = np.empty_like(hidden)
        for text in texts:
            context[text] = _attend(query[text], key[text], value[text])
        attended = self._linear(f"{at}attention.output.dense", context)
        hidden = self._norm(f"{at}attention.output.LayerNorm", attended + hidden)
        wide = _gelu(self._linear(f"{at}intermediate.dense", hidden))  # (t, 1536)
        return self._norm(f"{at}output.LayerNorm", self._linear(f"{at}output.dense", wide) + hidden)

    def _linear(self, name: str, hidden: Float32) -> Float32:
        result: Float32 = hidden @ self._weights[f"{name}.weight"].T
        result += self._weights[f"{name}.bias"]
        return result

    def _norm(self, name: str, hidden: Float32) -> Float32:
        centred = hidden - hidden.mean(axis=1, keepdims=True)
        spread = np.sqrt(np.mean(centred * centred, axis=1, keepdims=True) + np.float32(EPSILON))
        result: Float32 = centred / spread * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]
        return result


def _attend(query: Float32, key: Float32, value: Float32) -> Float32:
    """Each (t, 384) of one text. Returns (t, 384)."""
    query, key, value = (part.reshape(-1, HEADS, DIM // HEADS).swapaxes(0, 1) for part in (query, key, value))
    weights = query @ key.swapaxes(1, 2) * np.float32((DIM // HEADS) ** -0.5)  # (heads, t, t)
    weights = np.exp(weights - weights.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    context: Float32 = (weights @ value).swapaxes(0, 1).reshape(-1, DIM)
    return context


def _gelu(values: Float32) -> Float32:
    """x · Φ(x), with erf to 1.5e-7 after Abramowitz and Stegun 7.1.26: numpy has none, and scipy is slow to import."""
    size = np.abs(values) * np.float32(0.5**0.5)
    step = 1 / (1 + np.float32(0.3275911) * size)
    series = np.float32(1.061405429) * step
    for factor in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(factor)) * step
    erf = np.copysign(1 - series * np.exp(-size * size), values)
    result: Float32 = values * np.float32(0.5) * (1 + erf)
    return result
