"""Linear probes, on features whose answer is known."""

import numpy as np
import pytest
import torch

from ttc_agents.evaluation.probe import (
    degrees_of,
    distance_km,
    mean_by_place,
    place_embeddings,
    place_states,
    probe,
    ridge,
)
from ttc_agents.models import RecurrentPath, Transformer
from ttc_envs import make_task


@pytest.fixture(scope="module")
def task():
    return make_task("ttc/ShortestPathUSA-v0", cities="spread=40", slots=16)


@pytest.fixture(scope="module")
def degrees(task):
    return degrees_of(task)


def test_positions_are_found_in_a_linear_image_of_them(degrees):
    random = np.random.default_rng(0)
    features = degrees @ random.normal(size=(2, 9)) + 3.0
    found = probe(features, degrees)
    assert found.r2 > 0.999
    assert found.median_km < 20
    assert sorted(found.places) == list(range(40))
    low, high = found.interval()
    assert low <= found.r2 <= high
    noisy = probe(features + 10 * random.normal(size=features.shape), degrees)
    assert noisy.r2 < found.r2
    assert np.subtract(*noisy.interval()) < np.subtract(*found.interval()) < 0
    assert probe(random.normal(size=(40, 9)), degrees).r2 < 0.5


def test_places_without_features_are_left_out(degrees):
    features = degrees.copy()
    features[::4] = np.nan
    found = probe(features, degrees)
    assert len(found.places) == 30
    assert (found.places % 4 != 0).all()
    assert found.r2 > 0.999
    with pytest.raises(ValueError, match="at least 10 places"):
        probe(features[:8], degrees[:8])


def test_a_place_is_not_found_by_its_own_position(degrees):
    features = np.eye(40)  # each place has a feature of its own, which tells of no other
    assert probe(features, degrees).r2 < 0.1


def test_the_penalty_is_the_one_of_the_least_leave_one_out_error():
    random = np.random.default_rng(1)
    x = random.normal(size=(30, 12))
    x -= x.mean(axis=0)
    y = x[:, :1] + random.normal(size=(30, 1))
    y -= y.mean(axis=0)
    weights, penalty = ridge(x, y)
    gram = x.T @ x + penalty * 30 * np.eye(12)
    np.testing.assert_allclose(weights, np.linalg.solve(gram, x.T @ y))

    def left_out(strength):
        errors = []
        for row in range(30):
            rest = np.arange(30) != row
            centre, mean = x[rest].mean(axis=0), y[rest].mean(axis=0)
            part = x[rest] - centre
            inner = part.T @ part + strength * 30 * np.eye(12)
            guess = (x[row] - centre) @ np.linalg.solve(inner, part.T @ (y[rest] - mean)) + mean
            errors.append((y[row] - guess) ** 2)
        return np.mean(errors)

    assert left_out(penalty) < 1.02 * min(left_out(penalty * 10**k) for k in (-2, -1, 0, 1, 2))


def test_distances_are_those_of_a_sphere():
    quarter = distance_km(np.array([[0.0, 0.0]]), np.array([[0.0, 90.0]]))
    np.testing.assert_allclose(quarter, np.pi / 2 * 6371.0088)


def test_states_are_averaged_by_place():
    states = torch.tensor([[[1.0], [3.0]], [[5.0], [7.0]]])
    found = mean_by_place(states, torch.tensor([[0, 2], [2, 2]]), 4)
    np.testing.assert_allclose(found, [[1.0], [np.nan], [5.0], [np.nan]])


def test_features_have_a_row_per_place(task):
    instances = task.sample(np.arange(50, dtype=np.uint64), "any")
    transformer = Transformer(task.spec, 16, 2, embedding=8)
    path = RecurrentPath(task.spec, width=12, embedding=6)
    assert place_embeddings(path).shape == (40, 6)
    tables = place_embeddings(transformer)
    assert tables.shape == (40, 16)
    # In the table of the givens the first row stands for "undecided".
    givens = transformer.inputs.classes[0].weight.detach().double().numpy()
    np.testing.assert_array_equal(tables[:, :8], givens[1:])
    states = place_states(transformer, instances, 3)
    assert list(states) == ["step 1", "step 2", "step 3"]
    assert states["step 3"].shape == (40, 16)
    reading = place_states(path, instances, 3)["reading"]
    assert reading.shape == (40, 12)
    assert np.isfinite(reading).all(axis=1).sum() > 20


def test_maps_that_change_have_no_places_to_probe():
    task = make_task("ttc/Sorting-v0")
    with pytest.raises(ValueError, match="no map that stays"):
        degrees_of(task)
    with pytest.raises(ValueError, match="no table with a row for each place"):
        place_embeddings(Transformer(task.spec, 16, 2))
