"""`ttc traces`, read back by Minari."""

import json
import sys

import gymnasium as gym
import numpy as np
import pytest

from ttc_agents.cli import main
from ttc_agents.evaluation.datasets import ROOT
from ttc_envs import register, registered

IDS = [name for name in registered() if name.startswith("ttc/")]


def test_without_the_extra_its_name_is_said(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "minari", None)
    assert main(["traces", "solve", "--env", "ttc/Sudoku4-v0", "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err == 'ttc: minari is missing: pip install "ttc-gym[traces]"\n'


@pytest.fixture
def minari(tmp_path, monkeypatch):
    """The package, which reads from a folder of the test."""
    module = pytest.importorskip("minari", reason="needs the extra `traces`")
    pytest.importorskip("h5py", reason="needs the extra `traces`")
    monkeypatch.setenv(ROOT, str(tmp_path))
    return module


def written(capsys, *words):
    """The datasets that a command says it has written."""
    assert main(["traces", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["datasets"]


def assert_replays(dataset):
    """The recovered environment does again what all episodes of a dataset tell."""
    env = dataset.recover_environment()
    episodes = list(dataset.iterate_episodes())
    seeds = [entry["seed"] for entry in dataset.storage.get_episode_metadata(range(len(episodes)))]
    for episode, seed in zip(episodes, seeds, strict=True):
        seen, info = env.reset(seed=seed)
        assert info["instance_id"] == episode.infos["instance_id"][0]
        for step, action in enumerate(episode.actions):
            assert_same(seen, episode.observations, step)
            seen, reward, terminated, truncated, info = env.step(action)
            assert reward == episode.rewards[step]
            assert terminated == episode.terminations[step]
            assert truncated <= episode.truncations[step]
            assert info["quality"] == episode.infos["quality"][step + 1]
        assert_same(seen, episode.observations, len(episode))


def assert_same(seen, told, step):
    assert seen.keys() == told.keys()
    assert all(np.array_equal(values, told[name][step]) for name, values in seen.items())


@pytest.mark.parametrize("env_id", IDS)
def test_every_id_round_trips(minari, capsys, env_id):
    words = ("solve", "random", "--env", env_id, "--mode", "full", "edit")
    made = written(capsys, *words, "--count", "3", "--steps", "6")
    assert len(made) == 4
    for facts in made:
        dataset = minari.load_dataset(facts["id"])
        assert dataset.total_episodes == facts["episodes"] == 3
        assert dataset.total_steps == facts["steps"]
        assert dataset.storage.metadata["algorithm_name"] == facts["source"]
        assert_replays(dataset)
    lost = {(facts["source"], facts["action_mode"]): facts["solved"] for facts in made}
    assert lost["solve", "full"] == 3
    assert lost["random", "full"] < 3  # and all three are there


@pytest.mark.parametrize("data_format", ["arrow", "parquet"])
def test_other_formats_round_trip(minari, capsys, data_format):
    pytest.importorskip("pyarrow", reason="needs pyarrow")
    words = ("solve", "--env", "ttc/Sudoku4-v0", "--mode", "full", "edit", "--count", "3")
    for facts in written(capsys, *words, "--format", data_format):
        dataset = minari.load_dataset(facts["id"])
        assert data_format == type(dataset.storage).FORMAT
        assert_replays(dataset)


def test_a_checkpoint_names_its_environment(minari, capsys, directory):
    words = (directory, "--mode", "full", "edit", "--count", "2", "--steps", "5", "--seed", "3")
    for facts in written(capsys, *words, "--namespace", "mine/own", "--version", "4"):
        assert facts["id"].startswith("mine/own/minimal-")
        assert facts["id"].endswith(f"-{facts['action_mode']}-v4")
        dataset = minari.load_dataset(facts["id"])
        assert dataset.env_spec.kwargs["split"] == "train"
        assert_replays(dataset)
    assert set(minari.namespace.list_local_namespaces()) == {"mine", "mine/own"}
    assert len(minari.list_local_datasets()) == 2


def test_without_a_source_the_classical_methods_play(minari, capsys):
    made = written(capsys, "--env", "ttc/Sorting-v0", "--count", "1", "--steps", "2")
    assert {"random", "improve", "solve"} < {facts["source"] for facts in made}


def test_an_existing_dataset_is_left_alone(minari, capsys, tmp_path, monkeypatch):
    words = ["traces", "solve", "--env", "ttc/Sudoku4-v0", "--count", "1"]
    monkeypatch.chdir(tmp_path.parent)
    assert main([*words, "--out", tmp_path.name]) == 0
    said = capsys.readouterr().out
    assert "ttc/Sudoku4-v0/minimal-solve-full-v0: 1 episodes, 1 steps, 1 solved" in said
    assert f"where MINARI_DATASETS_PATH={tmp_path.name} is set" in said
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "there is a dataset ttc/Sudoku4-v0/minimal-solve-full-v0" in line
    assert main([*words, "--version", "1"]) == 0


def test_an_interruption_leaves_nothing(minari, capsys, tmp_path, monkeypatch):
    from ttc_agents.evaluation import traces

    def interrupted(self, envs, observation):
        raise KeyboardInterrupt

    words = ["traces", "solve", "--env", "ttc/Sudoku4-v0", "--count", "1"]
    with monkeypatch.context() as patch:
        patch.setattr(traces.Player, "act", interrupted)
        assert main(words) == 130
    assert capsys.readouterr().err == "ttc: interrupted\n"
    assert list(tmp_path.iterdir()) == []
    assert main(words) == 0


WRONG = [
    ((), "no SOURCE is a checkpoint (got none): name the environment by --env"),
    (("solve",), "no SOURCE is a checkpoint (got solve): name the environment by --env"),
    (("solve", "--count", "0"), "--count must be at least 1, got 0"),
    (("solve", "--version", "-1"), "--version must not be negative, got -1"),
    (("sudoku-cpu", "--namespace", "a b"), "Malformed dataset ID: a b/minimal-sudoku-cpu-full-v0"),
    (("solve", "solve", "--env", "ttc/Sudoku4-v0"), "datasets need names of their own"),
    (("solve", "--env", "ttc/Sudoku4-v0", "--level", "never"), "level"),
    (("nobody", "--env", "ttc/Sudoku4-v0"), "no checkpoint at 'nobody'"),
    (("solve", "--env", "CartPole-v1"), "is no environment of ttc_envs"),
]


@pytest.mark.parametrize(("words", "message"), WRONG)
def test_what_is_wrong_is_one_line(minari, capsys, tmp_path, words, message):
    assert main(["traces", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_what_could_not_be_recovered_is_refused(minari, capsys):
    from ttc_envs import SudokuTask

    register("test/Class-v0", SudokuTask, size=4)
    try:
        assert main(["traces", "solve", "--env", "test/Class-v0", "--count", "1"]) == 2
    finally:
        del gym.registry["test/Class-v0"]
    assert "register its task as 'module:Class'" in capsys.readouterr().err


def test_a_format_whose_package_is_missing_is_one_line(minari, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "minari.dataset._storages.arrow_storage", raising=False)
    words = ["traces", "solve", "--env", "ttc/Sudoku4-v0", "--format", "arrow"]
    assert main(words) == 2
    assert 'pip install "minari[arrow]"' in capsys.readouterr().err


def test_an_agent_of_an_rl_library_is_traced_with_what_it_sees(minari, capsys, tmp_path):
    stable_baselines3 = pytest.importorskip("stable_baselines3")
    env = gym.make("ttc/Sudoku4-v0", observation="one_hot")
    path = tmp_path / "ppo.zip"
    stable_baselines3.PPO("MultiInputPolicy", env, n_steps=16, batch_size=16).save(path)
    words = (f"sb3:ppo:{path}", "--env", "ttc/Sudoku4-v0", "--count", "2", "--steps", "3")
    (facts,) = written(capsys, *words, "--trust")
    dataset = minari.load_dataset(facts["id"])
    assert dataset.env_spec.kwargs["observation"] == "one_hot"
    assert_replays(dataset)
    assert main(["traces", *words, "--version", "1"]) == 2
    assert "--trust" in capsys.readouterr().err
    assert main(["traces", *words, "--trust", "--mode", "edit"]) == 2
    assert "plays in mode 'full', got 'edit'" in capsys.readouterr().err
