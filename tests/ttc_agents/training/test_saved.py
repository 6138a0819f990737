"""States of trainings that are not of this one are refused before anything is taken over."""

import copy
from dataclasses import asdict

import pytest
import torch

from ttc_agents.inference.checkpoint import load_training, save_model
from ttc_agents.training.hooks import Saver
from ttc_agents.training.recipes import find_recipe
from ttc_agents.training.saved import check_saved
from ttc_agents.training.update import Training
from ttc_envs import make_task

TINY = find_recipe("sudoku4-demo").replaced(updates=1, precision="float32", batch_size=2)


@pytest.fixture(scope="module")
def training():
    made = Training(TINY, make_task(TINY.env_id))
    made.update(0.0)
    return made


@pytest.fixture
def state(training):
    return copy.deepcopy({**training.state_dict(), "hooks": []})


def entry(state, path):
    for name in path[:-1]:
        state = state[name]
    return state, path[-1]


def test_its_own_state_is_taken(training, state):
    check_saved(training, state)
    check_saved(Training(TINY, make_task(TINY.env_id)), state)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("average", 0), torch.zeros(1), r"average 0 is .*\(1,\), expected"),
        (("average", 0), None, "average 0 is NoneType"),
        (("average",), [], "average has other parts"),
        (("spent", "updates"), -5, "spent updates is -5, expected a count"),
        (("spent", "updates"), 1.5, "spent updates is 1.5"),
        (("spent", "updates"), True, "spent updates is True"),
        (("spent", "seconds"), -1.0, "spent seconds is -1.0, expected a number from 0 up"),
        (("spent", "seconds"), float("nan"), "spent seconds is nan"),
        (("spent", "flops"), float("inf"), "spent flops is inf"),
        (("spent", "env_steps"), "7", "spent env_steps is str"),
        (("spent",), {}, "spent has other parts: env_steps, flops, seconds, updates"),
        (("rollbacks",), -1, "rollbacks is -1, expected a count"),
        (("hooks",), 3, "hooks is 3, expected a list"),
        (("optimizer",), [], "optimizer is list, expected 2 states"),
        (("carried", "drawn"), -1, "drawn is -1"),
        (("carried", "age"), torch.tensor([1, -1]), "age is .*expected 2 counts"),
        (("carried", "age"), torch.zeros(2), "age is .*expected 2 counts"),
        (("carried", "age"), torch.zeros(3).long(), "age is .*expected 2 rows"),
        (("carried", "state"), torch.zeros(1, 4), "state is .*expected 2 rows"),
        (("carried", "labels", "answer"), torch.zeros(()), "answer is .*expected 2 rows"),
    ],
)
def test_another_entry_is_named(training, state, path, value, message):
    parent, name = entry(state, path)
    parent[name] = value
    with pytest.raises(ValueError, match=message):
        check_saved(training, state)


def test_moments_have_the_shapes_of_their_weights(training, state):
    moments = next(iter(state["optimizer"][0]["state"].values()))
    name = next(name for name, values in moments.items() if values.ndim)
    moments[name] = torch.zeros(1)
    with pytest.raises(ValueError, match=rf"{name} of weight 0 is .*\(1,\)"):
        check_saved(training, state)


@pytest.mark.parametrize("name", ["average", "carried", "hooks", "random"])
def test_a_missing_entry_is_named(training, state, name):
    del state[name]
    with pytest.raises(ValueError, match=f"it lacks {name}"):
        check_saved(training, state)


def test_nothing_is_taken_over_from_a_wrong_state(training, state, tmp_path):
    state["spent"]["updates"] = -5
    weights = training.learning.averaged_weights()
    save_model(tmp_path, weights, training.task.spec, training.config(), state)
    assert load_training(tmp_path)["spent"]["updates"] == -5
    before = copy.deepcopy(training.state_dict())
    with pytest.raises(ValueError, match=r"training\.pt: not of this training \(spent updates"):
        Saver(tmp_path, []).load(training)
    assert asdict(training.spent) == before["spent"]
    for mine, theirs in zip(training.learning.average, before["average"], strict=True):
        assert torch.equal(mine, theirs)
