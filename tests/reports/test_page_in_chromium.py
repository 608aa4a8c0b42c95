"""The page in a browser: it is quiet, asks for nothing, runs nothing of what items hold, and can be used without a mouse."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pages
import pytest

from benchmarks import browser
from latentstore.reports.page import render

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="Chromium is not installed")
READY = "document.querySelector('.atlas')?.dataset.ready"
CANVAS = "document.querySelector('.panel:not([hidden]) .marks')"


@pytest.fixture(scope="module")
def tab() -> Iterator[browser.Tab]:
    with browser.chromium() as tab:
        yield tab


@pytest.fixture
def show(tab: browser.Tab, tmp_path: Path) -> Any:
    """Opens a page of these sections and gives the tab; at the end it must have been quiet and have asked for nothing."""
    tab.errors.clear()
    tab.requests.clear()
    tab.size(1280, 900)

    def show(*sections: Any, ready: str = READY, text: str = "A title") -> browser.Tab:
        path = tmp_path / "report.html"
        path.write_text(render(pages.page(*sections, text=text)), encoding="utf-8")
        tab.open(path, ready)
        return tab

    yield show
    assert tab.errors == []
    assert {address.partition(":")[0] for address in tab.requests} <= {"file", "data", "blob"}
    assert sum(address.startswith("file:") for address in tab.requests) == 1


def inked(tab: browser.Tab) -> int:
    """How many pixels of the map are not empty."""
    script = f"""(() => {{
      const seen = {CANVAS}, copy = document.createElement("canvas");
      copy.width = seen.width; copy.height = seen.height;
      const paper = copy.getContext("2d", {{ willReadFrequently: true }});
      paper.drawImage(seen, 0, 0);
      const bytes = paper.getImageData(0, 0, copy.width, copy.height).data;
      let found = 0;
      for (let at = 3; at < bytes.length; at += 4) found += bytes[at] > 100;
      return found;
    }})()"""
    return int(tab.run(f"new Promise((done) => requestAnimationFrame(() => setTimeout(() => done({script}), 60)))"))


def box(tab: browser.Tab) -> tuple[float, float, float, float]:
    tab.run(f"{CANVAS}.scrollIntoView({{block: 'center'}})")
    found = tab.run(
        f"(() => {{ const b = {CANVAS}.getBoundingClientRect(); return [b.left, b.top, b.width, b.height] }})()"
    )
    return tuple(found)  # type: ignore[return-value]


def text_of(tab: browser.Tab, selector: str) -> str:
    return str(tab.run(f"document.querySelector({selector!r}).textContent"))


def test_a_page_with_every_part_is_quiet_and_draws_its_points(show: Any) -> None:
    tab = show(pages.section())
    assert 60 < inked(tab) < 60 * 400
    assert tab.run("document.querySelectorAll('.part').length") == 9


def test_what_items_hold_does_not_run(show: Any) -> None:
    hostile = pages.section(text=pages.EVIL)
    tab = show(dataclasses.replace(hostile, columns=pages.columns(60, pages.EVIL)), text=pages.EVIL)
    tab.run(f"{CANVAS}.focus()")
    tab.press("ArrowRight")
    assert "<img src=x onerror=" in text_of(tab, ".detail blockquote")
    assert tab.run("window.pwned") is None and tab.run("document.images.length") == 0


def test_even_an_element_that_got_in_cannot_run_or_ask(show: Any, tab: browser.Tab) -> None:
    show(pages.section())
    tab.run("""document.body.insertAdjacentHTML("beforeend", "<img src='data:,' onerror='window.pwned = 1'>")""")
    tab.run("new Promise((done) => setTimeout(done, 200))")
    assert tab.run("window.pwned") is None
    assert tab.run("fetch('https://example.org/').then(() => 'sent', () => 'refused')") == "refused"
    assert tab.errors and all("Content Security Policy" in error for error in tab.errors)
    tab.errors.clear()
    tab.requests[:] = [address for address in tab.requests if address.startswith(("file:", "data:"))]


def test_hovering_shows_the_item_under_the_mouse(show: Any) -> None:
    one = pages.section(1, text="the only one", outliers=None, duplicates=None, labels=())
    tab = show(one)
    left, top, width, height = box(tab)
    tab.mouse("mouseMoved", left + width / 2 + 3, top + height / 2)
    tab.until("!document.querySelector('.tip').hidden")
    assert text_of(tab, ".tip p") == "the only one 0"
    tab.mouse("mouseMoved", left + 5, top + 5)
    tab.until("document.querySelector('.tip').hidden")


def test_arrow_keys_go_from_item_to_item_and_say_which(show: Any) -> None:
    tab = show(pages.section())
    tab.run(f"{CANVAS}.focus()")
    tab.press("ArrowRight")
    first = text_of(tab, ".detail blockquote")
    tab.press("ArrowRight")
    second = text_of(tab, ".detail blockquote")
    places = {text: pages.section().points.coordinates[int(text.split()[-1])][0] for text in (first, second)}
    assert places[second] > places[first] and text_of(tab, ".detail dt") == "Group"
    tab.press("Escape")
    assert "Choose a point" in text_of(tab, ".detail")


def test_search_finds_items_and_the_keyboard_goes_through_them(show: Any) -> None:
    tab = show(pages.section())
    tab.run("document.querySelector('input[type=search]').focus()")
    tab.type("ITEM 7")
    tab.until("document.querySelector('.saying').textContent === '6 found'")
    tab.press("Enter")
    assert text_of(tab, ".detail blockquote") == "item 7"
    tab.run("document.querySelector('input[type=search]').value = ''")
    tab.type("item 1")
    tab.until("document.querySelector('.saying').textContent.startsWith('15 found')")
    tab.run("document.querySelector('input[type=search]').focus()")
    tab.press("ArrowDown")
    tab.press("ArrowDown")
    assert tab.run("document.activeElement.textContent") == "item 10"
    tab.press("Escape")
    assert tab.run("document.querySelector('.results').hidden")


def test_the_legend_hides_groups_by_keyboard(show: Any) -> None:
    tab = show(pages.section())
    before = inked(tab)
    for _ in range(3):
        tab.run("document.querySelector('.entry[aria-pressed=true]').focus()")
        tab.press("Enter")
    tab.run("document.activeElement.blur()")
    assert tab.run("document.querySelectorAll('.entry[aria-pressed=false]').length") == 3
    assert inked(tab) < 0.7 * before
    tab.run("document.querySelector('.legend .plain').click()")
    assert inked(tab) == pytest.approx(before, rel=0.02)


@pytest.mark.parametrize(
    "label", ["Groups, coarse", "Outlier score", "Outliers", "Sureness of the group", "kind", "length", "made", "true"]
)
def test_every_colouring_has_a_legend(show: Any, label: str) -> None:
    tab = show(pages.section())
    tab.run(
        f"(() => {{ const s = document.querySelector('select'); "
        f"s.value = [...s.options].find((o) => o.text === {label!r}).value; s.dispatchEvent(new Event('change')) }})()"
    )
    scale = label in ("Outlier score", "Sureness of the group", "length", "made")
    assert tab.run("document.querySelectorAll('.ramp').length") == int(scale)
    assert scale or tab.run("document.querySelectorAll('.entry').length") >= 2
    assert inked(tab) > 60


def test_tabs_are_gone_through_by_arrow_keys_and_each_draws_its_map(show: Any) -> None:
    tab = show(pages.section(), pages.pictures(), pages.sounds())
    tab.run("document.getElementById('tab-0').focus()")
    for at, space in ((1, "image"), (2, "audio")):
        tab.press("ArrowRight")
        assert tab.run("document.activeElement.id") == f"tab-{at}"
        tab.until(f"document.querySelector('#space-{at} .atlas').dataset.ready")
        assert inked(tab) > 30
        assert tab.run("[...document.querySelectorAll('.panel')].filter((p) => !p.hidden).map((p) => p.id)") == [
            f"space-{at}"
        ]
        assert space in text_of(tab, f"#tab-{at}")


def test_pictures_are_shown_where_cards_ask_for_them_and_drawn_on_the_map(show: Any) -> None:
    tab = show(pages.pictures())
    tab.until("[...document.images].length > 10 && [...document.images].every((image) => image.complete)")
    assert tab.run("[...document.images].every((image) => image.naturalWidth === 48)")
    tab.run(f"{CANVAS}.focus()")
    tab.press("ArrowRight")
    tab.until("document.querySelector('.detail img').naturalWidth === 48")


def test_what_a_model_made_is_shown_pixel_by_pixel(show: Any) -> None:
    tab = show(pages.latent())
    made = "[...document.querySelectorAll('.made img')]"
    tab.until(f"{made}.length === 10 && {made}.every((image) => image.complete)")
    assert tab.run(f"{made}.every((image) => image.naturalWidth === 28)")
    assert tab.run(f"getComputedStyle({made}[0]).imageRendering") == "pixelated"


def test_a_sound_has_a_player_and_plays_under_the_mouse(show: Any) -> None:
    one = pages.sounds(1)
    tab = show(dataclasses.replace(one, outliers=None, duplicates=None, labels=()))
    tab.run(
        "HTMLMediaElement.prototype.play = function () { window.played = this.src.slice(0, 22); return Promise.resolve() }"
    )
    left, top, width, height = box(tab)
    tab.mouse("mouseMoved", left + width / 2 + 2, top + height / 2)
    tab.until("window.played")
    assert tab.run("window.played") == "data:audio/wav;base64,"
    tab.run(f"{CANVAS}.focus()")
    tab.press("ArrowRight")
    tab.run("document.querySelector('.locate').click()")
    tab.until("document.querySelector('.detail audio')?.readyState > 0")
    assert tab.run("document.querySelector('.detail audio').duration") == pytest.approx(0.1, abs=0.01)


def test_links_lead_to_the_point_and_the_group_on_the_map(show: Any) -> None:
    tab = show(pages.section())
    tab.run("document.querySelector('.finding .locate').click()")
    tab.until("document.querySelector('.detail blockquote')?.textContent === 'item 1'")
    tab.run("document.querySelector('[data-cluster]').click()")
    tab.until("document.querySelector('.saying').textContent.includes('Only “item 0”')")
    assert tab.run(f"document.activeElement === {CANVAS}")
    tab.run("document.querySelector('.state .plain').click()")
    assert text_of(tab, ".saying") == ""


def test_the_wheel_scrolls_the_page_until_the_map_is_clicked(show: Any) -> None:
    tab = show(pages.section())
    left, top, width, height = box(tab)
    before, at = inked(tab), tab.run("scrollY")
    tab.mouse("mouseWheel", left + 50, top + 50, deltaX=0, deltaY=120)
    tab.until(f"scrollY > {at}")
    assert not tab.run("document.querySelector('.hint').hidden")
    left, top, width, height = box(tab)
    tab.run(f"{CANVAS}.focus()")
    at = tab.run("scrollY")
    tab.mouse("mouseWheel", left + width / 2, top + height / 2, deltaX=0, deltaY=-400)
    tab.run("new Promise((done) => setTimeout(done, 200))")
    assert tab.run("scrollY") == at and inked(tab) != before


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_no_width_scrolls_sideways(show: Any, tab: browser.Tab, width: int, scheme: str) -> None:
    long = pages.section(text="Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichenfabrik" * 3)
    tab.size(width, 844, phone=width < 600, scheme=scheme)
    show(long, pages.pictures(), pages.latent())
    tab.run("for (const line of document.querySelectorAll('details')) line.open = true")
    assert tab.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(show: Any, tab: browser.Tab, scheme: str) -> None:
    tab.size(1280, 900, scheme=scheme)
    show(pages.section())
    names = ("--ink", "--soft", "--accent", "--good", "--warn", "--paper", "--wash")
    colours = {
        name: tab.run(f"getComputedStyle(document.documentElement).getPropertyValue('{name}').trim()") for name in names
    }
    for ground in ("--paper", "--wash"):
        for name in ("--ink", "--soft", "--accent", "--good", "--warn"):
            assert contrast(colours[name], colours[ground]) >= 4.5, (scheme, name, ground)


def contrast(a: str, b: str) -> float:
    """By WCAG 2: 1 for none, 21 for black on white."""
    values = [np.array([int(one[at : at + 2], 16) for at in (1, 3, 5)]) / 255 for one in (a, b)]
    linear = [np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4) for value in values]
    light, dark = sorted((float(one @ [0.2126, 0.7152, 0.0722]) for one in linear), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_everything_that_can_be_pressed_has_a_name(show: Any) -> None:
    tab = show(pages.section(), pages.pictures())
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    pressed = [
        node
        for node in nodes
        if node.get("role", {}).get("value") in ("button", "link", "tab", "combobox", "searchbox", "image")
    ]
    assert len(pressed) > 20
    assert [
        node for node in pressed if not node.get("ignored") and not node.get("name", {}).get("value", "").strip()
    ] == []


def test_the_theme_can_be_turned(show: Any) -> None:
    tab = show(pages.section())
    ground = "getComputedStyle(document.body).backgroundColor"
    before = tab.run(ground)
    tab.run("document.getElementById('theme').click()")
    assert tab.run(ground) != before and text_of(tab, "#theme") == "Light"


def test_print_shows_the_map_and_fits_a_few_sheets(show: Any, tab: browser.Tab) -> None:
    tab.size(1280, 900, scheme="dark")
    show(pages.section(), pages.pictures())
    assert inked(tab) > 60  # a busy machine may ask for paper before anything is drawn
    sheets = base64.b64decode(tab.call("Page.printToPDF")["data"]).count(b"/Type /Page\n")
    assert 2 <= sheets <= 14
    ink = (
        "const c = document.querySelector('.copy'); [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    assert (
        tab.run(
            f"(() => {{ {ink.replace('[...', 'return [...')}.filter((byte, at) => at % 4 === 3 && byte > 100).length }})()"
        )
        > 60
    )
    assert tab.run("document.documentElement.dataset.theme") is None


def test_without_webgl_points_are_drawn_all_the_same(show: Any, tab: browser.Tab) -> None:
    source = "const get = HTMLCanvasElement.prototype.getContext; HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {"
    source += " return kind === 'webgl2' ? null : get.call(this, kind, ...rest) }"
    added = tab.call("Page.addScriptToEvaluateOnNewDocument", source=source)["identifier"]
    try:
        assert inked(show(pages.section())) > 60
    finally:
        tab.call("Page.removeScriptToEvaluateOnNewDocument", identifier=added)


def test_an_empty_page_and_one_of_one_item_are_quiet(show: Any) -> None:
    show(ready="document.readyState === 'complete'")


@pytest.mark.slow
def test_a_hundred_thousand_points_load_within_seconds(show: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = rng.choice(["alpha", "bravo", "charlie", "delta", "echo"], (100_000, 12))
    shown = pages.section(100_000)
    texts = [f"{' '.join(row)} {at}" for at, row in enumerate(words.tolist())]
    tab = show(dataclasses.replace(shown, points=dataclasses.replace(shown.points, texts=texts)))
    assert (tmp_path / "report.html").stat().st_size < 25_000_000
    # Three seconds on a machine of one's own; tests share theirs.
    assert int(tab.run(READY)) < 10_000
