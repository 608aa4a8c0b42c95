"""How large is a report of 100,000 texts, and how long does a browser take from opening the file to the map? Run: python -m benchmarks.page

Real texts of several kinds, three nested levels of groups, two columns; places on the map are drawn around each kind's own, since
what is measured is the page and not the map. Chromium opens the file from disk in a fresh profile each time, with WebGL in software;
the page itself notes when its map is drawn, counted from the start of the navigation. Then the map is dragged, and the gaps between
frames are counted.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np

from benchmarks import data
from benchmarks.browser import CHROMIUM, chromium
from benchmarks.report import Bound, save, table
from latentstore.reports.model import Cluster, Column, Level, Outliers, Page, Points, Section
from latentstore.reports.page import render
from latentstore.types import Int64

RUNS = 5
READY = "document.querySelector('.atlas')?.dataset.ready"
FRAMES = (
    "window.frames_ = []; (function next(now) { frames_.push(now); requestAnimationFrame(next) })(performance.now())"
)
BOX = "(() => { const b = document.querySelector('.marks').getBoundingClientRect(); return [b.left, b.top, b.width, b.height] })()"


def main() -> None:
    if CHROMIUM is None:
        raise SystemExit("this benchmark opens a page in Chromium: install it, then run again")
    with TemporaryDirectory(prefix="page-") as folder:
        path = Path(folder) / "report.html"
        texts, kinds = data.gathered()
        page = made(texts[: data.REAL], kinds[: data.REAL])
        began = perf_counter()
        path.write_text(render(page), encoding="utf-8")
        laid = perf_counter() - began
        runs = [opened(path) for _ in range(RUNS)]
        loads, works, gaps = (list(column) for column in zip(*runs, strict=True))
        megabytes = path.stat().st_size / 1e6
    rows = [
        {
            "points": page.items,
            "MB": megabytes,
            "laid out, s": laid,
            "load, s": median(loads),
            "slowest, s": max(loads),
            "of work, s": median(works),
            "a frame, ms": median(gaps),
        }
    ]
    table("A report in Chromium", rows)
    bounds = [Bound("size of the page", 25, megabytes, " MB"), Bound("median load", 3, median(loads), " s")]
    save(
        "page",
        {"points": page.items, "runs": RUNS},
        {"rows": rows, "loads": loads, "works": works, "frames": gaps},
        bounds,
    )


def opened(path: Path) -> tuple[float, float, float]:
    """Seconds until the map was drawn, by the page's own clock; of these, seconds of work of the page's thread; and the median gap in
    ms between frames while the map is dragged."""
    with chromium() as tab:
        tab.call("Performance.enable", timeDomain="threadTicks")
        tab.size(1280, 900)
        tab.open(path, READY)
        load = int(tab.run(READY)) / 1000
        spent = {one["name"]: one["value"] for one in tab.call("Performance.getMetrics")["metrics"]}
        tab.run("document.querySelector('.marks').scrollIntoView({ block: 'center', behavior: 'instant' })")
        left, top, width, height = tab.run(BOX)
        x, y = left + width / 2, top + height / 2
        tab.run(FRAMES)
        tab.mouse("mousePressed", x, y, button="left", clickCount=1)
        for step in range(90):
            tab.mouse("mouseMoved", x + 2 * step, y + step, button="left", buttons=1)
        tab.mouse("mouseReleased", x, y, button="left")
        times = np.array(tab.run("frames_"))
    return load, spent["TaskDuration"], float(np.median(np.diff(times)))


def made(texts: list[str], kinds: list[str]) -> Page:
    """A page of all these texts."""
    n, rng = len(texts), np.random.default_rng(data.SEED)
    names, kind = np.unique(kinds, return_inverse=True)
    source = np.unique([name.partition(":")[0] for name in names], return_inverse=True)[1]
    places = rng.normal(0, 10, (len(names), 2))[kind] + rng.normal(0, 1, (n, 2))
    lengths = np.array([len(text) for text in texts], float)
    medium = kind.astype(np.int64)
    levels = [
        level("coarse", source[kind].astype(np.int64), {}),
        level("medium", medium, dict(enumerate(source.tolist()))),
        level("fine", medium * 3 + rng.integers(0, 3, n), {at: at // 3 for at in range(3 * len(names))}),
    ]
    section = Section(
        space="text",
        modality="text",
        metric="cosine",
        dim=data.DIM,
        items=n,
        points=Points([f"{k}-{at}" for at, k in enumerate(kinds)], places.astype(np.float32), texts),
        levels=levels,
        level="medium",
        confidence=rng.random(n, np.float32),
        second=(medium + 1) % int(medium.max() + 1),
        outliers=Outliers("distance to neighbours", 0.05, n, 0, rng.gamma(2, 1, n), np.zeros(n, bool)),
        columns=[Column("kind", "category", kinds), Column("length", "number", lengths.tolist())],
    )
    return Page("A hundred thousand texts", "bench", "docs", 0.0, "benchmark", n, sections=[section])


def level(name: str, labels: Int64, parents: dict[int, int]) -> Level:
    """A level of clusters, the largest first; parents: of each the number of the coarser one that it lies in."""
    numbers, sizes = np.unique(labels, return_counts=True)
    found = [
        Cluster(number, f"{name} group {number}", size, parent=parents.get(number))
        for number, size in zip(numbers.tolist(), sizes.tolist(), strict=True)
    ]
    return Level(name, labels, sorted(found, key=lambda cluster: -cluster.size))


if __name__ == "__main__":
    main()
