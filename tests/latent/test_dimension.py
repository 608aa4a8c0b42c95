"""How many dimensions are enough, of rows whose spread is known."""

import numpy as np
import pytest

from latentstore.latent import fitting
from latentstore.latent.base import Data, Settings
from latentstore.latent.dimension import enough
from latentstore.latent.rows import Rows
from tests.latent.digits import form, rows


def spread(along, n=2000, width=300, noise=0.05):
    """Rows that differ by as much along each of so many directions, and by a little along all."""
    rng = np.random.default_rng(0)
    directions, _ = np.linalg.qr(rng.normal(size=(width, along)))
    raw = rng.normal(size=(n, along)) @ directions.T + noise * rng.normal(size=(n, width))
    return Data(Rows(raw.astype(np.float32)), *fitting.split(n, 0), bounded=False)


@pytest.mark.parametrize(("along", "expected"), [(3, 32), (30, 32), (60, 64), (140, 128), (300, 128)])
def test_the_fewest_that_tell_most_are_enough(along, expected):
    assert enough(spread(along), 0) == expected


@pytest.mark.parametrize(("n", "width", "expected"), [(60, 300, 8), (500, 300, 64), (2000, 20, 16), (9, 300, 1)])
def test_few_items_or_short_rows_bear_fewer(n, width, expected):
    assert enough(spread(min(150, width), n, width), 0) == expected


def test_a_fit_without_a_dimension_takes_what_is_enough():
    found = fitting.fit(form(), rows(120), Settings("pca"))
    assert found.dim == found.record["dim"] == 16
