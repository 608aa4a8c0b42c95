import numpy as np
import pytest

from latentstore.encoders.base import Encoder
from latentstore.encoders.contract import EncoderContract
from latentstore.encoders.hashing import HashingEncoder
from latentstore.errors import InvalidInput


class TestHashingEncoder(EncoderContract):
    def make(self) -> Encoder:
        return HashingEncoder()


def test_vectors_have_unit_length_and_a_text_without_words_is_zero():
    lengths = np.linalg.norm(HashingEncoder(100).encode(["one", "one two", "?!", ""]), axis=1)
    np.testing.assert_allclose(lengths, [1, 1, 0, 0], atol=1e-6)


def test_a_vector_is_the_same_on_every_machine():
    vector = HashingEncoder(8).encode(["word"])[0] * np.sqrt(8)
    np.testing.assert_allclose(vector, [1, -1, -1, -1, 1, -1, 1, -1], atol=1e-6)


def test_texts_that_share_words_lie_closer_than_texts_that_do_not():
    query, near, far = HashingEncoder(256).encode(["a red fox runs", "the red fox", "stock market news"])
    assert query @ near > 0.4 > abs(query @ far) + 0.1


@pytest.mark.parametrize("dim", ["x", "-8", 7, 1 << 20, ""])
def test_a_dimension_out_of_range_is_refused(dim):
    with pytest.raises(InvalidInput, match="from 8 to 65536"):
        HashingEncoder(dim)
