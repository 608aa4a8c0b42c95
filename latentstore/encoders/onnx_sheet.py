"""Sheet: the small JSON file beside an ONNX model that says what goes in and what comes out. `EXAMPLES` are whole ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latentstore.errors import EncoderMissing, InvalidInput
from latentstore.types import Metric, Modality

_TAKEN = {"pooling": "mean", "normalise": True, "metric": "cosine"}
EXAMPLES: dict[Modality, dict[str, Any]] = {
    Modality.TEXT: {
        "kind": "text",
        "tokenizer": "tokenizer.json",
        "window": 256,
        "inputs": {"ids": "input_ids", "mask": "attention_mask", "types": "token_type_ids"},
        "output": "last_hidden_state",
        **_TAKEN,
    },
    Modality.IMAGE: {
        "kind": "image",
        "size": [224, 224],
        "fit": "crop",
        "layout": "NCHW",
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "inputs": {"pixels": "pixel_values"},
        "output": "embedding",
        **_TAKEN,
        "pooling": "none",
    },
    Modality.AUDIO: {
        "kind": "audio",
        "rate": 16_000,
        "seconds": 10,
        "inputs": {"samples": "waveform"},
        "output": "last_hidden_state",
        **_TAKEN,
    },
}
_OPTIONAL = ("mask", "types")  # of a text's inputs


@dataclass(frozen=True, slots=True)
class Sheet:
    """kind: what the model takes. inputs: names of the model's inputs by their part, output: the name of its output.
    pooling: `mean` of the tokens (those that the mask shows), `cls` the first token, `none` for an output of one vector
    an item. normalise: to unit length. own: what only this kind has."""

    kind: Modality
    inputs: dict[str, str]
    output: str
    pooling: str
    normalise: bool
    metric: Metric
    own: dict[str, Any]


def read(path: Path) -> Sheet:
    """Raises EncoderMissing where there is no such file, InvalidInput with a whole example where it is wrong."""
    try:
        given = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise EncoderMissing(f"{path} is missing, which says what the model beside it takes; {_shown()}") from None
    except (OSError, ValueError) as cause:
        raise InvalidInput(f"{path} is no JSON: {cause}; {_shown()}") from cause
    if not isinstance(given, dict) or given.get("kind") not in EXAMPLES:
        raise InvalidInput(f"{path} has no kind text, image or audio; {_shown()}")
    kind = Modality(given["kind"])
    if fault := _fault(given, EXAMPLES[kind]):
        raise InvalidInput(f"{path} {fault}; {_shown(kind)}")
    own = {name: value for name, value in given.items() if name in _CHECKS and name in EXAMPLES[kind]}
    taken = (given["output"], given["pooling"], given["normalise"], Metric(given["metric"]))
    return Sheet(kind, given["inputs"], *taken, own)


def _shown(kind: Modality | None = None) -> str:
    examples = [EXAMPLES[kind]] if kind else EXAMPLES.values()
    return "a whole one is " + " or ".join(json.dumps(example) for example in examples)


def _fault(given: dict[str, Any], example: dict[str, Any]) -> str | None:
    if strange := sorted(set(given) - set(example)):
        return f"has {strange[0]!r}, which means nothing here"
    if lacking := [name for name in example if name not in given]:
        return f"lacks {lacking[0]!r}"
    if not _names_inputs(given["inputs"], example["inputs"]):
        return f"names no inputs as {json.dumps(example['inputs'])} does"
    checks = {name: check for name, check in (_CHECKS | _TAKEN_CHECKS).items() if name in given}
    wrong = next((name for name, (holds, _) in checks.items() if not holds(given[name])), None)
    return wrong and f"has {wrong} {given[wrong]!r}, expected {checks[wrong][1]}"


def _names_inputs(inputs: Any, example: dict[str, str]) -> bool:
    needed = set(example) - set(_OPTIONAL)
    named = isinstance(inputs, dict) and all(isinstance(name, str) for name in inputs.values())
    return named and needed <= set(inputs) <= set(example)


def _is_number(value: Any, low: float, high: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _are_numbers(value: Any, n: int, low: float, high: float) -> bool:
    return isinstance(value, list) and len(value) == n and all(_is_number(one, low, high) for one in value)


_Check = tuple[Callable[[Any], bool], str]
_TAKEN_CHECKS: dict[str, _Check] = {
    "output": (lambda value: isinstance(value, str), "the name of an output"),
    "pooling": (lambda value: value in ("mean", "cls", "none"), "mean, cls or none"),
    "normalise": (lambda value: isinstance(value, bool), "true or false"),
    "metric": (lambda value: value in list(Metric), "cosine, ip or l2"),
}
_CHECKS: dict[str, _Check] = {
    "tokenizer": (lambda value: isinstance(value, str), "the name of a file beside it"),
    "window": (lambda value: isinstance(value, int) and _is_number(value, 3, 1 << 20), "tokens, special ones included"),
    "size": (
        lambda value: _are_numbers(value, 2, 1, 4096) and all(isinstance(one, int) for one in value),
        "[height, width]",
    ),
    "fit": (lambda value: value in ("crop", "stretch"), "crop or stretch"),
    "layout": (lambda value: value in ("NCHW", "NHWC"), "NCHW or NHWC"),
    "mean": (lambda value: _are_numbers(value, 3, -1e4, 1e4), "three numbers, on a scale of 0 to 1"),
    "std": (lambda value: _are_numbers(value, 3, 1e-6, 1e4), "three numbers, on a scale of 0 to 1"),
    "rate": (lambda value: isinstance(value, int) and _is_number(value, 1_000, 768_000), "hertz"),
    "seconds": (lambda value: _is_number(value, 0.1, 600), "seconds that the model hears at once"),
}
