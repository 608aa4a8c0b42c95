"""Asking: one question to a server in JSON, with patience. What may pass (busy, broken, slow, garbled) is tried again
after a growing pause of random length, never sooner than the server asks; what will not pass is said at once. No answer
takes longer than the total time. Redirections are not followed, since a key would go along; a proxy that the environment
names is used, but not for this machine's own servers. The key appears in no message.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import random
import ssl
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from latentstore.errors import EncoderFailed

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_FIRST, _LONGEST = 0.5, 30.0  # seconds of a pause
_LARGEST = 256 << 20  # bytes of an answer
_BLOCK = 1 << 16
_SHOWN = 300  # characters of what a server says


@dataclass(frozen=True, slots=True)
class Patience:
    """total: seconds for an answer, all tries and pauses included. tries: at most. one: seconds that a try may take."""

    total: float = 180.0
    tries: int = 8
    one: float = 60.0


class Refused(Exception):
    """The server will not take this question, whenever it is asked. `status`: of HTTP."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


class _Passing(Exception):
    """What another try may mend. `pause`: seconds that the server asks for."""

    def __init__(self, said: str, pause: float = 0.0) -> None:
        super().__init__(said)
        self.pause = pause


class Pace:
    """So many questions a minute, evenly, whichever thread asks; 0: as many as there are."""

    def __init__(self, a_minute: float) -> None:
        self._gap = 60.0 / a_minute if a_minute else 0.0
        self._free = 0.0
        self._lock = threading.Lock()

    def turn(self, now: float) -> float:
        """Seconds to wait for a turn, which is then taken."""
        with self._lock:
            start = max(now, self._free)
            self._free = start + self._gap
            return start - now


def ask(url: str, question: Any, key: str | None, patience: Patience, pace: Pace) -> Any:
    """The answer's JSON. Raises Refused, and EncoderFailed when patience is over."""
    body = json.dumps(question).encode()
    end = time.monotonic() + patience.total
    tried = 0
    while True:
        time.sleep(pace.turn(time.monotonic()))
        try:
            return _tried(url, body, key, patience, end)
        except _Passing as passing:
            tried += 1
            wait = pause(tried, passing.pause, random.random())  # noqa: S311 - not for secrecy
            said = _without(key, str(passing))
        if tried >= patience.tries or time.monotonic() + wait > end:
            asked = f"; it asks to wait {wait:.0f} s" if wait > _LONGEST else ""
            raise EncoderFailed(
                f"{url} gave no answer in {tried} tries: {said}{asked}; nothing was stored of these texts"
            )
        time.sleep(wait)


def pause(tried: int, told: float, chance: float) -> float:
    """Seconds before the next try. told: what the server asks for; chance: 0 to 1, so that many askers spread out."""
    most: float = min(_LONGEST, _FIRST * 2 ** (tried - 1))
    return max(told, most * (1 + chance) / 2)


def told_pause(headers: Any, now: datetime) -> float:
    """Seconds that an answer asks to wait; 0 where it does not."""
    with suppress(TypeError, ValueError):
        return max(0.0, float(headers.get("retry-after-ms")) / 1_000)
    told = headers.get("retry-after") or ""
    with suppress(ValueError):
        return max(0.0, float(told))
    with suppress(TypeError, ValueError):
        return max(0.0, (parsedate_to_datetime(told) - now).total_seconds())
    return 0.0


def is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _tried(url: str, body: bytes, key: str | None, patience: Patience, end: float) -> Any:
    headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "latentstore"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - the scheme is checked where the url is parsed
    left = min(patience.one, max(0.01, end - time.monotonic()))
    end = time.monotonic() + left
    try:
        with _opener(url).open(request, timeout=left) as answer:
            return json.loads(_read(answer, end))
    except urllib.error.HTTPError as error:
        raise _judged(error, key) from None
    except ssl.SSLCertVerificationError as error:
        raise EncoderFailed(f"{url} has no certificate that this machine trusts: {error.verify_message}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise EncoderFailed(f"{url} has no certificate that this machine trusts: {error.reason}") from None
        raise _Passing(f"no connection: {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise _Passing(f"the connection broke: {error or type(error).__name__}") from None
    except ValueError:
        raise _Passing("the answer is no JSON") from None


def _read(answer: Any, end: float) -> bytes:
    """All of it, though it comes in drops."""
    blocks, size = [], 0
    while block := answer.read1(_BLOCK):
        size += len(block)
        if size > _LARGEST:
            raise EncoderFailed(f"the answer is longer than {_LARGEST >> 20} MB")
        if time.monotonic() > end:
            raise TimeoutError("the answer takes too long")
        blocks.append(block)
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    return b"".join(blocks)


def _judged(error: urllib.error.HTTPError, key: str | None) -> Exception:
    said = ""
    with suppress(OSError, http.client.HTTPException):
        said = " ".join(error.read(_SHOWN * 8).decode("utf-8", "replace").split())[:_SHOWN]
    said = _without(key, f"{error.code} {said or error.reason}")
    out_of_money = "insufficient_quota" in said
    if error.code in _PASSING and not out_of_money:
        return _Passing(said, told_pause(error.headers, datetime.now(UTC)))
    return Refused(error.code, said)


def _without(key: str | None, said: str) -> str:
    return said.replace(key, "…") if key else said


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _opener(url: str) -> urllib.request.OpenerDirector:
    own = is_loopback(urlsplit(url).hostname or "")
    return urllib.request.build_opener(_Stay, urllib.request.ProxyHandler({} if own else None))
