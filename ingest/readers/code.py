"""Source code: a function stays whole where it fits, what is too long is taken apart at the definitions in it.

Metadata: `language` by the ending of the name, `title` the definition that a passage stands in or begins with, `line`, `start`,
`end`, `part`. A definition begins where the comments and decorators above it do.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from ingest.chunking import Span
from ingest.readers.base import Passage, Reading
from ingest.readers.sections import Known, Section, passages, stretches
from ingest.readers.text import Places, shares
from ingest.results import Problem
from ingest.sources.base import Document, ending_of

_NAMES = {
    "python": ".py .pyi",
    "javascript": ".js .mjs .cjs .jsx",
    "typescript": ".ts .tsx",
    "java": ".java",
    "kotlin": ".kt",
    "scala": ".scala",
    "c": ".c .h",
    "c++": ".cc .cpp .cxx .hh .hpp",
    "c#": ".cs",
    "rust": ".rs",
    "go": ".go",
    "ruby": ".rb",
    "php": ".php",
    "perl": ".pl .pm",
    "swift": ".swift",
    "objective-c": ".m .mm",
    "lua": ".lua",
    "r": ".r",
    "julia": ".jl",
    "haskell": ".hs",
    "ocaml": ".ml",
    "elixir": ".ex .exs",
    "erlang": ".erl",
    "clojure": ".clj",
    "dart": ".dart",
    "zig": ".zig",
    "shell": ".sh .bash .zsh .fish",
    "powershell": ".ps1",
    "batch": ".bat",
    "sql": ".sql",
    "css": ".css .scss",
    "vue": ".vue",
    "protobuf": ".proto",
    "cmake": ".cmake",
    "make": ".mk",
    "toml": ".toml",
    "yaml": ".yaml .yml",
    "ini": ".ini .cfg",
}
LANGUAGES = {ending: name for name, endings in _NAMES.items() for ending in endings.split()}

_LONGEST = 400  # characters of a line that may define something
_WIDEST = 12  # levels of indentation at which code is taken apart
_TITLE = 100  # characters
_TAB = 4
_LINE = re.compile(r"^([ \t]*)(\S[^\n]*)$", re.MULTILINE)
_ABOVE = re.compile(
    r"#(?!(?:include|define|if|ifdef|ifndef|else|elif|endif|pragma|undef)\b)|//|/?\*|--|;;|@|\[\w|'''|\"\"\""
)
_CLOSING = re.compile(r"[)\]}]|end\b|else\b|elif\b|except\b|finally\b|catch\b|then\b|fi\b|done\b|esac\b")
_KEYWORD = (
    r"(?:(?:export|default|declare|pub(?:\([^)]*\))?|public|private|protected|internal|open|final|sealed|abstract|static|virtual|"
    r"override|async|unsafe|extern(?: \"C\")?|inline|const(?:expr)?|data|partial|local|suspend|template\s*<[^>]*>)\s+)*"
)
_DEFINITION = re.compile(
    _KEYWORD
    + r"(?:def|class|fn|func|fun|function\*?|struct|enum|union|interface|trait|impl|type|typedef|module|namespace|object|record|"
    r"protocol|extension|actor|mod|macro_rules!|defmodule|defp|defmacro|defn-?|sub|procedure|message|service|create"
    r"(?: or replace)?\s+(?:table|view|function|procedure|index|trigger))(?:\s+[\w\"<(*$&]|<)",
    re.IGNORECASE,
)
# As C, Java and their kin define functions: words, a name, a parenthesis, and no statement.
_FUNCTION = re.compile(
    r"(?!(?:return|if|else|for|while|switch|catch|throw|new|delete|case|do|await|yield|print|assert|raise|not|using)\b)"
    r"(?:[\w:<>,*&\[\]~?.@]+\s+)+[*&]?[\w:~]+\s*\([^;]*$|(?:const|let|var)\s+\w+\s*=\s*(?:async\s*)?(?:function\b|\([^)]*\)\s*=>|\w+\s*=>)"
    r"|(?:async\s+|static\s+|get\s+|set\s+|\*)*(?!(?:if|for|while|switch|catch|return)\b)[\w$#]+\s*\([^;]*\)\s*\{$|[\w.-]+\s*\(\)\s*\{?$"
)
_NAMED = re.compile(r"[A-Za-z_]\w*\([^;]*$")  # in the first column, below its type
_TYPE = re.compile(r"(?:[A-Za-z_]\w*[\s*]+)*[A-Za-z_]\w*[\s*]*$")
_TABLE = re.compile(r"\[{1,2}[^\]\n]+\]{1,2}$")  # of a settings file


def read(document: Document, path: Path, reading: Reading) -> Iterator[Passage | Problem]:
    """Everything in a file, in order. Raises Unreadable or OSError, at the start or on the way."""
    language = LANGUAGES.get(ending_of(document.name)) or document.name.lower()
    return passages(document, _sections(path, {"language": language}), reading.texts)


def _sections(path: Path, known: Mapping[str, str]) -> Iterator[Section]:
    places, title = Places(), None

    def place(span: Span) -> Known:
        return {**known, **places(span)}

    for base, text, done in stretches(shares(path)):
        places.enter(base, text)
        levels, titles = outline(text)
        yield Section(text, done, place, titles, title, levels)
        title = titles[-1][1] if titles else title


def outline(text: str) -> tuple[list[list[int]], list[tuple[int, str]]]:
    """Borders by levels of indentation, each level with those of the levels before; position and first line of each definition."""
    borders: list[tuple[int, int]] = []  # (position, indentation)
    titles: list[tuple[int, str]] = []
    above: int | None = None  # where the comments begin that stand right above
    end = -1  # of the line before
    for found in _LINE.finditer(text):
        at, width, line = found.start(), len(found[1].expandtabs(_TAB)), found[2].rstrip()
        blank = at > end + 1
        above = None if blank else above
        defines = _defines(line) or (width == 0 and above is not None and bool(_NAMED.match(line)))
        begin = at if above is None else above
        if defines:
            titles.append((begin, _shown(line)))
        if (defines or (blank and not _CLOSING.match(line))) and (not borders or begin > borders[-1][0]):
            borders.append((begin, width))
        above = begin if not defines and (_ABOVE.match(line) or (width == 0 and _TYPE.match(line))) else None
        end = found.end()
    return _levels(borders), titles


def _defines(line: str) -> bool:
    if len(line) > _LONGEST or _CLOSING.match(line):
        return False
    return bool(_DEFINITION.match(line) or _FUNCTION.match(line) or _TABLE.match(line))


def _shown(line: str) -> str:
    return line.rstrip(" \t{:=")[:_TITLE]


def _levels(borders: list[tuple[int, int]]) -> list[list[int]]:
    widths = sorted({width for _, width in borders})
    levels = [[at for at, width in borders if width <= most] for most in widths[:_WIDEST]]
    return levels or [[]]
