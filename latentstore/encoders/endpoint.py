"""EndpointEncoder: texts through an embeddings endpoint as OpenAI's is, of that provider or of any server that speaks the
same: `openai:MODEL`, `openai:MODEL@https://host/v1`, `openai:MODEL@http://localhost:11434/v1`.

After a `#` come settings, `&` between them: `dimensions=256` asks for shorter vectors, `rate=600` asks no more often a
minute, `timeout=60` waits no longer in all for an answer.

Texts leave this machine, and a line on standard error says where they go before the first one does. The key comes from
the environment at each question and is kept nowhere. OPENAI_API_KEY goes to api.openai.com alone; the variable for
another host is named after it, LATENTSTORE_KEY_API_EXAMPLE_COM for api.example.com, and without it no key is sent. So no
store, whoever made it, can have a key sent to a host that it was not meant for. Only https is spoken, except with this
machine itself.

The fingerprint names host, model and dimensions. A provider may change a model silently under the same name, which no
fingerprint here can tell: vectors of equal texts differ a little from day to day anyway. Where that matters, name a dated
version of the model, or use one that is on this machine.
"""

from __future__ import annotations

import base64
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np

from latentstore.encoders.asking import Pace, Patience, Refused, ask, is_loopback
from latentstore.encoders.base import Description, Role, check_texts
from latentstore.errors import EncoderFailed, EncoderMissing, InvalidInput
from latentstore.types import Float32, Metric, Modality

USUAL = "https://api.openai.com/v1"
USUAL_KEY = "OPENAI_API_KEY"
_COUNT, _CHARACTERS = 256, 100_000  # of texts asked together; one longer text goes alone
_PROBE = Patience(total=30.0, tries=3, one=20.0)  # somebody waits
_OF_TEXTS = (400, 413, 422)  # what a server answers to a text that is too long, or to too many
_FORM = "openai:MODEL, or openai:MODEL@https://host/v1, with settings after a # such as #dimensions=256&rate=600"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What a spec says. base: the address without a slash at its end. key: the name of the variable for its host."""

    model: str
    base: str
    key: str
    dimensions: int | None
    rate: float
    timeout: float


class EndpointEncoder:
    """Asks nothing until it must. Safe to call from several threads, which share the rate."""

    metric = Metric.COSINE
    modalities = frozenset({Modality.TEXT})

    def __init__(self, argument: str) -> None:
        """argument: what follows `openai:`. Raises InvalidInput."""
        self._at = parsed(argument)
        self._pace = Pace(self._at.rate)
        self._lock = threading.Lock()
        self._dim = self._at.dimensions
        self.name = f"openai:{argument}"

    @property
    def fingerprint(self) -> str:
        """Of host, model and dimensions. Asks nothing."""
        return f"openai-1:{self._at.base.partition('://')[2]}:{self._at.model}:{self._at.dimensions or 'full'}"

    @property
    def dim(self) -> int:
        """Found by one question where the spec does not say it. Raises EncoderMissing, EncoderFailed."""
        self._announce()
        if self._dim is None:
            self._asked(["latentstore"], 0, _PROBE)
        assert self._dim is not None
        return self._dim

    def encode(self, items: Sequence[str], *, role: Role = "document") -> Float32:
        """items: n texts; an empty one is asked for as a space. Returns (n, dim) float32.

        Raises InvalidInput naming what is no text, or a text that the endpoint refuses; EncoderMissing without a key,
        EncoderFailed when no answer came, or one that is no vectors.
        """
        texts = [text or " " for text in check_texts(items, role)]
        self._announce()
        made = [self._asked(texts[part], part.start, self._patience) for part in _parts(texts)]
        return np.concatenate(made) if made else np.empty((0, self.dim), np.float32)

    @classmethod
    def describe(cls) -> Description:
        source = "an endpoint as OpenAI's, over the network: openai:MODEL or openai:MODEL@https://host/v1"
        return Description("openai", ("text",), None, source, True, "")

    @property
    def _patience(self) -> Patience:
        return Patience(total=self._at.timeout)

    def _announce(self) -> None:
        key = f"the key in {self._at.key}" if os.environ.get(self._at.key) else "no key"
        _say_once(f"latentstore: texts go to {self._at.base} (model {self._at.model}, {key})")

    def _asked(self, texts: list[str], first: int, patience: Patience) -> Float32:
        """(n, dim) float32. first: the position of the first text, for what is refused."""
        question: dict[str, Any] = {"model": self._at.model, "input": texts, "encoding_format": "base64"}
        if self._at.dimensions is not None:
            question["dimensions"] = self._at.dimensions
        try:
            answer = ask(f"{self._at.base}/embeddings", question, self._key(), patience, self._pace)
        except Refused as refused:
            return self._halved(texts, first, patience, refused)
        return self._checked(_vectors(answer, len(texts)))

    def _halved(self, texts: list[str], first: int, patience: Patience, refused: Refused) -> Float32:
        """The batch may be too large, or one text too long: ask for less, so that the one can be named."""
        if refused.status not in _OF_TEXTS:
            keyed = refused.status in (401, 403)
            hint = f"; its key is looked for in the environment variable {self._at.key}" if keyed else ""
            raise EncoderFailed(f"{self._at.base} refuses to answer: {refused}{hint}") from None
        half = len(texts) // 2
        if not half:
            raise InvalidInput(f"item {first} is refused by {self._at.base}: {refused}") from None
        parts = (texts[:half], first), (texts[half:], first + half)
        return np.concatenate([self._asked(part, start, patience) for part, start in parts])

    def _checked(self, vectors: Float32) -> Float32:
        with self._lock:
            self._dim = self._dim or vectors.shape[1]
        if vectors.shape[1] != self._dim:
            raise EncoderFailed(
                f"{self._at.base} gave vectors of {vectors.shape[1]} dimensions for model {self._at.model}, expected "
                f"{self._dim}; has the model changed?"
            )
        return vectors

    def _key(self) -> str | None:
        key = os.environ.get(self._at.key, "").strip()
        if not key and self._at.base == USUAL:
            raise EncoderMissing(f"{self._at.base} needs a key: set the environment variable {self._at.key}")
        if not key.isascii() or not key.isprintable():
            raise EncoderMissing(
                f"the environment variable {self._at.key} holds characters that no key has; set it anew"
            )
        return key or None


@cache
def _say_once(line: str) -> None:
    print(line, file=sys.stderr)


def parsed(argument: str) -> Endpoint:
    """Raises InvalidInput; nothing that may be a secret is repeated in it."""
    rest, _, written = argument.partition("#")
    model, at, address = rest.rpartition("@http")
    if not at:
        model, address = rest, ""
    base = _base(f"http{address}") if at else USUAL
    if not model:
        raise InvalidInput(f"expected {_FORM}; the model is missing")
    settings = dict(parse_qsl(written, keep_blank_values=True))
    if set(settings) - {"dimensions", "rate", "timeout"}:
        raise InvalidInput(f"expected {_FORM}; the settings are dimensions, rate and timeout, a key is none")
    key = USUAL_KEY if base == USUAL else _variable(urlsplit(base).hostname or "")
    dimensions = _number(settings, "dimensions", 1, 65_536)
    rate, timeout = _number(settings, "rate", 0.001, 1e6), _number(settings, "timeout", 1, 3_600)
    return Endpoint(model, base, key, None if dimensions is None else int(dimensions), rate or 0.0, timeout or 180.0)


def _variable(host: str) -> str:
    """One of its own for each host: a dot and a dash differ."""
    return f"LATENTSTORE_KEY_{host.upper().replace('-', '__').replace('.', '_').replace(':', '_')}"


def _base(address: str) -> str:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError as cause:
        raise InvalidInput(f"expected {_FORM}; the address is none: {cause}") from None
    if (
        not re.fullmatch(r"[a-z0-9.:-]+", host)
        or re.search(r"\s", address)
        or parts.query
        or parts.username is not None
        or parts.password is not None
    ):
        raise InvalidInput(f"expected {_FORM}; an address has a host and a path, no user, no password, no query")
    if parts.scheme != "https" and not is_loopback(host):
        raise InvalidInput(f"{parts.scheme}://{host} would carry texts and key for anybody to read; use https")
    shown = f"[{host}]" if ":" in host else host
    usual = port is None or port == {"https": 443, "http": 80}[parts.scheme]
    path = parts.path.rstrip("/").removesuffix("/embeddings")
    return f"{parts.scheme}://{shown}{'' if usual else f':{port}'}{path}"


def _number(settings: dict[str, str], name: str, low: float, high: float) -> float | None:
    if name not in settings:
        return None
    try:
        value = float(settings[name])
    except ValueError:
        value = np.nan
    if not low <= value <= high or (name == "dimensions" and value % 1):
        raise InvalidInput(f"{name}= is a number from {low:g} to {high:g}, got {settings[name]!r}")
    return value


def _parts(texts: list[str]) -> Iterator[slice]:
    """Consecutive batches, bounded in texts and in characters."""
    start, characters = 0, 0
    for at, text in enumerate(texts):
        if at > start and (at - start == _COUNT or characters + len(text) > _CHARACTERS):
            yield slice(start, at)
            start, characters = at, 0
        characters += len(text)
    if texts:
        yield slice(start, len(texts))


def _vectors(answer: Any, n: int) -> Float32:
    """(n, dim), in the order asked, whatever the order of the answer. Raises EncoderFailed for what is no such answer."""
    try:
        given = {int(one.get("index", at)): _vector(one["embedding"]) for at, one in enumerate(answer["data"])}
        counted = len(answer["data"])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as cause:
        raise EncoderFailed(f"the endpoint's answer holds no vectors: {type(cause).__name__} {cause}"[:300]) from None
    if counted != n or sorted(given) != list(range(n)):
        raise EncoderFailed(
            f"the endpoint answered {n} texts with {counted} vectors, numbered {str(sorted(given))[:80]}"
        )
    widths = sorted({len(vector) for vector in given.values()})
    if len(widths) > 1 or not widths[0]:
        raise EncoderFailed(f"the endpoint gave vectors of {' and '.join(map(str, widths))} dimensions in one answer")
    vectors = np.stack([given[at] for at in range(n)])
    if not np.isfinite(vectors).all():
        raise EncoderFailed("the endpoint gave a vector with NaN or infinity, or a number too large for float32")
    return vectors


def _vector(given: Any) -> Float32:
    if isinstance(given, str):
        return np.frombuffer(base64.b64decode(given, validate=True), "<f4").astype(np.float32)
    vector = np.array(given)
    if vector.ndim != 1 or (vector.dtype.kind not in "iuf" and len(vector)):
        raise ValueError(f"an embedding of {vector.dtype}, shape {vector.shape}")
    with np.errstate(over="ignore"):
        return vector.astype(np.float32)
