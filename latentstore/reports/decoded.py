"""Latent spaces on the page: how a model was made and how much it keeps, items beside what it makes of them, and items that it makes up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from latentstore.reports import payload
from latentstore.reports.cards import anchor, card
from latentstore.reports.cards import title as called
from latentstore.reports.html import Html, el, join, number, percent, plural
from latentstore.reports.model import Section
from latentstore.reports.shapes import Latent, Made, Rank, Rebuilt
from latentstore.types import Float64

_KINDS = {
    "pca": "Principal components (PCA)",
    "autoencoder": "An autoencoder",
    "vae": "A variational autoencoder (VAE)",
    "gan": "An adversarial network with an encoder (GAN)",
}
_HEADS: dict[Rank, str] = {
    "best": "Explained best",
    "middle": "In the middle",
    "worst": "What the model cannot explain",
}


def title(section: Section) -> str:
    return "Latent spaces of these items" if section.latents[0].short else "The model that made this space"


def latents(section: Section, index: int) -> Html:
    """The model of a latent space; or, in short, those that learnt from the items of another."""
    return join([el("section", _latent(section, one, index), class_="model") for one in section.latents])


def _latent(section: Section, one: Latent, index: int) -> Html:
    return join(
        el("h4", one.space) if one.short else None,
        el("p", _how(one), class_="lead"),
        el("p", f"It lags: {plural(one.lag, 'item has', 'items have')} no place in it yet.", class_="lead")
        if one.lag
        else None,
        el("ul", [el("li", note) for note in one.notes], class_="notes") if one.notes else None,
        None if one.short else _losses(one),
        _rebuilt(section, one, index),
        _samples(section, one),
    )


def _how(one: Latent) -> str:
    says = (
        f"{_KINDS.get(one.kind, one.kind)} of {plural(one.dim, 'dimension')}, learnt from items of space {one.source},"
    )
    says += (
        f" each seen as one of {one.form}. "
        if "pictures" in one.form or "sounds" in one.form
        else f" seen as {one.form}. "
    )
    if one.nothing <= 0:
        return says + "Items that it had not seen do not differ at all."
    kept, plain = (max(0.0, 1 - error / one.nothing) for error in (one.error, one.pca))
    says += f"Of what sets items apart that it had not seen, it keeps {percent(kept)}"
    return says + ("." if one.kind == "pca" else f"; PCA of as many dimensions keeps {percent(plain)}.")


def _losses(one: Latent) -> Html | None:
    """Losses by epoch, of the items it learnt from and of others, cut above what the first epochs would flatten."""
    train, held = np.asarray(one.train, float), np.asarray(one.held, float)
    if len(train) < 2 or len(held) != len(train):
        return None
    late = np.concatenate([train[len(train) // 10 :], held[len(held) // 10 :]])
    low, high = float(min(train.min(), held.min())), float(late.max())
    x = np.linspace(0, 600, len(train))
    lines = [
        el("polyline", points=_line(x, 150 - 145 * np.minimum((values - low) / max(high - low, 1e-12), 1)), class_=kind)
        for values, kind in ((train, "curve pale"), (held, "curve"))
    ]
    if one.best is not None:
        at = f"{x[min(one.best, len(x)) - 1]:.1f}"
        lines.append(el("line", x1=at, x2=at, y1=0, y2=150, class_="mark"))
    says = f"Loss by epoch, from {number(high)} at the top to {number(low)}: of items that it had not seen and, paler, "
    says += "of those it learnt from."
    says += f" The weights are those of epoch {one.best:,}, the dashed line." if one.best is not None else ""
    drawing = el("svg", *lines, viewBox="-4 -4 608 162", role="img", aria_label=says, preserveAspectRatio="none")
    scale = el("p", el("span", "epoch 1"), el("span", f"epoch {len(train):,}"), class_="ends")
    return el("figure", drawing, scale, el("figcaption", says), class_="chart")


def _line(x: Float64, y: Float64) -> str:
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))


def _rebuilt(section: Section, one: Latent, index: int) -> Html | None:
    """Each item above what the model makes of it; where it decodes to vectors, the items alone."""
    if not one.rebuilt:
        return None
    head = el(
        "p",
        f"Of {plural(one.judged, 'item')}: above the item as the model sees it, below what it makes of it, and the error.",
        class_="lead",
    )
    plain = one.rebuilt[0].made.picture is None
    if plain:
        head = el("p", f"Of {plural(one.judged, 'item')}, those of which it keeps most, and least.", class_="lead")
    rows = []
    for rank, words in _HEADS.items():
        shown = [_pair(section, pair, index) for pair in one.rebuilt if pair.rank == rank]
        if shown:
            rows.append(el("div", el("p", words, class_="label"), el("div", shown, class_=_wall(one.rebuilt[0].made))))
    return join(
        el("h4", "Items and what becomes of them") if not one.short else None,
        head,
        el("div", rows, class_=None if plain else "ranks"),
    )


def _pair(section: Section, pair: Rebuilt, index: int) -> Html:
    points = section.points
    if pair.made.picture is None:
        return card(points, pair.point, index, limit=140, note=f"error {number(pair.error)}")
    words = called(points, pair.point, 40)
    show = el("span", f"Show on the map: {words}", class_="aside")
    link = el("a", join("◎", show), class_="locate", href=f"#{anchor('map', index)}", data_point=pair.point)
    both = [shown(section, pair.original, words), shown(section, pair.made, f"What the model makes of {words}")]
    return el("figure", *both, el("figcaption", f"{pair.error:.2g}"), link, class_="made")


def _samples(section: Section, one: Latent) -> Html | None:
    if not one.samples:
        return None
    head = "Made up by the model: places drawn among the items, and decoded. None of them is an item."
    body = strip(section, one.samples, "An item that the model made up")
    return join(el("h4", "New items") if not one.short else None, el("p", head, class_="lead"), body)


def strip(section: Section, made: Sequence[Made], words: str) -> Html:
    """What a model made, beside each other."""
    return el("div", [el("figure", shown(section, one, words), class_="made") for one in made], class_=_wall(made[0]))


def shown(section: Section, one: Made, words: str) -> Html:
    """What a place decodes to, to see or to hear."""
    picture = None
    if one.picture is not None:
        # Few pixels stay what they are; the browser would blur them.
        small = one.sound is None and section.decoded[one.picture].mime == "image/png"
        name = payload.decoded(one.picture)
        picture = el("img", data_media=name, alt=words, width=84, height=84, class_="small" if small else None)
    if one.sound is None:
        return join(picture)
    player = el(
        "audio", controls=True, preload="none", data_media=payload.decoded(one.sound), aria_label=f"Sound: {words}"
    )
    return join(picture, player)


def _wall(one: Made) -> str:
    return "quotes" if one.picture is None else "wall loud" if one.sound is not None else "wall"
