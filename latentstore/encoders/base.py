"""Encoder: what every encoder promises.

Equal inputs give equal vectors up to rounding, whatever they are batched with. Construction is cheap: files are
opened and heavy libraries imported by the first call that needs them. Two encoders whose vectors may meet in one
space have the same fingerprint; any two others differ in it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

from latentstore.errors import InvalidInput
from latentstore.types import Float32, Metric, Modality

Role = Literal["document", "query"]


class Encoder(Protocol):
    """Turns content into points of a latent space. Safe to call from several threads."""

    @property
    def name(self) -> str:
        """The spec that `registry.load` makes this encoder from again, as a catalog keeps it."""

    @property
    def dim(self) -> int:
        """Length of every vector."""

    @property
    def metric(self) -> Metric:
        """The metric that these vectors were trained for."""

    @property
    def modalities(self) -> frozenset[Modality]:
        """What `encode` takes."""

    @property
    def fingerprint(self) -> str:
        """Names the function computed: weights, tokenizer, prompts, pooling. Never the path or the machine."""

    def encode(self, items: Sequence[Any], *, role: Role = "document") -> Float32:
        """items: n of a modality, n may be 0. Returns (n, dim) float32, finite, C-contiguous, in the order given.

        Raises InvalidInput naming position and type of what is no such item, EncoderMissing when weights or a package
        are not there.
        """


class Windowed(Encoder, Protocol):
    """A text encoder that reads no further than its window."""

    @property
    def window(self) -> int:
        """Tokens of a text that fit, special tokens and the document prompt already taken off."""

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, nothing cut; `count > window` means that the end of the text is not seen."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Character offsets [start, end) of each token, ascending; `len` is what `count_tokens` gives."""


@dataclass(frozen=True, slots=True)
class Description:
    """A row of `latentstore encoders`. `dim` None: known only once the model is named and read."""

    name: str
    modalities: tuple[str, ...]
    dim: int | None
    source: str  # where the weights come from, for a person to read
    installed: bool
    install: str  # the line that installs what is missing; empty when nothing is


def windowed(encoder: Encoder) -> Windowed | None:
    """The encoder itself when it has a window, else None. Loads nothing."""
    facts = ("window", "count_tokens", "token_spans")
    # Ask the class: on an instance, a property would load the model.
    return encoder if all(hasattr(type(encoder), fact) for fact in facts) else None  # type: ignore[return-value]


def let_idle_threads_sleep() -> None:
    """For torch, before its first import: threads that spin at each barrier take five times the processor time where
    another program wants it too. What the user has set stays."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def check_texts(items: Sequence[Any], role: str = "document") -> list[str]:
    """The items as a list of strings. Raises InvalidInput naming the first that is none, or an unknown role."""
    if role not in get_args(Role):
        raise InvalidInput(f"role is 'document' or 'query', got {role!r}")
    if isinstance(items, str | bytes):
        raise InvalidInput(f"expected a list of texts, got one {type(items).__name__}; put it in a list: [text]")
    texts = list(items)
    for problem in _problems(texts):
        raise InvalidInput(problem)
    return texts


def _problems(texts: list[Any]) -> Iterator[str]:
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            yield f"item {position} is no text but {type(text).__name__}; a text encoder takes strings"
        elif not text.isascii() and not _is_unicode(text):
            yield f"item {position} holds half of a surrogate pair, no character; decode with errors='replace'"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
