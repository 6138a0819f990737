import importlib
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest

import ttc_envs
from ttc_envs import SudokuTask, env_options, make_task, register, registered

OWN = '''
import ttc_envs

class Reversed(ttc_envs.SortingTask):
    """Sorting that begins with the worst list."""

ttc_envs.register("own/Reversed-v0", "own_tasks:Reversed", size=5, level="reversed")
ttc_envs.register("own/Class-v0", Reversed, max_episode_steps=3, action_mode="edit", size=4)
'''


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The name of a module of another package that registers ids when it is imported."""
    before = dict(gym.registry)
    (tmp_path / "own_tasks.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "own_tasks"
    gym.registry.clear()
    gym.registry.update(before)
    sys.modules.pop("own_tasks", None)


def test_our_ids_in_order():
    assert registered()[:2] == ("ttc/Sudoku-v0", "ttc/SudokuEdit-v0")
    ours = {id for id in gym.registry if id.startswith("ttc/")}
    assert ours == {id for id in registered() if id.startswith("ttc/")}


def test_another_package_registers_its_tasks(own):
    task = make_task("own_tasks:own/Reversed-v0", size=7)
    assert (type(task).__name__, task.size) == ("Reversed", 7)
    assert registered()[-2:] == ("own/Reversed-v0", "own/Class-v0")
    assert make_task("own/Reversed-v0").size == 5
    env = gym.make("own/Reversed-v0")
    observation, info = env.reset(seed=0)
    assert (np.diff(observation["numbers"]) <= 0).all()
    assert info["level"] == task.spec.levels.index("reversed")
    envs = gym.make_vec("own/Class-v0", num_envs=2)
    envs.reset(seed=0)
    assert envs.single_action_space.n == 6
    edits = [envs.step(np.zeros(2, int))[3].tolist() for _ in range(3)]
    assert edits == [[False, False], [False, False], [True, True]]


def test_a_task_object_has_an_id(own):
    task = SudokuTask(4, split="test")
    register("own/Board-v0", task, action_mode="edit")
    assert make_task("own/Board-v0") is task
    env = gym.make("own/Board-v0")
    assert env.action_space.n == 64
    with pytest.raises(TypeError, match="size"):
        make_task("own/Board-v0", size=6)


def test_the_same_registration_may_be_repeated(own):
    module = importlib.import_module(own)
    first, ids = module.Reversed, registered()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = importlib.reload(module).Reversed
        importlib.reload(ttc_envs)
    assert registered() == ids
    assert again is not first
    assert type(make_task("own/Class-v0")) is again


def test_another_registration_of_an_id_is_gymnasiums_warning(own):
    importlib.import_module(own)
    for change in ({"size": 6}, {"max_episode_steps": 9}, {"task": SudokuTask}):
        arguments = {"task": "own_tasks:Reversed", "size": 5, "level": "reversed"} | change
        with pytest.warns(UserWarning, match="Overriding environment own/Reversed-v0"):
            register("own/Reversed-v0", **arguments)
    assert gym.spec("own/Reversed-v0").kwargs["task"] is SudokuTask


def test_options_of_an_id_belong_to_the_environment_or_to_the_task(own):
    importlib.import_module(own)
    assert env_options("own/Reversed-v0") == {"level": "reversed"}
    assert env_options("ttc_envs:ttc/SudokuEdit-v0") == {"action_mode": "edit"}
    with pytest.raises(TypeError, match="action_mode"):
        make_task("ttc/Sudoku-v0", action_mode="edit")


@pytest.mark.parametrize(
    ("env_id", "message"),
    [
        ("ttc/Chess-v0", r"one of ttc/Sudoku-v0, .* or module:id, got 'ttc/Chess-v0'"),
        ("CartPole-v1", "'CartPole-v1' is no environment of ttc_envs; these are ttc/Sudoku-v0"),
        ("no_such_module:my/Id-v0", "'no_such_module:my/Id-v0' names a module that fails"),
    ],
)
@pytest.mark.parametrize("call", [make_task, env_options])
def test_an_id_that_is_not_ours_is_refused(call, env_id, message):
    with pytest.raises(ValueError, match=message):
        call(env_id)
