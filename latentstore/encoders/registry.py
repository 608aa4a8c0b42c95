"""Names of encoders → lazy class paths. A spec is `name` or `name:argument`: `text`, `hashing:128`,
`sentence-transformers:/models/mine`. The class is imported by the first `load`, and called with the argument, a string,
if there is one. Packages add encoders with the entry-point group `latentstore.encoders`, or by `register`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, cast

from latentstore.encoders import saved
from latentstore.encoders.base import Description, Encoder
from latentstore.encoders.saved import SENTENCE_TRANSFORMERS, TRANSFORMERS
from latentstore.errors import AlreadyExists, EncoderMissing, InvalidInput

GROUP = "latentstore.encoders"


@dataclass(frozen=True, slots=True)
class _Entry:
    target: str  # "package.module:Class"
    install: str  # what `pip install` needs to make the target importable
    made: Encoder | None = None  # in this process, of no importable class


_PLACES = (SENTENCE_TRANSFORMERS, TRANSFORMERS, "onnx")  # whose argument may be a path

_registered: dict[str, _Entry] = {}


def register(name: str, target: str, *, install: str = "") -> None:
    """Make `name` known. target: "package.module:Class", imported when first used. install: what pip would install
    if that import fails. Raises AlreadyExists when the name stands for another class, InvalidInput for a malformed one.
    """
    _check_name(name)
    if not all(target.partition(":")):
        raise InvalidInput(f"expected 'package.module:Class' for encoder {name!r}, got {target!r}")
    known = _registered.get(name)  # an entry point of that name steps back
    if known is not None and known.target != target:
        raise AlreadyExists(f"encoder {name!r} stands for {known.target}, not {target}; choose another name")
    _registered[name] = _Entry(target, install)


def add(name: str, encoder: Encoder) -> None:
    """Make an encoder known that exists in this process alone; one added before under the name is replaced.

    Raises AlreadyExists when the name stands for a class, InvalidInput for a malformed one.
    """
    _check_name(name)
    known = _registered.get(name)
    if known is not None and known.made is None:
        raise AlreadyExists(f"encoder {name!r} stands for {known.target}; choose another name")
    _registered[name] = _Entry(f"{type(encoder).__module__}:{type(encoder).__qualname__}", "", encoder)


def names() -> list[str]:
    """Every known name, sorted."""
    return sorted({*_registered, *_installed()})


def resolve(wanted: str) -> str:
    """The spec for what a person wrote: a known name, a spec, the folder of a model of sentence-transformers or
    transformers, or its name on the hub, which is asked what model it is. A path becomes absolute, so that the spec holds
    from any working directory. Raises EncoderMissing.
    """
    name, _, argument = wanted.partition(":")
    if name in _PLACES and argument:
        return f"{name}:{_place(argument)}"
    if _find(name) is not None:
        return wanted
    if "/" in wanted or Path(wanted).is_dir():
        place = _place(wanted)
        return f"{saved.kind(place)}:{place}"
    raise EncoderMissing(_unknown(wanted))


def load(spec: str) -> Encoder:
    """The encoder that a spec names; see `resolve` for what may be written. Cheap: weights are read when first needed.

    Raises EncoderMissing with the line that installs what is missing.
    """
    spec = resolve(spec)
    name, colon, argument = spec.partition(":")
    entry = _find(name)
    if entry is not None and entry.made is not None:
        if colon:
            raise InvalidInput(f"encoder {name!r} takes no argument, got {spec!r}")
        return entry.made
    made = _class(name)(argument) if colon else _class(name)()
    return cast(Encoder, made)


def describe() -> list[Description]:
    """A row for each known name. A class may have a classmethod `describe() -> Description` to say it better."""
    return [_describe(name) for name in names()]


def _describe(name: str) -> Description:
    entry = _find(name)
    try:
        made = (entry and entry.made) or _class(name)
    except EncoderMissing as missing:
        return Description(name, (), None, "", False, str(missing))
    if hasattr(made, "describe"):
        # A class may stand under several names, and inherit how it describes itself.
        return replace(cast(Description, made.describe()), name=name)
    dim, modalities = getattr(made, "dim", None), getattr(made, "modalities", ())
    known = modalities if isinstance(modalities, Iterable) else ()  # a property, when read from the class, is neither
    return Description(name, tuple(sorted(known)), dim if isinstance(dim, int) else None, made.__module__, True, "")


def _class(name: str) -> Any:
    entry = _find(name)
    if entry is None:
        raise EncoderMissing(_unknown(name))
    module, _, attribute = entry.target.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as cause:
        absent = getattr(cause, "name", None) or module
        line = f"pip install {entry.install or absent.partition('.')[0]}"
        raise EncoderMissing(f"encoder {name!r} ({entry.target}) does not import: {cause}; try: {line}") from cause


def _find(name: str) -> _Entry | None:
    # Entry points last: reading those of every installed package takes longer than encoding a query.
    return _registered.get(name) or _installed().get(name)


@cache
def _installed() -> dict[str, _Entry]:
    return {point.name: _Entry(point.value, _distribution(point)) for point in entry_points(group=GROUP)}


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist else ""


def _place(argument: str) -> str:
    folder = Path(argument).expanduser()
    return str(folder.resolve()) if folder.exists() else argument


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not name or ":" in name or "/" in name:
        raise InvalidInput(f"an encoder's name is a word without ':' and '/', got {name!r}")


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return (
        f"no encoder is called {name!r}; {hint}known are {', '.join(names())}, "
        "any folder of a model of sentence-transformers or transformers, and any such model on the hub as 'owner/name'; "
        "a function is registered with from_function in each process"
    )


register("text", "latentstore.encoders.text:TextEncoder")
register("hashing", "latentstore.encoders.hashing:HashingEncoder")
register(SENTENCE_TRANSFORMERS, "latentstore.encoders.sentence_transformers:SentenceTransformersEncoder")
register(TRANSFORMERS, "latentstore.encoders.transformers:TransformersEncoder")
register("onnx", "latentstore.encoders.onnx:OnnxEncoder")
register("openai", "latentstore.encoders.endpoint:EndpointEncoder")
register("audio", "latentstore.encoders.audio:AudioEncoder")
register("image", "latentstore.encoders.image:ImageEncoder")
