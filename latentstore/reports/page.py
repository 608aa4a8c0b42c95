"""render: one HTML file that explains a collection, opens offline from disk, and runs nothing but its own script.

Everything is inline. A content security policy allows the page's own style and script by their hashes, pictures and sounds from the
file itself, and no request at all; what items hold is escaped on top of that. The text of the report is in the HTML and reads without
a script; the map, the tabs between spaces and the pictures need it.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files

from latentstore.reports import axes, decoded, palette, parts, payload
from latentstore.reports.cards import anchor
from latentstore.reports.html import Html, day, el, join, plural, script_json
from latentstore.reports.model import Page, Section, Statement, check
from latentstore.reports.spread import spreads
from latentstore.reports.tree import colours, heading, tree

SCRIPTS = ("marks.js", "camera.js", "data.js", "overlay.js", "atlas.js", "panel.js", "page.js")
NAMES = {"text": "Texts", "image": "Pictures", "audio": "Sounds", "vector": "Vectors"}
GLOSSARY = (
    (
        "Group (cluster)",
        "Items that are more like each other than like the rest, found by comparing what they mean, not by words.",
    ),
    (
        "Name",
        "Words that are frequent in the group and rare elsewhere, or a value that most of its items share. A label, not a summary.",
    ),
    (
        "Steady, shaky, doubtful",
        "How well a group comes back when the analysis is repeated on other samples: 1 is always, below .6 is doubtful.",
    ),
    ("Tightness", "How alike the items of a group are, from 0 to 1."),
    ("Typical, on the border", "Items in the middle of a group, and items that might as well be in another."),
    ("Outlier, p", "An item far from all others. p is how rarely a normal item would look as strange."),
    (
        "Axis, variance",
        "A direction of the space along which items differ, the one along which they differ most first. The variance says how much.",
    ),
    (
        "Intrinsic dimension",
        "In how many directions the items around an item lie, however many numbers a vector has.",
    ),
    (
        "Map",
        "Similar items lie close together. Directions and large distances mean nothing, and neither does empty space.",
    ),
)


def render(page: Page) -> str:
    """The report as HTML. Raises InvalidInput, saying where, when the page does not agree with itself."""
    check(page)
    style, script = _style(), _script()
    policy = (
        f"default-src 'none'; script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(style)}'; "
        "img-src data: blob:; media-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    head = [
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=policy),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("meta", name="referrer", content="no-referrer"),
        el("meta", name="color-scheme", content="light dark"),
        el("meta", name="generator", content=f"latentstore {page.version}"),
        el("title", page.title),
        el("style", Html(style)),
    ]
    body = [_header(page), _main(page), _footer(page), _data(page), el("script", Html(script))]
    return f"<!doctype html>\n{el('html', el('head', head), el('body', body), lang='en')}\n"


def _digest(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _asset(name: str) -> str:
    return files("latentstore.reports").joinpath("assets", name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    # Colours are defined once, in palette: tests measure them there.
    light = "".join(f"--k{at}:{colour};" for at, colour in enumerate(palette.LIGHT))
    dark = "".join(f"--k{at}:{colour};" for at, colour in enumerate(palette.DARK))
    marks = "".join(f".k{at}{{background:var(--k{at});fill:var(--k{at})}}" for at in range(len(palette.LIGHT)))
    themes = f":root{{{light}}}@media screen{{:root[data-theme=dark]{{{dark}}}}}"
    auto = f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}"
    return "\n".join(("", themes + auto, _asset("page.css"), marks, ""))


@cache
def _script() -> str:
    bodies = "\n".join(_asset(name) for name in SCRIPTS)
    return f'\n"use strict";\n(() => {{\n{bodies}}})();\n'


def _header(page: Page) -> Html:
    facts = [plural(page.items, "item"), *(_kind(section) for section in page.sections), day(page.made, clock=True)]
    return el(
        "header",
        el("a", "Skip to the findings", href="#findings", class_="skip"),
        el("p", f"{page.store} / {page.collection}", class_="kicker"),
        el("h1", page.title),
        el("p", [el("span", fact) for fact in facts], class_="meta"),
        el("button", "Dark", type="button", id="theme", hidden=True),
    )


def _kind(section: Section) -> str:
    return plural(section.items, {"audio": "sound", "image": "picture"}.get(section.modality, section.modality))


def _main(page: Page) -> Html:
    return el(
        "main",
        el("section", el("h2", "In short"), _summary(page), class_="short", aria_label="Summary"),
        el(
            "noscript",
            el("p", "The map, the pictures and the sounds need JavaScript; the findings below do not.", class_="lead"),
        ),
        el("div", _tabs(page), [_section(page, at) for at in range(len(page.sections))], id="findings", tabindex="-1"),
        _reading(),
    )


def _summary(page: Page) -> Html:
    at = {section.space: index for index, section in enumerate(page.sections)}
    lines = [_statement(one, at) for one in page.summary]
    empty = (
        "There is nothing here to report on yet: the collection is empty."
        if not page.items
        else "Nothing was found to say."
    )
    notes = el("ul", [el("li", note) for note in page.notes], class_="notes") if page.notes else None
    return join(el("ol", lines, class_="summary") if lines else el("p", empty, class_="lead"), notes)


def _statement(one: Statement, at: dict[str, int]) -> Html:
    index = at.get(one.space or "", 0 if at else None)
    link = None
    if one.part and index is not None:
        words = el("span", f"Show: {one.part}", class_="aside")
        link = el("a", "↓", words, href=f"#{anchor(one.part, index)}", class_="show", data_tab=index)
    grounds = el(
        "p", el("b", one.sureness, class_=one.sureness), f": {one.because}" if one.because else None, class_="because"
    )
    return el("li", el("p", one.text, " ", link), grounds)


def _tabs(page: Page) -> Html | None:
    if len(page.sections) < 2:
        return None
    tabs = [
        el(
            "button",
            f"{NAMES.get(section.modality, section.modality)} ",
            el("small", f"{section.space}, {section.items:,}"),
            type="button",
            role="tab",
            id=f"tab-{at}",
            aria_controls=f"space-{at}",
        )
        for at, section in enumerate(page.sections)
    ]
    return el("div", tabs, role="tablist", aria_label="Spaces", class_="tabs", hidden=True)


def _section(page: Page, index: int) -> Html:
    section = page.sections[index]
    found = [part for part in _parts(section, index) if part]
    links = [el("a", name, href=f"#{anchor(key, index)}") for key, name, _ in found]
    many = len(page.sections) > 1
    title = (
        el("h2", f"{NAMES.get(section.modality, section.modality)}: space {section.space}", class_="space")
        if many
        else None
    )
    notes = [el("p", note, class_="lead") for note in section.notes]
    bodies = [
        el("section", el("h3", name), body, id=anchor(key, index), class_=f"part {key}") for key, name, body in found
    ]
    role = {"role": "tabpanel", "aria_labelledby": f"tab-{index}"} if many else {"aria_label": f"Space {section.space}"}
    contents = el("nav", links, aria_label=f"Parts of {section.space}", class_="contents")
    return el("section", title, contents, notes, bodies, id=f"space-{index}", class_="panel", **role)


def _parts(section: Section, index: int) -> list[tuple[str, str, Html] | None]:
    painted = colours(section)
    shown = section.shown
    clusters = (
        join(el("p", heading(section), class_="lead"), tree(section, index)) if shown and shown.clusters else None
    )
    columns = spreads(list(section.columns), shown, painted) if section.columns and shown and shown.clusters else None
    checks = [parts.labels(section, one, index) for one in section.labels]
    strange, twice, since = section.outliers, section.duplicates, section.changes
    space = section.shape
    return [
        ("map", "Map", _map(section, index)) if len(section.points) else None,
        ("clusters", "Groups", clusters) if clusters else None,
        ("outliers", "What does not belong", parts.outliers(section, strange, index, painted)) if strange else None,
        ("duplicates", "What is there twice", parts.duplicates(section, twice, index)) if twice else None,
        ("columns", "Columns over groups", columns) if columns else None,
        ("shape", "The shape of the space", axes.shape(section, space, index)) if space else None,
        ("latent", decoded.title(section), decoded.latents(section, index)) if section.latents else None,
        ("labels", "Labels", join(checks)) if checks else None,
        ("changes", "Since the last report", parts.changes(since, index)) if since else None,
        ("method", "How this was done", parts.methods(section)) if section.methods else None,
    ]


def _map(section: Section, index: int) -> Html:
    shown, items = len(section.points), section.items
    sample = f" {shown:,} of {items:,} items are shown." if shown < items else ""
    return join(el("p", parts.sound(section) + sample, class_="lead"), el("div", class_="atlas", data_space=index))


def _reading() -> Html:
    terms = [el("div", el("dt", term), el("dd", words)) for term, words in GLOSSARY]
    return el("section", el("h2", "Words on this page"), el("dl", terms, class_="glossary"), class_="reading")


def _footer(page: Page) -> Html:
    made = (
        f"Made by latentstore {page.version} on {day(page.made, clock=True)}. This file is complete: it loads nothing."
    )
    return el("footer", el("p", made))


def _data(page: Page) -> Html:
    blocks = []
    for at, section in enumerate(page.sections):
        if len(section.points):
            blocks.append(el("script", script_json(payload.payload(section)), type="application/json", id=f"data-{at}"))
        if section.points.media or section.decoded:
            blocks.append(el("script", script_json(payload.media(section)), type="application/json", id=f"media-{at}"))
    return join(blocks)
