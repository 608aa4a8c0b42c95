"""EncoderContract: the tests that every encoder passes. Inherit it in a test file, no more is needed:

class TestMine(EncoderContract):
    items = ["three", "different", "items"]
    def make(self): return MyEncoder()
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import numpy as np
import pytest

from latentstore.encoders.base import Encoder, windowed
from latentstore.errors import InvalidInput
from latentstore.types import Metric, Modality


class EncoderContract:
    """`make` gives a new encoder; `items`: three or more that differ; `bad_item`: one that it must refuse."""

    items: ClassVar[Sequence[Any]] = (
        "A storm is coming.",
        "Der Hund schläft unter dem Tisch.",
        "How do I read a file line by line?",
        "fish",
    )
    bad_item: ClassVar[Any] = 7

    def make(self) -> Encoder:
        raise AssertionError("a contract test defines make(self) -> Encoder")

    @pytest.fixture
    def encoder(self) -> Encoder:
        return self.make()

    def test_facts_have_their_types(self, encoder: Encoder) -> None:
        assert isinstance(encoder.name, str) and encoder.name
        assert isinstance(encoder.dim, int) and encoder.dim > 0
        assert isinstance(encoder.metric, Metric)
        assert isinstance(encoder.fingerprint, str) and encoder.fingerprint
        assert encoder.modalities and encoder.modalities <= set(Modality)

    @pytest.mark.parametrize("role", ["document", "query"])
    def test_vectors_are_finite_float32_of_the_declared_shape(self, encoder: Encoder, role: Any) -> None:
        vectors = encoder.encode(self.items, role=role)
        assert vectors.shape == (len(self.items), encoder.dim)
        assert vectors.dtype == np.float32 and vectors.flags.c_contiguous
        assert np.isfinite(vectors).all()

    def test_no_items_give_an_empty_array_of_the_right_width(self, encoder: Encoder) -> None:
        vectors = encoder.encode([])
        assert vectors.shape == (0, encoder.dim) and vectors.dtype == np.float32

    def test_rows_keep_the_order_of_the_items(self, encoder: Encoder) -> None:
        forth, back = encoder.encode(self.items), encoder.encode(self.items[::-1])
        assert _cosines(forth, back[::-1]).min() > 0.999

    def test_an_item_alone_has_the_vector_it_has_in_a_batch(self, encoder: Encoder) -> None:
        together = encoder.encode(self.items)
        alone = np.concatenate([encoder.encode([item]) for item in self.items])
        assert _cosines(together, alone).min() > 0.999

    def test_different_items_have_different_vectors(self, encoder: Encoder) -> None:
        vectors = encoder.encode(self.items)
        assert len(np.unique(vectors.round(4), axis=0)) == len(self.items)

    def test_two_instances_agree_in_fingerprint_and_vectors(self, encoder: Encoder) -> None:
        other = self.make()
        assert other.fingerprint == encoder.fingerprint
        assert _cosines(encoder.encode(self.items), other.encode(self.items)).min() > 0.999

    def test_threads_get_what_one_gets_alone(self, encoder: Encoder) -> None:
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda at: encoder.encode([self.items[at % len(self.items)]])[0], range(12)))
        wanted = encoder.encode(self.items)[np.arange(12) % len(self.items)]
        assert _cosines(np.stack(found), wanted).min() > 0.999

    def test_a_foreign_item_is_refused_by_position_and_type(self, encoder: Encoder) -> None:
        with pytest.raises(InvalidInput, match=rf"1.*{type(self.bad_item).__name__}"):
            encoder.encode([self.items[0], self.bad_item])

    def test_an_unknown_role_is_refused(self, encoder: Encoder) -> None:
        unknown: Any = "title"
        with pytest.raises(InvalidInput, match="title"):
            encoder.encode(self.items, role=unknown)

    def test_token_spans_and_counts_agree_where_there_is_a_window(self, encoder: Encoder) -> None:
        text_encoder = windowed(encoder)
        if text_encoder is None:
            return
        assert text_encoder.window > 0
        texts = [item for item in self.items if isinstance(item, str)]
        assert texts, "items of an encoder that takes texts hold some"
        spans = [text_encoder.token_spans(text) for text in texts]
        assert [len(found) for found in spans] == text_encoder.count_tokens(texts)
        for item, found in zip(texts, spans, strict=True):
            assert all(0 <= start <= end <= len(item) for start, end in found)
            assert found == sorted(found)


def _cosines(left: Any, right: Any) -> Any:
    """(n,) cosines of the rows; 1 where both are zero."""
    left, right = np.asarray(left, np.float64), np.asarray(right, np.float64)
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    both_zero = ~left.any(axis=1) & ~right.any(axis=1)
    return np.where(both_zero, 1.0, (left * right).sum(axis=1) / np.where(lengths == 0, 1.0, lengths))
