"""Addresses as text: what of one may be kept. Passwords and tokens never are."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit
from urllib.request import url2pathname

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_SECRET = re.compile(
    r"(?i)x-(amz|goog)-.*|sig|signature|auth|pwd|key|expires|.*(token|secret|passw|credential).*|.*(api|access)[_-]?key.*"
)
WEB = frozenset({"http", "https"})
_CONTAINERS = frozenset(
    {"abfs", "abfss", "az", "wasb", "wasbs"}
)  # whose user is a part of the place: container@account
_SHORT = 4  # characters: shorter ones stand in any message


def is_address(source: str) -> bool:
    return _ADDRESS.match(source) is not None


def scheme_of(address: str) -> str:
    return address.partition("://")[0].lower()


def local_path(address: str) -> Path | None:
    """The path of a `file://` address; None for another."""
    parts = urlsplit(address)
    return Path(url2pathname(parts.path)) if parts.scheme.lower() in ("file", "local") else None


def cleaned(address: str) -> str:
    """Without user, password, fragment, and what in a query grants access; options of a filesystem go altogether."""
    parts = urlsplit(address)
    user, _, host = parts.netloc.rpartition("@")
    if parts.scheme.lower() in _CONTAINERS and (container := user.partition(":")[0]):
        host = f"{container}@{host}"
    query = ""
    if parts.scheme.lower() in WEB:
        kept = [(key, value) for key, value in parse_qsl(parts.query, True) if not _SECRET.fullmatch(key)]
        # As it was written, where nothing is taken out: servers may tell the difference.
        query = parts.query if len(kept) == len(parse_qsl(parts.query, True)) else urlencode(kept)
    return urlunsplit((parts.scheme.lower(), host, parts.path, query, ""))


def name_of(address: str) -> str:
    """The last part of the path, decoded; the host where there is none."""
    parts = urlsplit(address)
    name = unquote(parts.path.rstrip("/")).rpartition("/")[2]
    return name or parts.netloc.rpartition("@")[2]


def roots_of(address: str) -> list[str]:
    """What the uris of its documents are or begin with: whether an address is a file or a folder is not told by its text."""
    root = cleaned(address)
    return [root] if root.endswith("/") or scheme_of(root) in WEB else [root, f"{root}/"]


def without_secrets(message: str, address: str) -> str:
    """A message of another library, which may name the address in full."""
    parts = urlsplit(address)
    user = parts.netloc.rpartition("@")[0]
    secrets = [f"{user}@", parts.password, *(value for key, value in parse_qsl(parts.query) if _SECRET.fullmatch(key))]
    for secret in secrets:
        if secret and len(secret) >= _SHORT:
            message = message.replace(secret, "…")
    return message
