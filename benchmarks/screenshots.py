"""Pictures of reports for the README, into benchmarks/screenshots: python -m benchmarks.screenshots NAME=REPORT.html …

Each page as a desktop of 1280 x 900 shows it and as a phone of 390 x 844 does. Needs Chromium.
"""

from __future__ import annotations

import base64
import sys
import time
from pathlib import Path

from benchmarks.browser import chromium

FOLDER = Path(__file__).parent / "screenshots"
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
_SETTLES = 4.0  # seconds in which the map is drawn whole


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, _, page in (argument.partition("=") for argument in sys.argv[1:]):
        for size, (width, height) in SIZES.items():
            path = FOLDER / f"{name}-{size}.png"
            path.write_bytes(_taken(Path(page).resolve(), width, height, phone=size == "phone"))
            print(path)


def _taken(page: Path, width: int, height: int, *, phone: bool) -> bytes:
    with chromium() as tab:
        tab.size(width, height, phone=phone)
        tab.open(page)
        tab.run("scrollTo(0, document.querySelector('canvas').getBoundingClientRect().top + scrollY - 90)")
        time.sleep(_SETTLES)
        return base64.b64decode(tab.call("Page.captureScreenshot", format="png")["data"])


if __name__ == "__main__":
    main()
