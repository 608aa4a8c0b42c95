"""HTML that cannot be broken by what it holds: `el` escapes every child that is not itself the work of `el`.

Text from items is cleaned first: halves of surrogate pairs become U+FFFD and control characters their pictures (U+0000 is "␀"), so
that a file is always valid UTF-8 and no character changes how the page is read.
"""

from __future__ import annotations

import html
import json
import re
import zlib
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})
# Tab, newline and return stay: they are white space to HTML.
_PICTURES = {code: 0x2400 + code for code in range(32) if code not in (9, 10, 13)} | {0x7F: 0x2421}
_IN_SCRIPT = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


class Html(str):
    """Markup that is already escaped."""

    __slots__ = ()


Child = str | int | Iterable[Any] | None


def clean(text: str) -> str:
    """The text without halves of surrogate pairs; a pair in two halves becomes the character that it stands for."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def escape(text: str) -> Html:
    """The text as markup that shows it."""
    return Html(html.escape(clean(text).translate(_PICTURES)))


def el(tag: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Html:
    """One element. Strings among the children are escaped, iterables are laid one after the other, None is nothing.

    Attributes: `class_` is class, other underscores are hyphens; True is the bare name, None and False leave it out.
    """
    start = "".join([f"<{tag}", *(_attribute(key, value) for key, value in attributes.items()), ">"])
    return Html(start if tag in VOID else f"{start}{join(*children)}</{tag}>")


def join(*children: Child) -> Html:
    """The children, one after the other."""
    return Html("".join(_child(child) for child in children))


def _child(child: Child) -> str:
    if child is None or isinstance(child, Html):
        return child or ""
    if isinstance(child, str | int):
        return escape(str(child))
    return "".join(_child(one) for one in child)


def _attribute(key: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


def script_json(value: Any) -> Html:
    """JSON for within a script element: no character of it can end the element or a line of a script."""
    return Html(json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False).translate(_IN_SCRIPT))


def packed(data: bytes) -> str:
    """Bytes as base64 of raw DEFLATE, which a browser undoes without a library."""
    squeezer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return b64encode(squeezer.compress(data) + squeezer.flush()).decode("ascii")


def cut(text: str, limit: int) -> str:
    """The text in one line, at most `limit` characters and an ellipsis, cut between words where one ends near."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    head, _, _ = line[: limit + 1].rpartition(" ")
    return (head if len(head) > limit * 0.7 else line[:limit]) + "…"


def breakable(name: str) -> Html:
    """A file's name or an address, that may be broken after the signs that part its words."""
    return join([join(part, el("wbr")) for part in re.split(r"(?<=[_\-./])", name)])


def percent(share: float) -> str:
    """A share of 1 in words: "12 %", "under 1 %", "all"."""
    if 0 < share < 0.01:
        return "under 1 %"
    return "over 99 %" if 0.99 < share < 1 else f"{share:.0%}".replace("%", "\u00a0%")


def number(value: float) -> str:
    """A figure as one reads it: 12,345; 3.14; 0.0021."""
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def plural(count: int, one: str, many: str | None = None) -> str:
    """A count and its noun: "1 item", "3,080 items"."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def day(seconds: float, *, clock: bool = False) -> str:
    """A time in words, UTC: "28 November 2026", with the clock "28 November 2026, 01:30 UTC"."""
    when = datetime.fromtimestamp(seconds, UTC)
    return f"{when.day} {when:%B %Y}" + (f", {when:%H:%M} UTC" if clock else "")
