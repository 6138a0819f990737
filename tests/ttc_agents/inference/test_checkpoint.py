"""Checkpoints: a round trip, and a clear error for everything that is not one."""

import json

import numpy as np
import pytest
import torch

from ttc_agents.evaluation.sweep import sweep
from ttc_agents.inference.checkpoint import (
    find_checkpoint,
    load_model,
    save_model,
    shipped,
)
from ttc_agents.inference.config import compact, digest, read_config
from ttc_agents.models import FactorGraphNetwork
from ttc_agents.models.base import to_batch
from ttc_envs import NextHopTask, SortingTask, SudokuTask

CONFIG = {
    "model": "factor_graph_network",
    "model_options": {"width": 8, "message_width": 8, "hidden_width": 8},
    "env_id": "ttc/Sudoku4-v0",
    "task": {},
}


@pytest.fixture
def saved(tmp_path):
    task = SudokuTask(size=4)
    model = FactorGraphNetwork(task.spec, **CONFIG["model_options"])
    torch.nn.init.normal_(model.to_logit)
    save_model(tmp_path, model.state_dict(), task.spec, CONFIG)
    return tmp_path, model, task


def test_round_trip(saved):
    directory, model, task = saved
    batch = to_batch(task.sample(np.arange(4, dtype=np.uint64), "minimal").fields)
    loaded = load_model(directory)
    assert torch.equal(loaded(batch, 3).logits, model(batch, 3).logits)
    assert not loaded.training


def test_shipped_weights_load_and_are_small():
    assert "sudoku-cpu" in shipped()
    for name in shipped():
        files = list(find_checkpoint(name).iterdir())
        assert {f.name for f in files} == {"card.md", "config.json", "model.safetensors"}
        assert sum(f.stat().st_size for f in files) < 200_000
        load_model(name)


@pytest.mark.parametrize(
    "name", ["sudoku-best", "sudoku-cpu", "sudoku-deq-cpu", "sudoku-learned-graph-cpu"]
)
def test_the_shipped_networks_solve_most_minimal_puzzles(name):
    task = SudokuTask(size=9, split="validation")
    instances = task.sample(np.arange(20, dtype=np.uint64), "minimal")
    with torch.no_grad():
        answer = load_model(name)(to_batch(instances.fields), 128).logits[-1].argmax(-1)
    assert task.score(instances, answer.numpy())["solved"].mean() >= 0.8


@pytest.mark.parametrize(
    ("name", "task", "level", "steps"),
    [
        ("shortest-path-cpu", NextHopTask(places=96, split="validation"), "spread96", 64),
        ("sorting-cpu", SortingTask(size=512), "uniform", 1),
        ("sorting-cpu", SortingTask(size=512, min_size=200), "few_distinct", 1),
        ("sorting-adjacent-cpu", SortingTask(size=24, view="adjacent"), "reversed", 36),
    ],
)
def test_shipped_networks_work_beyond_the_sizes_of_their_training(name, task, level, steps):
    instances = task.sample(np.arange(10, dtype=np.uint64), level)
    result = sweep(load_model(name, spec=task.spec), task, {"": instances}, [steps], classical=())
    assert result.solved["p1"][""][:, -1].mean() >= 0.9


@pytest.mark.parametrize(("size", "level"), [(4, "minimal"), (6, "minimal"), (16, "easy")])
@pytest.mark.parametrize("name", ["sudoku-cpu", "sudoku-deq-cpu"])
def test_networks_trained_on_9x9_solve_other_sizes(name, size, level):
    task = SudokuTask(size=size, split="validation")
    instances = task.sample(np.arange(5, dtype=np.uint64), level)
    result = sweep(load_model(name, spec=task.spec), task, {"": instances}, [32], classical=())
    assert result.solved["p1"][""][:, -1].mean() >= 0.8


def test_a_model_with_parameters_per_node_cannot_be_moved():
    spec = SudokuTask(size=16).spec
    with pytest.raises(ValueError, match="adjacency_learner for 256 nodes and 16 choices"):
        load_model("sudoku-learned-graph-cpu", spec=spec)


def test_no_checkpoint(tmp_path):
    with pytest.raises(FileNotFoundError, match="shipped name"):
        find_checkpoint(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, "format 99"),
        ({"model": "oracle"}, "no model 'oracle'"),
        ({"spec": None}, "not a checkpoint config"),
        ({"spec": {}}, "describes no factor_graph_network"),
        ({"model_options": {"depth": 3}}, "describes no factor_graph_network"),
    ],
)
def test_wrong_config(saved, change, message):
    path = saved[0] / "config.json"
    config = {**read_config(path), **change}
    config = {k: v for k, v in config.items() if v is not None}
    path.write_text(json.dumps({**config, "digest": digest(compact(config))}))
    with pytest.raises(ValueError, match=message):
        load_model(saved[0])


def test_damaged_files(saved):
    directory = saved[0]
    weights = directory / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"model\.safetensors: damaged, its sha256 is not"):
        load_model(directory)
    weights.unlink()
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        load_model(directory)
    (directory / "config.json").write_text("{")
    with pytest.raises(ValueError, match="damaged"):
        load_model(directory)


def test_weights_of_another_size(saved):
    directory, _, task = saved
    other = FactorGraphNetwork(task.spec, width=4)
    save_model(directory, other.state_dict(), task.spec, CONFIG)
    with pytest.raises(ValueError, match="not the weights"):
        load_model(directory)
