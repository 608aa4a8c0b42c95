"""Tiny models, each made once."""

import warnings

import pytest

from tests.encoders import tiny

SENTENCES = "a storm is coming der hund unter dem tisch how do i read file line by fish query passage : . ?"
WORDS = SENTENCES.split(" ")


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory):
    """The folder of a model by its name in `tiny`."""
    made = {}

    def of(name):
        if name not in made:
            made[name] = tiny.made(name, tmp_path_factory.mktemp(name))
        return made[name]

    return of


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The folder of a tiny model of random weights, with prompts, compared by dot product, of 16 tokens."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        return _made(tmp_path_factory.mktemp("models"))


def _made(folder):
    import torch
    from sentence_transformers import SentenceTransformer, models
    from transformers import BertConfig, BertModel, BertTokenizerFast

    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]))
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(WORDS) + 5, **sizes)).save_pretrained(folder / "bert")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    bert = models.Transformer(str(folder / "bert"), max_seq_length=16)
    prompts = {"query": "query : ", "document": "passage : "}
    whole = SentenceTransformer(
        modules=[bert, models.Pooling(24)], prompts=prompts, similarity_fn_name="dot", device="cpu"
    )
    whole.save(str(folder / "whole"))
    return folder / "whole"


@pytest.fixture(scope="session")
def seeing_model(saved_model, tmp_path_factory):
    """The folder of a tiny sentence-transformers model that takes texts and pictures, saved as the old ones are."""
    from sentence_transformers import SentenceTransformer, models

    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        whole = SentenceTransformer(modules=[models.CLIPModel(str(saved_model("clip")))], device="cpu")
        whole.save(str(folder := tmp_path_factory.mktemp("seeing")))
    return folder
