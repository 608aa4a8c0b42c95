"""Encoders: content → (n, dim) float32. `latentstore.encoders.register("name", "package.module:Class")` adds one, and
`latentstore.encoders.from_function("name", function, dim=…, version="1")` any Python function."""

from latentstore.encoders.base import Description, Encoder, Role, Windowed, check_texts, windowed
from latentstore.encoders.functions import from_function
from latentstore.encoders.registry import describe, load, names, register, resolve

__all__ = [
    "Description",
    "Encoder",
    "Role",
    "Windowed",
    "check_texts",
    "describe",
    "from_function",
    "load",
    "names",
    "register",
    "resolve",
    "windowed",
]
