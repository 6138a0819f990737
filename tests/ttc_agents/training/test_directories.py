"""What becomes of the directory of a training: nothing is lost, and nothing ends in a dead end."""

import json

import pytest

from ttc_agents.inference.checkpoint import load_config
from ttc_agents.inference.config import read_config, write_config
from ttc_agents.training import hooks
from ttc_agents.training.hooks import Saver
from ttc_agents.training.recipes import find_recipe
from ttc_agents.training.train import train
from ttc_agents.training.update import Training
from ttc_envs import make_task

TINY = find_recipe("sudoku4-demo").replaced(updates=1, precision="float32", batch_size=2)


@pytest.mark.parametrize("change", [{"level": "typo"}, {"model": "nonsense"}, {"task": {"x": 1}}])
def test_what_cannot_be_trained_leaves_directories_alone(tmp_path, change):
    train(TINY, tmp_path / "old")
    with pytest.raises(ValueError, match=r"typo|nonsense|'x'"):
        train(TINY, tmp_path / "old", overwrite=True, **change)
    assert load_config(tmp_path / "old")["updates"] == 1
    with pytest.raises(ValueError, match=r"typo|nonsense|'x'"):
        train(TINY, tmp_path / "new", **change)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("resume", [False, True])
def test_a_training_killed_before_its_first_checkpoint_begins_anew(tmp_path, resume):
    (tmp_path / "metrics.jsonl").write_text('{"update": 3}\n')
    assert train(TINY, tmp_path, resume=resume).updates == 1
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["update"] for line in lines] == [1]


def test_a_checkpoint_saved_before_the_first_update_is_gone_on_from(tmp_path):
    training = Training(TINY, make_task(TINY.env_id))
    Saver(tmp_path, []).save(training)
    assert train(TINY, tmp_path, resume=True).updates == 1


def test_resuming_nothing_is_refused_for_a_recipe_with_a_first_one_too(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing to resume"):
        train("learned-graph-4x4", tmp_path / "none", resume=True)
    with pytest.raises(ValueError, match="exclude each other"):
        train("learned-graph-4x4", tmp_path / "none", resume=True, overwrite=True)


def test_a_module_in_front_of_a_module_is_no_way_in(tmp_path):
    train(TINY, tmp_path)
    config = {**read_config(tmp_path / "config.json"), "env_id": "json:evil:ttc/Sudoku4-v0"}
    write_config(tmp_path, config)
    with pytest.raises(ValueError, match="--import json:evil"):
        load_config(tmp_path)


def test_what_was_saved_was_reported(tmp_path, monkeypatch):
    """A kill right after a checkpoint, of the last update too: no line of metrics.jsonl is lost."""
    monkeypatch.setattr(hooks, "REPORT_SECONDS", 0.0)
    saves, save = [], Saver.save

    def killed(self, training):
        save(self, training)
        saves.append(training.updates)
        if training.updates:
            raise RuntimeError("killed")

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(Saver, "save", killed)
            with pytest.raises(RuntimeError, match="killed"):
                train(TINY, tmp_path, resume=bool(saves), save_every=0.0, updates=2)
    assert saves[-2:] == [1, 2]
    assert train(TINY, tmp_path, resume=True, updates=2).updates_before == 2
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["update"] for line in lines] == [1, 2]
