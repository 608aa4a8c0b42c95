"""Where a model is and what it is: a folder, the hub's cache, or the hub, here a server on loopback."""

import json
import os
import shutil
import subprocess
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from latentstore.encoders import load, resolve
from latentstore.errors import EncoderMissing

COMMIT = "c0ffee" + "0" * 34
ASK = (
    "import sys; from latentstore.encoders import load, resolve; spec = resolve('own/tiny');"
    "print(spec, load(spec).fingerprint, sorted({'torch', 'transformers'} & set(sys.modules)))"
)


class Hub(BaseHTTPRequestHandler):
    """Serves a folder as the model own/tiny."""

    def __init__(self, folder, *rest):
        self.folder = folder
        super().__init__(*rest)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.partition("?")[0]
        files = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        if path.startswith("/api/models/own/tiny/tree/"):
            listed = [{"type": "file", "path": name, "size": len(data), "oid": name} for name, data in files.items()]
            self.answer(json.dumps(listed).encode())
        elif path.startswith("/api/models/own/tiny"):
            named = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
            self.answer(json.dumps({"id": "own/tiny", "sha": COMMIT, "siblings": named}).encode())
        else:
            self.answer(files.get(path.rpartition("/")[2]) if path.startswith("/own/tiny/resolve/") else None)

    def answer(self, data):
        self.send_response(404 if data is None else 200)
        told = {
            "ETag": f'"{self.path.rpartition("/")[2]}"',
            "X-Repo-Commit": COMMIT,
            "Content-Length": len(data or b""),
        }
        for name, value in (told | ({"X-Error-Code": "EntryNotFound"} if data is None else {})).items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data or b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(saved_model, tmp_path):
    """The address of a hub with a tiny CLIP, beside which lies a pickle that nobody wants."""
    folder = shutil.copytree(saved_model("clip"), tmp_path / "served")
    (folder / "pytorch_model.bin").write_bytes(b"x" * 5_000_000)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def ask(home, **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    settings = clean | {"HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", "no_proxy": "127.0.0.1"} | environment
    return subprocess.run([sys.executable, "-c", ASK], capture_output=True, text=True, env=settings)


def test_a_name_on_the_hub_is_asked_what_it_is_then_fetched_with_a_line_that_says_so(hub, saved_model, tmp_path):
    done = ask(tmp_path, HF_ENDPOINT=hub)
    own = load(str(saved_model("clip"))).fingerprint
    assert done.stdout == f"transformers:own/tiny {own} []\n", done.stderr
    told = [line for line in done.stderr.splitlines() if line.startswith("latentstore:")]
    assert [line.partition(f" from {hub}")[0] for line in told[2:]] == ["latentstore: fetching own/tiny (0 MB)"]
    assert told[:2] == [f"latentstore: asking {hub} for {name} of own/tiny" for name in ("modules.json", "config.json")]
    assert not list(tmp_path.glob("hub/**/pytorch_model.bin"))
    again = ask(tmp_path, HF_HUB_OFFLINE="1")  # from the cache, and nothing is said
    assert (again.stdout, again.stderr) == (done.stdout, "")


def test_a_name_that_cannot_be_asked_for_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for asked in (resolve, load):
        with pytest.raises(EncoderMissing, match=r"'no/body'.*HF_HUB_OFFLINE.*folder of a saved model"):
            asked("no/body")


def test_a_folder_is_read_by_the_encoder_of_its_kind(saved_model, model, seeing_model, tmp_path, monkeypatch):
    own = shutil.copytree(saved_model("dinov2"), tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    assert resolve("own") == resolve("transformers:own") == f"transformers:{own}"
    assert resolve(str(model)) == f"sentence-transformers:{model}"
    assert resolve(str(seeing_model)) == f"sentence-transformers:{seeing_model}"
    (own / "config.json").write_text('{"model_type": "bert"}')
    assert resolve("own") == f"sentence-transformers:{own}"
