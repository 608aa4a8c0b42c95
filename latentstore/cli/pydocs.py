"""The documentation of the Python that runs, as items: language topics, and docstrings of the standard library.

Sources are parsed, not imported, so nothing opens a window or prints; only modules written in C, which have no source,
are looked at live. Left out: tests, private names, modules that few would ask about, docstrings that say nothing.
"""

from __future__ import annotations

import ast
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from types import FunctionType
from typing import Any

from latentstore.types import Item

LONGEST = 400  # characters of a passage
SHORTEST = {"module": 60, "topic": 60}  # of a docstring that says something; others: 22

_PASSED_OVER = frozenset(
    {
        "aifc",
        "antigravity",
        "asynchat",
        "asyncore",
        "bdb",
        "cgi",
        "cgitb",
        "chunk",
        "crypt",
        "distutils",
        "encodings",
        "ensurepip",
        "formatter",
        "genericpath",
        "idlelib",
        "imaplib",
        "imghdr",
        "imp",
        "lib2to3",
        "mailcap",
        "msilib",
        "nntplib",
        "ntpath",
        "nturl2path",
        "opcode",
        "optparse",
        "parser",
        "pdb",
        "pickletools",
        "pipes",
        "poplib",
        "pyclbr",
        "pydoc",
        "pydoc_data",
        "site",
        "smtpd",
        "sndhdr",
        "sre_compile",
        "sre_constants",
        "sre_parse",
        "sunau",
        "symbol",
        "symtable",
        "tabnanny",
        "telnetlib",
        "test",
        "this",
        "tkinter",
        "turtle",
        "turtledemo",
        "uu",
        "wsgiref",
        "xdrlib",
        "xmlrpc",
    }
)
_LIVE = (
    "builtins",
    "itertools",
    "math",
    "time",
    "datetime",
    "decimal",
    "io",
    "sys",
    "os",
    "re",
    "csv",
    "sqlite3",
    "collections",
    "functools",
    "operator",
    "struct",
    "hashlib",
    "zlib",
    "array",
)
_FIRST = ("dict", "float", "int", "list", "set", "str", "tuple")
_PARTS = {"topic": 1000, "module": 2}
# As people write them: what a package takes from its parts, and the hidden instance that `random.choice` belongs to.
_NAMED = (
    (r"^posixpath", "os.path"),
    (r"^random\.Random\.", "random."),
    (r"^asyncio\.[a-z_]+\.", "asyncio."),
    (r"^json\.(de|en)coder\.", "json."),
    (r"^unittest\.(?!mock)[a-z_]+\.", "unittest."),
)
_PARAGRAPH = re.compile(r"\n\s*\n")
_MARKUP = re.compile(r"[*=~^#\"-]{4,}")


@dataclass(frozen=True, slots=True)
class _Doc:
    """A docstring with its owner. name: dotted, from the module; signature: '(a, b)' or empty."""

    module: str
    name: str
    kind: str
    signature: str
    text: str


def collect() -> list[Item]:
    """Every passage, in a fixed order, ids unique; metadata module, kind, name. An incomplete Python gives fewer."""
    passages: dict[str, Item] = {}
    said: set[str] = set()
    for doc in [*_topics(), *_live(), *_parsed()]:
        named = _written(doc.name)
        for part, text in enumerate(_cut(doc, said), 1):
            name = named if part == 1 else f"{named}#{part}"
            metadata = {"module": doc.module, "kind": doc.kind, "name": named}
            passages.setdefault(name, Item(name, f"{named}{doc.signature}: {text}", named, metadata))
    return list(passages.values())


def _written(name: str) -> str:
    for pattern, instead in _NAMED:
        name = re.sub(pattern, instead, name)
    return name


def _cut(doc: _Doc, said: set[str]) -> list[str]:
    """Passages of one docstring: all of a topic, the start of anything else. said: what came before, left out here."""
    paragraphs = [one for one in _PARAGRAPH.split(doc.text) if "::=" not in one]  # grammar answers no question
    if len(paragraphs) > 1 and _only_calls(paragraphs[0], doc.name):
        del paragraphs[0]
    if doc.kind != "topic":
        paragraphs = [] if _repeats(doc.text, said) else paragraphs
    else:
        # Topics quote each other: a paragraph stays where it comes first, in the shorter topic.
        paragraphs = [one for one in paragraphs if not _repeats(one, said)]
    texts = [text for text in _packed(paragraphs) if len(text) >= SHORTEST.get(doc.kind, 22)]
    return texts[: _PARTS.get(doc.kind, 1)]


def _only_calls(paragraph: str, name: str) -> bool:
    """Whether a docstring's first paragraph says no more than how to call the thing: 'time() -> float'."""
    call = name.rpartition(".")[2] + "("
    return all(line.startswith(call) for line in paragraph.strip().splitlines())


def _repeats(text: str, said: set[str]) -> bool:
    """Whether these words came before; remembers them, unless they are few."""
    words = " ".join(text.split()).casefold()
    if words in said:
        return True
    if len(words) > 20:
        said.add(words)
    return False


def _packed(paragraphs: Iterable[str]) -> Iterator[str]:
    """Paragraphs joined while they are short enough, none longer."""
    held = ""
    for paragraph in paragraphs:
        text = " ".join(_MARKUP.sub(" ", paragraph).split())
        if held and len(held) + len(text) >= LONGEST:
            yield held
            held = ""
        while len(text) > LONGEST:
            cut = max(text.rfind(". ", LONGEST // 2, LONGEST) + 1, 0) or text.rfind(" ", 1, LONGEST) + 1 or LONGEST
            yield f"{held} {text[:cut]}".strip()
            held, text = "", text[cut:].strip()
        held = f"{held} {text}".strip()
    if held:
        yield held


def _topics() -> Iterator[_Doc]:
    """The language reference, as `help()` has it."""
    try:
        topics: dict[str, str] = import_module("pydoc_data.topics").topics
    except ImportError:
        return
    for name, text in sorted(topics.items(), key=lambda pair: (len(pair[1]), pair[0])):
        title, _, body = text.strip().partition("\n")
        title = title.strip().replace('"', "")
        yield _Doc("language", f"topic {title}" if len(title) < 60 else f"topic {name}", "topic", "", body)


def _live() -> Iterator[_Doc]:
    """Built-in functions, types and their methods."""
    for module in _LIVE:
        try:
            owner = import_module(module)
        except ImportError:
            continue
        prefix = "" if module == "builtins" else f"{module}."
        # `str` before `bytes`: of methods with the same words, the first is kept.
        for name, thing in sorted(vars(owner).items(), key=lambda pair: (pair[0] not in _FIRST, pair[0])):
            if not name.startswith("_") and _is_c(thing):
                yield from _live_docs(module, f"{prefix}{name}", thing)


def _is_c(thing: Any) -> bool:
    """Whether something has no Python source: a built-in function, or a type made in C."""
    if isinstance(thing, type):
        return not any(isinstance(inner, FunctionType) for inner in vars(thing).values())
    return type(thing).__name__ == "builtin_function_or_method"


def _live_docs(module: str, name: str, thing: Any) -> Iterator[_Doc]:
    signature = _live_signature(thing)
    if isinstance(thing.__doc__, str):
        yield _Doc(module, name, "class" if isinstance(thing, type) else "function", signature, cleandoc(thing.__doc__))
    if not isinstance(thing, type) or issubclass(thing, BaseException):
        return
    for attribute, method in sorted(vars(thing).items()):
        text = getattr(method, "__doc__", None)
        if not attribute.startswith("_") and callable(method) and isinstance(text, str):
            yield _Doc(module, f"{name}.{attribute}", "method", _live_signature(method), cleandoc(text))


def _live_signature(thing: Any) -> str:
    """'(sep, maxsplit)' of '($self, /, sep=None, maxsplit=-1)'."""
    text = getattr(thing, "__text_signature__", None)
    if not isinstance(text, str):
        return ""
    given = [part.split("=")[0].strip() for part in text.strip("()").split(",")]
    return f"({', '.join(part for part in given if part and part[0] not in '$/' and part != '*')})"


def _parsed() -> Iterator[_Doc]:
    """Docstrings of every public module that has a source."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        module = _module(path.relative_to(root))
        if module is None:
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue
        yield from _module_docs(_written(module), tree)


def _module(path: Path) -> str | None:
    """The dotted name of a public module of the standard library, or None."""
    parts = list(path.with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    if not parts or parts[0] not in sys.stdlib_module_names or parts[0] in _PASSED_OVER:
        return None
    if any(part.startswith("_") or part in ("test", "tests") for part in parts):
        return None
    return ".".join(parts)


def _module_docs(module: str, tree: ast.Module) -> Iterator[_Doc]:
    text = ast.get_docstring(tree)
    if text:
        yield _Doc(module, module, "module", "", text)
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from _class_docs(module, node)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _function_docs(module, f"{module}.{node.name}", "function", node)


def _class_docs(module: str, node: ast.ClassDef) -> Iterator[_Doc]:
    name = f"{module}.{node.name}"
    if node.name.startswith("_"):
        return
    text = ast.get_docstring(node)
    if text:
        yield _Doc(module, name, "class", "", text)
    for inner in node.body:
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _function_docs(module, f"{name}.{inner.name}", "method", inner)


def _function_docs(module: str, name: str, kind: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[_Doc]:
    text = ast.get_docstring(node)
    if not text or node.name.startswith("_"):
        return
    given = ", ".join(one for one in _arguments(node.args) if one not in ("self", "cls"))
    yield _Doc(module, name, kind, f"({given})" if len(given) < 80 else "(…)", text)


def _arguments(given: ast.arguments) -> Iterator[str]:
    yield from (one.arg for one in (*given.posonlyargs, *given.args))
    if given.vararg:
        yield f"*{given.vararg.arg}"
    yield from (one.arg for one in given.kwonlyargs)
    if given.kwarg:
        yield f"**{given.kwarg.arg}"
