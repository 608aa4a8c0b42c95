"""What search and add may be given, in every form that numbers come in, and what each slip is answered with."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import latentstore
from latentstore import Collection, DimensionMismatch, EncoderMissing, InvalidInput, NotFinite, Store
from tests.truth import committed, gaussian

DIM = 8
VECTORS = gaussian(50, DIM)
QUERY = VECTORS[7]


@pytest.fixture
def points(points: Collection) -> Collection:
    points.add(vectors=VECTORS, ids=[str(at) for at in range(50)])
    return points


def read_only(array: Any) -> Any:
    copy = array.copy()
    copy.flags.writeable = False
    return copy


FORMS = {
    "list": lambda x: x.tolist(),
    "tuple": lambda x: tuple(map(tuple, x.tolist())) if x.ndim == 2 else tuple(x.tolist()),
    "list of rows": list,
    "float64": lambda x: x.astype(np.float64),
    "longdouble": lambda x: x.astype(np.longdouble),
    "big-endian": lambda x: x.astype(">f4"),
    "strided": lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
    "reversed twice": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1],
    "fortran": np.asfortranarray,
    "read-only": read_only,
    "memory map": lambda x: _mapped(x),
}


def _mapped(x: Any) -> Any:
    file = Path(tempfile.mkdtemp()) / "x.npy"
    np.save(file, x)
    return np.load(file, mmap_mode="r")


@pytest.mark.parametrize("form", FORMS)
def test_a_query_in_any_form_finds_what_float32_finds(points: Collection, form: str) -> None:
    wanted = points.search(QUERY, 5)
    assert points.search(FORMS[form](QUERY), 5).distances.tolist() == wanted.distances.tolist()
    (row,) = points.search(FORMS[form](QUERY[None]), 5)
    assert row.ids == wanted.ids


@pytest.mark.parametrize("form", FORMS)
def test_vectors_in_any_form_are_kept_as_float32(store: Store, form: str) -> None:
    collection = store.create("form")
    collection.add(vectors=FORMS[form](VECTORS))
    kept = collection.space().vectors()[1]
    assert kept.dtype == np.float32 and (kept == VECTORS).all()


@pytest.mark.parametrize("dtype", ["float16", "int8", "uint8", "int64", ">i4"])
def test_other_numbers_become_the_float32_nearest_to_them(store: Store, dtype: str) -> None:
    given = np.abs(VECTORS * 20).astype(dtype)
    collection = store.create("numbers", metric="l2")
    collection.add(vectors=given, ids=[str(at) for at in range(50)])
    assert (collection.space().vectors()[1] == given.astype(np.float32)).all()
    assert collection.search(given[3], 1).distances.tolist() == [0.0]


def test_tables_and_tensors_are_taken_as_arrays(points: Collection) -> None:
    import pandas as pd

    wanted = points.search(QUERY, 5).ids
    assert points.search(pd.Series(QUERY), 5).ids == points.search(pa.array(QUERY), 5).ids == wanted
    assert [hits.ids for hits in points.search(pd.DataFrame(QUERY[None]), 5)] == [wanted]


BAD = {
    "wrong dimension": (QUERY[:5], DimensionMismatch, "expected queries of 8 dimensions, got 5"),
    "wrong dimension, many": (VECTORS[:, :5], DimensionMismatch, "expected queries of 8 dimensions, got 5"),
    "empty": ([], DimensionMismatch, "8 dimensions, got 0"),
    "0-d": (np.float32(3), InvalidInput, r"got shape \(\)"),
    "number": (3.0, InvalidInput, r"got shape \(\)"),
    "3-d": (QUERY[None, None], InvalidInput, r"\(1, 1, 8\)"),
    "None": (None, InvalidInput, "must be numbers"),
    "bool": (QUERY > 0, InvalidInput, "got bool"),
    "complex": (QUERY.astype(complex), InvalidInput, "got complex128"),
    "dates": (np.arange(8).astype("M8[s]"), InvalidInput, "datetime64"),
    "objects": (np.array([object()] * 8), InvalidInput, "got object"),
    "text": ("a text", EncoderMissing, "vector of 8 numbers"),
    "texts": (["a", "b"], EncoderMissing, "has no encoder"),
    "ragged": ([[1, 2], [3]], InvalidInput, "rows of one length"),
    "NaN": (np.where(np.arange(8) == 3, np.nan, QUERY), NotFinite, r"row\(s\) 0"),
    "too large": (np.full(8, 1e300), NotFinite, r"row\(s\) 0"),
    "infinite in two": (np.where(np.isin(np.arange(50), [2, 41])[:, None], np.inf, VECTORS), NotFinite, "2, 41"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_query_that_cannot_be_meant_is_refused_in_one_line(points: Collection, name: str) -> None:
    query, error, said = BAD[name]
    with pytest.raises(error, match=said) as caught:
        points.search(query, 3)
    assert str(caught.value).strip() and len(points) == 50


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_values_that_are_not_finite_are_refused_by_row_and_nothing_is_stored(points: Collection, value: float) -> None:
    before, given = committed(points), VECTORS.astype(np.float64)
    given[[4, 9, 11], [0, 7, 3]] = value
    with pytest.raises(NotFinite, match=r"row\(s\) 4, 9, 11"):
        points.add(vectors=given)
    assert committed(points) == before and len(points) == 50


@pytest.mark.parametrize(
    "given", [VECTORS[:, :5], np.zeros((3, 0)), VECTORS[0], VECTORS[None], np.float32(3), 3, VECTORS > 0, [[1], [2, 3]]]
)
def test_vectors_of_another_shape_or_type_are_refused_and_nothing_is_stored(points: Collection, given: Any) -> None:
    before = committed(points)
    with pytest.raises((InvalidInput, DimensionMismatch)):
        points.add(vectors=given)
    assert committed(points) == before


def test_a_tensor_that_numpy_cannot_read_is_refused_with_its_own_reason(points: Collection) -> None:
    import torch

    for tensor, said in [(torch.ones(DIM, requires_grad=True), "detach"), (torch.ones(DIM).bfloat16(), "BFloat16")]:
        with pytest.raises(InvalidInput, match=said):
            points.search(tensor)
        with pytest.raises(InvalidInput, match=said):
            points.add(vectors=tensor[None])


@pytest.mark.parametrize("k", [0, -1, True, False, 1.0, "3", None, [3], float("nan"), np.float32(3)])
def test_a_k_that_is_no_number_of_items_is_refused(points: Collection, k: Any) -> None:
    for ask in (lambda: points.search(QUERY, k), lambda: points.similar("1", k)):
        with pytest.raises(InvalidInput, match="k is a whole number of at least 1"):
            ask()


@pytest.mark.parametrize("k", [np.int64(3), np.int8(3), np.uint16(3)])
def test_a_k_of_numpy_is_a_number(points: Collection, k: Any) -> None:
    assert points.search(QUERY, k).ids == points.search(QUERY, 3).ids


@pytest.mark.parametrize("recall", [0, -0.5, 1.01, float("nan"), float("inf"), True, False, "0.9", [0.9]])
def test_a_recall_that_is_no_share_is_refused(points: Collection, recall: Any) -> None:
    with pytest.raises(InvalidInput, match="recall is a number above 0 and at most 1"):
        points.search(QUERY, recall=recall)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"metric": "dot"}, "metric is one of cosine, ip, l2"),
        ({"metric": None}, "metric is one of"),
        ({"index": "flat"}, "index is one of exact, hnsw, ivf"),
        ({"dim": 0}, "dim is a whole number of at least 1"),
        ({"dim": 8.0}, "dim is a whole number"),
        ({"dim": "8"}, "dim is a whole number"),
        ({"dim": True}, "dim is a whole number"),
    ],
)
def test_a_collection_of_settings_that_do_not_exist_is_not_made(store: Store, given: Any, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        store.create("made", **given)
    assert store.collections() == []


@pytest.mark.parametrize("budget", [0, -1, "1G", True, float("nan")])
def test_a_memory_budget_that_is_no_number_of_bytes_is_refused_before_a_store_is_made(
    tmp_path: Path, budget: Any
) -> None:
    with pytest.raises(InvalidInput, match="memory_budget is a number of bytes"):
        latentstore.open(tmp_path / "new.latent", memory_budget=budget)
    assert list(tmp_path.iterdir()) == []


def test_columns_are_a_list_of_names(points: Collection) -> None:
    for columns, said in [("year", "list of names"), (3, "list of names"), (["year"], "no metadata column 'year'")]:
        with pytest.raises(InvalidInput, match=said):
            points.search(QUERY, columns=columns)  # type: ignore[arg-type]


def test_a_dimension_given_at_creation_holds_for_the_first_batch(store: Store) -> None:
    collection = store.create("fixed", dim=4)
    with pytest.raises(DimensionMismatch, match="expected vectors of 4 dimensions, got 8"):
        collection.add(vectors=VECTORS)
    assert collection.add(vectors=VECTORS[:, :4]).inserted == 50
