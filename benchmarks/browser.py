"""A headless Chromium that opens a page from disk and tells what happened: a small speaker of the DevTools protocol over a pipe.

Messages are JSON ended by a zero byte, out on descriptor 3 and in on 4, as Chromium wants them. Nothing is listened to on a port.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *(
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ),
    *("--hide-scrollbars", "--autoplay-policy=no-user-gesture-required", "--mute-audio", "--remote-debugging-pipe"),
)
PATIENCE = 60.0
KEYS = {"Enter": 13, "Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Tab": 9, " ": 32}


class Tab:
    """One page. `errors`: uncaught errors and console errors; `requests`: every address that the page asked for."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._waiting = b""
        self._count = 0
        self._session: str | None = None
        self.errors: list[str] = []
        self.requests: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Sends one command and gives its result; what happens meanwhile is noted."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self._note(answer)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            if not select.select([self._receive], [], [], PATIENCE)[0]:
                raise TimeoutError("Chromium does not answer")
            chunk = os.read(self._receive, 1 << 20)
            if not chunk:
                raise RuntimeError("Chromium has ended")
            self._waiting += chunk
        message, _, self._waiting = self._waiting.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        return found

    def _note(self, event: dict[str, Any]) -> None:
        name, said = event.get("method"), event.get("params", {})
        if name == "Runtime.exceptionThrown":
            details = said["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif name == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
            self.errors.append(" ".join(str(one.get("value")) for one in said["args"]))
        elif name == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.errors.append(said["entry"]["text"])
        elif name == "Network.requestWillBeSent":
            self.requests.append(said["request"]["url"])

    def size(self, width: int, height: int, *, phone: bool = False, scheme: str = "light") -> None:
        """The window's size in CSS pixels, and whether it is a phone's; scheme: light or dark."""
        shape = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.call("Emulation.setDeviceMetricsOverride", **shape)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, path: Path, wait: str = "document.readyState === 'complete'") -> None:
        """Opens a file and waits until the expression holds."""
        self.call("Page.navigate", url=path.resolve().as_uri())
        self.until(f"location.protocol === 'file:' && ({wait})")

    def run(self, expression: str) -> Any:
        """The value of an expression, awaited if it is a promise. An error in it is raised."""
        answer = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("exception", {}).get("description", "an error"))
        return answer["result"].get("value")

    def until(self, expression: str) -> None:
        """Waits until an expression holds."""
        end = time.monotonic() + PATIENCE
        while not self.run(expression):
            if time.monotonic() > end:
                raise TimeoutError(f"never held: {expression}; errors: {self.errors}")
            time.sleep(0.02)

    def press(self, key: str, *, shift: bool = False) -> None:
        """One key, down and up."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        shape = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS.get(key, 0), "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **shape)
        self.call("Input.dispatchKeyEvent", type="keyUp", **shape)

    def type(self, text: str) -> None:
        """Text into what has the focus."""
        self.call("Input.insertText", text=text)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """One event of the mouse at a place of the window."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)


@contextmanager
def chromium() -> Iterator[Tab]:
    """Starts a browser with a profile of its own and ends it."""
    assert CHROMIUM, "ask CHROMIUM before you start one"
    to_read, to_send = os.pipe()
    from_read, from_send = os.pipe()
    with TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        # The shell lays our descriptors on 3 and 4 in the child, whatever their numbers are here.
        line = f'exec "$@" 3<&{to_read} 4>&{from_send}'
        command = ["/bin/bash", "-c", line, "chromium", CHROMIUM, *FLAGS, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            command, pass_fds=(to_read, from_send), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(from_send)
        try:
            yield Tab(to_send, from_read)
        finally:
            os.close(to_send)
            os.close(from_read)
            process.terminate()
            process.wait(30)
