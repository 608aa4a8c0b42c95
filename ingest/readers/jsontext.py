"""JSON text taken apart as it streams by, a value at a time, each of which is held whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, TextIO

from ingest.results import Unreadable

PIECE = 1 << 18  # characters read at a time
_SPACE = " \t\n\r\ufeff"


class JsonText:
    """Where a file of JSON is read. longest: characters of a value. Raises Unreadable for what is no JSON, or longer."""

    def __init__(self, file: TextIO, longest: int) -> None:
        self._file, self._longest = file, longest
        self._held, self._at, self._ended = "", 0, False
        self._decode = json.JSONDecoder().raw_decode

    def peek(self) -> str:
        """The next sign that is no space; empty at the end."""
        while True:
            while self._at < len(self._held) and self._held[self._at] in _SPACE:
                self._at += 1
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more(PIECE):
                return ""

    def take(self, sign: str) -> bool:
        """Step over the next sign, if it is this one."""
        if self.peek() != sign:
            return False
        self._at += 1
        return True

    def expect(self, sign: str) -> None:
        if not self.take(sign):
            found = self.peek()
            raise Unreadable(f"is not JSON: expected {sign!r}, got {found!r}" if found else "breaks off early")

    def value(self) -> tuple[Any, int]:
        """The next value, and its length in characters."""
        self.peek()
        while True:
            try:
                value, end = self._decode(self._held, self._at)
            except ValueError as cause:
                self._longer(cause)
                continue
            except RecursionError as cause:
                raise Unreadable("is JSON that nests too deep to be read") from cause
            # A number may go on behind what is held.
            if end < len(self._held) or not self._more(PIECE):
                length, self._at = end - self._at, end
                return value, length

    def elements(self) -> Iterator[tuple[Any, int]]:
        """The values of an array whose bracket is behind us, up to its end."""
        if self.take("]"):
            return
        while True:
            yield self.value()
            if not self.take(","):
                break
        self.expect("]")

    def members(self) -> Iterator[str]:
        """The keys of an object whose brace is behind us; who takes one takes its value too."""
        if self.take("}"):
            return
        while True:
            key, _ = self.value()
            if not isinstance(key, str):
                raise Unreadable(f"is not JSON: a key is text, got {type(key).__name__}")
            self.expect(":")
            yield key
            if not self.take(","):
                break
        self.expect("}")

    def _longer(self, cause: ValueError) -> None:
        held = len(self._held) - self._at
        if held > self._longest:
            raise Unreadable(f"is no JSON, or has a value longer than {self._longest:,} characters: {cause}") from cause
        if not self._more(min(max(PIECE, held), self._longest + 1 - held)):
            raise Unreadable(f"is not JSON, or breaks off early: {cause}") from cause

    def _more(self, count: int) -> bool:
        piece = "" if self._ended else self._file.read(count)
        if not piece:
            self._ended = True
            return False
        self._held, self._at = self._held[self._at :] + piece, 0
        return True
