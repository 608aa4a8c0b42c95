"""Items on the page outside the map: a picture, a player or a quotation, with the way to its point.

Pictures and sounds are on the page once, with the map's data; a card names its point, and the page's script fills it in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from latentstore.reports.html import Html, breakable, cut, el, join
from latentstore.reports.model import SOUNDS, Points


def anchor(part: str, index: int) -> str:
    """The id of a part of the section at `index`."""
    return f"{part}-{index}"


def card(points: Points, point: int, index: int, *, limit: int = 280, note: str | Html | None = None) -> Html:
    """One item: what there is of it to see or hear, its text, and a link that shows it on the map."""
    body = [_media(points, point), _text(points, point, limit), el("p", note, class_="note") if note else None]
    shape = "card media" if point in points.media else "card"
    return el("figure", *body, _locate(points, point, index), class_=shape)


def cards(points: Points, chosen: Iterable[int], index: int, *, limit: int = 280) -> Html:
    """Several items side by side where they are pictures, one below the other where they are texts."""
    shown = list(chosen)
    gallery = bool(shown) and all(point in points.media for point in shown)
    return el(
        "div", [card(points, point, index, limit=limit) for point in shown], class_="gallery" if gallery else "quotes"
    )


def glimpse(points: Points, chosen: Sequence[int]) -> Html | str:
    """A few items in one line: the first ones' pictures, else the words of the first. For the eye: the same items follow in full."""
    pictures = [point for point in chosen[:4] if point in points.media and points.media[point].mime not in SOUNDS]
    if pictures:
        return join([el("img", data_media=point, alt="", width=32, height=32) for point in pictures])
    spoken = bool(chosen) and bool(points.texts) and bool(points.texts[chosen[0]].strip())
    return cut(points.texts[chosen[0]], 90) if spoken else ""


def title(points: Points, point: int, limit: int = 80) -> str:
    """An item in a few words: its text, else where it came from, else its id."""
    text = points.texts[point] if points.texts else ""
    return cut(text, limit) if text and text.strip() else _name(points, point)


def _name(points: Points, point: int) -> str:
    uri = points.uris[point] if points.uris else ""
    return cut((uri or "").rstrip("/").rsplit("/", 1)[-1] or points.ids[point], 60)


def _text(points: Points, point: int, limit: int) -> Html | None:
    text = points.texts[point] if points.texts else ""
    if text and text.strip():
        return el("blockquote", cut(text, limit), dir="auto")
    return el("figcaption", breakable(_name(points, point)), class_="name")


def _media(points: Points, point: int) -> Html | None:
    media = points.media.get(point)
    if media is None:
        return None
    words = media.description or title(points, point)
    if media.mime in SOUNDS:
        return el("audio", controls=True, preload="none", data_media=point, aria_label=f"Sound: {words}")
    return el("img", data_media=point, alt=words, width=96, height=96)


def _locate(points: Points, point: int, index: int) -> Html:
    words = el("span", f"Show on the map: {title(points, point, 60)}", class_="aside")
    return el("a", join("◎", words), class_="locate", href=f"#{anchor('map', index)}", data_point=point)
