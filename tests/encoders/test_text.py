import pydoc_data.topics
import subprocess
import sys
import threading

import numpy as np
import pytest

from latentstore.encoders import text as text_module
from latentstore.encoders.base import Encoder
from latentstore.encoders.contract import EncoderContract
from latentstore.encoders.minilm_files import locate
from latentstore.encoders.minilm_numpy import NumpyMiniLM, read_safetensors
from latentstore.encoders.text import TextEncoder
from latentstore.errors import InvalidInput

ODD = [
    "",
    " ",
    "x" * 500,
    "word " * 400,
    "日本語のテキスト",
    "한국어 문장",
    "naïve café ﬁ",
    "🙂 nul\0 tab\t",
    "[SEP] [MASK] x",
]


class TestTextEncoder(EncoderContract):
    def make(self) -> Encoder:
        return TextEncoder()


@pytest.fixture(scope="module")
def texts() -> list[str]:
    topics = [passage for topic in pydoc_data.topics.topics.values() for passage in topic.split("\n\n")]
    return [passage for passage in topics if 20 < len(passage) < 300][::8] + ODD


@pytest.fixture(scope="module")
def ids(texts) -> list[list[int]]:
    return [text_module._cut(tokens) for tokens in text_module._tokens(texts)]


@pytest.fixture(scope="module")
def reference(texts):
    """(n, 384) float32, what sentence_transformers itself makes of the texts."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(locate().weights.parent), device="cpu").encode(texts, show_progress_bar=False)


def cosines(left, right):
    return (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def test_documents_are_sentence_transformers_own_to_three_nines(texts, reference):
    found = cosines(TextEncoder().encode(texts), reference)
    assert len(texts) > 200
    assert found.min() > 0.999 and found.mean() > 0.9999


def test_the_numpy_pass_is_sentence_transformers_own_to_rounding(ids, reference):
    found = NumpyMiniLM(locate().weights).encode(ids[::8] + ids[-len(ODD) :])
    assert cosines(found, np.concatenate([reference[::8], reference[-len(ODD) :]])).min() > 0.99999


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_torch_pass_agrees_in_both_precisions(ids, reference, dtype):
    import torch

    from latentstore.encoders.minilm_torch import TorchMiniLM

    found = TorchMiniLM(locate().weights, getattr(torch, dtype)).encode(ids)
    assert cosines(found, reference).min() > {"float32": 0.99999, "bfloat16": 0.999}[dtype]


def test_a_query_and_a_few_documents_are_encoded_without_torch():
    script = (
        "import sys; from latentstore.encoders import load; e = load('text'); e.encode(['where is it?'], role='query');"
        "e.encode(['a few', 'words']); print(e.dim, {'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "384 set()\n"), done.stderr


def test_tokens_are_counted_past_the_window_and_the_window_is_exact():
    encoder = TextEncoder()
    full, longer, other = "dog " * encoder.window, "dog " * (encoder.window + 1), "dog " * encoder.window + "cat"
    assert encoder.window == 254 and encoder.count_tokens([full, longer, ""]) == [254, 255, 0]
    vectors = encoder.encode([full, longer, other, "dog " * (encoder.window - 1) + "cat"], role="query")
    apart = np.abs(vectors - vectors[0]).max(axis=1)
    assert apart[:3].max() < 1e-6 and apart[3] > 1e-4  # only the last differs within the window


def test_token_spans_point_at_characters_of_the_original_text():
    text = "Unbelievable: naïve Café, 東京!"
    pieces = [text[start:end] for start, end in TextEncoder().token_spans(text)]
    assert pieces == ["Unbelievable", ":", "naïve", "Café", ",", "東", "京", "!"]


def test_what_is_no_text_is_refused_by_position_and_type():
    encoder = TextEncoder()
    for bad, said in [(None, "NoneType"), (b"x", "bytes"), (3.5, "float"), ("\ud800", "surrogate")]:
        with pytest.raises(InvalidInput, match=f"item 1.*{said}"):
            encoder.encode(["fine", bad])
    with pytest.raises(InvalidInput, match="list of texts"):
        encoder.encode("one text")


def test_many_threads_get_the_vectors_that_one_gets(texts):
    encoder, wanted, found = TextEncoder(), TextEncoder().encode(texts[:16], role="query"), {}
    run = [
        threading.Thread(target=lambda n=n: found.update({n: encoder.encode([texts[n]], role="query")[0]}))
        for n in range(16)
    ]
    for thread in run:
        thread.start()
    for thread in run:
        thread.join()
    assert cosines(np.stack([found[n] for n in range(16)]), wanted).min() > 0.99999


def test_weights_are_mapped_and_cannot_be_written():
    weights = read_safetensors(locate().weights)
    assert len(weights) > 100
    with pytest.raises(ValueError, match="read-only"):
        weights["embeddings.LayerNorm.bias"][0] = 1
