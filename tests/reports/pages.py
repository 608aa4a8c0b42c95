"""Pages for tests: small ones with something in every part, and such with n points."""

from __future__ import annotations

import dataclasses
import io
import wave

import numpy as np
from PIL import Image

from latentstore.reports import model, shapes
from latentstore.reports.model import Page, Points, Section

EVIL = (
    "</script><script>window.pwned=1</script><img src=x onerror=window.pwned=1>\u2028<!--<script>\ud800 \x00 &amp; \"'"
)


def wav() -> bytes:
    """A tenth of a second of silence."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(1600))
    return file.getvalue()


def png(grey: int) -> bytes:
    """28 x 28 pixels of one grey."""
    file = io.BytesIO()
    Image.new("L", (28, 28), grey).save(file, "PNG")
    return file.getvalue()


def jpeg(colour: tuple[int, int, int] = (200, 40, 40)) -> bytes:
    """A square of one colour."""
    file = io.BytesIO()
    Image.new("RGB", (48, 48), colour).save(file, "JPEG")
    return file.getvalue()


def levels(n: int, word: str = "group") -> tuple[model.Level, ...]:
    """Two nested levels over points in turn: 3 coarse clusters, 6 medium ones."""
    medium, coarse = np.arange(n) % 6, np.arange(n) % 3
    return (
        model.Level(
            "coarse", coarse, [_cluster(c, int((coarse == c).sum()), f"{word} {'abc'[c]}", n) for c in range(3)]
        ),
        model.Level(
            "medium", medium, [_cluster(c, int((medium == c).sum()), f"{word} {c}", n, c % 3) for c in range(6)]
        ),
    )


def _cluster(number: int, size: int, name: str, n: int, parent: int | None = None) -> model.Cluster:
    some = [point for point in (number, number + 6) if point < n]
    return model.Cluster(number, name, size, (name,), 0.9, 0.5, ("small",), parent, some, some[:1], (0,))


def section(n: int = 60, space: str = "text", text: str = "item", **changes: object) -> Section:
    """A section with something in every part. Points lie on a spiral, so that each has a place of its own."""
    turn = np.linspace(0, 12, n)
    places = np.stack([turn * np.cos(turn), turn * np.sin(turn)], 1).astype(np.float32)
    points = Points(
        [f"{space}-{i}" for i in range(n)],
        places,
        [f"{text} {i}" for i in range(n)],
        [f"file:///{i}" for i in range(n)],
    )
    flags = np.arange(n) == 1
    outlier = model.Outlier(1, 3.0, 0.01, (2,), 1, (text,), (text,), f"Far from all: {text}")
    group = model.DuplicateGroup("near", 3, (9,), 2, 0.02)
    whole = Section(
        space,
        "text",
        "cosine",
        4,
        n,
        points,
        levels=levels(n, text),
        level="medium",
        confidence=np.linspace(0, 1, n).astype(np.float32),
        second=(np.arange(n) + 1) % 6,
        map=model.MapQuality("t-SNE", 0.97, 0.95, 15, n),
        outliers=model.Outliers("kNN", 0.05, n, 1, np.arange(n) % 7 + 0.5, flags, [outlier]),
        duplicates=model.Duplicates(
            0, 1, 0, 1, 0.05, "the earliest", [group], curve(), [model.Leak("split", "a", "b", 1, [(3, 9)])]
        ),
        columns=columns(n, text),
        shape=shape(n, text),
        labels=[
            model.LabelCheck(
                "kind", 0.9, 0.95, 0.3, [(text, 9, 0.5)], [(text, "b", 2)], [model.Suspect(4, text, "b", 0.9)], 1
            )
        ],
        changes=model.Changes(1.7e9, n - 1, n, 1, 0, [model.ClusterChange("grew", text, 0, 9, 10, text)], 0.3),
        methods=[
            model.Method("Clusters", f"Leiden {text}", {"k": 15}, 0, 1.5, {"recall": 1.0, "not known": float("nan")})
        ],
    )
    return dataclasses.replace(whole, **changes)  # type: ignore[arg-type]


def latent(n: int = 12, text: str = "vae2") -> Section:
    """A section about a latent space of pictures: three items rebuilt, two made up, a walk along the first axis."""
    shown = pictures(n)
    decoded = [model.Media("image/png", png(20 * at)) for at in range(9)]
    rebuilt = [
        shapes.Rebuilt(rank, at, shapes.Made(2 * at), shapes.Made(2 * at + 1), 0.01 * (at + 1))
        for at, rank in enumerate(("best", "middle", "worst"))
    ]
    losses = {"train": [9.0, 4.0, 3.0, 2.0], "held": [9.5, 5.0, 4.0, 4.5], "best": 3}
    told = shapes.Latent(
        *(text, "vae", text, text, 2, n, 0.25, 0.5, 1.0, text, 3),
        **losses, rebuilt=rebuilt, judged=n, samples=[shapes.Made(6), shapes.Made(7)], notes=[text],
    )  # fmt: skip
    first = dataclasses.replace(shape(n, text).axes[0], walk=[shapes.Made(8), shapes.Made(0)])
    own = shapes.Shape(np.ones(1), [(0.5, 1), (0.9, 1)], axes=[first])
    return dataclasses.replace(shown, space="vae2@1", shape=own, latents=[told], decoded=decoded)


def curve() -> list[model.CurvePoint]:
    return [model.CurvePoint(step / 100, step * step, step) for step in range(1, 9)]


def shape(n: int, text: str) -> shapes.Shape:
    """Five axes of falling variance, the first with a column of every kind, ends of up to two points, the last one unsteady."""
    shares = np.array([0.5, 0.25, 0.15, 0.06, 0.04])
    ties = [
        shapes.Tie("kind", "category", 0.6, 1e-9, (f"{text} 0",), (f"{text} 2", f"{text} 1")),
        shapes.Tie("length", "number", 0.25, 1e-6, 3.5, 40.0, 0.5),
        shapes.Tie("made", "time", 0.16, 1e-4, 1.7e9, 1.8e9, 0.4),
    ]
    half = min(2, n // 2)
    axes = [
        shapes.Axis(at + 1, share, 0.99 - 0.2 * at, range(half), range(n - half, n), ties if at == 0 else ())
        for at, share in enumerate(shares.tolist())
    ]
    return shapes.Shape(shares, [(0.5, 1), (0.9, 3), (0.95, 4), (0.99, 5)], 2.4, 3.1, axes, 4)


def columns(n: int, text: str) -> list[model.Column]:
    return [
        model.Column("kind", "category", [None if i % 10 == 0 else f"{text} {i % 3}" for i in range(n)]),
        model.Column("length", "number", [None if i == 0 else float(i) for i in range(n)]),
        model.Column("made", "time", [1.7e9 + 86400 * i for i in range(n)]),
        model.Column("true", "category", [bool(i % 2) for i in range(n)]),
    ]


def pictures(n: int = 12) -> Section:
    """Points without texts, with pictures."""
    shown = section(n, "image", modality="image")
    media = {i: model.Media("image/jpeg", jpeg((20 * i, 90, 90))) for i in range(n)}
    return dataclasses.replace(shown, points=dataclasses.replace(shown.points, texts=(), media=media))


def sounds(n: int = 12) -> Section:
    """Points without texts, with sounds."""
    shown = section(n, "audio", modality="audio")
    media = {i: model.Media("audio/wav", wav()) for i in range(n)}
    return dataclasses.replace(shown, points=dataclasses.replace(shown.points, texts=(), media=media))


def page(*sections: Section, text: str = "A title", items: int | None = None) -> Page:
    """A page of these sections, with a summary of one statement about the first."""
    count = sum(one.items for one in sections) if items is None else items
    first = sections[0].space if sections else None
    said = [model.Statement(text, "sure", text, first, "clusters")]
    return Page(text, text, "docs", 1.7e9, "0.0.0", count, said, sections, [text])
