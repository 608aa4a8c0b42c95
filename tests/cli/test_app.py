"""Commands of other packages join through entry points."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import typer

from latentstore import LatentstoreError
from latentstore.cli import app


def hello(name: str) -> None:
    """Greet."""
    typer.echo(f"hello {name}")


group = typer.Typer()
group.command()(hello)
group.command("fail")(lambda: (_ for _ in ()).throw(LatentstoreError("no such luck")))


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    points = {
        name: EntryPoint(name, f"{__name__}:{target}", app.GROUP)
        for name, target in {
            "hello": "hello",
            "group": "group",
            "broken": "nosuch",
            "odd": "app.GROUP",
            "search": "hello",
        }.items()
    }
    monkeypatch.setattr(app, "_installed", lambda: points)


def test_a_function_becomes_a_command(capsys):
    assert app.run(["hello", "you"]) == 0
    assert capsys.readouterr().out == "hello you\n"


def test_a_typer_app_becomes_a_group_and_its_errors_one_line(capsys):
    assert app.run(["group", "hello", "all"]) == 0
    assert app.run(["group", "fail"]) == 1
    assert capsys.readouterr().err == "error: no such luck\n"


def test_a_broken_package_breaks_its_own_command_only(capsys):
    assert app.run(["broken"]) == 1
    assert app.run(["odd"]) == 1
    assert "does not load" in capsys.readouterr().err
    assert app.run(["--help"]) == 0


def test_a_built_in_name_cannot_be_taken_over():
    assert app._load("search") is not hello


def test_a_failure_of_the_file_system_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(globals(), "hello", lambda: Path("/nosuch/file").read_text())
    assert app.run(["hello"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
