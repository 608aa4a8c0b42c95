"""all-MiniLM-L6-v2 in torch for documents by the thousand: bfloat16 where the processor multiplies it, texts packed end
to end without padding, so that no multiplication is wasted. The only cost is attention by groups of equal length."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file

from latentstore.encoders.minilm_numpy import DIM, EPSILON, HEADS, LAYERS
from latentstore.types import Float32

BUDGET = 512  # tokens in flight: their widest activations stay in the second-level cache

Dense = tuple[torch.Tensor, torch.Tensor]  # weight, bias


class _Layer(NamedTuple):
    qkv: Dense  # (1152, 384)
    out: Dense  # (384, 384)
    norm1: Dense
    up: Dense  # (1536, 384)
    down: Dense  # (384, 1536)
    norm2: Dense


class _Run(NamedTuple):
    """Texts of equal length, side by side in the packed tokens."""

    start: int
    texts: int
    length: int


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware; elsewhere it is slower than float32."""
    tests = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(test is not None and test() for test in tests)


class TorchMiniLM:
    """The forward pass. Safe to call from several threads: weights are only read."""

    def __init__(self, weights: Path, dtype: torch.dtype | None = None) -> None:
        """dtype: bfloat16 or float32; None takes the faster."""
        self.dtype = dtype or (torch.bfloat16 if has_bfloat16() else torch.float32)
        self._weights = {
            name: tensor.to(self.dtype) for name, tensor in load_file(weights).items() if tensor.is_floating_point()
        }
        self._layers = [self._layer(f"encoder.layer.{layer}.") for layer in range(LAYERS)]

    def encode(self, ids: list[list[int]]) -> Float32:
        """ids: for each of n texts its tokens, the special ones included. Returns (n, 384) float32 of unit length."""
        vectors = np.empty((len(ids), DIM), np.float32)
        # Longest first: what memory is ever needed is asked for at once, and equal lengths lie side by side.
        order = sorted(range(len(ids)), key=lambda text: -len(ids[text]))
        with torch.inference_mode():
            for batch in _batches(order, ids):
                vectors[batch] = self._forward([ids[text] for text in batch]).numpy()
        return vectors

    def _layer(self, at: str) -> _Layer:
        parts = [self._dense(f"{at}attention.self.{part}") for part in ("query", "key", "value")]
        names = (
            "attention.output.dense",
            "attention.output.LayerNorm",
            "intermediate.dense",
            "output.dense",
            "output.LayerNorm",
        )
        qkv = (torch.cat([weight for weight, _ in parts]), torch.cat([bias for _, bias in parts]))
        return _Layer(qkv, *(self._dense(at + name) for name in names))

    def _dense(self, name: str) -> Dense:
        return self._weights.pop(f"{name}.weight"), self._weights.pop(f"{name}.bias")

    def _forward(self, ids: list[list[int]]) -> torch.Tensor:
        runs = list(_runs(ids))
        hidden = self._embed(ids)
        for layer in self._layers:
            hidden = _apply(layer, hidden, runs)
        pooled = [_part(hidden, run).float().mean(dim=1) for run in runs]
        return F.normalize(torch.cat(pooled))

    def _embed(self, ids: list[list[int]]) -> torch.Tensor:
        words = torch.tensor([token for tokens in ids for token in tokens])  # (t,)
        positions = torch.cat([torch.arange(len(tokens)) for tokens in ids])
        tables = {
            kind: self._weights[f"embeddings.{kind}_embeddings.weight"] for kind in ("word", "position", "token_type")
        }
        total = (
            F.embedding(words, tables["word"]) + F.embedding(positions, tables["position"]) + tables["token_type"][0]
        )
        norm = (self._weights["embeddings.LayerNorm.weight"], self._weights["embeddings.LayerNorm.bias"])
        return F.layer_norm(total, (DIM,), *norm, EPSILON)  # (t, 384)


def _apply(layer: _Layer, hidden: torch.Tensor, runs: list[_Run]) -> torch.Tensor:
    """hidden: (t, 384). Returns the same shape."""
    qkv = F.linear(hidden, *layer.qkv)  # (t, 1152)
    context = torch.empty_like(hidden)
    for run in runs:
        _part(context, run).copy_(_attend(_part(qkv, run)))
    attended = F.linear(context, *layer.out)
    hidden = F.layer_norm(attended.add_(hidden), (DIM,), *layer.norm1, EPSILON)
    wide = F.gelu(F.linear(hidden, *layer.up))  # (t, 1536)
    return F.layer_norm(F.linear(wide, *layer.down).add_(hidden), (DIM,), *layer.norm2, EPSILON)


def _attend(qkv: torch.Tensor) -> torch.Tensor:
    """qkv: (texts, length, 1152). Returns (texts, length, 384) float32."""
    texts, length, _ = qkv.shape
    # float32: for pieces this small it is also faster than bfloat16.
    parts = qkv.view(texts, length, 3, HEADS, DIM // HEADS).permute(2, 0, 3, 1, 4).float()
    mixed = F.scaled_dot_product_attention(parts[0], parts[1], parts[2])  # (texts, heads, length, 32)
    return mixed.transpose(1, 2).reshape(texts, length, DIM)


def _part(packed: torch.Tensor, run: _Run) -> torch.Tensor:
    """The run's rows of (t, width), as (texts, length, width)."""
    return packed[run.start : run.start + run.texts * run.length].view(run.texts, run.length, -1)


def _runs(ids: list[list[int]]) -> Iterator[_Run]:
    start = 0
    for length, group in groupby(len(tokens) for tokens in ids):
        texts = len(list(group))
        yield _Run(start, texts, length)
        start += texts * length


def _batches(order: list[int], ids: list[list[int]]) -> Iterator[list[int]]:
    batch: list[int] = []
    tokens = 0
    for text in order:
        if batch and tokens + len(ids[text]) > BUDGET:
            yield batch
            batch, tokens = [], 0
        batch.append(text)
        tokens += len(ids[text])
    if batch:
        yield batch
