"""Encoders: content → (n, dim) float32. `latentstore.encoders.register("name", "package.module:Class")` adds one."""

from latentstore.encoders.base import Description, Encoder, Role, Windowed, check_texts, windowed
from latentstore.encoders.registry import describe, load, names, register, resolve

__all__ = [
    "Description",
    "Encoder",
    "Role",
    "Windowed",
    "check_texts",
    "describe",
    "load",
    "names",
    "register",
    "resolve",
    "windowed",
]
