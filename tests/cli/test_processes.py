"""Real processes: signals, pipes, terminals, and what a cold start imports."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import latentstore
from tests.cli.conftest import COMMAND

# A plugin as a stranger would install it: an encoder that takes its time, and leaves a mark when it is at work.
SLOW = """
import os, time
from pathlib import Path
from latentstore.encoders.hashing import HashingEncoder

class Slow(HashingEncoder):
    def __init__(self):
        super().__init__()
        self.name = "slow"

    def encode(self, items, *, role="document"):
        Path("encoding").touch()
        time.sleep(float(os.environ["SECONDS"]))
        return super().encode(items, role=role)
"""
ROWS = 12


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A command line that takes rows.jsonl into s.latent, two at a time, at a pace given by SECONDS."""
    packages = tmp_path / "packages"
    (packages / "slow-1.dist-info").mkdir(parents=True)
    (packages / "slow-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: slow\nVersion: 1\n")
    (packages / "slow-1.dist-info" / "entry_points.txt").write_text(
        "[latentstore.encoders]\nslow = slow_encoder:Slow\n"
    )
    (packages / "slow_encoder.py").write_text(SLOW)
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps({"text": f"row {n}"}) + "\n" for n in range(ROWS)))
    monkeypatch.setenv("PYTHONPATH", str(packages))
    monkeypatch.chdir(tmp_path)
    return [*COMMAND, "ingest", "s.latent", "rows.jsonl", "--encoder", "slow", "--batch", "2"]


def start(command, seconds, **streams):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    environment = {**os.environ, "SECONDS": str(seconds), "TERM": "xterm"}
    return subprocess.Popen(command, encoding="utf-8", env=environment, **streams)


def wait_for(mark: Path):
    deadline = time.monotonic() + 60
    while not mark.exists():
        assert time.monotonic() < deadline, f"{mark} did not appear"
        time.sleep(0.01)


def stored(path="s.latent"):
    """The texts of a store that verifies."""
    with latentstore.open(path, read_only=True) as store:
        assert store.verify().problems == []
        return sorted(row["text"] for row in store.collection("docs").sql("select text from items"))


def test_ctrl_c_finishes_the_batch_says_how_to_go_on_and_a_second_run_completes_the_job(slow):
    child = start(slow, 0.5)
    wait_for(Path("encoding"))
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 130
    assert err.splitlines() == [
        "finishing the batch in hand; Ctrl-C again to stop at once",
        "stopped after a whole batch, which is safe; give the same command again to go on",
    ]
    assert out.startswith("0 files; 2 items (2 new)")
    assert stored() == ["row 0", "row 1"]
    out, _ = start(slow, 0).communicate(timeout=60)
    assert out.startswith(f"1 file; {ROWS} items ({ROWS - 2} new, 2 unchanged)")
    assert stored() == sorted(f"row {n}" for n in range(ROWS))


def test_a_second_ctrl_c_ends_at_once_and_the_store_is_whole(slow):
    child = start(slow, 300)
    wait_for(Path("encoding"))
    child.send_signal(signal.SIGINT)
    assert child.stderr.readline().startswith("finishing the batch")
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (130, "", "interrupted; what was committed before is safe\n")
    assert stored() == []


def test_without_a_terminal_progress_is_plain_lines_on_standard_error(slow):
    out, err = start(slow, 1).communicate(timeout=120)
    assert err.splitlines()[0].startswith("ingesting: ")
    assert " items, " in err.splitlines()[0]
    assert "\x1b" not in out + err
    assert len(out.splitlines()) == 1


def test_on_a_terminal_progress_is_a_bar_and_the_summary_still_goes_to_standard_output(slow):
    terminal, end = pty.openpty()
    child = start(slow, 0, stderr=end)
    os.close(end)
    out, _ = child.communicate(timeout=60)
    drawn = os.read(terminal, 1 << 16).decode()
    os.close(terminal)
    assert "ingesting" in drawn
    assert "\u2501" in drawn
    assert out.startswith(f"1 file; {ROWS} items ({ROWS} new)")


@pytest.mark.parametrize("form", ["jsonl", "csv", "table"])
def test_a_reader_that_has_enough_is_no_failure(stored_rows, form):
    columns = ", ".join(f"repeat(t{n}.text, 12)" for n in range(6))
    query = f"select {columns} from {', '.join(f'items t{n}' for n in range(6))} limit 1000"
    with start([*COMMAND, "sql", stored_rows, query, "--format", form], 0) as child:
        assert child.stdout.read(1)
        child.stdout.close()
        assert (child.stderr.read(), child.wait(timeout=60)) == ("", 0)


@pytest.fixture(scope="session")
def stored_rows(tmp_path_factory):
    """A store of seven rows: six of them beside each other are 117,649, more than a pipe holds."""
    path = tmp_path_factory.mktemp("rows") / "s.latent"
    with latentstore.open(path) as store:
        store.create("docs", encoders=["hashing"]).add([f"row {n}" for n in range(7)])
    return path


def test_a_stream_that_knows_no_umlauts_loses_nothing(cli, tmp_path):
    with latentstore.open(tmp_path / "s.latent") as store:
        store.create("docs", encoders=["hashing"]).add(["Straßenbahn"])
    told = cli("sql", "s.latent", "select text from items", "--format", "json", PYTHONIOENCODING="ascii")
    assert json.loads(told.out) == [{"text": "Straßenbahn"}]
    assert "Stra\\xdfenbahn" in cli("sql", "s.latent", "select text from items", PYTHONIOENCODING="ascii").out


def test_a_full_disk_behind_standard_output_is_one_line(stored_rows):
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*COMMAND, "info", stored_rows], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (ended.returncode, ended.stderr) == (1, "error: [Errno 28] No space left on device\n")


def test_a_cold_search_imports_nothing_that_it_does_not_need_and_says_nothing_else(tmp_path):
    with latentstore.open(tmp_path / "s.latent") as store:
        store.create("docs", encoders=["text"]).add(["The cat sleeps on the warm stove.", "Interest rates rose."])
    script = (
        "import sys; from latentstore.cli.app import run; run(sys.argv[1:]);"
        "print({'torch', 'transformers', 'sentence_transformers', 'pyarrow', 'rich'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", script, "search", tmp_path / "s.latent", "a cosy pet", "--format", "csv"]
    ended = subprocess.run(command, capture_output=True, text=True)
    header, first, _, imported = ended.stdout.splitlines()
    assert "The cat sleeps" in first
    assert (header, imported, ended.stderr) == ("id,score,distance,text,uri,origin", "set()", "")
