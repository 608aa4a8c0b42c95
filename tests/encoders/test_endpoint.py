"""An embeddings endpoint on loopback, with all the faults that such a server has."""

import base64
import json
import threading
import time
from datetime import UTC, datetime
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from latentstore.encoders import load
from latentstore.encoders.asking import Pace, pause, told_pause
from latentstore.encoders.base import Encoder
from latentstore.encoders.contract import EncoderContract
from latentstore.encoders.endpoint import EndpointEncoder, parsed
from latentstore.errors import EncoderFailed, EncoderMissing, InvalidInput

KEY = "sk-a-secret-that-nobody-may-see"


def vector(text):
    """What the server makes of a text: six numbers."""
    return [len(text), text.count("e"), text.count(" "), text.count("a"), ord(text[0]) / 100, -0.5]


class Server(ThreadingHTTPServer):
    """Answers well once `faults`, one a request, are used up. `asked`: the questions, `heads`: their headers."""

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.asked, self.heads, self.form = [], [], [], "base64"
        self.spec = f"openai:tiny@http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, *_):
        pass  # clients go away in the middle here


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append(question)
        self.server.heads.append(self.headers)
        fault = self.server.faults.pop(0) if self.server.faults else None
        if fault is None:
            self.answer(good(question, self.server.form))
        else:
            fault(self, question)

    def answer(self, body, status=200, **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"Content_Length": len(data)} | headers).items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def good(question, form="base64"):
    rows = [vector(text)[: question.get("dimensions")] for text in question["input"]]
    if form == "base64":
        rows = [base64.b64encode(np.array(row, "<f4").tobytes()).decode() for row in rows]
    return {"model": "tiny", "data": [{"index": at, "embedding": row} for at, row in enumerate(rows)]}


def status(code, body="busy", **headers):
    return lambda handler, _: handler.answer(body, code, **headers)


def instead(change):
    """A good answer, altered."""
    return lambda handler, question: handler.answer(change(good(question, "float")))


def dropped(handler, _):
    handler.close_connection = True
    handler.connection.close()


def half(handler, question):
    handler.answer(json.dumps(good(question)).encode()[:40], Content_Length=4_000)
    handler.close_connection = True


def slow(handler, question):
    time.sleep(1.5)
    handler.answer(good(question))


@pytest.fixture
def server():
    with Server() as running:
        threading.Thread(target=running.serve_forever, daemon=True, kwargs={"poll_interval": 0.01}).start()
        yield running
        running.shutdown()


class TestEndpointEncoder(EncoderContract):
    @pytest.fixture(autouse=True)
    def spec(self, server: Any) -> None:
        self.argument = server.spec.removeprefix("openai:")

    def make(self) -> Encoder:
        return EndpointEncoder(self.argument)


TEXTS = ["a storm", "the hound", "fish"]
WANTED = np.array([vector(text) for text in TEXTS], np.float32)


@pytest.mark.parametrize("form", ["base64", "float"])
def test_vectors_are_the_servers_own_in_either_form(server, form):
    server.form = form
    np.testing.assert_array_equal(load(server.spec).encode(TEXTS), WANTED)
    assert server.asked == [{"model": "tiny", "input": TEXTS, "encoding_format": "base64"}]


@pytest.mark.parametrize(
    "fault",
    [
        *(status(code) for code in (408, 429, 500, 502, 503, 504, 529)),
        status(429, "busy", Retry_After="0.1"),
        dropped,
        half,
        lambda handler, _: handler.answer(b"<html>oops</html>"),
        lambda handler, _: handler.answer(b"\xff\xfe"),
        lambda handler, _: handler.answer(b""),
    ],
)
def test_what_passes_is_tried_again(server, fault):
    server.faults = [fault]
    np.testing.assert_array_equal(load(server.spec).encode(TEXTS), WANTED)
    assert [question["input"] for question in server.asked] == [TEXTS, TEXTS]


def test_an_answer_in_any_order_is_put_back_by_its_numbers(server):
    server.faults = [instead(lambda answer: answer | {"data": answer["data"][::-1]})]
    np.testing.assert_array_equal(load(server.spec).encode(TEXTS), WANTED)


def rows(change):
    return instead(lambda answer: answer | {"data": [change(row) for row in answer["data"]]})


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (instead(lambda answer: answer | {"data": answer["data"][1:]}), "answered 3 texts with 2 vectors"),
        (instead(lambda answer: answer | {"data": answer["data"] * 2}), "answered 3 texts with 6 vectors"),
        (rows(lambda row: row | {"index": 0}), "answered 3 texts with 3 vectors, numbered"),
        (rows(lambda row: row | {"embedding": row["embedding"][: 4 + row["index"]]}), "4 and 5 and 6 dimensions"),
        (rows(lambda row: row | {"embedding": [float("nan")] * 6}), "NaN or infinity"),
        (rows(lambda row: row | {"embedding": [1e300] * 6}), "too large for float32"),
        (rows(lambda row: row | {"embedding": ["1", None]}), "holds no vectors"),
        (rows(lambda row: row | {"embedding": "AAA="}), "holds no vectors"),
        (rows(lambda row: row | {"embedding": []}), "0 dimensions"),
        (rows(lambda _: 7), "holds no vectors"),
        (instead(lambda _: []), "holds no vectors"),
        (instead(lambda _: {"error": "none"}), "holds no vectors"),
    ],
)
def test_an_answer_that_is_no_vectors_is_refused_and_never_half_taken(server, fault, said):
    server.faults = [fault]
    with pytest.raises(EncoderFailed, match=said):
        load(server.spec).encode(TEXTS)


def test_a_model_that_changes_its_dimension_is_noticed(server):
    encoder = load(server.spec)
    assert encoder.dim == 6 and [question["input"] for question in server.asked] == [["latentstore"]]
    server.faults = [rows(lambda row: row | {"embedding": row["embedding"][:5]})]
    with pytest.raises(EncoderFailed, match=r"5 dimensions for model tiny, expected 6; has the model changed"):
        encoder.encode(TEXTS)


def test_asked_dimensions_are_sent_held_to_and_part_of_the_fingerprint(server):
    encoder = load(f"{server.spec}#dimensions=4")
    assert encoder.dim == 4 and server.asked == []  # no question for what is said
    np.testing.assert_array_equal(encoder.encode(TEXTS), WANTED[:, :4])
    assert server.asked[0]["dimensions"] == 4
    assert encoder.fingerprint != load(server.spec).fingerprint
    server.faults = [rows(lambda row: row | {"embedding": [1.0] * 6})]
    with pytest.raises(EncoderFailed, match="6 dimensions for model tiny, expected 4"):
        encoder.encode(TEXTS)


def test_many_texts_go_in_batches_bounded_in_number_and_in_characters(server):
    texts = [f"text {at}" for at in range(600)] + ["long " * 15_000, "long " * 15_000, "huge " * 50_000, "end"]
    found = load(server.spec).encode(texts)
    np.testing.assert_array_equal(found, np.array([vector(text) for text in texts], np.float32))
    assert [len(question["input"]) for question in server.asked] == [256, 256, 89, 1, 1, 1]
    assert [text for question in server.asked for text in question["input"]] == texts


def test_an_empty_text_is_asked_for_as_a_space(server):
    np.testing.assert_array_equal(load(server.spec).encode(["", "fish"])[0], np.float32(vector(" ")))
    assert server.asked[0]["input"] == [" ", "fish"]


def test_a_text_that_the_server_refuses_is_named_by_its_position(server):
    def strict(handler, question):
        server.faults.append(strict)
        longest = max(map(len, question["input"]))
        handler.answer({"error": "too long"}, 400) if longest > 50 else handler.answer(good(question))

    server.faults = [strict]
    texts = [f"text {at}" for at in range(300)]
    texts[270] = "long " * 20
    with pytest.raises(InvalidInput, match=r"item 270 is refused by http://127\.0\.0\.1.*too long"):
        load(server.spec).encode(texts)
    assert len(server.asked) < 15


def test_a_batch_that_is_too_large_is_asked_for_in_halves(server):
    server.faults = [status(413, "too large")]
    np.testing.assert_array_equal(load(server.spec).encode(TEXTS), WANTED)
    assert [question["input"] for question in server.asked] == [TEXTS, TEXTS[:1], TEXTS[1:]]


@pytest.mark.parametrize("code", [301, 307, 401, 403, 404])
def test_what_will_not_pass_is_said_at_once_and_redirections_are_not_followed(server, code):
    server.faults = [status(code, "go away", Location=f"http://127.0.0.1:{server.server_port}/elsewhere")]
    with pytest.raises(EncoderFailed, match=f"refuses to answer: {code} .*go away"):
        load(server.spec).encode(TEXTS)
    assert len(server.asked) == 1


def test_a_spent_account_is_not_asked_again_though_it_says_429(server):
    server.faults = [status(429, {"error": {"code": "insufficient_quota"}})]
    with pytest.raises(EncoderFailed, match="insufficient_quota"):
        load(server.spec).encode(TEXTS)
    assert len(server.asked) == 1


def test_patience_ends_at_the_total_time_whatever_the_server_does(server):
    encoder = load(f"{server.spec}#timeout=1")
    server.faults = [slow]
    with pytest.raises(EncoderFailed, match=r"no answer in 1 tries: .*timed out"):
        encoder.encode(TEXTS)
    server.faults = [status(429, "later", Retry_After="3600")]
    with pytest.raises(EncoderFailed, match=r"no answer in 1 tries: 429 .*later.*asks to wait 3600 s"):
        encoder.encode(TEXTS)
    server.faults = [status(503)] * 20
    with pytest.raises(EncoderFailed, match=r"no answer in [2-4] tries: 503"):
        encoder.encode(TEXTS)


def test_an_answer_that_comes_in_drops_ends_too(server):
    def drops(handler, _):
        handler.answer(b"", Content_Length=4_000)
        for _ in range(40):
            handler.wfile.write(b" ")
            time.sleep(0.1)

    server.faults = [drops]
    with pytest.raises(EncoderFailed, match="takes too long"):
        load(f"{server.spec}#timeout=1").encode(TEXTS)


def test_nobody_there_is_one_clear_error():
    with pytest.raises(EncoderFailed, match=r"http://127\.0\.0\.1:9/v1/embeddings gave no answer.*refused"):
        load("openai:tiny@http://127.0.0.1:9/v1#timeout=1").encode(TEXTS)


def test_pauses_grow_with_chance_and_are_never_shorter_than_the_server_asks():
    assert [pause(tried, 0, 1) for tried in (1, 2, 3, 9)] == [0.5, 1, 2, 30]
    assert [pause(tried, 0, 0) for tried in (1, 2, 3, 9)] == [0.25, 0.5, 1, 15]
    assert (pause(1, 7, 0.5), pause(9, 7, 0.5)) == (7, 22.5)


def test_what_a_server_asks_is_read_as_seconds_milliseconds_or_a_date():
    def told(**headers):
        message = Message()
        for name, value in headers.items():
            message[name.replace("_", "-")] = value
        return told_pause(message, datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC))

    assert told(Retry_After="7") == 7 and told(retry_after_ms="250", Retry_After="7") == 0.25
    assert told(Retry_After="Wed, 25 Nov 2026 12:00:30 GMT") == 30
    assert told(Retry_After="Wed, 25 Nov 2026 11:00:00 GMT") == told(Retry_After="soon") == told() == 0


def test_a_rate_gives_turns_evenly_apart_and_none_saved_up():
    pace = Pace(120)
    assert [pace.turn(now) for now in (10, 10, 10.25, 20, 20)] == [0, 0.5, 0.75, 0, 0.5]
    assert [Pace(0).turn(now) for now in (1, 1)] == [0, 0]


def test_the_key_comes_from_the_variable_of_its_host_and_is_seen_nowhere(server, monkeypatch, capfd):
    monkeypatch.setenv("LATENTSTORE_KEY_127_0_0_1", f"{KEY}\n")
    encoder = load(server.spec)
    encoder.encode(TEXTS)
    assert server.heads[0]["Authorization"] == f"Bearer {KEY}"
    server.faults = [status(401, f"wrong key {KEY}")]
    with pytest.raises(EncoderFailed, match=r"401 .*wrong key ….*variable LATENTSTORE_KEY_127_0_0_1") as told:
        encoder.encode(TEXTS)
    shown = str(told.value) + repr(vars(encoder)) + encoder.name + encoder.fingerprint + "".join(capfd.readouterr())
    assert KEY not in shown


def test_no_key_goes_to_a_host_that_it_is_not_for(server, monkeypatch):
    for name in ("OPENAI_API_KEY", "LATENTSTORE_KEY_LOCALHOST"):
        monkeypatch.setenv(name, KEY)
    load(server.spec).encode(TEXTS)
    assert "Authorization" not in server.heads[0]
    hosts = ["api.example.com", "api-example.com", "a.pi-example.com", "[::1]", "API.Example.Com:8443"]
    keys = [parsed(f"m@https://{host}/v1").key for host in hosts]
    assert keys[0] == keys[4] == "LATENTSTORE_KEY_API_EXAMPLE_COM" and len(set(keys)) == 4
    assert parsed("m@https://api.openai.com.evil.org/v1").key == "LATENTSTORE_KEY_API_OPENAI_COM_EVIL_ORG"


def test_a_missing_or_impossible_key_is_said_before_anything_is_sent(server, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(EncoderMissing, match=r"https://api\.openai\.com/v1 needs a key: set .* OPENAI_API_KEY"):
        load("openai:text-embedding-3-small").encode(TEXTS)
    monkeypatch.setenv("LATENTSTORE_KEY_127_0_0_1", "schlüssel")
    with pytest.raises(EncoderMissing, match="LATENTSTORE_KEY_127_0_0_1 holds characters") as told:
        load(server.spec).encode(TEXTS)
    assert server.asked == [] and "schlüssel" not in str(told.value)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("", "the model is missing"),
        ("@https://host/v1", "the model is missing"),
        ("m@http://example.com/v1", "use https"),
        ("m@https://me:secret@host/v1", "no password"),
        ("m@https://host/v1?key=secret", "no query"),
        ("m@https://host:port/v1", "the address is none"),
        ("m@https:///v1", "has a host"),
        ("m@https://ho st/v1", "has a host"),
        ("m@https://höst/v1", "has a host"),
        ("m@https://a_b.com/v1", "has a host"),
        ("m#key=secret", "a key is none"),
        ("m#secret", "a key is none"),
        ("m#dimensions=1.5", "dimensions= is a number"),
        ("m#timeout=none", "timeout= is a number"),
        ("m#depth=2", "the settings are dimensions, rate and timeout"),
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused_and_no_secret_repeated(argument, said):
    with pytest.raises(InvalidInput, match=said) as told:
        load(f"openai:{argument}")
    assert "secret" not in str(told.value)


def test_a_spec_says_model_address_and_settings():
    usual = parsed("text-embedding-3-small#dimensions=256&rate=60")
    assert (usual.model, usual.base, usual.key) == (
        "text-embedding-3-small",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
    )
    assert (usual.dimensions, usual.rate, usual.timeout) == (256, 60, 180)
    own = parsed("@cf/nomic:latest@http://[::1]:11434/v1/embeddings/")
    assert (own.model, own.base) == ("@cf/nomic:latest", "http://[::1]:11434/v1")
    assert parsed("m@HTTPS://Host:443/V1".replace("HTTPS", "https")).base == "https://host/V1"


def test_a_store_says_where_its_texts_go_asks_for_the_dimension_once_and_keeps_no_key(
    server, reopen, store, monkeypatch, capfd
):
    monkeypatch.setenv("LATENTSTORE_KEY_127_0_0_1", KEY)
    collection = store.create("texts", encoders=[server.spec])
    said = f"latentstore: texts go to http://127.0.0.1:{server.server_port}/v1 (model tiny, the key in LATENTSTORE_KEY_"
    assert capfd.readouterr().err == f"{said}127_0_0_1)\n"
    collection.add(TEXTS, ids=TEXTS)
    assert collection.spaces() == ["openai-tiny"]
    np.testing.assert_allclose(collection.space().vectors()[1], WANTED)
    asked = len(server.asked)
    assert reopen().collection("texts").search("a storm").ids[0] == "a storm"
    assert [question["input"] for question in server.asked[asked:]] == [["a storm"]]
    assert not [file for file in store.path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]


def test_a_failing_endpoint_stores_nothing_and_loses_nothing(server, store):
    collection = store.create("texts", encoders=[server.spec])
    collection.add(TEXTS[:1], ids=["kept"])
    server.faults = [status(401)]
    with pytest.raises(EncoderFailed):
        collection.add(TEXTS[1:], ids=["b", "c"])
    assert len(collection) == 1 and collection.verify().ok
    collection.add(TEXTS[1:], ids=["b", "c"])
    assert collection.search(TEXTS[2]).ids[0] == "c"
