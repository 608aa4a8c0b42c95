"""A tiny sentence-transformers model, made once."""

import warnings

import pytest

SENTENCES = "a storm is coming der hund unter dem tisch how do i read file line by fish query passage : . ?"
WORDS = SENTENCES.split(" ")


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
