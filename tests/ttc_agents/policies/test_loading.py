"""Names of policies, and what each plays."""

import shutil

import numpy as np
import pytest

from ttc_agents.evaluation.rollout import play
from ttc_agents.inference.checkpoint import save_model
from ttc_agents.models import RecurrentPath
from ttc_agents.policies.loading import load_agent
from ttc_envs import make_task

TASK = make_task("ttc/Sudoku4-v0")


def instances(count=40, level="minimal"):
    return TASK.sample(np.arange(count, dtype=np.uint64), level)


def zeros(observation, state=None, episode_start=None, deterministic=True):
    """A policy that is a function: every cell takes choice 0."""
    return np.zeros_like(observation["answer"], dtype=np.int64), state


class Zeros:
    """The same as an object."""

    predict = staticmethod(zeros)


ZEROS = Zeros()


def played(name, steps=(1, 8, 32), **options):
    return play(load_agent(name, TASK, **options), TASK, instances(), steps)


def test_the_exact_solver_solves_and_holds():
    result = played("solve")
    assert result.holds.all()
    assert result.reached.all()


def test_classical_steps_need_several():
    result = played("classical")
    assert result.holds[:, 0].mean() < 0.2
    assert result.holds[:, 2].mean() > 0.9


def test_random_edits_are_allowed_ones_and_lose_what_they_reach():
    agent = load_agent("random", TASK, action_mode="edit", seed=1)
    easy = TASK.sample(np.arange(60, dtype=np.uint64), "givens=14")
    result = play(agent, TASK, easy, (1, 16))
    assert result.reached[:, 1].mean() > result.holds[:, 1].mean()
    assert not (result.holds[:, 1] & ~result.reached[:, 1]).any()
    masks = np.eye(4, dtype=bool)
    assert agent.policy.predict({}, action_masks=masks)[0].tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="need action_masks"):
        agent.policy.predict({})


@pytest.mark.parametrize("name", ["zeros", "ZEROS"])
def test_functions_and_objects_are_imported(name, monkeypatch, tmp_path):
    shutil.copy(__file__, tmp_path / "own_policies.py")
    monkeypatch.syspath_prepend(tmp_path)
    assert not played(f"own_policies:{name}").reached.any()


def test_a_checkpoint_is_a_policy():
    task = make_task("ttc/Sudoku-v0", split="test")
    agent = load_agent("sudoku-cpu", task)
    easy = task.sample(np.arange(20, dtype=np.uint64), "easy")
    assert play(agent, task, easy, (16,)).holds.mean() > 0.9


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("no_such_module:x", {}, "there is no module 'no_such_module'"),
        ("math:nothing", {}, "math has no 'nothing'"),
        ("math:pi", {}, "neither an object with predict nor a function"),
        ("random", {"action_mode": "logits"}, "got 'logits'"),
        ("solve", {"action_mode": "edit"}, "has action mode 'full', got 'edit'"),
        ("solve", {"observation": "one_hot"}, "has observation 'default', got 'one_hot'"),
    ],
)
def test_names_that_mean_nothing_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        load_agent(name, TASK, **options)


def test_a_model_of_another_task_is_refused():
    with pytest.raises(ValueError, match="is a model of sudoku, the task is sorting"):
        load_agent("sudoku-cpu", make_task("ttc/Sorting-v0"))


def test_a_language_model_plays_with_a_beam(tmp_path):
    task = make_task("ttc/ShortestPathUSA-v0", cities="spread=12", slots=8)
    options = {"width": 8, "embedding": 4}
    model = RecurrentPath(task.spec, **options)
    config = {"model": "recurrent_path", "model_options": options, "env_id": "", "task": {}}
    save_model(tmp_path, model.state_dict(), task.spec, config)
    agent = load_agent(f"beam:3:{tmp_path}", task)
    assert agent.policy.beam == 3
    shown = task.sample(np.arange(5, dtype=np.uint64), "any")
    assert play(agent, task, shown, (1, 2)).holds.shape == (5, 2)
    with pytest.raises(ValueError, match="expected beam:K:CHECKPOINT"):
        load_agent(f"beam:wide:{tmp_path}", task)
    with pytest.raises(
        ValueError, match="a FactorGraphNetwork does not write answers slot by slot"
    ):
        load_agent("beam:3:sudoku-cpu", make_task("ttc/Sudoku-v0"))
