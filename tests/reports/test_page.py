"""The page as text: it holds what it was given, cannot be broken by it, and says clearly what it cannot show."""

from __future__ import annotations

import base64
import dataclasses
import itertools
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pages
import pytest

from latentstore.errors import InvalidInput
from latentstore.reports import html, model, palette, payload, shapes, spread
from latentstore.reports.page import render


class Reader(HTMLParser):
    """Every tag with its attributes, the text outside scripts, and the data blocks."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.blocks: dict[str, str] = {}
        self.within: dict[str, str | None] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.within = dict(attrs) if tag in ("script", "style") else self.within

    def handle_endtag(self, tag: str) -> None:
        self.within = None if tag in ("script", "style") else self.within

    def handle_data(self, data: str) -> None:
        if self.within is None:
            self.texts.append(data)
        elif self.within.get("id"):
            self.blocks[str(self.within["id"])] = self.blocks.get(str(self.within["id"]), "") + data


def inflated(text: str) -> bytes:
    return zlib.decompress(base64.b64decode(text), -15)


def unpacked(data: dict[str, Any]) -> dict[str, Any]:
    block, offset, found = inflated(data["block"]), 0, {}
    for name, kind, size in data["arrays"]:
        found[name] = np.frombuffer(block, f"<{kind}", size, offset)
        offset += found[name].nbytes
    assert offset == len(block)
    return {**found, **json.loads(inflated(data["strings"]))}


def test_hostile_text_in_every_field_makes_no_element_and_no_attribute() -> None:
    plain = Reader(render(pages.page(pages.section(text="mild"), text="mild")))
    hostile = Reader(render(pages.page(pages.section(text=pages.EVIL), text=pages.EVIL)))
    # Where a long name may be broken depends on its signs.
    shapes = [[(tag, sorted(attributes)) for tag, attributes in read.tags if tag != "wbr"] for read in (plain, hostile)]
    assert shapes[0] == shapes[1]
    assert sum(tag == "script" for tag, _ in hostile.tags) == 2  # the data and the page's own
    assert not any("onerror" in attributes for _, attributes in hostile.tags)


def test_hostile_text_is_shown_as_it_is() -> None:
    read = Reader(render(pages.page(pages.section(text=pages.EVIL), text=pages.EVIL)))
    assert any("<img src=x onerror=window.pwned=1>" in text for text in read.texts)
    assert "\ufffd" in "".join(read.texts) and "␀" in "".join(read.texts)


def test_the_file_is_valid_utf8_whatever_halves_of_surrogates_are_in_it() -> None:
    text = render(pages.page(pages.section(text="\ud83d\ude00 \ud800"), text="\ude00"))
    assert "\U0001f600 \ufffd" in text.encode("utf-8").decode("utf-8")


def test_nothing_that_ends_a_script_stands_in_a_data_block() -> None:
    read = Reader(render(pages.page(dataclasses.replace(pages.section(), columns=pages.columns(60, pages.EVIL)))))
    assert not re.search("[<>&\u2028\u2029]", read.blocks["data-0"])
    assert json.loads(read.blocks["data-0"])["columns"][0]["values"][0].startswith("</script><script>")


def test_data_comes_back_as_it_was_given() -> None:
    shown = pages.section(100, text="ü \U0001f600 %s")
    data = json.loads(Reader(render(pages.page(shown))).blocks["data-0"])
    found = unpacked(data)
    assert found["ids"] == list(shown.points.ids) and found["texts"] == list(shown.points.texts)
    assert found["level1"].tolist() == shown.levels[1].labels.tolist() and found["flags"].sum() == 1
    assert np.allclose(found["scores"], shown.outliers.scores) and np.allclose(
        found["confidence"] / 255, shown.confidence, atol=1 / 255
    )
    assert np.isnan(found["column1"][0]) and found["column1"][1:].tolist() == [float(i) for i in range(1, 100)]
    assert [data["columns"][0]["values"][code] if code >= 0 else None for code in found["column0"]] == shown.columns[
        0
    ].values


def test_places_keep_their_shape_and_one_scale_for_both_axes() -> None:
    points = np.array([[0, 0], [10, 0], [10, 5], [np.nan, 3]])
    scaled = payload.scaled(points)
    apart = np.linalg.norm(scaled[:3, None] - scaled[None, :3], axis=2) / payload.STEPS
    expected = np.linalg.norm(points[:3, None] - points[None, :3], axis=2) / 10
    assert np.allclose(apart, expected) and np.isnan(scaled[3]).all()
    assert scaled[2, 1] < scaled[1, 1]  # up on the map is up on the page


def test_cluster_numbers_with_gaps_name_the_right_clusters() -> None:
    clusters = [model.Cluster(40, "forty", 2), model.Cluster(7, "seven", 1)]
    level = model.Level("medium", np.array([7, 40, 40, -1]), clusters)
    shown = pages.section(
        4, levels=[level], level="medium", second=None, columns=(), labels=(), outliers=None, duplicates=None
    )
    data = payload.payload(shown)
    assert unpacked(data)["level0"].tolist() == [1, 0, 0, -1]
    assert [one[:3] for one in data["levels"][0]["clusters"]] == [["forty", 40, 2], ["seven", 7, 1]]


def test_the_shape_of_a_space_is_told_in_words_and_figures() -> None:
    read = Reader(render(pages.page(pages.section(), text="mild")))
    said = " ".join("".join(read.texts).split())
    assert "a point in 4 dimensions. Around an item the others spread in about 2.4 to 3.1 of them" in said
    assert "Half of what sets items apart (the variance) lies along 1 axis, 90 % along 3." in said
    assert "Axis 1: 50 % of the variance" in said and "accounts for 25 % of the order" in said
    assert "3.5 in the middle" in said and "14 November 2023 in the middle" in said and "item 2, item 1" in said
    # Axes 3, 4 and 5 came back in halves at .59, .39 and .19; of the last four no column says anything.
    assert said.count("another sample may turn it") == 3 and said.count("No column goes along it beyond chance") == 4


def test_the_variance_is_drawn_as_it_adds_up() -> None:
    tags = Reader(render(pages.page(pages.section(duplicates=None)))).tags
    (line,) = [attributes["points"] for tag, attributes in tags if tag == "polyline"]
    heights = [150 - float(pair.split(",")[1]) for pair in str(line).split()]
    assert heights == pytest.approx([0, 75, 112.5, 135, 144, 150], abs=0.1)


def test_a_space_without_spread_says_so_and_one_of_few_items_does_not_claim_a_dimension() -> None:
    flat = render(pages.page(pages.section(shape=shapes.Shape(np.empty(0)))))
    assert "All items lie at one place" in flat and ">The first axes" not in flat
    few = shapes.Shape(np.ones(1), [(0.5, 1), (0.9, 1)], axes=[shapes.Axis(1, 1.0, None, [0], [1])])
    told = render(pages.page(pages.section(3, shape=few, outliers=None, duplicates=None, labels=())))
    assert "too few lie apart" in told and "and so do 90" in told and "fewer items than dimensions" in told
    assert "beyond chance" not in told  # nothing was held against the axis


def test_a_model_is_told_with_what_it_keeps_and_what_it_makes() -> None:
    read = Reader(render(pages.page(pages.latent())))
    said = " ".join("".join(read.texts).split())
    assert "it keeps 75 %; PCA of as many dimensions keeps 50 %." in said
    assert "It lags: 3 items have no place in it yet." in said and "The weights are those of epoch 3" in said
    media = json.loads(read.blocks["media-0"])
    named = {attributes["data-media"] for _, attributes in read.tags if "data-media" in attributes}
    assert {f"d{at}" for at in range(9)} <= named <= set(media)
    assert base64.b64decode(media["d7"][1]) == pages.png(140)


def test_losses_are_drawn_to_one_scale_and_the_best_epoch_is_marked() -> None:
    tags = Reader(render(pages.page(pages.latent()))).tags
    lines = {a["class"]: a["points"] for tag, a in tags if tag == "polyline" and "pale" in str(a["class"])}
    (pale,) = lines.values()
    assert str(pale).split()[-1] == "600.0,150.0" and str(pale).split()[0] == "0.0,14.7"
    assert [a["x1"] for tag, a in tags if tag == "line" and a.get("x1") == a.get("x2") and a["class"] == "mark"] == [
        "400.0"
    ]


def test_hostile_words_of_a_model_stay_words() -> None:
    plain, hostile = (Reader(render(pages.page(pages.latent(text=text)))) for text in ("mild", pages.EVIL))
    shapes_ = [
        [(tag, sorted(attributes)) for tag, attributes in read.tags if tag != "wbr"] for read in (plain, hostile)
    ]
    assert shapes_[0] == shapes_[1]


@pytest.mark.parametrize("n", [1, 2, 5, 13])
def test_tiny_collections_have_a_page(n: int) -> None:
    bare = pages.section(n, outliers=None, duplicates=None, labels=(), changes=None)
    read = Reader(render(pages.page(bare)))
    assert unpacked(json.loads(read.blocks["data-0"]))["ids"] == list(bare.points.ids)


def test_an_empty_collection_has_a_page_that_says_so() -> None:
    text = render(dataclasses.replace(pages.page(), summary=()))
    assert "the collection is empty" in text and 'id="data-0"' not in text


def test_points_that_all_lie_at_one_place_or_nowhere_have_a_page() -> None:
    shown = pages.section(20)
    for places in (np.zeros((20, 2), np.float32), np.full((20, 2), np.nan, np.float32)):
        points = dataclasses.replace(shown.points, coordinates=places)
        found = payload.payload(dataclasses.replace(shown, points=points))
        assert len(set(unpacked(found)["places"].tolist())) == 1


def many(coarse: int, each: int) -> model.Section:
    """Coarse groups with so many finer ones in each."""
    labels = np.arange(coarse * each)
    fine = [
        model.Cluster(c, f"fine {c}", 1, stability=0.5, flags=("unstable",), parent=c // each) for c in labels.tolist()
    ]
    broad = [model.Cluster(c, f"coarse {c}", each) for c in range(coarse)]
    levels = [model.Level("coarse", labels // each, broad), model.Level("medium", labels, fine)]
    return pages.section(coarse * each, levels=levels, second=None, outliers=None, duplicates=None, labels=())


def test_a_long_list_of_groups_is_folded_after_the_first() -> None:
    for coarse, each, opened in ((3, 4, 3), (20, 10, 4), (3, 100, 1)):
        read = Reader(render(pages.page(many(coarse, each))))
        assert sum(tag == "details" and "open" in attributes for tag, attributes in read.tags) == opened
        assert sum(text.startswith("fine ") for text in read.texts) >= coarse * each


def test_an_unstable_group_is_called_doubtful_once() -> None:
    text = render(pages.page(many(2, 3)))
    assert text.count(">doubtful 0.50<") == 6 and ">unstable<" not in text


def test_every_link_within_the_page_leads_somewhere() -> None:
    read = Reader(render(pages.page(pages.section(), pages.pictures(), pages.sounds())))
    ids = [attributes["id"] for _, attributes in read.tags if attributes.get("id")]
    links = {attributes["href"] for tag, attributes in read.tags if tag == "a"}
    assert len(ids) == len(set(ids))
    assert all(str(link).startswith("#") and str(link)[1:] in ids for link in links)


def test_nothing_in_the_page_points_outside_it() -> None:
    read = Reader(render(pages.page(pages.section(), pages.pictures(), pages.sounds())))
    assert not any(attributes.get("src") for _, attributes in read.tags)
    assert not any(tag in ("link", "iframe", "object", "base") for tag, _ in read.tags)
    assert not any(name == "style" or name.startswith("on") for _, attributes in read.tags for name in attributes)
    style = Path(model.__file__ or "").with_name("assets").joinpath("page.css").read_text("utf-8")
    assert "url(" not in style and "@import" not in style


def test_the_policy_allows_the_pages_own_script_and_style_alone() -> None:
    text = render(pages.page(pages.section()))
    policy = next(a["content"] for t, a in Reader(text).tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy and policy.startswith("default-src 'none'; script-src 'sha256-") and "unsafe" not in policy


def test_pictures_are_on_the_page_once() -> None:
    shown = pages.pictures()
    text = render(pages.page(shown))
    for media in shown.points.media.values():
        assert text.count(base64.b64encode(media.data).decode()[-60:]) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"confidence": np.zeros(3)}, "confidence are 3"),
        ({"level": "huge"}, "no level 'huge'"),
        ({"latents": pages.latent().latents}, "has 0 decoded, number 0 is named"),
        ({"decoded": [model.Media("image/svg+xml", b"")]}, "svg"),
        ({"shape": shapes.Shape(np.ones(1), axes=[shapes.Axis(1, 1.0, None, [3], [77])])}, "point 77"),
        ({"columns": [model.Column("a", "number", [1.0])]}, "column 'a' are 1"),
        ({"duplicates": model.Duplicates(0, 0, 0, 0, None, "", [model.DuplicateGroup("near", 60, (), 1)])}, "point 60"),
        ({"points": dataclasses.replace(pages.section().points, media={0: model.Media("image/svg+xml", b"")})}, "svg"),
    ],
)
def test_a_page_that_does_not_agree_with_itself_is_refused_in_a_line(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        render(pages.page(pages.section(**wrong)))


def test_a_page_as_json_can_be_read_back() -> None:
    page = pages.page(pages.section(), pages.pictures())
    back = json.loads(json.dumps(model.jsonable(page), allow_nan=False))
    assert back["sections"][0]["levels"][1]["labels"] == page.sections[0].levels[1].labels.tolist()
    assert (
        base64.b64decode(back["sections"][1]["points"]["media"]["3"]["data"]) == page.sections[1].points.media[3].data
    )
    assert back["sections"][0]["methods"][0]["facts"]["not known"] is None


def test_colours_stay_apart_for_every_kind_of_colour_vision() -> None:
    for colours in (palette.LIGHT, palette.DARK):
        assert min(apart(a, b, seen) for a, b in itertools.combinations(colours, 2) for seen in VISION) > 0.1


# Linear RGB as people see it without red, green or blue cones: Machado, Oliveira & Fernandes (2009), severity 1.
VISION = (
    np.eye(3),
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
    np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]),
)


def apart(a: str, b: str, seen: np.ndarray) -> float:
    """The distance in OKLab (Ottosson 2020)."""
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    lab = np.array(
        [
            [0.2104542553, 0.793617785, -0.0040720468],
            [1.9779984951, -2.428592205, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.808675766],
        ]
    )

    def place(colour: str) -> np.ndarray:
        value = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
        linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
        return lab @ np.cbrt(cones @ np.clip(seen @ linear, 0, 1))

    return float(np.linalg.norm(place(a) - place(b)))


def test_clusters_side_by_side_have_different_colours() -> None:
    places = np.random.default_rng(0).random((60, 2))
    colours = palette.assign(places)
    distances = np.linalg.norm(places[:, None] - places[None], axis=2) + np.eye(60)
    assert set(colours) == set(range(8))
    assert (colours[distances.argmin(1)] != colours).mean() > 0.95


def test_ties_of_columns_are_full_none_and_in_between() -> None:
    level = model.Level("medium", np.repeat([0, 1, 2], 200), [model.Cluster(c, str(c), 200) for c in range(3)])
    rng = np.random.default_rng(0)
    ties = [
        spread.tie(model.Column("a", "category", np.repeat(["x", "y", "z"], 200).tolist()), level),
        spread.tie(model.Column("b", "category", rng.choice(["x", "y"], 600).tolist()), level),
        spread.tie(
            model.Column("c", "number", (np.repeat([0.0, 5, 9], 200) + rng.normal(0, 0.01, 600)).tolist()), level
        ),
        spread.tie(model.Column("d", "number", rng.normal(0, 1, 600).tolist()), level),
        spread.tie(model.Column("e", "category", [f"only {i}" for i in range(600)]), level),
    ]
    assert ties[0] == pytest.approx(1) and ties[2] > 0.99
    assert max(ties[1], ties[3], ties[4]) < 0.1


def test_figures_are_said_as_one_reads_them() -> None:
    assert [html.number(x) for x in (12345, 3.14159, 0.00214, 1234.5)] == ["12,345", "3.14", "0.00214", "1,234"]
    assert [html.percent(x) for x in (0, 0.004, 0.5, 0.995, 1)] == [
        "0\u00a0%",
        "under 1 %",
        "50\u00a0%",
        "over 99 %",
        "100\u00a0%",
    ]
    assert html.day(0) == "1 January 1970" and html.cut("one two three", 9) == "one two…"
