"""Vectors for other tools: an Arrow table with metadata, a torch Dataset with ids."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from torch.utils.data import DataLoader

import latentstore
from latentstore import InvalidFilter

VECTORS = np.random.default_rng(0).standard_normal((7, 3), dtype=np.float32)
IDS = [f"p{at}" for at in range(7)]


@pytest.fixture
def points(tmp_path):
    with latentstore.open(tmp_path / "s.latent") as store:
        made = store.create("points", metric="l2")
        made.add(vectors=VECTORS, ids=IDS, metadata=[{"nr": at, "more": {"odd": at % 2 == 1}} for at in range(7)])
        yield made


def test_the_arrow_table_holds_ids_vectors_and_metadata_in_the_order_added(points):
    points.delete(ids=["p2"])
    table = points.space().arrow()
    assert table.schema.field("vector").type == pa.list_(pa.float32(), 3)
    assert table["id"].to_pylist() == [one for one in IDS if one != "p2"]
    assert np.array_equal(table["vector"].combine_chunks().flatten().to_numpy(), np.delete(VECTORS, 2, 0).ravel())
    assert table["nr"].to_pylist() == [0, 1, 3, 4, 5, 6]
    assert table["more"].to_pylist()[-1] == '{"odd":false}'


def test_a_filter_chooses_the_rows_of_the_table(points):
    assert points.space().arrow(where="nr > 4")["id"].to_pylist() == ["p5", "p6"]
    assert points.space().arrow(where="nr > 40").num_rows == 0
    with pytest.raises(InvalidFilter, match="no column"):
        points.space().arrow(where="nosuch > 4")


def test_an_empty_space_gives_an_empty_table(tmp_path):
    with latentstore.open(tmp_path / "s.latent") as store:
        table = store.create("points", metric="l2", dim=5).space().arrow()
    assert (table.num_rows, table.schema.field("vector").type) == (0, pa.list_(pa.float32(), 5))


def test_a_dataset_gives_each_vector_with_its_id_and_batches_in_a_loader(points):
    batches = list(DataLoader(points.space().dataset(where="nr < 6"), batch_size=4))
    assert [list(ids) for _, ids in batches] == [["p0", "p1", "p2", "p3"], ["p4", "p5"]]
    assert torch.equal(torch.cat([vectors for vectors, _ in batches]), torch.from_numpy(VECTORS[:6]))
