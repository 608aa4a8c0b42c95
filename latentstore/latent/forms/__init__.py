"""Forms: pictures, sounds and vectors as rows that models learn from, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from latentstore.errors import InvalidInput
from latentstore.latent.forms import picture, sound, vector
from latentstore.latent.forms.base import Form

__all__ = ["Form", "choose", "of"]

_CHOOSE: dict[str, Callable[..., Form]] = {
    "picture": picture.choose,
    "sound": sound.choose,
    "vector": vector.choose,
}
_OPTIONS = {"picture": {"side"}, "sound": {"seconds"}, "vector": {"metric", "scale"}}
_OF: dict[str, Callable[[Mapping[str, Any], Mapping[str, Any]], Form]] = {
    "picture": picture.PictureForm.of,
    "sound": sound.SoundForm.of,
    "vector": vector.VectorForm.of,
}


def choose(name: str, sample: Any, **options: Any) -> Form:
    """The form that suits a sample of items: "picture" (option side), "sound" (option seconds) or "vector" (options metric, scale).

    What each chooses, and by which rule, stands in its module. Raises InvalidInput.
    """
    if name not in _CHOOSE:
        raise InvalidInput(f"a form is one of {', '.join(_CHOOSE)}, got {name!r}")
    if unknown := options.keys() - _OPTIONS[name]:
        raise InvalidInput(
            f"a {name} has no {', '.join(sorted(unknown))} to choose, but {', '.join(sorted(_OPTIONS[name]))}"
        )
    return _CHOOSE[name](sample, **options)


def of(facts: Mapping[str, Any], arrays: Mapping[str, Any]) -> Form:
    """The form that `facts` and `arrays` were taken from. Raises KeyError, ValueError where they are not a form's."""
    return _OF[facts["name"]](facts, arrays)
