import numpy as np
import pytest

from latentstore.analysis.repulsion import Field
from latentstore.types import Float64


def _exact(places: Float64, points: Float64) -> tuple[Float64, Float64]:
    apart = places[:, None] - points[None]
    alike = 1 / (1 + np.vecdot(apart, apart))
    return alike, (apart * (alike**2)[..., None]).sum(axis=1)


@pytest.mark.parametrize("spread", [3.0, 20.0, 60.0])
def test_forces_and_their_total_are_near_the_exact_ones(spread: float) -> None:
    points = np.random.default_rng(0).normal(scale=spread / 2, size=(2000, 2))
    alike, forces = _exact(points, points)
    field = Field(points)
    assert np.linalg.norm(field.forces() - forces) < 0.05 * np.linalg.norm(forces)
    assert field.total() == pytest.approx(alike.sum() - len(points), rel=0.01)
