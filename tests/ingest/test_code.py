import inspect

import pytest

from ingest import chunking
from ingest.chunking import WordTokens
from tests.ingest.reading import passages, texts

PYTHON = '''"""A module."""

import os


# Why it is so.
@cached
def first(a, b):
    """Adds."""
    total = a + b

    return total


class Second:
    x = 1

    def method(self):
        return "m"

    async def other(self):
        return "o"


def third():
    return os.name
'''


def test_functions_that_fit_stay_whole_with_their_comments_and_decorators(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(PYTHON)
    found = [one for one, _ in passages(path, tokens=34)]
    assert any("# Why it is so.\n@cached\ndef first" in one and one.endswith("return total") for one in found)
    assert "def third():\n    return os.name" in found


def test_a_passage_is_titled_by_the_definition_that_it_is_of(tmp_path):
    path = tmp_path / "a.py"
    path.write_text(PYTHON)
    titles = {one.split("\n")[0]: known.get("title") for one, known in passages(path, tokens=16)}
    assert titles["# Why it is so."] == "def first(a, b)"
    assert titles["class Second:"] == "class Second"
    assert titles["async def other(self):"] == "async def other(self)"
    assert titles['"""A module."""'] is None


def test_passages_of_code_are_slices_of_it_and_miss_nothing(tmp_path):
    source = inspect.getsource(chunking)
    path = tmp_path / "a.py"
    path.write_text(source)
    found = passages(path, tokens=60)
    assert "".join("".join(one for one, _ in found).split()) == "".join(source.split())
    assert all(one == source[known["start"] : known["end"]] for one, known in found)
    assert all(known["line"] == source.count("\n", 0, known["start"]) + 1 for _, known in found)
    assert all(len(WordTokens().token_spans(one)) <= 60 for one, _ in found)


JAVA = """package a.b;

public class A extends B {

    /** Makes it. */
    @Override
    public static List<String> make(int a) throws IOException {
        return go(a);
    }

    void other() {
        x = 4;
    }
}
"""


def test_methods_of_a_class_too_long_are_passages_of_their_own(tmp_path):
    path = tmp_path / "A.java"
    path.write_text(JAVA)
    found = passages(path, tokens=34)
    assert [known.get("title") for _, known in found][-2:] == [
        "public static List<String> make(int a) throws IOException",
        "void other()",
    ]
    assert found[-2][0].startswith("/** Makes it. */") and found[-2][0].endswith("}")


DEFINITIONS = {
    "a.rs": "pub(crate) async fn read<'a>(path: &'a Path) -> Result<()>",
    "a.go": "func (s *Server) Serve(l net.Listener) error",
    "a.ts": "export default class Store<T> implements Base",
    "a.js": "const double = (x) =>",
    "a.c": "static int parse(const char *text, int length)",
    "a.cpp": "std::vector<int> Table::rows(int first) const",
    "a.rb": "def each",
    "a.php": "public function name(string $a): string",
    "a.sql": "CREATE TABLE people",
    "a.sh": "deploy()",
    "a.kt": "data class Point(val x: Int, val y: Int)",
    "a.toml": "[tool.ruff]",
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definitions_are_known_in_many_languages(tmp_path, name):
    path = tmp_path / name
    path.write_text(
        f"{DEFINITIONS[name]} {{\n    value\n}}\n" if name != "a.toml" else f"{DEFINITIONS[name]}\nvalue = 1\n"
    )
    ((_, known),) = passages(path)
    assert known["title"] == DEFINITIONS[name]


@pytest.mark.parametrize(
    "line", ["return foo(a) {", "if (a > b) {", "} else {", "    foo(a);", "type: string", "object(a=1)"]
)
def test_what_only_looks_like_a_definition_gives_no_title(tmp_path, line):
    path = tmp_path / "a.c"
    path.write_text(f"{line}\n")
    ((_, known),) = passages(path)
    assert "title" not in known


def test_the_language_is_told_by_the_ending_or_the_name(tmp_path):
    for name, language in (("a.PY", "python"), ("a.hpp", "c++"), ("Makefile", "makefile")):
        (tmp_path / name).write_text("x = 1\n")
        assert passages(tmp_path / name)[0][1]["language"] == language


@pytest.mark.parametrize(
    "text", ["x" * 600_000, "((((" * 10_000, "a " * 300_000, "f(" * 200 + "\n" * 50_000, "\t" * 100_000 + "x"]
)
def test_code_that_no_one_wrote_is_read_all_the_same(tmp_path, text):
    path = tmp_path / "a.js"
    path.write_text(text)
    assert "".join("".join(texts(path)).split()) == "".join(text.split())
